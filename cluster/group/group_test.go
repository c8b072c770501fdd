package group

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/machine"
)

func TestWritesReachEveryPeer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		leader := n.leader()
		for i := range 20 {
			leader.mustPropose(fmt.Sprint("k", i), fmt.Sprint("v", i))
		}
		if got := leader.get("k19"); got != "v19" {
			t.Errorf("the leader has %q when the write is acknowledged", got)
		}
		time.Sleep(time.Second)
		want := leader.partition.Meta()
		for _, p := range n.followers(leader) {
			if diff := cmp.Diff(want, p.partition.Meta()); diff != "" {
				t.Errorf("peer %v differs from the leader: %s", p.id, diff)
			}
			if got := p.get("k19"); got != "v19" {
				t.Errorf("peer %v has %q", p.id, got)
			}
		}
	})
}

func TestWhatWaitsBecomesOneEntry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		leader := n.leader()
		before := leader.log.stored()
		var answers []<-chan answer
		for i := range 500 {
			answers = append(answers, leader.propose(fmt.Sprint("k", i), "v"))
		}
		for _, ch := range answers {
			if a := <-ch; a.err != nil {
				t.Fatal(a.err)
			}
		}
		// The first batch may have left before all had come.
		if entries := leader.log.stored() - before; entries > 10 {
			t.Errorf("500 commands that came together made %d entries", entries)
		}
	})
}

func TestFollowerNamesTheLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		leader := n.leader()
		follower := n.followers(leader)[0]
		time.Sleep(time.Second)
		a := <-follower.propose("k", "v")
		if storage.KindOf(a.err) != storage.NotLeader {
			t.Fatalf("got %v", a.err)
		}
		var hint *NotLeaderError
		if !errors.As(a.err, &hint) || hint.Leader != leader.id {
			t.Errorf("hint %v, want %v", hint, leader.id)
		}
	})
}

// A leader that is cut off must not say that a command was not proposed when it
// was: it may yet be committed.
func TestCutOffLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		old := n.leader()
		old.mustPropose("before", "1")
		n.cutOff(old)
		inFlight := old.propose("inFlight", "2")
		synctest.Wait()
		queued := old.propose("queued", "3")

		if a := <-inFlight; storage.KindOf(a.err) != storage.Ambiguous {
			t.Errorf("in flight: got %v, want ambiguous", a.err)
		}
		if a := <-queued; storage.KindOf(a.err) != storage.NotLeader {
			t.Errorf("queued: got %v, want not leader", a.err)
		}
		if old.group.IsLeader() {
			t.Error("still leads")
		}
		leader := n.leader(old)
		leader.mustPropose("after", "4")
		n.connect(old)
		time.Sleep(5 * time.Second)
		if got := old.get("after"); got != "4" {
			t.Errorf("the old leader has %q after it came back", got)
		}
		for _, p := range n.peers {
			if p.get("before") != "1" || p.get("queued") != "" {
				t.Errorf("peer %v: before %q, queued %q", p.id, p.get("before"), p.get("queued"))
			}
		}
	})
}

// The negative control of the promise that TestCutOffLeader checks.
func TestAckBeforeCommitIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, func(o *Options) { o.Faults.AckBeforeCommit = true })
		old := n.leader()
		n.cutOff(old)
		if a := <-old.propose("k", "v"); a.err != nil {
			t.Fatalf("not acknowledged: %v", a.err)
		}
		n.leader(old).mustPropose("other", "v")
		n.connect(old)
		time.Sleep(5 * time.Second)
		for _, p := range n.peers {
			if p.get("k") != "" {
				t.Errorf("peer %v has what was never committed", p.id)
			}
		}
	})
}

