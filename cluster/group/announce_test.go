package group

import (
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
)

// patient makes Raft take its time to tell of commits.
func patient(o *Options) { o.Tuning.CommitTimeout = 10 * time.Second }

// Followers apply the last commit before a pause soon, however long Raft would
// wait to tell them, and the log is what it was.
func TestFollowersHearOfTheLastCommit(t *testing.T) {
	for _, announce := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			n := newNet(t, 3, func(o *Options) {
				patient(o)
				if !announce {
					o.Announce = nil
				}
			})
			leader := n.leader()
			time.Sleep(time.Minute)
			leader.mustPropose("k", "first")
			leader.mustPropose("k", "last")
			index := leader.group.LastIndex()
			time.Sleep(2 * announceAfter)
			heard := true
			for _, p := range n.followers(leader) {
				heard = heard && p.get("k") == "last"
				if p.group.LastIndex() != index {
					t.Errorf("follower %v has entries up to %d, the leader to %d", p.id, p.group.LastIndex(), index)
				}
			}
			if heard != announce {
				t.Errorf("announced %v, but all followers have the last commit %v", announce, heard)
			}
			time.Sleep(time.Minute) // what was announced is not announced again
			if leader.group.LastIndex() != index {
				t.Errorf("the log grew from %d to %d while nobody wrote", index, leader.group.LastIndex())
			}
		})
	}
}

// What a leader that was cut off has announced changes nothing later: it is of a
// term that is over, and says nothing but the truth.
func TestAnnouncementOfADeposedLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var late []func()
		n := newNet(t, 3, func(o *Options) {
			patient(o)
			send := o.Announce
			o.Announce = func(to cluster.PeerID, args *raft.AppendEntriesRequest) {
				mu.Lock()
				defer mu.Unlock()
				late = append(late, func() { send(to, args) })
			}
		})
		old := n.leader()
		old.mustPropose("k", "old")
		time.Sleep(2 * announceAfter)
		n.cutOff(old)
		next := n.leader(old)
		next.mustPropose("k", "new")
		for _, p := range n.peers {
			n.connect(p)
		}
		mu.Lock()
		for _, send := range late {
			send()
		}
		mu.Unlock()
		time.Sleep(30 * time.Second)
		if leader := n.leader(); leader != next {
			t.Errorf("%v leads, not %v", leader.id, next.id)
		}
		for _, p := range n.peers {
			if p.get("k") != "new" {
				t.Errorf("%v has %q", p.id, p.get("k"))
			}
		}
	})
}
