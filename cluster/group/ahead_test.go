package group

import (
	"context"
	"testing"

	"github.com/hashicorp/raft"
)

// Entries of a leader run ahead of its disk, those of followers do not.
func TestLeaderStoresAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		leader := n.leader()
		leader.mustPropose("k", "v")
		last := leader.group.LastIndex()
		if !leader.log.ranAhead(last) {
			t.Error("the leader waited for its disk before it sent anything")
		}
		for _, p := range n.followers(leader) {
			if p.log.ranAhead(last) {
				t.Errorf("follower %v does not wait for its disk", p.id)
			}
		}
	})
}

// Nothing runs ahead where a leader alone may be a quorum: changes of members,
// that make it one, and whatever comes after.
func TestQuorumOfOneWaitsForItsDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 2, nil)
		leader := n.leader()
		leader.mustPropose("k", "1")
		if !leader.log.ranAhead(leader.group.LastIndex()) {
			t.Error("a leader of two waited for its disk")
		}
		prev := mustConfiguration(t, leader.group).Index
		if err := leader.group.RemovePeer(context.Background(), n.followers(leader)[0].id, prev); err != nil {
			t.Fatal(err)
		}
		change := mustConfiguration(t, leader.group).Index
		leader.mustPropose("k", "2")
		var entry raft.Log
		if err := leader.log.GetLog(change, &entry); err != nil || entry.Type != raft.LogConfiguration {
			t.Fatalf("entry %d is %+v, %v", change, entry, err)
		}
		for index := change; index <= leader.group.LastIndex(); index++ {
			if leader.log.ranAhead(index) {
				t.Errorf("entry %d of a quorum of one, or that made it one, ran ahead", index)
			}
		}
	})
}

// A transport that delivers an answer too early is noticed before anything is
// applied.
func TestCommittedBeforeDurable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, nil)
		leader := n.leader()
		leader.log.mu.Lock()
		leader.log.durable = func(uint64) bool { return false }
		leader.log.mu.Unlock()
		if a := <-leader.propose("k", "v"); a.err == nil {
			t.Error("the write was acknowledged")
		}
		if err := <-leader.fatal; err == nil {
			t.Error("no fatal error")
		}
		if leader.get("k") != "" {
			t.Error("the write was applied")
		}
	})
}