func TestOverload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, func(o *Options) { o.Tuning.QueueCommands = 4 })
		leader := n.leader()
		n.cutOff(leader)
		var answers []<-chan answer
		answers = append(answers, leader.propose("inFlight", "v"))
		synctest.Wait()
		for i := range 5 {
			answers = append(answers, leader.propose(fmt.Sprint(i), "v"))
		}
		var kinds []storage.Kind
		for _, ch := range answers {
			kinds = append(kinds, storage.KindOf((<-ch).err))
		}
		want := []storage.Kind{
			storage.Ambiguous,
			storage.NotLeader, storage.NotLeader, storage.NotLeader, storage.NotLeader,
			storage.Unavailable,
		}
		if diff := cmp.Diff(want, kinds); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCloseAnswersEverything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		leader := n.leader()
		n.cutOff(leader)
		inFlight := leader.propose("inFlight", "v")
		synctest.Wait()
		queued := leader.propose("queued", "v")
		g := leader.group
		leader.stop()
		if a := <-inFlight; storage.KindOf(a.err) != storage.Ambiguous {
			t.Errorf("in flight: %v", a.err)
		}
		if a := <-queued; storage.KindOf(a.err) != storage.Unavailable {
			t.Errorf("queued: %v", a.err)
		}
		done := make(chan error, 1)
		g.Propose(put("late", "v"), func(_ command.Result, err error) { done <- err })
		if err := <-done; storage.KindOf(err) != storage.NotLeader && storage.KindOf(err) != storage.Unavailable {
			t.Errorf("after close: %v", err)
		}
	})
}

// A machine refuses an entry that it has applied before, so a restart that
// replays anything is fatal.
func TestRestartResumesAtTheAppliedIndex(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		for i := range 50 {
			n.leader().mustPropose(fmt.Sprint("k", i), "v")
		}
		for _, p := range n.peers {
			p.stop()
		}
		for _, p := range n.peers {
			p.start()
		}
		n.leader().mustPropose("k50", "v")
		time.Sleep(time.Second)
		for _, p := range n.peers {
			for i := range 51 {
				if p.get(fmt.Sprint("k", i)) != "v" {
					t.Fatalf("peer %v lost k%d", p.id, i)
				}
			}
		}
	})
}

func TestTermBeginsWithEverythingBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		old := n.leader()
		for i := range 10 {
			old.mustPropose(fmt.Sprint("k", i), "v")
		}
		n.cutOff(old)
		leader := n.leader(old)
		if got := leader.get("k9"); got != "v" {
			t.Errorf("the new leader is ready without what the old one acknowledged: %q", got)
		}
		meta := leader.partition.Meta()
		if meta.AppliedTerm != leader.group.Term() {
			t.Errorf("ready in term %d, applied term %d", leader.group.Term(), meta.AppliedTerm)
		}
		time.Sleep(5 * time.Second)
		old.mu.Lock()
		defer old.mu.Unlock()
		if len(old.roles) != 2 || old.roles[1] != fmt.Sprint("false in ", meta.AppliedTerm-1) {
			t.Errorf("the old leader was told %q", old.roles)
		}
	})
}

func TestVersionsGrowWhateverTheClocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		old := n.leader()
		first := old.mustPropose("a", "1").Version
		for _, p := range n.peers {
			p.clock = func() time.Time { return time.Now().Add(-time.Hour) }
		}
		second := old.mustPropose("b", "1").Version
		n.cutOff(old)
		third := n.leader(old).mustPropose("c", "1").Version
		if !second.Newer(first) || !third.Newer(second) {
			t.Errorf("versions %v, %v, %v", first, second, third)
		}
	})
}

func TestBrokenMachineStopsTheGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 1, nil)
		leader := n.leader()
		leader.partition.Close() // every Apply fails from here on
		a := <-leader.propose("k", "v")
		if storage.KindOf(a.err) != storage.Ambiguous {
			t.Errorf("got %v", a.err)
		}
		if err := <-leader.fatal; err == nil {
			t.Error("no fatal error")
		}
		if leader.group.IsLeader() {
			t.Error("still leads")
		}
	})
}

func TestChangeOfMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, func(o *Options) { o.Tuning.TrailingLogs = 1 << 20 })
		leader := n.leader()
		// The new peer has the state of birth, so the log is all that it needs.
		fourth := n.add(cluster.PeerID{Node: "n4", Replica: 4}, machine.Meta{
			Group: testGroup, AppliedIndex: 10, AppliedTerm: 1,
			ConfigIndex: 10, Config: leader.partition.Meta().Config,
		})
		fourth.start()
		ctx := context.Background()
		prev := mustConfiguration(t, leader.group).Index
		if err := leader.group.AddNonvoter(ctx, fourth.id, prev+1); storage.KindOf(err) != storage.Unavailable {
			t.Errorf("with the wrong predecessor: %v", err)
		}
		if err := n.followers(leader)[0].group.AddNonvoter(ctx, fourth.id, prev); storage.KindOf(err) != storage.NotLeader {
			t.Errorf("at a follower: %v", err)
		}
		for _, step := range []func(context.Context, cluster.PeerID, uint64) error{
			leader.group.AddNonvoter, leader.group.AddVoter, leader.group.RemovePeer,
		} {
			if err := step(ctx, fourth.id, mustConfiguration(t, leader.group).Index); err != nil {
				t.Fatal(err)
			}
		}
		if got := mustConfiguration(t, leader.group); len(got.Members) != 3 || got.Index <= prev {
			t.Errorf("in the end: %+v", got)
		}
		// Raft may send what is proposed at once along with the removal.
		synctest.Wait()
		leader.mustPropose("k", "v")
		time.Sleep(time.Second)
		if leader.get("k") != "v" || fourth.get("k") != "" {
			t.Errorf("the removed peer has %q", fourth.get("k"))
		}
	})
}

func TestChangeOfMembersEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, func(o *Options) { o.Tuning.HeartbeatTimeout = time.Minute })
		leader := n.leader()
		n.cutOff(leader)
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		begun := time.Now()
		err := leader.group.RemovePeer(ctx, n.followers(leader)[0].id, 10)
		if storage.KindOf(err) != storage.Ambiguous {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func mustConfiguration(t *testing.T, g *Group) Configuration {
	t.Helper()
	c, err := g.Configuration()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTransferLeadership(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		old := n.leader()
		to := n.followers(old)[1]
		var answers []<-chan answer
		for i := range 10 {
			answers = append(answers, old.propose(fmt.Sprint("k", i), "v"))
		}
		begun := time.Now()
		if err := old.group.TransferLeadershipTo(context.Background(), to.id); err != nil {
			t.Fatal(err)
		}
		if n.leader() != to {
			t.Errorf("%v leads, not %v", n.leader().id, to.id)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("took %v, an election by timeout", took)
		}
		for i, ch := range answers {
			a := <-ch
			if a.err == nil != (to.get(fmt.Sprint("k", i)) == "v") {
				t.Errorf("k%d: %v, and the new leader has %q", i, a.err, to.get(fmt.Sprint("k", i)))
			}
		}
	})
}

func TestTransferThatFailsGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		old := n.leader()
		to := n.followers(old)[0]
		n.cutOff(to)
		waiting := make(chan answer, 1)
		time.AfterFunc(100*time.Millisecond, func() { waiting <- <-old.propose("k", "v") })
		err := old.group.TransferLeadershipTo(context.Background(), to.id)
		if storage.KindOf(err) != storage.Unavailable {
			t.Errorf("got %v", err)
		}
		if a := <-waiting; a.err != nil {
			t.Errorf("a command that came meanwhile: %v", a.err)
		}
	})
}

func TestLogIsCutOnlyBelowTheCheckpoint(t *testing.T) {
	bubble(t, func(t *testing.T) {
		checkpoints := make(chan chan error)
		n := newNet(t, 1, func(o *Options) {
			o.Tuning.SnapshotInterval = time.Second
			o.Tuning.SnapshotThreshold = 10
			o.Tuning.TrailingLogs = 5
			o.Checkpoint = func(ctx context.Context) error {
				done := make(chan error)
				select {
				case checkpoints <- done:
					return <-done
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
		leader := n.leader()
		write := func() {
			for i := range 50 {
				leader.mustPropose(fmt.Sprint("k", i), "v")
			}
		}
		first := func() uint64 {
			index, err := leader.log.FirstIndex()
			if err != nil {
				t.Fatal(err)
			}
			return index
		}
		write()
		done := <-checkpoints
		durable := leader.partition.Meta().AppliedIndex
		write()
		if got := first(); got != 11 {
			t.Errorf("cut to %d before the checkpoint", got)
		}
		leader.group.SetDurable(durable)
		done <- nil
		time.Sleep(time.Millisecond)
		if got := first(); got < 20 || got > durable {
			t.Errorf("cut to %d, where %d is durable", got, durable)
		}
	})
}

func TestLogKeepsWithinItsBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 1, func(o *Options) { o.Tuning.TrailingBytes = 1 << 20 })
		leader := n.leader()
		limits := func() [2]uint64 {
			c := leader.group.raft.ReloadableConfig()
			return [2]uint64{c.TrailingLogs, c.SnapshotThreshold}
		}
		if got := limits(); got != [2]uint64{8192, 2048} {
			t.Errorf("in the beginning: %v", got)
		}
		for range sampleEntries {
			leader.mustPropose("k", strings.Repeat("v", 8000))
		}
		if got := limits(); got[0] < 100 || got[0] > 131 || got[1] != got[0]/4 {
			t.Errorf("with entries of 8 kB: %v", got)
		}
		for range 2 * sampleEntries {
			leader.mustPropose("k", "v")
		}
		if got := limits(); got != [2]uint64{8192, 2048} {
			t.Errorf("with small entries again: %v", got)
		}
	})
}

