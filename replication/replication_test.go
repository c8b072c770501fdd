package replication_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/replication"
	"github.com/roundtabledb/roundtable/storage/machine"
)

var storms = flag.Uint64("storms", 5, "how many seeds TestConvergesUnderFaults runs")

var three = []string{"amber", "birch", "cedar"}

// inWorld runs a test in virtual time, on regions that are closed afterwards.
func inWorld(t *testing.T, names []string, f func(*testing.T, *world), options ...option) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, names, options...)
		defer w.close()
		f(t, w)
	})
}

func TestConverges(t *testing.T) {
	inWorld(t, three, func(t *testing.T, w *world) {
		w.found(three...)
		for i := range 50 {
			w.write(three[i%3], key(fmt.Sprint(i%20), int64(i%3)), fmt.Sprint("v", i))
		}
		w.converged()
	})
}

// TestConvergesUnderFaults writes and deletes in all regions at once while
// connections break, ways are cut, leaders move, nodes restart and partitions
// have no leader.
func TestConvergesUnderFaults(t *testing.T) {
	var seen replication.Incoming
	for seed := range *storms {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, three, func(t *testing.T, w *world) {
				w.found(three...)
				w.storm(seed, 40*time.Second)
				w.converged()
				for _, r := range w.regions {
					in := r.incoming()
					seen.Accepted += in.Accepted
					seen.Behind += in.Behind
					seen.Identical += in.Identical
				}
			}, skewed)
		})
	}
	// Storms in which regions never met on an item, and nothing was shipped
	// twice, would prove nothing.
	if seen.Accepted == 0 || seen.Behind == 0 || seen.Identical == 0 {
		t.Errorf("the storms were calm: %+v", seen)
	}
}

// skewed lets the clocks of regions differ, by less than what is parked.
func skewed(w *world) {
	w.regions["amber"].setAhead(300 * time.Millisecond)
	w.regions["cedar"].setAhead(-150 * time.Millisecond)
}

// TestBlindMergeDiverges shows that the checks of these tests can fail.
func TestBlindMergeDiverges(t *testing.T) {
	blind := func(w *world) { w.regions["birch"].faults = machine.Faults{MergeBlindly: true} }
	inWorld(t, three, func(t *testing.T, w *world) {
		w.found(three...)
		w.storm(1, 30*time.Second)
		w.await("everything is shipped", w.quiet)
		if w.difference() == "" {
			t.Error("a region that merges blindly holds what the others hold")
		}
	}, skewed, blind)
}

// storm writes for a while under faults, and heals all of them at the end.
func (w *world) storm(seed uint64, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var running sync.WaitGroup
	for i, name := range w.names {
		running.Go(func() { w.traffic(ctx, rand.New(rand.NewPCG(seed, uint64(i))), name) })
	}
	w.faults(ctx, rand.New(rand.NewPCG(seed, 99)))
	running.Wait()
}

// traffic writes to few items, so that regions meet on them.
func (w *world) traffic(ctx context.Context, r *rand.Rand, name string) {
	for n := 0; ctx.Err() == nil; n++ {
		k := key(fmt.Sprint(r.IntN(40)), int64(r.IntN(2)))
		value := fmt.Sprint(name, " ", n)
		if r.IntN(3) == 0 {
			value = ""
		}
		w.write(name, k, value)
		w.pass(time.Duration(r.IntN(30)) * time.Millisecond)
	}
}

// faults makes trouble until ctx ends, and undoes it.
func (w *world) faults(ctx context.Context, r *rand.Rand) {
	var healing sync.WaitGroup
	defer healing.Wait()
	later := func(undo func()) {
		d := time.Duration(r.IntN(15_000)) * time.Millisecond
		healing.Go(func() { w.pass(d); undo() })
	}
	for ctx.Err() == nil {
		a := w.regions[w.names[r.IntN(len(w.names))]]
		b := w.regions[w.names[r.IntN(len(w.names))]]
		n := a.nodes[r.IntN(len(a.nodes))]
		switch fault := r.IntN(6); {
		case fault == 0 && a != b:
			w.wan.reset(a.name, b.name)
		case fault == 1 && a != b:
			w.wan.cut(a.name, b.name, true)
			later(func() { w.wan.cut(a.name, b.name, false) })
		case fault == 2:
			for _, g := range append(a.groups(), cluster.CatalogGroup) {
				a.appoint(g, r.IntN(len(a.nodes)))
			}
		case fault == 3:
			a.setRefuse(true)
			later(func() { a.setRefuse(false) })
		case fault == 4:
			if n.down.CompareAndSwap(false, true) {
				n.stop()
				later(func() {
					n.start(w.remotes(a.name), w.tune)
					n.down.Store(false)
				})
			}
		case fault == 5 && a != b && n.replicator.Load() != nil:
			replicator := n.replicator.Load()
			if err := replicator.Pause(b.name); err != nil {
				w.t.Error(err)
			}
			later(func() { _ = replicator.Resume(b.name) })
		}
		w.pass(time.Duration(r.IntN(2000)) * time.Millisecond)
	}
}

