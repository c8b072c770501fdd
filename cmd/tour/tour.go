// Package tour shows what Roundtable is for, on a running system and through
// nothing but the public API: a table that every region writes, conflicts,
// a lost node, a cut region, and that all regions hold the same items in the
// end. Each step is a check that can fail.
//
// It knows clients and endpoints. How nodes are stopped and regions are cut is
// the business of whoever started them.
package tour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Region is a region and where its API listens.
type Region struct {
	Name     string
	Endpoint string
}

// Environment does to the running system what a tour cannot do through the API.
type Environment interface {
	// StopNode kills one node of a region, StartNode brings it back.
	StopNode(ctx context.Context, region string) error
	StartNode(ctx context.Context, region string) error
	// Cut separates a region from all others, Heal connects it again.
	Cut(ctx context.Context, region string) error
	Heal(ctx context.Context, region string) error
}

// Options say what to tour, and how.
type Options struct {
	// Regions is at least two regions. The first gets the table.
	Regions []Region
	// AccessKey and SecretKey sign requests. Any will do where the server
	// accepts any.
	AccessKey, SecretKey string
	// Environment does what the API cannot. Without one the steps that need it
	// are left out.
	Environment Environment
	// Table is the name of the table, which must not exist. The default has the
	// time in it.
	Table string
	// CutFor is how long a region stays cut. The default is 5 s.
	CutFor time.Duration
	// Out is where the tour narrates.
	Out io.Writer
}

// Tour is one tour under way.
type Tour struct {
	options Options
	clients []*dynamodb.Client // one for each region
	failed  int
	done    int
}

// ErrFailed says that a check did not hold.
var ErrFailed = errors.New("the tour found a promise that was not kept")

// step is one check. Its detail says what was measured.
type step struct {
	title string
	run   func(context.Context) (detail string, err error)
	// needed says that later steps make no sense if this one fails.
	needed bool
}

// Run takes the tour. It returns ErrFailed when a check did not hold.
func Run(ctx context.Context, o Options) error {
	if len(o.Regions) < 2 {
		return errors.New("a tour needs two regions at least")
	}
	if o.Table == "" {
		o.Table = "tour-" + time.Now().UTC().Format("20060102-150405")
	}
	if o.CutFor == 0 {
		o.CutFor = 5 * time.Second
	}
	t := &Tour{options: o}
	for _, r := range o.Regions {
		t.clients = append(t.clients, client(r, o))
	}
	for _, s := range t.steps() {
		if !t.take(ctx, s) && s.needed {
			break
		}
	}
	if t.failed > 0 {
		fmt.Fprintf(o.Out, "\n%d of %d checks FAILED\n", t.failed, t.done)
		return ErrFailed
	}
	fmt.Fprintf(o.Out, "\nall %d checks held\n", t.done)
	return nil
}

func (t *Tour) steps() []step {
	first := t.options.Regions[0].Name
	steps := []step{
		{"a table is created in " + first, t.createTable, true},
	}
	for i, r := range t.options.Regions[1:] {
		steps = append(steps, step{"a replica is added in " + r.Name, t.addReplica(i + 1), true})
	}
	steps = append(steps,
		step{"a write in every region is seen in all others", t.writeEverywhere, false},
		step{"one item written in two regions at once: one winner everywhere", t.conflict, false},
		step{"an item deleted in one region is gone in all", t.deleteEverywhere, false},
	)
	if t.options.Environment != nil {
		steps = append(steps,
			step{"a node of " + first + " is killed under load: no acknowledged write is lost", t.killNode, false},
			step{t.last().Name + " is cut off, keeps taking writes, and is healed", t.cutRegion, false},
		)
	}
	return append(steps, step{"all regions hold the same items", t.compare, false})
}

func (t *Tour) last() Region { return t.options.Regions[len(t.options.Regions)-1] }

// take runs one step and prints its line.
func (t *Tour) take(ctx context.Context, s step) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	begin := time.Now()
	detail, err := s.run(ctx)
	t.done++
	if err != nil {
		t.failed++
		fmt.Fprintf(t.options.Out, "FAILED  %s: %v\n", s.title, err)
		return false
	}
	fmt.Fprintf(t.options.Out, "ok      %s (%s; %s)\n", s.title, detail, round(time.Since(begin)))
	return true
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// client is an ordinary client of the AWS SDK with another endpoint.
func client(r Region, o Options) *dynamodb.Client {
	key, secret := o.AccessKey, o.SecretKey
	if key == "" {
		key, secret = "roundtable", "roundtable"
	}
	return dynamodb.New(dynamodb.Options{
		Region:       r.Name,
		BaseEndpoint: aws.String(r.Endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
}
