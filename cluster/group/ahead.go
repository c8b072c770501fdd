package group

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// A leader sends entries to its followers while it makes them durable itself, so
// that a commit takes one sync and not two, one after the other (section 10.2.1
// of Ongaro's dissertation). Raft does not know: for it, an entry is durable here
// as soon as it is stored, and counts towards the quorum. What makes that true in
// time is that no follower's answer for an entry is delivered before the entry is
// durable here (transport.GroupHooks.Durable): a quorum of more than one peer has
// a follower in it, so nothing is committed before the leader has it on disk.
//
// A peer that no longer leads answers in a later term, and the log makes that
// durable after everything that was stored before.
//
// Where the argument does not hold, the leader waits for its disk as before:
//
//   - A quorum of one has no follower in it.
//   - A change of members may make such a quorum out of a larger one, and then
//     all that is stored before it counts.

// runsAhead says whether raft may be told that entries are stored before they
// are durable. Raft's main loop calls it, so what it asks about does not change
// meanwhile.
func (g *Group) runsAhead(entries []*raft.Log) bool {
	select {
	case <-g.started:
	default:
		return false
	}
	if g.raft.State() != raft.Leader {
		return false // an answer of a follower is for what it has on disk
	}
	for _, e := range entries {
		if e.Type == raft.LogConfiguration {
			return false
		}
	}
	future := g.raft.GetConfiguration()
	if future.Error() != nil {
		return false
	}
	voters := 0
	for _, s := range future.Configuration().Servers {
		if s.Suffrage == raft.Voter {
			voters++
		}
	}
	return voters > 1
}

// checkDurable makes sure of what runsAhead argues: an entry that is committed is
// durable here.
func (g *Group) checkDurable(index uint64) error {
	if g.opts.Faults.CountUnsynced || g.opts.Log.Durable(index, func() {}) {
		return nil
	}
	return fmt.Errorf("entry %d is committed before it is durable here", index)
}
