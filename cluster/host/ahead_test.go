package host_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

// hang makes a node's log wait for its disk, until the function returned is called.
func (n *node) hang() (release func()) {
	gate := make(chan struct{})
	n.fs.Intercept(func(op memfs.Op) error {
		if op.Kind == memfs.Sync {
			<-gate
		}
		return nil
	})
	return func() {
		n.fs.Intercept(nil)
		close(gate)
	}
}

// A leader replicates while its own disk is at work, but nothing is acknowledged,
// committed or applied anywhere before the disk has it.
func TestCommitWaitsForTheLeadersDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		leader.mustPut(g1, "k", "old")
		time.Sleep(time.Second)
		before := leader.group(g1).LastIndex()

		release := leader.hang()
		answer := make(chan error, 1)
		go func() { answer <- leader.put(g1, "k", "new") }()
		time.Sleep(time.Second)
		synctest.Wait()
		for _, n := range r.others(leader) {
			if last := n.group(g1).LastIndex(); last != before+1 {
				t.Errorf("follower %s has entries up to %d, want %d: the leader waits for its disk first", n.id, last, before+1)
			}
		}
		for _, n := range r.nodes {
			if got := n.get(g1, "k"); got != "old" {
				t.Errorf("node %s has applied %q, which its leader's disk does not have", n.id, got)
			}
		}
		if len(answer) > 0 {
			t.Error("the write was acknowledged before the leader's disk had it")
		}
		release()
		if err := <-answer; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		r.same(g1, r.nodes...)
	})
}

// The leader's disk is not a quorum.
func TestCommitWaitsForAFollowersDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		var release []func()
		for _, n := range r.others(leader) {
			release = append(release, n.hang())
		}
		answer := make(chan error, 1)
		go func() { answer <- leader.put(g1, "k", "v") }()
		// Not so long that the answers of followers come too late.
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if len(answer) > 0 || leader.get(g1, "k") != "" {
			t.Error("the write was acknowledged before a follower's disk had it")
		}
		release[0]()
		if err := <-answer; err != nil {
			t.Error(err)
		}
		release[1]()
	})
}

func TestAPeerAloneWaitsForItsDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 1)
		r.start()
		r.create(r.birth(g1, 1))
		leader := r.leader(g1)
		release := leader.hang()
		answer := make(chan error, 1)
		go func() { answer <- leader.put(g1, "k", "v") }()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(answer) > 0 || leader.get(g1, "k") != "" {
			t.Error("the write was acknowledged before the disk had it")
		}
		release()
		if err := <-answer; err != nil {
			t.Error(err)
		}
	})
}