// TestJoinsWithItemsAndTombstones adds regions to a table that has a past.
func TestJoinsWithItemsAndTombstones(t *testing.T) {
	inWorld(t, three, func(t *testing.T, w *world) {
		w.found("amber", "birch")
		for i := range 3000 {
			w.write(three[i%2], key(fmt.Sprint(i%700), int64(i%5)), fmt.Sprint("v", i))
		}
		for i := range 300 {
			w.write(three[i%2], key(fmt.Sprint(i%700), int64(i%5)), "")
		}
		ctx, cancel := context.WithCancel(context.Background())
		var writing sync.WaitGroup
		for i, name := range three[:2] {
			writing.Go(func() { w.traffic(ctx, rand.New(rand.NewPCG(7, uint64(i))), name) })
		}
		w.add("birch", "cedar")
		cancel()
		writing.Wait()
		w.write("cedar", key("new", 1), "of cedar")
		w.converged()

		held := w.regions["cedar"].held()
		tombstones := 0
		for _, st := range held {
			if st.tombstone {
				tombstones++
			}
		}
		if tombstones == 0 {
			t.Error("no tombstone came with the scan: an old state of a deleted item could come back")
		}
		if got := w.member("cedar", "cedar").Sources; len(got) != 2 {
			t.Errorf("cedar became active with sources %v", got)
		}
	})
}

// TestBacklogIsResumed queues 10,000 changes for a region that cannot be
// reached, and breaks off several times while they are delivered.
func TestBacklogIsResumed(t *testing.T) {
	const backlog = 10_000
	inWorld(t, three[:2], func(t *testing.T, w *world) {
		w.found("amber", "birch")
		w.converged()
		w.wan.cut("amber", "birch", true)
		before := w.regions["birch"].merged()
		for i := range backlog {
			w.write("amber", key(fmt.Sprint(i), 0), fmt.Sprintf("%0500d", i))
		}
		w.pass(time.Minute)
		w.wan.cut("amber", "birch", false)
		for _, part := range []int{1, 2, 3} {
			w.await("some of the backlog arrives", func() bool {
				return w.regions["birch"].merged()-before >= part*backlog/4
			})
			// Once the cursor is stored, a new leader goes on from there.
			w.pass(2 * time.Second)
			for _, g := range w.regions["amber"].groups() {
				w.regions["amber"].appoint(g, part%nodesPerRegion)
			}
			w.wan.reset("amber", "birch")
		}
		w.converged()
		// What is under way when a connection breaks is shipped once more, no
		// more than that.
		if sent := w.regions["birch"].merged() - before; sent > 2*backlog {
			t.Errorf("%d changes were shipped as %d states", backlog, sent)
		}
	})
}

// TestBacklogIsGivenUp lets more changes wait than may, and finds a scan in
// their place.
func TestBacklogIsGivenUp(t *testing.T) {
	inWorld(t, three[:2], func(t *testing.T, w *world) {
		w.found("amber", "birch")
		w.wan.cut("amber", "birch", true)
		for i := range 2000 {
			value := fmt.Sprint("v", i)
			if i%7 == 0 {
				value = ""
			}
			w.write("amber", key(fmt.Sprint(i%1000), 0), value)
			w.pass(time.Millisecond)
		}
		w.pass(time.Minute)
		for i := range 100 { // the log is trimmed as it grows
			w.write("amber", key("more", int64(i)), "v")
			w.pass(time.Millisecond)
		}
		for _, g := range w.regions["amber"].groups() {
			m := w.regions["amber"].partition(g).machine.Meta()
			if kept := m.NextSeq - m.FirstSeq; kept > 1000 {
				t.Errorf("%d changes are kept", kept)
			}
		}
		w.wan.cut("amber", "birch", false)
		w.converged()
	}, tuned(func(c *config) { c.MaxBacklog = 500 }))
}

// TestParkedUntilItsTime lets a region's clock run ahead by more than others
// accept.
func TestParkedUntilItsTime(t *testing.T) {
	inWorld(t, three[:2], func(t *testing.T, w *world) {
		w.found("amber", "birch")
		w.converged()
		w.regions["amber"].setAhead(time.Minute)
		k := key("early", 0)
		start := time.Now()
		w.write("amber", k, "from the future")
		w.pass(10 * time.Second)
		if w.difference() == "" {
			t.Error("a state a minute ahead of the clock was taken over at once")
		}
		w.converged()
		if took := time.Since(start); took < 59*time.Second || took > 2*time.Minute {
			t.Errorf("the state arrived after %v", took)
		}
		in := w.regions["birch"].incoming()
		if in.Parked == 0 {
			t.Error("nothing was counted as parked")
		}
	})
}

