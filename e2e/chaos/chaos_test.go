// Package chaos breaks three regions of three real nodes again and again, for
// as long as CHAOS_DURATION says, while clients write in every region. Each
// round breaks something else, heals it, and checks every promise.
//
//	make chaos DURATION=1h
//	CHAOS_DURATION=10m CHAOS_SEED=7 go test -v -timeout 0 ./e2e/chaos
//
// The seed gives the same faults in the same order; how processes interleave
// with them is theirs.
package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/fault"
	"github.com/roundtabledb/roundtable/e2e/harness"
	"github.com/roundtabledb/roundtable/e2e/traffic/sdk"
)

func TestMain(m *testing.M) {
	if os.Getenv("CHAOS_DURATION") == "" {
		os.Exit(m.Run()) // nothing needs the binary
	}
	os.Exit(harness.Main(m))
}

const (
	table = "chaos"
	delay = 10 * time.Millisecond
)

func TestChaos(t *testing.T) {
	given := os.Getenv("CHAOS_DURATION")
	if given == "" {
		t.Skip("CHAOS_DURATION does not say for how long")
	}
	duration, err := time.ParseDuration(given)
	if err != nil {
		t.Fatal(err)
	}
	seed := seedOf(t)
	t.Logf("CHAOS_SEED=%d", seed)
	d := harness.Start(t, harness.Options{Regions: 3, Nodes: 3, Delay: delay, Args: []string{
		// Logs are cut often, so that nodes that were away need snapshots, too.
		"--trailing-logs", "256", "--snapshot-threshold", "128", "--snapshot-interval", "2s", "--checkpoint-every", "2s",
	}})
	sdk.GlobalTable(t, d, table)
	c := &chaos{t: t, d: d, random: rand.New(rand.NewPCG(seed, 0))}
	end := time.Now().Add(duration)
	c.round(fault.Cut(d, d.Regions[2].Name), time.Minute)
	for time.Now().Before(end) && !t.Failed() {
		f, lasts := c.choose()
		c.round(f, lasts)
	}
	t.Logf("%d rounds, %d writes acknowledged, 0 lost, the longest wait %v:\n%s",
		len(c.report), c.acked, c.longest.Round(time.Millisecond), strings.Join(c.report, "\n"))
}

func seedOf(t *testing.T) uint64 {
	t.Helper()
	given := os.Getenv("CHAOS_SEED")
	if given == "" {
		return rand.Uint64N(1_000_000)
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// chaos is a run, and what came of its rounds.
type chaos struct {
	t      *testing.T
	d      *harness.Deployment
	random *rand.Rand

	report  []string
	acked   int
	longest time.Duration
}

// choose draws what happens next, and for how long.
func (c *chaos) choose() (fault.Fault, time.Duration) {
	short, long := time.Duration(1+c.random.IntN(5))*time.Second, time.Duration(5+c.random.IntN(25))*time.Second
	regions := c.random.Perm(len(c.d.Regions))
	first, second := c.d.Regions[regions[0]], c.d.Regions[regions[1]]
	nodes := c.random.Perm(len(first.Nodes))
	one, other := first.Nodes[nodes[0]], first.Nodes[nodes[1]]
	elsewhere := second.Nodes[nodes[2]]
	switch c.random.IntN(11) {
	case 0:
		return fault.Kill(one), long // it may need a snapshot
	case 1:
		return fault.Kill(one, elsewhere), short
	case 2:
		return fault.Kill(one, other), short // no quorum
	case 3:
		return fault.Kill(first.Nodes...), short
	case 4:
		return fault.Kill(c.d.Nodes()...), short
	case 5:
		return fault.Terminate(one), short
	case 6:
		return fault.Pause(one), long
	case 7:
		return fault.Pause(one, other), short
	case 8:
		return fault.Cut(c.d, first.Name), long
	case 9:
		return fault.CutWay(c.d, first.Name, second.Name), long
	default:
		return fault.Slow(c.d, delay, 500*time.Millisecond), short
	}
}

// round has clients work while something is broken for a while.
func (c *chaos) round(f fault.Fault, lasts time.Duration) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), lasts+3*time.Minute)
	defer cancel()
	c.t.Logf("round %d: %s for %v", len(c.report), f.Name, lasts)
	crowd := sdk.StartCrowd(ctx, c.d, table, fmt.Sprintf("round-%d", len(c.report)))
	err := crowd.Progress(ctx, 3)
	if err == nil {
		err = f.During(ctx, func() error { wait(ctx, lasts); return nil })
	}
	healed := time.Now()
	if err == nil {
		err = crowd.Progress(ctx, 3)
	}
	if err != nil {
		c.t.Errorf("%s: %v", f.Name, err)
	}
	back := time.Since(healed)
	crowd.Stop(c.t)
	c.acked += crowd.Acked()
	c.longest = max(c.longest, crowd.Longest())
	c.report = append(c.report, fmt.Sprintf("%6d acknowledged, longest wait %8v, all writing %8v after healing: %s for %v",
		crowd.Acked(), crowd.Longest().Round(time.Millisecond), back.Round(time.Millisecond), f.Name, lasts))
}

// wait lets a time pass.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
