// Package bench measures a DynamoDB endpoint, Roundtable's or any other: how
// many operations a second, how long each takes, and what they cost the servers
// in processor time.
//
// It must cost little itself, because it often shares the machine with what it
// measures. So it writes its requests by hand on connections that it keeps, and
// signs them with a few hashes; an SDK would take ten times the processor time.
//
// Runs are rounds over all cases in turn, so that a noisy minute of the machine
// falls on all of them, and each number is the median of the rounds.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/sdk"
	"github.com/roundtabledb/roundtable/cmd/bench/wire"
	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

// Workload is a mix of operations, Sizes one of item sizes.
type (
	Workload = workload.Mix
	Sizes    = workload.Sizes
)

// ParseWorkload reads the name of an operation, a named mix, or a mix such as
// get-eventual=90,put=10.
func ParseWorkload(s string) (Workload, error) { return workload.ParseMix(s) }

// ParseSizes reads a size such as 256, or a mix such as 256=95,100000=4,400000=1.
func ParseSizes(s string) (Sizes, error) { return workload.ParseSizes(s) }

// Options say what is measured.
type Options struct {
	// Endpoints are the URLs that clients are spread over.
	Endpoints []string
	// Region, AccessKey and SecretKey sign the requests.
	Region, AccessKey, SecretKey string
	// Processes are the servers' process ids, to measure their processor time.
	// It needs Linux, and servers on this machine.
	Processes []int

	// Table is made if it is not there, and deleted in the end if it was made.
	// Workloads that ask for ranges have one with a sort key beside it.
	Table string
	// Keys is how many keys there are, ItemBytes the size of an item as
	// DynamoDB counts it. ItemSizes, if given, takes the place of ItemBytes.
	Keys, ItemBytes int
	ItemSizes       Sizes
	// Zipfian makes some keys much more popular than others, as in YCSB.
	Zipfian bool

	// SDK sends with the AWS SDK, as an application does, instead of by hand.
	SDK bool

	// Workloads and Clients span the cases: each workload with each number of
	// clients.
	Workloads []Workload
	Clients   []int
	// Rate is how many operations are begun each second, whatever becomes of
	// the ones before. 0 makes a closed loop: a client begins one when its last
	// has ended.
	Rate float64
	// Sweep, if given, is at which rates each case is measured, in the place of
	// Rate.
	Sweep []Load

	// Rounds is how often each case is measured, for Duration after WarmUp.
	Rounds           int
	WarmUp, Duration time.Duration

	// CPUProfiles, if given, is the folder for profiles of the servers' processor
	// time: one of each server and case, from the case's first round. Operators
	// are the servers' URLs for operators, where they serve profiles.
	CPUProfiles string
	Operators   []string

	// Progress is told what happens. nil tells nobody.
	Progress io.Writer
}

func (o *Options) ensureDefaults() {
	setDefault(&o.Region, "us-east-1")
	setDefault(&o.Table, "roundtable-bench")
	setDefault(&o.Keys, 10_000)
	setDefault(&o.ItemBytes, 256)
	setDefault(&o.Rounds, 1)
	setDefault(&o.Duration, 5*time.Second)
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o *Options) validate() error {
	switch {
	case len(o.Endpoints) == 0:
		return errors.New("bench: no endpoint")
	case len(o.Workloads) == 0 || len(o.Clients) == 0:
		return errors.New("bench: no workload or no clients")
	case slices.Min(o.Clients) < 1:
		return errors.New("bench: a case without clients")
	case o.Rate < 0:
		return errors.New("bench: a rate below zero")
	case o.Rate > 0 && len(o.Sweep) > 0:
		return errors.New("bench: one rate and a sweep of rates")
	}
	return o.validateProfiles()
}

// Run measures all cases.
func Run(ctx context.Context, o Options) ([]Result, error) {
	b, err := newBench(o)
	if err != nil {
		return nil, err
	}
	return b.run(ctx)
}

func (b *bench) run(ctx context.Context) ([]Result, error) {
	if err := b.makeProfilesFolder(); err != nil {
		return nil, err
	}
	defer func() {
		for _, t := range b.made {
			b.deleteTable(t)
		}
	}()
	for _, sorted := range []bool{false, true} {
		if err := b.prepare(ctx, sorted); err != nil {
			return nil, err
		}
	}
	if len(b.Sweep) > 0 {
		return b.sweep(ctx)
	}
	return b.measure(ctx, b.variants())
}

