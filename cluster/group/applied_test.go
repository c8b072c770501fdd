package group

import (
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/storage"
)

// holds waits until a peer's state holds the log up to index.
func (p *peer) holds(index uint64) {
	p.net.t.Helper()
	done := make(chan error, 1)
	p.group.WhenApplied(index, time.Minute, func(err error) { done <- err })
	if err := <-done; err != nil {
		p.net.t.Fatal(err)
	}
}

func TestWhenApplied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		leader := n.leader()
		leader.mustPropose("k", "1")
		const patience = time.Minute
		for _, p := range []*peer{leader, n.followers(leader)[0]} {
			g := p.group
			p.holds(leader.group.CommitIndex())
			now := p.partition.Meta().AppliedIndex
			wait := func(index uint64) <-chan error {
				done := make(chan error, 2)
				g.WhenApplied(index, patience, func(err error) { done <- err })
				return done
			}
			select {
			case err := <-wait(now):
				if err != nil {
					t.Errorf("at once: %v", err)
				}
			default:
				t.Error("waits for what has been applied")
			}

			next, after, never := wait(now+1), wait(now+2), wait(now+1000)
			time.Sleep(time.Second)
			select {
			case err := <-next:
				t.Errorf("nothing was written: %v", err)
			default:
			}
			leader.mustPropose("k", "2")
			if err := <-next; err != nil {
				t.Errorf("one entry later: %v", err)
			}
			select {
			case err := <-after:
				t.Errorf("after one entry of two: %v", err)
			default:
			}
			leader.mustPropose("k", "3")
			if err := <-after; err != nil {
				t.Errorf("two entries later: %v", err)
			}
			begin := time.Now()
			if err := <-never; storage.KindOf(err) != storage.Unavailable {
				t.Errorf("what does not come: %v", err)
			}
			if took := time.Since(begin); took > patience {
				t.Errorf("patience had no end for %v", took)
			}
			late := wait(now + 1000)
			p.stop()
			if err := <-late; storage.KindOf(err) != storage.Unavailable {
				t.Errorf("a peer that has stopped: %v", err)
			}
			if err := <-wait(now + 1000); storage.KindOf(err) != storage.Unavailable {
				t.Errorf("asked after it has stopped: %v", err)
			}
			p.start()
			leader = n.leader()
		}
	})
}

// A leader that is slow to apply knows all the same how far others may have
// applied: what a follower has shown to a read, no later read may miss.
func TestCommitIndexIsAheadOfASlowLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		leader := n.leader()
		leader.mustPropose("k", "1")
		index := leader.partition.Meta().AppliedIndex + 1
		release := make(chan struct{})
		leader.log.mu.Lock()
		leader.log.durable = func(i uint64) bool {
			if i == index {
				<-release
			}
			return true
		}
		leader.log.mu.Unlock()
		answered := leader.propose("k", "2")
		n.followers(leader)[0].holds(index)
		if got := leader.group.CommitIndex(); got != index || leader.group.Holds(index) {
			t.Errorf("commit index %d, though a follower has applied %d; the leader has: %v", got, index, leader.group.Holds(index))
		}
		held := make(chan error, 1)
		leader.group.WhenApplied(index, time.Minute, func(err error) { held <- err })
		time.Sleep(time.Second)
		select {
		case err := <-held:
			t.Errorf("the leader holds what it has not applied: %v", err)
		default:
		}
		close(release)
		if err := <-held; err != nil {
			t.Error(err)
		}
		if a := <-answered; a.err != nil {
			t.Error(a.err)
		}
	})
}