// TestReturnsEmpty removes a region and adds it again: what was shipped to the
// former member counts for nothing.
func TestReturnsEmpty(t *testing.T) {
	inWorld(t, three, func(t *testing.T, w *world) {
		w.found(three...)
		for i := range 300 {
			w.write(three[i%3], key(fmt.Sprint(i), 0), fmt.Sprint("v", i))
		}
		w.converged()
		w.remove("birch", "amber")
		for i := range 100 {
			w.write("cedar", key(fmt.Sprint(i), 0), "")
		}
		w.add("cedar", "amber")
		w.write("amber", key("again", 0), "here")
		w.converged()
		if n := len(w.regions["amber"].held()); n < 201 {
			t.Errorf("the region that came back holds %d items", n)
		}
	})
}

// TestOthersShipForTheDeparted removes a region whose last writes have reached
// only one of the others.
func TestOthersShipForTheDeparted(t *testing.T) {
	inWorld(t, three, func(t *testing.T, w *world) {
		w.found(three...)
		w.converged()
		w.wan.cut("amber", "cedar", true)
		for i := range 50 {
			w.write("amber", key(fmt.Sprint(i), 0), "last words")
		}
		w.await("birch has them", func() bool { return len(w.regions["birch"].held()) == 50 })
		w.remove("birch", "amber")
		w.converged()
		if n := len(w.regions["cedar"].held()); n != 50 {
			t.Errorf("cedar has %d of 50 items that only birch had got", n)
		}
	})
}

// TestLeaves deletes a replica where it is.
func TestLeaves(t *testing.T) {
	inWorld(t, three, func(t *testing.T, w *world) {
		w.found(three...)
		left, err := w.regions["birch"].coordinator().Tables().Leave(context.Background(), tableName)
		if err != nil || !left {
			t.Fatalf("leave: %v, %v", left, err)
		}
		w.await("birch is gone", func() bool {
			_, ok := w.regions["birch"].table()
			return !ok && !w.member("amber", "birch").Present && !w.member("cedar", "birch").Present && w.settled()
		})
		w.write("amber", key("a", 1), "without birch")
		w.converged()
		for _, name := range []string{"amber", "cedar"} {
			for _, g := range w.regions[name].groups() {
				if _, ok := w.regions[name].partition(g).machine.Consumers()["region:birch"]; ok {
					t.Errorf("%s still keeps changes for birch", name)
				}
			}
		}
		left, err = w.regions["cedar"].coordinator().Tables().Leave(context.Background(), "other")
		if left || err == nil {
			t.Errorf("leaving a table that is not there: %v, %v", left, err)
		}
	})
}

// TestSettingsFollow changes a setting in one region.
func TestSettingsFollow(t *testing.T) {
	inWorld(t, three, func(t *testing.T, w *world) {
		w.found(three...)
		_, err := w.regions["birch"].UpdateTable(context.Background(), tableName, func(t *catalog.Table) error {
			t.BillingMode, t.ReadUnits, t.WriteUnits = "PROVISIONED", 7, 9
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.await("all regions have the setting", func() bool {
			for _, name := range three {
				if table, _ := w.regions[name].table(); table.WriteUnits != 9 || table.BillingMode != "PROVISIONED" {
					return false
				}
			}
			return true
		})
	})
}

// TestMutualRemovalLosesNothing lets two regions that cannot reach each other
// give each other up, and go on writing, before they meet again.
func TestMutualRemovalLosesNothing(t *testing.T) {
	inWorld(t, three[:2], func(t *testing.T, w *world) {
		w.found("amber", "birch")
		w.write("amber", key("before", 0), "v")
		w.converged()
		w.wan.cut("amber", "birch", true)
		for i, name := range three[:2] {
			other := three[1-i]
			w.write(name, key(name, 0), "while both were members")
			if err := w.regions[name].coordinator().Tables().RemoveReplica(context.Background(), tableName, other); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(2 * time.Minute)
		for _, name := range three[:2] {
			w.write(name, key(name, 1), "alone")
			w.write(name, key("both", 0), "of "+name)
		}
		w.wan.cut("amber", "birch", false)
		w.await("they find each other", func() bool {
			return w.settled() && w.member("amber", "birch").Present && w.member("birch", "amber").Present
		})
		w.converged()
		if n := len(w.regions["amber"].held()); n != 6 {
			t.Errorf("%d items are left of 6", n)
		}
	})
}
