package process

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/fault"
	"github.com/roundtabledb/roundtable/e2e/harness"
	"github.com/roundtabledb/roundtable/e2e/traffic/sdk"
)

const (
	writersOfRegion = 3
	clientsOfRegion = 2
)

// clients is what works on every region of a deployment at once.
type clients struct {
	d         *harness.Deployment
	table     string
	counters  map[string]*sdk.Counters
	registers map[string]*sdk.Registers
}

// startClients starts clients in every region. The prefix begins the names of
// their items.
func startClients(ctx context.Context, d *harness.Deployment, table, prefix string) *clients {
	c := &clients{d: d, table: table, counters: map[string]*sdk.Counters{}, registers: map[string]*sdk.Registers{}}
	for i, r := range d.Regions {
		own := prefix + "-" + r.Name
		c.counters[r.Name] = sdk.StartCounters(ctx, sdk.Client(r), table, own, writersOfRegion)
		c.registers[r.Name] = sdk.StartRegisters(ctx, r, table, own, uint64(i), clientsOfRegion)
	}
	return c
}

// progress waits until every writer of some regions, or of all, has been
// acknowledged more writes.
func (c *clients) progress(ctx context.Context, more int, regions ...*harness.Region) error {
	if len(regions) == 0 {
		regions = c.d.Regions
	}
	for _, r := range regions {
		if err := c.counters[r.Name].Progress(ctx, more); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return nil
}

// stop stops all clients, and checks what they saw: nothing that a region has
// acknowledged is missing there, each region alone is linearizable, all become
// the same, and then hold everything that each has acknowledged.
func (c *clients) stop(t *testing.T) {
	t.Helper()
	for _, r := range c.d.Regions {
		c.counters[r.Name].Stop()
		c.registers[r.Name].Stop()
		t.Logf("%s: %v", r.Name, c.counters[r.Name])
		if err := c.counters[r.Name].Check(t.Context(), sdk.Client(r)); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		c.registers[r.Name].Check(t)
	}
	begin := time.Now()
	items, err := sdk.Converge(within(t, time.Minute), c.d, c.table)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d items are the same in %d regions %v after the last write", items, len(c.d.Regions), time.Since(begin).Round(time.Millisecond))
	for _, from := range c.d.Regions {
		for _, in := range c.d.Regions {
			if err := c.counters[from.Name].Check(t.Context(), sdk.Client(in)); err != nil {
				t.Errorf("what %s acknowledged, in %s: %v", from.Name, in.Name, err)
			}
		}
	}
}

func TestNineNodes(t *testing.T) {
	d := harness.Start(t, harness.Options{Regions: 3, Nodes: 3, Delay: 10 * time.Millisecond})
	sdk.GlobalTable(t, d, "nine")

	t.Run("each killed in turn", func(t *testing.T) {
		ctx := within(t, 4*time.Minute)
		c := startClients(ctx, d, "nine", "turn")
		for _, r := range d.Regions {
			for _, n := range r.Nodes {
				must(t, fault.Kill(n).During(ctx, func() error { return c.progress(ctx, 10, r) }))
				must(t, c.progress(ctx, 3, r))
			}
		}
		c.stop(t)
	})
	t.Run("all killed at once", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		c := startClients(ctx, d, "nine", "all")
		for range 2 {
			must(t, c.progress(ctx, 10))
			must(t, fault.Kill(d.Nodes()...).During(ctx, func() error { return nil }))
		}
		must(t, c.progress(ctx, 10))
		c.stop(t)
	})
	t.Run("region cut off", func(t *testing.T) {
		cutFor := cutDuration(t)
		ctx := within(t, cutFor+2*time.Minute)
		cut := d.Regions[2]
		c := startClients(ctx, d, "nine", "cut")
		must(t, c.progress(ctx, 3))
		must(t, fault.Cut(d, cut.Name).During(ctx, func() error {
			moved := d.WAN.Moved(cut.Name, d.Regions[0].Name)
			wait(ctx, cutFor)
			if now := d.WAN.Moved(cut.Name, d.Regions[0].Name); now != moved {
				t.Errorf("%d bytes left a region that is cut off", now-moved)
			}
			return c.progress(ctx, 3)
		}))
		c.stop(t)
	})
	t.Run("one way cut off", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		c := startClients(ctx, d, "nine", "way")
		from, to := d.Regions[0].Name, d.Regions[1].Name
		must(t, fault.CutWay(d, from, to).During(ctx, func() error { return c.progress(ctx, 50) }))
		c.stop(t)
	})
}

// cutDuration is how long a region is cut off: ROUNDTABLE_CUT, or 15 s.
func cutDuration(t *testing.T) time.Duration {
	t.Helper()
	given := os.Getenv("ROUNDTABLE_CUT")
	if given == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(given)
	must(t, err)
	return d
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