// bench is a run under way.
type bench struct {
	Options
	targets []*url.URL
	items   *workload.Items
	// keys are those of the table without and the one with a sort key.
	keys map[bool]*workload.Keys
	made []string // tables
	// profiled is how long a profile is, in seconds.
	profiled int
}

func newBench(o Options) (*bench, error) {
	o.ensureDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	b := &bench{Options: o, keys: map[bool]*workload.Keys{}, profiled: int(o.Duration / time.Second)}
	var err error
	if b.ItemSizes.IsZero() {
		if b.ItemSizes, err = workload.OneSize(o.ItemBytes); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
	}
	if b.items, err = workload.NewItems(b.ItemSizes, o.Keys); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	for _, e := range o.Endpoints {
		u, err := url.Parse(e)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("bench: endpoint %q is no URL such as http://127.0.0.1:8000", e)
		}
		b.targets = append(b.targets, u)
	}
	return b, nil
}

// prepare makes and fills the table with or the one without a sort key, if any
// workload needs it.
func (b *bench) prepare(ctx context.Context, sorted bool) error {
	needed := func(w Workload) bool { return w.Sorted() == sorted }
	if !slices.ContainsFunc(b.Workloads, needed) {
		return nil
	}
	b.keys[sorted] = workload.NewKeys(b.Keys)
	made, err := b.createTable(ctx, sorted)
	if made {
		b.made = append(b.made, b.table(sorted))
	}
	if err != nil {
		return err
	}
	return b.load(ctx, sorted)
}

// table is the name of the table with or the one without a sort key.
func (b *bench) table(sorted bool) string {
	if sorted {
		return b.Table + "-sorted"
	}
	return b.Table
}

// wire says how to speak to one of the endpoints.
func (b *bench) wire(target int) wire.Options {
	return wire.Options{
		URL:    b.targets[target%len(b.targets)],
		Region: b.Region, AccessKey: b.AccessKey, SecretKey: b.SecretKey,
		Table: b.table(false), Sorted: b.table(true), Items: b.items,
	}
}

// senders returns a function that makes a variant's senders, spread over the
// endpoints.
func (b *bench) senders(clients int) func(n int) sender {
	if !b.SDK {
		return func(n int) sender { return wire.New(b.wire(n)) }
	}
	services := make([]*sdk.Service, len(b.targets))
	for i := range services {
		services[i] = sdk.NewService(b.wire(i), clients)
	}
	return func(n int) sender { return services[n%len(services)].Client() }
}

// newClient returns client n of a workload.
func (b *bench) newClient(n int, w Workload, s sender) *client {
	seed := uint64(time.Now().UnixNano())
	return &client{
		sender:    s,
		generator: workload.NewGenerator(w, b.items, b.keys[w.Sorted()], b.Zipfian, uint64(n), seed),
	}
}

// variants are all that is measured: each workload with each number of clients.
func (b *bench) variants() []variant {
	var all []variant
	for w := range b.Workloads {
		for _, clients := range b.Clients {
			all = append(all, variant{workload: w, clients: clients, rate: b.Rate})
		}
	}
	return all
}

// measure takes rounds over all variants in turn.
func (b *bench) measure(ctx context.Context, variants []variant) ([]Result, error) {
	rounds := make([][]round, len(variants))
	for n := range b.Rounds {
		for i, v := range variants {
			label := fmt.Sprintf("round %d/%d, case %d/%d  %s", n+1, b.Rounds, i+1, len(variants), b.label(v))
			var p profiler
			if n == 0 && b.CPUProfiles != "" {
				p = b.profiler(i + 1)
			}
			r, err := b.round(ctx, v, label, p)
			if err != nil {
				return nil, err
			}
			rounds[i] = append(rounds[i], r)
			if w := b.Workloads[v.workload]; w.Has(workload.Delete) {
				// What comes next expects the items that this has deleted.
				if err := b.load(ctx, w.Sorted()); err != nil {
					return nil, err
				}
			}
		}
	}
	results := make([]Result, len(variants))
	for i, v := range variants {
		results[i] = b.summarize(v, rounds[i])
	}
	return results, nil
}
