package node

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/host"
)

// reconcileEvery is how often a node compares what it holds with what the
// catalog gives it, besides at every change.
const reconcileEvery = time.Second

// newbornEvery is how often it does so while a group that it is to lead has no
// leader yet.
const newbornEvery = 20 * time.Millisecond

// reconcile makes this node hold the peers that the catalog gives it, and the
// groups that it leads have the members that the catalog gives them.
func (n *Node) reconcile() {
	newborn := map[cluster.GroupID]*catalog.Partition{}
	settled := map[cluster.GroupID]membership{}
	for n.ctx.Err() == nil {
		changed := n.catalog.Changed()
		s := n.catalog.State()
		n.createPeers(s, newborn)
		n.campaign(newborn)
		n.destroyPeers(s)
		maps.DeleteFunc(settled, func(id cluster.GroupID, m membership) bool { return s.Groups[id] != m.wanted })
		for _, g := range n.host.Groups() {
			n.changeMembers(s, g, settled)
		}
		if p, ok := s.Groups[cluster.CatalogGroup]; ok {
			_ = n.noteCatalog(p.Peers) // an error is fatal and has been reported
		}
		if len(newborn) > 0 {
			n.await(changed, newbornEvery)
		} else {
			n.await(changed, reconcileEvery)
		}
	}
}

// campaign makes this node's peers lead the newborn groups that they are the
// first peer of, as soon as the other peers are there to vote. So a new table
// need not wait until somebody misses a leader, and leaders are spread as the
// plan has it.
func (n *Node) campaign(newborn map[cluster.GroupID]*catalog.Partition) {
	for id, p := range newborn {
		g, ok := n.host.Group(id)
		if !ok {
			delete(newborn, id)
			continue
		}
		if _, led := g.Leader(); led || n.present(p) && g.Campaign() == nil {
			delete(newborn, id)
		}
	}
}

// present reports whether all peers of a partition answer.
func (n *Node) present(p *catalog.Partition) bool {
	ctx, cancel := context.WithTimeout(n.ctx, 200*time.Millisecond)
	defer cancel()
	for _, peer := range p.Birth {
		if _, err := n.host.Status(ctx, p.Group, peer); err != nil {
			return false
		}
	}
	return true
}

// createPeers creates the peers that this node should hold and does not. It
// adds the groups that this node is to lead first to newborn.
func (n *Node) createPeers(s *catalog.State, newborn map[cluster.GroupID]*catalog.Partition) {
	for id, p := range s.Groups {
		peer, ok := p.PeerOn(n.config.ID)
		if !ok {
			continue
		}
		if _, ok := n.host.Group(id); ok {
			continue
		}
		if err := n.createPeer(p, peer); err != nil && n.ctx.Err() == nil {
			n.logger.Warn("cannot create a peer, will try again", "group", id, "peer", peer, "error", err)
		} else if err == nil && peer == p.Birth[0] {
			newborn[id] = p
		}
	}
}

func (n *Node) createPeer(p *catalog.Partition, peer cluster.PeerID) error {
	if slices.Contains(p.Birth, peer) {
		return n.host.Create(host.Birth{Group: p.Group, Table: p.TableID, Lo: p.Lo, Hi: p.Hi, Peers: p.Birth})
	}
	return n.host.CreateEmpty(p.Group, peer)
}

// destroyPeers destroys the peers that this node holds and should not. That
// cannot be taken back, so the leader of the catalog has the last word.
func (n *Node) destroyPeers(s *catalog.State) {
	if s.Revision == 0 {
		return
	}
	for _, g := range n.host.Groups() {
		if p, ok := s.Groups[g.ID()]; ok && slices.Contains(p.Peers, g.Peer()) {
			continue
		}
		ctx, cancel := context.WithTimeout(n.ctx, 5*time.Second)
		holds, err := n.catalog.Holds(ctx, g.ID(), g.Peer())
		cancel()
		if err == nil && !holds {
			err = n.host.Destroy(g.ID())
		}
		if err != nil && n.ctx.Err() == nil {
			n.logger.Warn("cannot destroy a peer, will try again", "group", g.ID(), "error", err)
		}
	}
}
