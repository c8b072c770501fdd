package node

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
)

// NodeStatus is what a node says of itself.
type NodeStatus struct {
	ID      cluster.NodeID `json:"id"`
	Region  string         `json:"region"`
	Zone    string         `json:"zone,omitempty"`
	Address string         `json:"address"`
	// Reachable is false for a node that did not answer: then the rest of the
	// status is what the catalog knows.
	Reachable bool `json:"reachable"`
	// Catalog is the revision of the catalog that the node holds.
	Catalog uint64       `json:"catalog"`
	Peers   []PeerStatus `json:"peers,omitempty"`
	// Extra is what the layers above have to say.
	Extra json.RawMessage `json:"extra,omitempty"`
}

// PeerStatus is one peer of a group, as the node that holds it sees it.
type PeerStatus struct {
	Group   cluster.GroupID `json:"group"`
	TableID string          `json:"tableId"`
	Leads   bool            `json:"leads"`
	// Leader is the node that leads the group, as far as the peer knows.
	Leader  cluster.NodeID `json:"leader,omitempty"`
	Term    uint64         `json:"term"`
	Applied uint64         `json:"applied"`
	Items   int64          `json:"items"`
	Bytes   int64          `json:"bytes"`
}

// Status describes this node.
func (n *Node) Status() NodeStatus {
	status := NodeStatus{
		ID:        n.config.ID,
		Region:    n.config.Region,
		Zone:      n.config.Zone,
		Address:   n.config.Address,
		Reachable: true,
		Catalog:   n.catalog.State().Revision,
	}
	for _, g := range n.host.Groups() {
		meta := g.Machine().Meta()
		leader, _ := g.Leader()
		status.Peers = append(status.Peers, PeerStatus{
			Group:   g.ID(),
			TableID: meta.Table,
			Leads:   g.IsLeader(),
			Leader:  leader.Node,
			Term:    g.Term(),
			Applied: meta.AppliedIndex,
			Items:   meta.Items,
			Bytes:   meta.Bytes,
		})
	}
	slices.SortFunc(status.Peers, func(a, b PeerStatus) int { return cmp.Compare(a.Group, b.Group) })
	if describe := n.describe.Load(); describe != nil {
		extra, err := json.Marshal((*describe)())
		if err != nil {
			n.logger.Warn("a part of the status is left out", "error", err)
		}
		status.Extra = extra
	}
	return status
}

// Describe makes this node's status include, as Extra, what f returns.
func (n *Node) Describe(f func() any) { n.describe.Store(&f) }

// TableNames lists the region's tables in order of name.
func (n *Node) TableNames() []string { return n.catalog.State().TableNames() }

// Lookup returns a table's record by name. See router.Lookup.
func (n *Node) Lookup(name string) (*catalog.Table, error) { return n.router.Lookup(name) }

func (n *Node) serveStatus(_ cluster.NodeID, _ cluster.GroupID, _ []byte, reply transport.Reply) {
	reply(json.Marshal(n.Status()))
}

// RegionStatus asks every node of the region for its status, in order of id.
func (n *Node) RegionStatus(ctx context.Context) []NodeStatus {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s := n.catalog.State()
	ids := s.NodeIDs()
	all := make([]NodeStatus, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { all[i] = n.statusOf(ctx, s.Nodes[id]) })
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b NodeStatus) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}

func (n *Node) statusOf(ctx context.Context, node *catalog.Node) NodeStatus {
	if node.ID == n.config.ID {
		return n.Status()
	}
	var status NodeStatus
	reply, err := n.transport.CallWait(ctx, node.ID, transport.Control, transport.NodeStatus, cluster.CatalogGroup, nil)
	if err == nil {
		err = json.Unmarshal(reply, &status)
	}
	if err != nil {
		return NodeStatus{ID: node.ID, Region: node.Region, Zone: node.Zone, Address: node.Address}
	}
	return status
}

// Ready reports why the node cannot serve, nil when it can: it holds the
// catalog, and every peer that it should hold is there and knows a leader.
func (n *Node) Ready() error {
	s := n.catalog.State()
	if s.Revision == 0 {
		return storage.Errorf(storage.Unavailable, "the catalog of region %s is not known yet", n.config.Region)
	}
	for id, p := range s.Groups {
		if _, ok := p.PeerOn(n.config.ID); !ok {
			continue
		}
		g, ok := n.host.Group(id)
		if !ok {
			return storage.Errorf(storage.Unavailable, "group %s has not started yet", id)
		}
		if _, ok := g.Leader(); !ok {
			return storage.Errorf(storage.Unavailable, "group %s has no leader", id)
		}
	}
	return nil
}