// A log that grows fast is cut before raft looks at it.
func TestLogIsCutWhenItHasGrown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		checkpoints := 0
		n := newNet(t, 1, func(o *Options) {
			o.Tuning.TrailingBytes = 1 << 20
			o.Tuning.SnapshotInterval = 24 * time.Hour
			o.Checkpoint = func(context.Context) error {
				checkpoints++
				time.Sleep(10 * time.Millisecond)
				return nil
			}
		})
		leader := n.leader()
		for range 1000 { // 8 MB
			leader.mustPropose("k", strings.Repeat("v", 8000))
			leader.group.SetDurable(leader.partition.Meta().AppliedIndex)
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		if checkpoints < 5 || checkpoints > 8 {
			t.Errorf("%d checkpoints were waited for, want one for each megabyte", checkpoints)
		}
		first, _ := leader.log.FirstIndex()
		last, _ := leader.log.LastIndex()
		if kept := last - first; kept > 400 {
			t.Errorf("%d entries of 8 kB are kept, where 1 MB may trail", kept)
		}
	})
}

func TestFresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		empty := n.add(cluster.PeerID{Node: "n4", Replica: 4}, machine.Meta{Group: testGroup})
		empty.start()
		leader := n.leader()
		follower := n.followers(leader)[0]
		time.Sleep(time.Second)
		n.cutOff(follower)
		within := func(d time.Duration) [3]bool {
			return [3]bool{leader.group.Fresh(d), follower.group.Fresh(d), empty.group.Fresh(d)}
		}
		if got := within(2 * time.Second); got != [3]bool{true, true, false} {
			t.Errorf("at first: leader, follower, empty peer: %v", got)
		}
		time.Sleep(10 * time.Second)
		if got := within(2 * time.Second); got != [3]bool{true, false, false} {
			t.Errorf("later: leader, follower, empty peer: %v", got)
		}
	})
}

func TestGuardedLog(t *testing.T) {
	const applied, open = 50, 20
	tests := []struct {
		name       string
		durable    uint64
		open       bool
		lo, hi     uint64
		from, upTo uint64 // what is left
	}{
		{"nothing is durable", 0, false, 1, 40, 1, 60},
		{"less is durable", 30, false, 1, 40, 30, 60},
		{"more is durable", 45, false, 1, 40, 41, 60},
		{"a snapshot is on its way", 45, true, 1, 40, open, 60},
		{"a suffix is overwritten", 0, false, 51, 60, 1, 50},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store := &countingLog{InmemStore: raft.NewInmemStore()}
			for i := range uint64(60) {
				if err := store.StoreLog(&raft.Log{Index: i + 1}); err != nil {
					t.Fatal(err)
				}
			}
			l := newGuardedLog(store, nil, func() (uint64, bool) { return open, test.open }, func() uint64 { return applied })
			l.setDurable(test.durable)
			l.setDurable(test.durable / 2) // never goes back
			if err := l.DeleteRange(test.lo, test.hi); err != nil {
				t.Fatal(err)
			}
			from, _ := store.FirstIndex()
			upTo, _ := store.LastIndex()
			if from != test.from || upTo != test.upTo {
				t.Errorf("%d to %d are left, want %d to %d", from, upTo, test.from, test.upTo)
			}
		})
	}
}
