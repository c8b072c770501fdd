package sdk

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

const (
	writersOfRegion = 3
	clientsOfRegion = 2
	// convergeWithin bounds how long regions may take to become the same once
	// nothing is broken and nobody writes any more.
	convergeWithin = time.Minute
)

// Crowd is counters and registers in every region of a deployment at once.
type Crowd struct {
	d         *harness.Deployment
	table     string
	counters  map[string]*Counters
	registers map[string]*Registers
}

// StartCrowd starts clients in every region, on a table that all have. The
// prefix begins the names of their items.
func StartCrowd(ctx context.Context, d *harness.Deployment, table, prefix string) *Crowd {
	c := &Crowd{d: d, table: table, counters: map[string]*Counters{}, registers: map[string]*Registers{}}
	for i, r := range d.Regions {
		own := prefix + "-" + r.Name
		c.counters[r.Name] = StartCounters(ctx, Client(r), table, own, writersOfRegion)
		c.registers[r.Name] = StartRegisters(ctx, r, table, own, uint64(i), clientsOfRegion)
	}
	return c
}

// Progress waits until every counter of some regions, or of all, has been
// acknowledged more writes.
func (c *Crowd) Progress(ctx context.Context, more int, regions ...*harness.Region) error {
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

// Acked is how many writes of counters all regions have acknowledged.
func (c *Crowd) Acked() int {
	total := 0
	for _, w := range c.counters {
		total += w.Acked()
	}
	return total
}

// Longest is the longest that a counter waited for an acknowledgement.
func (c *Crowd) Longest() time.Duration {
	var longest time.Duration
	for _, w := range c.counters {
		longest = max(longest, w.Longest())
	}
	return longest
}

// Stop stops all clients, and checks what they saw: nothing that a region has
// acknowledged is missing there, each region alone is linearizable, all become
// the same, and then hold everything that each has acknowledged. Nothing may be
// broken any more.
func (c *Crowd) Stop(t testing.TB) {
	t.Helper()
	for _, r := range c.d.Regions {
		c.counters[r.Name].Stop()
		c.registers[r.Name].Stop()
		t.Logf("%s: %v", r.Name, c.counters[r.Name])
		if err := c.counters[r.Name].Check(t.Context(), Client(r)); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
		if refused := c.counters[r.Name].Refused(); len(refused) > 0 {
			t.Errorf("%s: clients were told that it is their fault: %v", r.Name, refused)
		}
		c.registers[r.Name].Check(t)
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), convergeWithin)
	defer cancel()
	items, err := Converge(ctx, c.d, c.table)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d items are the same in %d regions %v after the last write", items, len(c.d.Regions), time.Since(begin).Round(time.Millisecond))
	for _, from := range c.d.Regions {
		for _, in := range c.d.Regions {
			if err := c.counters[from.Name].Check(t.Context(), Client(in)); err != nil {
				t.Errorf("what %s acknowledged, in %s: %v", from.Name, in.Name, err)
			}
		}
	}
}
