package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/host"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/machine"
)

const g1 = cluster.GroupID(101)

func TestWriteAndReadStrongly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		for i := range 10 {
			leader.mustPut(g1, fmt.Sprint("k", i), "v")
			if err := leader.confirm(g1); err != nil {
				t.Fatal(err)
			}
			if leader.get(g1, fmt.Sprint("k", i)) != "v" {
				t.Fatal("a strong read misses an acknowledged write")
			}
		}
		for _, n := range r.others(leader) {
			if err := n.confirm(g1); storage.KindOf(err) != storage.NotLeader {
				t.Errorf("node %s, which does not lead, confirms: %v", n.id, err)
			}
		}
		time.Sleep(time.Second)
		r.same(g1, r.nodes...)
	})
}

func TestCreateIsIdempotentAndDestroyIsForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 1)
		r.start()
		n, b := r.nodes[0], r.birth(g1, 1)
		for range 2 {
			if err := n.host.Create(b); err != nil {
				t.Fatal(err)
			}
		}
		r.leader(g1).mustPut(g1, "k", "v")
		another := cluster.PeerID{Node: n.id, Replica: 9}
		if err := n.host.CreateEmpty(g1, another); err == nil {
			t.Error("another peer of the group was made beside it")
		}
		for range 2 {
			if err := n.host.Destroy(g1); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if _, ok := n.host.Group(g1); ok {
				t.Error("the destroyed peer runs")
			}
			if err := n.host.Create(b); err == nil {
				t.Error("the destroyed peer was made again")
			}
			n.kill(seeded())
			n.start()
		}
		if err := n.host.CreateEmpty(g1, another); err != nil {
			t.Errorf("another peer, after it: %v", err)
		}
	})
}

func TestKilledNodeCatchesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		leader.mustPut(g1, "before", "1")
		victim := r.others(leader)[0]
		victim.kill(seeded())
		leader.mustPut(g1, "during", "2")
		victim.start()
		r.leader(g1).mustPut(g1, "after", "3")
		r.eventually("the killed node catches up", func() bool { return victim.get(g1, "after") == "3" })
		r.same(g1, r.nodes...)
	})
}

// The promise of the whole: what was acknowledged is on disk on a quorum.
func TestEveryNodeKilledAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		random := seeded()
		written := 0
		for round := range 4 {
			leader := r.leader(g1)
			for i := range 30 {
				leader.mustPut(g1, fmt.Sprint("k", written), "v")
				written++
				if i == 10*round {
					time.Sleep(2 * time.Second) // past a checkpoint, in some rounds
				}
			}
			for _, n := range r.nodes {
				n.kill(random)
			}
			r.start()
		}
		leader := r.leader(g1)
		for i := range written {
			if got := leader.get(g1, fmt.Sprint("k", i)); got != "v" {
				t.Fatalf("acknowledged k%d is lost", i)
			}
		}
		time.Sleep(time.Second)
		r.same(g1, r.nodes...)
	})
}

func TestManyGroups(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const groups = 50
		r := newRegion(t, 3)
		r.start()
		for i := range groups {
			r.create(r.birth(g1+cluster.GroupID(i), 3))
		}
		write := func(value string) {
			for i := range groups {
				r.leader(g1+cluster.GroupID(i)).mustPut(g1+cluster.GroupID(i), "k", value)
			}
		}
		write("1")
		for _, n := range r.nodes {
			n.stop()
		}
		r.start()
		for i := range groups {
			id := g1 + cluster.GroupID(i)
			leader := r.leader(id)
			if err := leader.confirm(id); err != nil || leader.get(id, "k") != "1" {
				t.Errorf("group %v after the restart: %v, %q", id, err, leader.get(id, "k"))
			}
		}
		write("2")
		if got := len(r.nodes[0].host.Groups()); got != groups {
			t.Errorf("%d groups", got)
		}
	})
}

func TestTransferAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		const groups = 6
		for i := range groups {
			r.create(r.birth(g1+cluster.GroupID(i), 3))
		}
		for i := range groups {
			r.leader(g1 + cluster.GroupID(i))
		}
		leaving := r.leader(g1)
		if err := leaving.host.TransferAll(background); err != nil {
			t.Fatal(err)
		}
		for i := range groups {
			r.leader(g1+cluster.GroupID(i), leaving).mustPut(g1+cluster.GroupID(i), "k", "v")
		}
	})
}

func TestOnLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		term := leader.group(g1).Term()
		var mu sync.Mutex
		var told []string
		leader.host.OnLeader(func(id cluster.GroupID, leading bool, term uint64) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(id, leading, term))
		})
		if err := leader.host.TransferAll(background); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		want := []string{fmt.Sprint(g1, true, term), fmt.Sprint(g1, false, term)}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStatus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		b := r.birth(g1, 3)
		r.create(b)
		r.leader(g1).mustPut(g1, "k", "v")
		time.Sleep(time.Second)
		for i, peer := range b.Peers {
			got, err := r.nodes[0].host.Status(background, g1, peer)
			if err != nil {
				t.Fatal(err)
			}
			g := r.nodes[i].group(g1)
			want := host.Status{Peer: peer, Term: g.Term(), LastIndex: g.LastIndex(), Applied: g.Machine().Meta().AppliedIndex}
			if got != want || got.Applied <= 10 {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		stranger := cluster.PeerID{Node: "n2", Replica: 77}
		if _, err := r.nodes[0].host.Status(background, g1, stranger); storage.KindOf(err) != storage.Unavailable {
			t.Errorf("of a peer that is not there: %v", err)
		}
	})
}

// A node whose log and state do not belong together must not run: it may have
// forgotten what it promised.
func TestRefusesToOpen(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, n *node)
		says   string
	}{
		{"the log is gone", func(t *testing.T, n *node) {
			n.fs = newDisk()
		}, "but no log"},
		{"the state is gone", func(t *testing.T, n *node) {
			n.dir = t.TempDir()
		}, "but no state"},
		{"the node has another name", func(t *testing.T, n *node) {
			n.id = "n9"
		}, "the log here is that of peer"},
		{"the log begins too late", func(t *testing.T, n *node) {
			n.withLog(t, func(l *raftlog.GroupLog) error {
				last, _ := l.LastIndex()
				return l.Reset(last + 100)
			})
		}, ""}, // an empty log says nothing, so this opens
		{"the log ends too early", func(t *testing.T, n *node) {
			n.withLog(t, func(l *raftlog.GroupLog) error {
				last, _ := l.LastIndex()
				return l.DeleteRange(last-5, last)
			})
		}, "but its log holds"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRegion(t, 1)
				r.start()
				r.create(r.birth(g1, 1))
				n := r.leader(g1)
				for i := range 20 {
					n.mustPut(g1, fmt.Sprint("k", i), "v")
				}
				n.stop()
				id := n.id
				test.damage(t, n)
				err := n.open()
				switch {
				case test.says == "" && err != nil:
					t.Error(err)
				case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
					t.Errorf("got %v", err)
				case err != nil && storage.KindOf(err) != storage.Corrupt:
					t.Errorf("kind %v", storage.KindOf(err))
				}
				n.stop()
				n.id = id
			})
		})
	}
}

// A crash between the steps of Create leaves what Create completes.
func TestCreateInterrupted(t *testing.T) {
	tests := []struct {
		name   string
		begin  func(l *raftlog.Log, reg *machine.Registry, self cluster.PeerID) error
		exists bool // so far that it runs without Create
	}{
		{"after the log", func(l *raftlog.Log, _ *machine.Registry, self cluster.PeerID) error {
			_, err := l.Group(g1, self)
			return err
		}, false},
		{"after the state", func(l *raftlog.Log, reg *machine.Registry, self cluster.PeerID) error {
			_, err := l.Group(g1, self)
			_, err2 := reg.Create(self.Replica, machine.Meta{Group: uint64(g1)})
			return errors.Join(err, err2)
		}, true},
		{"after the log of another peer", func(l *raftlog.Log, _ *machine.Registry, self cluster.PeerID) error {
			self.Replica = 55
			_, err := l.Group(g1, self)
			return err
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRegion(t, 1)
				n := r.nodes[0]
				self := cluster.PeerID{Node: n.id, Replica: 1}
				n.offline(t, func(e *engine.Engine, l *raftlog.Log) error {
					reg, err := machine.OpenRegistry(e, "here")
					return errors.Join(err, test.begin(l, reg, self))
				})
				n.start()
				if _, ok := n.host.Group(g1); ok != test.exists {
					t.Errorf("runs: %v", ok)
				}
				if err := n.host.CreateEmpty(g1, self); err != nil {
					t.Error(err)
				}
				if _, ok := n.host.Group(g1); !ok {
					t.Error("does not run")
				}
			})
		})
	}
}

func TestCheckpointOnDemand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 1)
		r.configure = func(o *host.Options) { o.CheckpointEvery = 1000 * time.Hour }
		r.start()
		begun := time.Now()
		if err := r.nodes[0].host.Checkpoint(background); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("took %v", took)
		}
		ctx, cancel := context.WithCancel(background)
		cancel()
		if err := r.nodes[0].host.Checkpoint(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}
