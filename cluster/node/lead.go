package node

import (
	"context"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/placement"
	"github.com/roundtabledb/roundtable/storage"
)

const (
	// movesAtOnce is how many leaders a node moves between two looks, so that not
	// all of them move in the same moment when another node is back.
	movesAtOnce = 8
	// moveTimeout bounds one move. Requests of the group wait meanwhile.
	moveTimeout = 500 * time.Millisecond
)

// mover moves the leaders of groups that this node leads to where they should be.
type mover struct {
	node *Node
	// groups are those that this node leads.
	groups map[cluster.GroupID]*led
}

// led is a group that this node leads, in one term.
type led struct {
	term    uint64
	leading *placement.Leading
	// requests are those since the last look, by the node that they came from.
	requests map[cluster.NodeID]int
}

// run moves leaders until ctx ends.
func (m *mover) run(ctx context.Context) {
	ticker := time.NewTicker(placement.LeadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look looks at all groups that this node leads.
func (m *mover) look(ctx context.Context) {
	now := time.Now()
	groups := m.update(now)
	s := m.node.catalog.State()
	up := m.node.up()
	moves := 0
	for _, g := range groups {
		p, known := s.Groups[g.ID()]
		if !known || len(p.Peers) < 2 {
			continue
		}
		candidates := slices.DeleteFunc(p.Nodes(), func(id cluster.NodeID) bool { return !up[id] })
		l := m.groups[g.ID()]
		to, why, move := l.leading.Look(now, l.requests, p.Home(), candidates)
		if !move || moves == movesAtOnce || ctx.Err() != nil {
			continue
		}
		moves++
		if err := m.move(ctx, g, p, to); err != nil {
			l.leading.Failed(now)
			m.node.logger.Info("a leader stays here for now", "group", g.ID(), "to", to, "because", why, "error", err)
		} else {
			m.node.logger.Info("a leader has moved", "group", g.ID(), "to", to, "because", why)
		}
	}
}

// update brings m.groups up to date and returns the groups that are led here.
func (m *mover) update(now time.Time) []*group.Group {
	groups := m.node.host.Groups()
	before := m.groups
	m.groups = make(map[cluster.GroupID]*led, len(before))
	groups = slices.DeleteFunc(groups, func(g *group.Group) bool {
		term, leads := g.Leading()
		if !leads {
			return true
		}
		l := before[g.ID()]
		if l == nil || l.term != term {
			l = &led{term: term, leading: placement.NewLeading(m.node.config.ID, now, m.node.config.Leaders)}
		}
		l.requests = nil
		m.groups[g.ID()] = l
		return false
	})
	for origin, n := range m.node.dispatcher.Demand() {
		l := m.groups[origin.Group]
		if l == nil {
			continue
		}
		if l.requests == nil {
			l.requests = make(map[cluster.NodeID]int, 1)
		}
		l.requests[origin.From] += n
	}
	return groups
}

// move hands a group over to its peer on another node, if that is there and has
// kept up: requests would wait for it otherwise.
func (m *mover) move(ctx context.Context, g *group.Group, p *catalog.Partition, to cluster.NodeID) error {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	peer, _ := p.PeerOn(to)
	status, err := m.node.host.Status(ctx, g.ID(), peer)
	if err != nil {
		return err
	}
	if status.LastIndex+caughtUp < g.LastIndex() {
		return storage.Errorf(storage.Unavailable, "its peer there lags %d entries behind", g.LastIndex()-status.LastIndex)
	}
	return g.TransferLeadershipTo(ctx, peer)
}

// up is the nodes that gossip believes alive, and this one.
func (n *Node) up() map[cluster.NodeID]bool {
	up := map[cluster.NodeID]bool{n.config.ID: true}
	for _, m := range n.alive() {
		up[m.NodeID] = true
	}
	return up
}
