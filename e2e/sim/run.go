package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/traffic"
)

// Record is what is left of a run: all that there is to check. Checking it
// takes real time, so it is done outside of the bubble.
type Record struct {
	Plan Plan
	Log  *Log
	// Err is why the run could not be carried through: something did not come
	// back to life after everything was healed, or happened that must not.
	Err error

	Histories map[string][]check.Operation
	Newest    *check.Newest
	Versions  *check.Versions
	Kept      *check.Kept
	Own       map[string]*check.Kept
	// Held is what each region holds at the end.
	Held map[string]Holding
	// Peers is how peers of one group differ at the end.
	Peers error

	Tally Tally
	// Virtual is how long the run took, Settling how long the regions took to
	// converge after everything was healed.
	Virtual, Settling time.Duration
}

// Twist is what a test adds to a plan.
type Twist struct {
	// Faults make the nodes of the regions named here wrong: negative controls.
	Faults map[string]node.Faults
	// Story takes the place of the plan's events. Clients go on beside it, for
	// as long as the storm lasts. It runs on the controller's goroutine.
	Story func(ctx context.Context, w *World) error
}

// Run carries a plan out, within a bubble of testing/synctest, with the state
// of the nodes below dir.
func Run(plan Plan, dir string, twist Twist) *Record {
	log := &Log{}
	w := New(Options{
		Seed: plan.Seed, Regions: len(regionNames), Dir: dir, Partitions: plan.Partitions,
		Network: plan.Network, Tuning: plan.Tuning, Leaders: plan.Leaders, CheckpointEvery: plan.Checkpoint,
		Log: log,
	})
	rec := &Record{Plan: plan, Log: log, Histories: map[string][]check.Operation{}}
	rec.Err = w.run(rec, twist)
	log.Notef("over: %v", rec.Err)
	if rec.Err != nil || rec.Peers != nil {
		w.describe()
	}
	rec.Err = errors.Join(rec.Err, w.Close(), w.Surprises())
	rec.Virtual = w.Elapsed()
	return rec
}

func (w *World) run(rec *Record, twist Twist) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer w.tasks.Wait()
	defer cancel()
	if err := w.founding(ctx, rec.Plan.Shared); err != nil {
		return err
	}
	if err := w.spoil(ctx, twist.Faults); err != nil {
		return err
	}
	t := NewTraffic(w)
	rec.Newest, rec.Versions, rec.Kept, rec.Own = t.Newest, t.Versions, t.Kept, t.Own
	storm, stop := context.WithTimeout(ctx, rec.Plan.Storm)
	defer stop()
	w.log.Notef("the storm begins")
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.Run(storm, rec.Plan)
	}()
	if twist.Story == nil {
		twist.Story = func(ctx context.Context, w *World) error { return w.weather(ctx, rec.Plan.Events) }
	}
	broken := twist.Story(ctx, w)
	<-done
	rec.Tally = t.Tally()
	if broken != nil {
		return broken
	}
	healed := time.Now()
	w.log.Notef("the storm is over")
	if err := w.settle(ctx, t); err != nil {
		return err
	}
	if err := w.rest(ctx, rec); err != nil {
		return err
	}
	rec.Settling = time.Since(healed)
	return w.collect(ctx, t, rec)
}

// founding brings the regions and their tables into being.
func (w *World) founding(ctx context.Context, shared int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := w.Start(ctx); err != nil {
		return fmt.Errorf("founding: %w", err)
	}
	if err := w.CreateTables(ctx, shared); err != nil {
		return fmt.Errorf("founding: %w", err)
	}
	return nil
}

// spoil restarts the nodes of some regions with faults. It comes after the
// founding, which need not survive them.
func (w *World) spoil(ctx context.Context, faults map[string]node.Faults) error {
	if len(faults) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w.options.Faults = faults
	for _, r := range w.Regions {
		if _, ok := faults[r.Name]; !ok {
			continue
		}
		for _, n := range r.Nodes {
			if err := n.Stop(false); err != nil {
				return err
			}
		}
	}
	return w.Calm(ctx)
}

// weather lets the events of a plan happen.
func (w *World) weather(ctx context.Context, events []Event) error {
	begin := time.Now()
	for _, e := range events {
		time.Sleep(time.Until(begin.Add(e.At)))
		if err := w.Apply(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// settle heals everything. One more write in each region shows that it is so.
func (w *World) settle(ctx context.Context, t *Traffic) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := w.Calm(ctx); err != nil {
		return err
	}
	for i, r := range w.Regions {
		last := traffic.Operation{Key: traffic.Key{Table: Orders, Name: r.Name + "-last"}, Kind: check.Write, Tag: r.Name + ".last", Value: r.Name + ".last"}
		if err := w.Await(ctx, glance, func() bool {
			p, ok := r.Nodes[0].Up()
			return ok && r.holds(Orders) && t.Journals[i].Do(ctx, Store{process: p}, -1, last).Outcome == check.Done
		}); err != nil {
			return fmt.Errorf("%s takes no write after all was healed: %w", r.Name, err)
		}
	}
	return nil
}

// rest waits until the regions have nothing more to tell each other, and writes
// down what they hold then. A request that the storm has held back may take
// effect at any time, so it counts only if nothing changed meanwhile.
func (w *World) rest(ctx context.Context, rec *Record) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var before map[string]uint64
		var trouble error
		quiet := func() bool {
			before = w.heads()
			trouble = w.unshipped(ctx)
			return trouble == nil
		}
		if err := w.Await(ctx, glance, quiet); err != nil {
			return fmt.Errorf("the regions do not come to rest: %w", trouble)
		}
		var err error
		if rec.Held, err = w.Hold(ctx); err != nil {
			return err
		}
		if maps.Equal(before, w.heads()) {
			return nil
		}
	}
}

// collect asks once more for every item whose history is known, and compares
// the peers of each group.
func (w *World) collect(ctx context.Context, t *Traffic, rec *Record) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i, r := range w.Regions {
		j := t.Journals[i]
		for n, key := range keysOf(j.Linear.Operations()) {
			p, ok := r.Nodes[n%nodesPerRegion].Up()
			if !ok {
				return fmt.Errorf("%s went down in calm weather", r.Nodes[n%nodesPerRegion].host)
			}
			op := traffic.Operation{Key: key, Kind: check.Read}
			if a := j.Do(ctx, Store{process: p}, -1, op); a.Outcome != check.Done {
				return fmt.Errorf("%s does not read %v in calm weather", p.node.host, key)
			}
		}
		rec.Histories[r.Name] = j.Linear.Operations()
	}
	rec.Peers = w.ComparePeers(ctx)
	return nil
}

// keysOf is the items of a history, in order.
func keysOf(history []check.Operation) []traffic.Key {
	var keys []traffic.Key
	for _, op := range history {
		table, name, _ := strings.Cut(op.Key, "/")
		keys = append(keys, traffic.Key{Table: table, Name: name})
	}
	slices.SortFunc(keys, func(a, b traffic.Key) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(keys)
}
