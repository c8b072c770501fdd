package node

import (
	"context"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/group"
)

// caughtUp is how many log entries a new peer may lag behind its leader when it
// gets its vote.
const caughtUp = 100

// changeMembers brings a group that this node leads one step nearer to the
// peers that the catalog gives it: a peer is added without a vote, gets one
// when it has caught up, and only then is another removed.
//
// settled remembers the groups that have them, so that thousands of groups that
// do not change are not looked at again and again.
func (n *Node) changeMembers(s *catalog.State, g *group.Group, settled map[cluster.GroupID]membership) {
	p, ok := s.Groups[g.ID()]
	if !ok || !g.IsLeader() {
		return
	}
	seen := membership{wanted: p, config: g.Machine().Meta().ConfigIndex}
	if settled[g.ID()] == seen {
		return
	}
	current, err := g.Configuration()
	switch {
	case err != nil:
	case current.Index == seen.config && current.Consists(p.Peers):
		settled[g.ID()] = seen
	default:
		ctx, cancel := context.WithTimeout(n.ctx, 10*time.Second)
		defer cancel()
		err = n.step(ctx, g, current, p.Peers)
	}
	if err != nil && n.ctx.Err() == nil {
		n.logger.Info("the members of a group are not changed yet, will try again", "group", g.ID(), "error", err)
	}
}

// membership is what a catalog gives a group, and which configuration it has. A
// record of the catalog that does not change is the same in all revisions.
type membership struct {
	wanted *catalog.Partition
	config uint64
}

// step makes the next change that leads from a configuration to a set of peers.
func (n *Node) step(ctx context.Context, g *group.Group, current group.Configuration, want []cluster.PeerID) error {
	for _, peer := range want {
		at := slices.IndexFunc(current.Members, func(m group.Member) bool { return m.Peer == peer })
		switch {
		case at < 0:
			return g.AddNonvoter(ctx, peer, current.Index)
		case current.Members[at].Voter:
			continue
		}
		status, err := n.host.Status(ctx, g.ID(), peer)
		if err != nil {
			return err
		}
		if status.Applied == 0 || status.Applied+caughtUp < g.Machine().Meta().AppliedIndex {
			return nil // it waits for its snapshot, or lags
		}
		return g.AddVoter(ctx, peer, current.Index)
	}
	for _, m := range current.Members {
		if !slices.Contains(want, m.Peer) {
			return g.RemovePeer(ctx, m.Peer, current.Index)
		}
	}
	return nil
}
