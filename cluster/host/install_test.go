package host_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// shortLogs makes logs be cut early, so that lagging peers need snapshots.
func shortLogs(r *region) {
	r.tuning = group.Tuning{SnapshotInterval: time.Second, SnapshotThreshold: 20, TrailingLogs: 10}
}

func keyspaceOf(n *node) machine.Keyspace { return n.group(g1).Machine().Keyspace() }

func TestLaggingPeerGetsASnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		shortLogs(r)
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		leader.mustPut(g1, "k0", "v")
		away := r.others(leader)[0]
		time.Sleep(time.Second)
		before := keyspaceOf(away)
		r.cutOff(away)
		for i := range 200 {
			leader.mustPut(g1, fmt.Sprint("k", i), "v")
		}
		time.Sleep(10 * time.Second) // the log is cut
		leader.mustPut(g1, "last", "v")
		r.net.HealAll()
		r.eventually("the peer catches up", func() bool {
			g, ok := away.host.Group(g1)
			return ok && g.Machine().Meta().AppliedIndex >= leader.group(g1).Machine().Meta().AppliedIndex
		})
		if away.get(g1, "last") != "v" {
			t.Error("the peer has the index but not the data")
		}
		if keyspaceOf(away) == before {
			t.Error("the peer caught up without a snapshot: the test tests nothing")
		}
		r.leader(g1).mustPut(g1, "after", "v")
		time.Sleep(time.Second)
		r.same(g1, r.nodes...)

		// What was installed survives.
		away.kill(seeded())
		away.start()
		r.leader(g1).mustPut(g1, "again", "v")
		r.eventually("the peer catches up after a crash", func() bool { return away.get(g1, "again") == "v" })
		r.same(g1, r.nodes...)
	})
}

// A move: a new peer begins empty, gets the state by a snapshot, is promoted,
// and the old one is removed and destroyed.
func TestMovePeer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 4)
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		for i := range 50 {
			leader.mustPut(g1, fmt.Sprint("k", i), "v")
		}
		target := r.nodes[3]
		peer := cluster.PeerID{Node: target.id, Replica: 4}
		if err := target.host.CreateEmpty(g1, peer); err != nil {
			t.Fatal(err)
		}
		change := func(step func(prev uint64) error) {
			t.Helper()
			c, err := leader.group(g1).Configuration()
			if err != nil {
				t.Fatal(err)
			}
			if err := step(c.Index); err != nil {
				t.Fatal(err)
			}
		}
		change(func(prev uint64) error { return leader.group(g1).AddNonvoter(background, peer, prev) })
		r.eventually("the new peer catches up", func() bool {
			s, err := leader.host.Status(background, g1, peer)
			return err == nil && s.Applied >= leader.group(g1).Machine().Meta().AppliedIndex
		})
		change(func(prev uint64) error { return leader.group(g1).AddVoter(background, peer, prev) })

		// The leader itself is the one to go.
		old := leader
		if err := old.group(g1).TransferLeadershipTo(background, peer); err != nil {
			t.Fatal(err)
		}
		leader = r.leader(g1)
		if leader != target {
			t.Fatalf("node %s leads", leader.id)
		}
		change(func(prev uint64) error {
			return leader.group(g1).RemovePeer(background, old.group(g1).Peer(), prev)
		})
		if err := old.host.Destroy(g1); err != nil {
			t.Fatal(err)
		}
		leader.mustPut(g1, "after", "v")
		if err := leader.confirm(g1); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		r.same(g1, r.others(old)...)
	})
}

// Whatever a crash leaves of the steps that put a snapshot in place, opening the
// node completes it or takes it back, and never loses an entry of the log that
// came after.
func TestCrashWhileInstalling(t *testing.T) {
	tests := []struct {
		name   string
		steps  func(reg *machine.Registry, l *raftlog.GroupLog, install *machine.Installer) error
		marked bool // the new state counts
	}{
		{"before the swap", func(*machine.Registry, *raftlog.GroupLog, *machine.Installer) error { return nil }, false},
		{"after the swap", func(_ *machine.Registry, _ *raftlog.GroupLog, i *machine.Installer) error {
			return i.Finish()
		}, true},
		{"after the log was reset", func(_ *machine.Registry, l *raftlog.GroupLog, i *machine.Installer) error {
			if err := i.Finish(); err != nil {
				return err
			}
			return l.Reset(i.Meta().AppliedIndex + 1)
		}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRegion(t, 3)
				shortLogs(r)
				r.start()
				r.create(r.birth(g1, 3))
				leader := r.leader(g1)
				away := r.others(leader)[0]
				leader.mustPut(g1, "first", "v")
				time.Sleep(3 * time.Second)
				away.stop()
				for i := range 50 {
					leader.mustPut(g1, fmt.Sprint("k", i), "v")
				}
				snapshot, err := leader.group(g1).Machine().Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				defer snapshot.Close()
				away.offline(t, func(e *engine.Engine, l *raftlog.Log) error {
					reg, err := machine.OpenRegistry(e, "here")
					if err != nil {
						return err
					}
					install, err := reg.Install(uint64(g1), snapshot.Header())
					if err != nil {
						return err
					}
					for chunk, err := range snapshot.Chunks() {
						if err != nil {
							return err
						}
						if err := install.Add(chunk); err != nil {
							return err
						}
					}
					log, _ := l.Lookup(g1)
					return test.steps(reg, log, install)
				})
				for _, n := range r.others(away) {
					r.net.Cut(string(away.id), string(n.id))
				}
				away.start()
				if got := away.group(g1).Machine().Meta().AppliedIndex >= snapshot.Meta().AppliedIndex; got != test.marked {
					t.Errorf("the new state counts: %v", got)
				}
				r.net.HealAll()
				r.leader(g1).mustPut(g1, "after", "v")
				r.eventually("the peer catches up", func() bool {
					_, ok := away.host.Group(g1)
					return ok && away.get(g1, "after") == "v"
				})
				r.same(g1, r.nodes...)
			})
		})
	}
}

func TestSnapshotForAnotherPeer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 2)
		r.start()
		r.create(r.birth(g1, 2))
		leader := r.leader(g1)
		other := r.others(leader)[0]
		snapshot, err := leader.group(g1).Machine().Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		defer snapshot.Close()
		header := append([]byte{1, byte(g1), 77, 3}, snapshot.Header()...)
		_, err = leader.transport.SendSnapshot(background, other.id, header, snapshot.Chunks())
		if storage.KindOf(err) != storage.Unavailable {
			t.Errorf("for a replica that is not there: %v", err)
		}
		_, err = leader.transport.SendSnapshot(background, other.id, []byte{9, 9}, snapshot.Chunks())
		if storage.KindOf(err) != storage.Corrupt {
			t.Errorf("of another version: %v", err)
		}
	})
}
