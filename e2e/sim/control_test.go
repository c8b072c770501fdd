package sim_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/cluster/placement"
	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/sim"
)

// A checker that never fails proves nothing. These tests break one rule each
// in the nodes of one region, and see to it that the checkers notice.

// during makes a storm of one kind: what begins happens to the nodes of the
// first region in turn, and ends after a while. It comes to each node more than
// once, because it means little to one that leads nothing.
func during(seed uint64, begins, ends sim.Kind, lasts time.Duration) sim.Plan {
	const calm, times = 2 * time.Second, 7
	p := sim.Draw(seed, max(25*time.Second, times*(lasts+calm)))
	p.Shared, p.Tuning, p.Leaders, p.Checkpoint = 3, group.Tuning{}, placement.LeadTuning{}, 300*time.Millisecond
	p.Clients, p.Diarists, p.Pause = 4, 3, 30*time.Millisecond
	p.Events = nil
	// The last one is still on when the clients stop.
	for at := calm; at < p.Storm; at += lasts + calm {
		p.Events = append(p.Events,
			sim.Event{At: at, Kind: begins, Node: len(p.Events) / 2 % 3},
			sim.Event{At: min(at+lasts, p.Storm), Kind: ends},
		)
	}
	return p
}

// foreseen has leaders look up what commands will find.
func foreseen(p sim.Plan) sim.Plan {
	p.Tuning.AlwaysPriors = true
	return p
}

// twoSlowDisks takes power from all nodes of the first region again and again,
// while two disks of three are far behind. Those two are the first to be back.
func twoSlowDisks(seed uint64) sim.Plan {
	p := during(seed, sim.PowerLossAll, sim.BootAll, 4*time.Second)
	p.Checkpoint = time.Hour // or a node finds that its state is ahead of its log, and does not start
	for _, e := range p.Events {
		if e.Kind == sim.PowerLossAll {
			for node := range 2 {
				p.Events = append(p.Events, sim.Event{At: e.At + 100*time.Millisecond, Kind: sim.Boot, Node: node})
			}
		}
	}
	for node := range 2 {
		p.Events = append(p.Events, sim.Event{Kind: sim.Disk, Node: node, Amount: time.Second})
	}
	slices.SortStableFunc(p.Events, func(a, b sim.Event) int { return cmp.Compare(a.At, b.At) })
	return p
}

func TestCheckersNotice(t *testing.T) {
	for _, tt := range []struct {
		name   string
		plan   sim.Plan
		faults node.Faults
		// broken are words of promises that must be seen broken.
		broken []string
	}{
		{"blind merges", during(1, sim.Isolate, sim.HealRegions, 2*time.Second), node.Faults{MergeBlindly: true}, []string{"only moves to newer versions"}},
		{"early acknowledgements", during(2, sim.CutNode, sim.HealNodes, 6*time.Second), node.Faults{AckBeforeCommit: true}, []string{"no acknowledged write vanishes", "linearizable"}},
		{"unsynced leaders", twoSlowDisks(4), node.Faults{CountUnsynced: true}, []string{"no acknowledged write vanishes"}},
		{"entries applied twice", during(3, sim.KillAll, sim.BootAll, time.Second), node.Faults{SkipAppliedCheck: true}, []string{"peers of a group", "newest version"}},
		{"reads that do not wait", during(6, sim.CutNode, sim.HealNodes, 2*time.Second), node.Faults{ReadBehind: true}, []string{"linearizable"}},
		{"priors that are not true any more", foreseen(during(5, sim.KillLeader, sim.BootAll, time.Second)), node.Faults{BelievePriors: true}, []string{"as many items as it says"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := run(t, tt.plan, sim.Twist{}).Check(); err != nil {
				t.Errorf("without the fault: %v", err)
			}
			rec := run(t, tt.plan, sim.Twist{Faults: map[string]node.Faults{"amber": tt.faults}})
			err := rec.Check()
			var violation *check.Violation
			if !errors.As(err, &violation) {
				explain(t, rec, err)
				t.Fatalf("nobody notices: %v", err)
			}
			for _, words := range tt.broken {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("nobody says that this is broken: %s\n%v", words, err)
				}
			}
		})
	}
}
