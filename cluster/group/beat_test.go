package group

import (
	"testing"
	"time"
)

// A leader sends heartbeats at its own interval, and a peer that leads no more
// waits for the next leader as long as other followers.
func TestHeartbeatTimeoutFollowsTheRole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		timeout := func(p *peer) time.Duration { return p.group.raft.ReloadableConfig().HeartbeatTimeout }
		tuning := Tuning{}.WithDefaults()
		following, leading := tuning.HeartbeatTimeoutOf(testGroup), raftBeats*tuning.HeartbeatInterval
		leader := n.leader()
		if got := timeout(leader); got != leading || leading <= following {
			t.Errorf("the leader has %v, not %v, where followers have %v", got, leading, following)
		}
		for _, p := range n.followers(leader) {
			if got := timeout(p); got != following {
				t.Errorf("a follower has %v, not %v", got, following)
			}
		}
		n.cutOff(leader)
		next := n.leader(leader)
		n.connect(leader)
		time.Sleep(10 * following) // in the bubble
		if got := timeout(leader); got != following {
			t.Errorf("a leader that was deposed has %v, not %v", got, following)
		}
		if got := timeout(next); got != leading {
			t.Errorf("the next leader has %v, not %v", got, leading)
		}
	})
}

// A peer that leads no more is like other followers as soon as it knows the next
// leader: with the timeout of leaders it would go on believing in that one when it
// fails, too, and keep the others from electing another.
func TestDeposedLeaderSoonWaitsAsAFollower(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		following := Tuning{}.HeartbeatTimeoutOf(testGroup)
		for round := range 10 {
			first := n.leader()
			n.cutOff(first)
			second := n.leader(first)
			n.connect(first)
			for {
				if leader, ok := first.group.Leader(); ok && leader == second.id {
					break
				}
				time.Sleep(time.Millisecond)
			}
			time.Sleep(following/restoreLooks + time.Millisecond)
			if got := first.group.raft.ReloadableConfig().HeartbeatTimeout; got != following {
				t.Errorf("round %d: it has %v, not %v", round, got, following)
			}
			time.Sleep(10 * following)
			if now := n.leader(); now != second {
				t.Errorf("round %d: %v leads, though nothing has happened to %v", round, now.id, second.id)
			}
		}
	})
}
