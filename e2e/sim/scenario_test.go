package sim_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/placement"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/e2e/sim"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
)

// calm is a plan in which nothing happens but what a test lets happen.
func calm(storm time.Duration) sim.Plan {
	p := sim.Draw(1, storm)
	p.Shared, p.Partitions, p.Tuning, p.Leaders, p.Checkpoint = 3, 1, group.Tuning{}, placement.LeadTuning{}, 2*time.Second
	p.Clients, p.Diarists, p.Pause, p.Events = 3, 1, 60*time.Millisecond, nil
	return p
}

func checked(t *testing.T, rec *sim.Record) {
	t.Helper()
	if err := rec.Check(); err != nil {
		explain(t, rec, err)
	}
}

// A follower that was away for longer than the log reaches back gets the
// state itself, while writes go on.
func TestFollowerReturnsBySnapshot(t *testing.T) {
	t.Parallel()
	plan := calm(40 * time.Second)
	plan.Tuning = group.Tuning{SnapshotInterval: time.Second, SnapshotThreshold: 16, TrailingLogs: 16}
	story := func(ctx context.Context, w *sim.World) error {
		amber := w.Regions[0]
		if err := w.Apply(ctx, sim.Event{Kind: sim.CutNode, Node: 2}); err != nil {
			return err
		}
		away, _ := amber.Nodes[2].Up()
		before := away.Node.Host().Groups()
		time.Sleep(20 * time.Second)
		if err := w.Apply(ctx, sim.Event{Kind: sim.HealNodes}); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		return w.Await(ctx, 100*time.Millisecond, func() bool {
			// The peers that were given a snapshot are new ones.
			for i, g := range away.Node.Host().Groups() {
				if g != before[i] && g.ID() != cluster.CatalogGroup {
					return true
				}
			}
			return false
		})
	}
	checked(t, run(t, plan, sim.Twist{Story: story}))
}

// Regions that could not reach each other for a minute, while both were
// written, hold the same soon afterwards.
func TestRegionCutForAMinuteConverges(t *testing.T) {
	t.Parallel()
	plan := calm(70 * time.Second)
	plan.Events = []sim.Event{
		{At: 5 * time.Second, Kind: sim.Isolate},
		{At: 65 * time.Second, Kind: sim.HealRegions},
	}
	rec := run(t, plan, sim.Twist{})
	checked(t, rec)
	if _, _, conflicts := rec.Newest.Overwritten(); conflicts == 0 {
		t.Error("no region has overwritten another's write: the cut had no conflicts to resolve")
	}
	if rec.Settling > 10*time.Second {
		t.Errorf("the regions took %v to settle", rec.Settling)
	}
}

// queued is how many changes wait in TestQueueResumes, resent how many of them
// may come twice: what was under way at a cut, and what had arrived since the
// cursor was stored.
const (
	queued = 10_000
	resent = 5_000
)

// A region that could not be reached for a while gets the changes that have
// queued up from where it was, through another cut and a change of leader.
func TestQueueResumes(t *testing.T) {
	t.Parallel()
	plan := calm(time.Second)
	plan.Clients, plan.Diarists = 0, 0
	plan.Network.Far, plan.Network.FarJitter = 500*time.Millisecond, 0
	// Each change of leader lets some come twice, and one is part of the story.
	plan.Leaders = placement.LeadTuning{Stay: time.Hour, Home: time.Hour}
	var received counters
	story := func(ctx context.Context, w *sim.World) error {
		between := func(kind sim.Kind) error { return w.Apply(ctx, sim.Event{Kind: kind, Other: 1}) }
		if err := between(sim.CutRegions); err != nil {
			return err
		}
		if err := fill(ctx, w.Regions[0], 0, queued); err != nil {
			return err
		}
		if err := between(sim.HealRegions); err != nil {
			return err
		}
		soon, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		if err := w.Await(soon, 100*time.Millisecond, func() bool { return arrived(w).Accepted >= queued/2 }); err != nil {
			return fmt.Errorf("half of the queue: %w; %+v have arrived", err, arrived(w))
		}
		if err := between(sim.CutRegions); err != nil {
			return err
		}
		for node := range 3 {
			if err := w.Apply(ctx, sim.Event{Kind: sim.Handover, Node: node}); err != nil {
				return err
			}
			time.Sleep(3 * time.Second)
		}
		if err := between(sim.HealRegions); err != nil {
			return err
		}
		err := w.Await(soon, 100*time.Millisecond, func() bool { return arrived(w).Accepted >= queued })
		received = arrived(w)
		return err
	}
	rec := run(t, plan, sim.Twist{Story: story})
	if rec.Err != nil || rec.Peers != nil {
		explain(t, rec, rec.Err)
	}
	t.Logf("%+v", received)
	if received.Accepted != queued || received.Behind > 0 || received.Identical > resent {
		t.Errorf("%+v; want %d accepted, at most %d of them twice", received, queued, resent)
	}
}

