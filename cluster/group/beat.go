package group

import (
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
)

// raftBeats is how many heartbeats raft sends in its HeartbeatTimeout, at least
// half as many.
const raftBeats = 10

// beat is how often a leader sends heartbeats. Raft has one HeartbeatTimeout for
// two things: as a follower it waits for so long, as a leader it sends a
// heartbeat each tenth to fifth of it. That is more often than followers need,
// and most of what idle groups cost. So the timeout is changed with the role: a
// leader's is ten times the HeartbeatInterval, which only makes it send less
// often. How long it goes on without a quorum is its lease, another number.
//
// Even so each heartbeat to each follower is a timer of its own, which wakes an
// idle process for itself alone. Beat makes a group's heartbeats leave when the
// caller says, so that one timer does for all groups of a node.
type beat struct {
	// restore says when a peer that leads no more looks whether to go back to the
	// timeout of followers: as soon as it knows the next leader, or else when it has
	// waited for one as long as followers do. It does not at once: raft would take the
	// time since it last heard of a leader for silence, and campaign against the
	// leader that is just elected.
	restore *time.Timer
	// deposed is when it ceased to lead.
	deposed time.Time
}

// restoreLooks is how often it looks in that time. A peer that stays longer with the
// timeout of leaders keeps the others from electing another leader if the next one
// fails soon, because it refuses them its vote while it believes in one.
const restoreLooks = 8

// leadingTimeout is the HeartbeatTimeout of a leader.
func (t *Tuning) leadingTimeout(id cluster.GroupID) time.Duration {
	return max(t.HeartbeatTimeoutOf(id), raftBeats*t.HeartbeatInterval)
}

// Beat has a leader send a heartbeat to each follower now. Raft's own timers wait
// for a HeartbeatInterval after that, so they do nothing as long as Beat is called
// as often. It does not wait for anything.
func (g *Group) Beat() {
	if g.raft.State() != raft.Leader {
		return
	}
	// A leader's heartbeats leave at once when their timeout gets shorter. A
	// nanosecond does, and is given back the next time.
	leading := g.opts.Tuning.leadingTimeout(g.opts.ID)
	for _, timeout := range [...]time.Duration{leading, leading - 1} {
		g.reload(func(c *raft.ReloadableConfig) {
			// Until the proposer has found out that it leads, raft beats faster.
			if c.HeartbeatTimeout == leading || c.HeartbeatTimeout == leading-1 {
				c.HeartbeatTimeout = timeout
			}
		})
	}
}

// leads makes raft beat as a leader.
func (p *proposer) leads() {
	if p.beat.restore != nil {
		p.beat.restore.Stop()
		p.beat.restore = nil
	}
	p.setHeartbeatTimeout(p.opts.Tuning.leadingTimeout(p.opts.ID))
}

// follows makes raft wait as a follower, after a while.
func (p *proposer) follows() {
	p.beat.deposed = time.Now()
	p.beat.restore = time.NewTimer(p.opts.Tuning.HeartbeatTimeoutOf(p.opts.ID) / restoreLooks)
}

// restores returns a channel that says when to restore the timeout.
func (b *beat) restores() <-chan time.Time {
	if b.restore == nil {
		return nil
	}
	return b.restore.C
}

// restore goes back to the timeout of followers, if it is time.
func (p *proposer) restore() {
	timeout := p.opts.Tuning.HeartbeatTimeoutOf(p.opts.ID)
	if _, led := p.Leader(); !led && time.Since(p.beat.deposed) < timeout {
		p.beat.restore.Reset(timeout / restoreLooks)
		return
	}
	p.beat.restore = nil
	p.setHeartbeatTimeout(timeout)
}

func (p *proposer) setHeartbeatTimeout(d time.Duration) {
	p.reload(func(c *raft.ReloadableConfig) { c.HeartbeatTimeout, c.ElectionTimeout = d, d })
}

// reload changes raft's configuration.
func (g *Group) reload(change func(*raft.ReloadableConfig)) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	now := g.raft.ReloadableConfig()
	next := now
	change(&next)
	if next == now {
		return
	}
	if err := g.raft.ReloadConfig(next); err != nil {
		g.opts.Logger.Warn("raft does not take a new configuration", "error", err)
	}
}