// counters is what became of the states that the first region has shipped to
// the second.
type counters struct{ Accepted, Behind, Identical uint64 }

func arrived(w *sim.World) (c counters) {
	for _, n := range w.Regions[1].Nodes {
		p, ok := n.Up()
		if !ok {
			continue
		}
		for _, in := range p.Replicator.Metrics().Incoming {
			if in.Region == w.Regions[0].Name {
				c.Accepted += in.Accepted
				c.Behind += in.Behind
				c.Identical += in.Identical
			}
		}
	}
	return c
}

// fill writes the items from one number to another, of about a kilobyte, into
// the orders of a region.
func fill(ctx context.Context, r *sim.Region, from, to int) error {
	p, ok := r.Nodes[0].Up()
	if !ok {
		return fmt.Errorf("the first node of %s is down", r.Name)
	}
	table, _ := p.Node.Router().Table(sim.Orders)
	filler := item.Binary(make([]byte, 1000))
	for i := from; i < to; {
		var cmds []router.TableCommand
		for ; i < to && len(cmds) < 500; i++ {
			it := item.NewItem(
				item.Attribute{Name: "id", Value: item.String(fmt.Sprint("q", i))},
				item.Attribute{Name: "line", Value: item.Num(item.NumberFromInt(1))},
				item.Attribute{Name: "filler", Value: filler},
			)
			key, err := table.EncodeKey(it)
			if err != nil {
				return err
			}
			cmds = append(cmds, router.TableCommand{Table: table, Command: &command.Command{Kind: command.Put, Key: key, Item: item.Encode(it)}})
		}
		for _, out := range p.Node.Router().ExecuteAll(ctx, cmds) {
			if out.Err != nil {
				return out.Err
			}
		}
	}
	return nil
}

// Requests that the storm has held back take effect when it is over and their
// clients have given them up. That is no divergence, whenever they come.
func TestLateWritesConverge(t *testing.T) {
	const roundTrip = 100 * time.Millisecond
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			plan := calm(time.Second)
			plan.Clients, plan.Diarists = 0, 0
			plan.Network.Far, plan.Network.FarJitter = roundTrip/2, 0
			story := func(ctx context.Context, w *sim.World) error {
				go func() {
					// Regions are at rest for a moment before each write.
					d := rand.New(rand.NewPCG(seed, 0))
					for i := range 30 {
						time.Sleep(roundTrip + time.Duration(d.IntN(60))*time.Millisecond)
						if ctx.Err() != nil {
							return
						}
						if err := fill(ctx, w.Regions[2], i, i+1); err != nil && ctx.Err() == nil {
							t.Error(err)
						}
					}
				}()
				return nil
			}
			rec := run(t, plan, sim.Twist{Story: story})
			if err := errors.Join(rec.Err, rec.Peers, rec.Converged()); err != nil {
				explain(t, rec, err)
			}
		})
	}
}
