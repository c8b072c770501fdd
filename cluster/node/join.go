package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/host"
	"github.com/roundtabledb/roundtable/cluster/member"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
)

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return nil
}

// lookAgain is how often a node that waits for others looks around, besides
// whenever gossip has news.
const lookAgain = 500 * time.Millisecond

// join makes the node part of its region: it founds the region if there is
// none, waits for the catalog and registers itself there.
func (n *Node) join(ctx context.Context) error {
	for len(n.catalogPeers()) == 0 {
		if err := n.found(ctx); err != nil {
			return err
		}
		if len(n.catalogPeers()) > 0 {
			break
		}
		if err := n.look(ctx); err != nil {
			return fmt.Errorf("region %s is not founded yet: %d of %d nodes are here: %w",
				n.config.Region, len(n.founders()), n.config.Expect, err)
		}
	}
	for {
		err := n.register(ctx)
		if err == nil {
			return nil
		}
		if storage.KindOf(err) == storage.Validation || ctx.Err() != nil {
			return err
		}
		n.logger.Debug("cannot register with the catalog, will try again", "error", err)
		if err := n.look(ctx); err != nil {
			return fmt.Errorf("no catalog of region %s answers: %w", n.config.Region, err)
		}
	}
}

// look waits until it is worth looking around again.
func (n *Node) look(ctx context.Context) error {
	timer := time.NewTimer(lookAgain)
	defer timer.Stop()
	select {
	case <-n.gossiped:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-n.ctx.Done():
		return context.Cause(n.ctx)
	}
	return nil
}

// catalogPeers is the peers of the catalog group as this node knows them: from
// the catalog, from its identity, from other nodes.
func (n *Node) catalogPeers() []cluster.PeerID {
	if p, ok := n.catalog.State().Groups[cluster.CatalogGroup]; ok {
		return p.Peers
	}
	if peers := n.identity.read().Catalog; len(peers) > 0 {
		return peers
	}
	for _, m := range n.alive() {
		if len(m.Catalog) > 0 {
			return m.Catalog
		}
	}
	return nil
}

func (n *Node) alive() []member.Meta {
	members := n.members.Load()
	if members == nil {
		return nil
	}
	return members.Nodes()
}

// founders is the nodes that this one sees, itself included, in order.
func (n *Node) founders() []cluster.NodeID {
	ids := []cluster.NodeID{n.config.ID}
	for _, m := range n.alive() {
		if m.NodeID != n.config.ID {
			ids = append(ids, m.NodeID)
		}
	}
	slices.Sort(ids)
	return ids
}

// found founds the region once exactly the expected number of nodes is there.
// The first of them asks all to agree; each agrees to one set for ever; only
// when all have agreed does the first one tell them to begin. So there are
// never two catalogs.
func (n *Node) found(ctx context.Context) error {
	founders := n.founders()
	if len(founders) != n.config.Expect || founders[0] != n.config.ID {
		return nil
	}
	for _, commit := range []bool{false, true} {
		for _, id := range founders {
			if err := n.askToFound(ctx, id, foundRequest{Founders: founders, Commit: commit}); err != nil {
				n.logger.Info("cannot found the region yet", "with", id, "error", err)
				return nil
			}
		}
	}
	n.logger.Info("founded the region", "nodes", founders)
	if g, ok := n.host.Group(cluster.CatalogGroup); ok {
		return g.Campaign() // all founders are there to vote
	}
	return nil
}

// foundRequest asks a node to agree to found the region, or, when all have
// agreed, to begin.
type foundRequest struct {
	Founders []cluster.NodeID `json:"founders"`
	Commit   bool             `json:"commit"`
}

func (n *Node) askToFound(ctx context.Context, id cluster.NodeID, req foundRequest) error {
	if id == n.config.ID {
		return n.agree(req)
	}
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = n.transport.CallWait(ctx, id, transport.Control, transport.Found, cluster.CatalogGroup, body)
	return err
}

func (n *Node) serveFound(_ cluster.NodeID, _ cluster.GroupID, body []byte, reply transport.Reply) {
	n.task(func() {
		var req foundRequest
		if err := json.Unmarshal(body, &req); err != nil {
			reply(nil, storage.Errorf(storage.Validation, "found: %w", err))
			return
		}
		reply(nil, n.agree(req))
	})
}

// agree agrees to found the region with a set of nodes, or begins.
func (n *Node) agree(req foundRequest) error {
	var refusal error
	err := n.identity.update(func(f *facts) {
		switch {
		case len(f.Founders) > 0 && !slices.Equal(f.Founders, req.Founders):
			refusal = storage.Validationf("node %s has agreed to found region %s with %v: stop the nodes that are not to found it", f.Node, f.Region, f.Founders)
		case len(f.Founders) == 0 && len(f.Catalog) > 0:
			refusal = storage.Validationf("node %s is in region %s already", f.Node, f.Region)
		default:
			f.Founders = req.Founders
		}
	})
	if err != nil {
		n.config.Fatal(err)
		return err
	}
	if refusal != nil || !req.Commit {
		return refusal
	}
	return n.begin(req.Founders)
}

// begin creates this node's peer of the first catalog group.
func (n *Node) begin(founders []cluster.NodeID) error {
	birth := catalogBirth(founders)
	if err := n.host.Create(birth); err != nil {
		return fmt.Errorf("create the catalog group: %w", err)
	}
	return n.noteCatalog(birth.Peers)
}

// catalogBirth is how the catalog group begins: with peers on the first three
// founders.
func catalogBirth(founders []cluster.NodeID) host.Birth {
	birth := host.Birth{Group: cluster.CatalogGroup, Table: "catalog"}
	for i, id := range founders[:min(3, len(founders))] {
		birth.Peers = append(birth.Peers, cluster.PeerID{Node: id, Replica: uint64(i + 1)})
	}
	return birth
}

// noteCatalog remembers, and tells others, who holds the catalog.
func (n *Node) noteCatalog(peers []cluster.PeerID) error {
	if members := n.members.Load(); members != nil {
		members.Announce(peers)
	}
	f := n.identity.read()
	addresses := maps.Clone(f.Addresses)
	if addresses == nil {
		addresses = map[cluster.NodeID]string{}
	}
	for _, m := range n.alive() {
		addresses[m.NodeID] = m.PeerAddr
	}
	addresses[n.config.ID] = n.config.Address
	if slices.Equal(f.Catalog, peers) && maps.Equal(f.Addresses, addresses) {
		return nil
	}
	err := n.identity.update(func(f *facts) { f.Catalog, f.Addresses = peers, addresses })
	if err != nil {
		n.config.Fatal(err)
	}
	return err
}

// register waits for the catalog and makes sure that it has this node's record.
func (n *Node) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	f := n.identity.read()
	if len(f.Founders) == 0 {
		// A node that did not found the region has nothing to say before it
		// knows the catalog.
		if _, err := n.catalog.Await(ctx, func(s *catalog.State) bool { return s.Revision > 0 }); err != nil {
			return err
		}
	}
	self := &catalog.Node{ID: n.config.ID, Region: n.config.Region, Zone: n.config.Zone, Store: f.Store, Address: n.config.Address}
	err := n.catalog.Update(ctx, func(t *catalog.Txn) error {
		known, ok := t.State().Nodes[self.ID]
		if ok && known.Store != self.Store {
			return storage.Validationf("node %s of region %s has another disk than the one it is known with: a node that lost its disk must come back under a new id", self.ID, self.Region)
		}
		if _, ok := t.State().Groups[cluster.CatalogGroup]; !ok {
			birth := catalogBirth(f.Founders)
			t.PutPartition(&catalog.Partition{
				Group: birth.Group, TableID: birth.Table, Birth: birth.Peers, Peers: birth.Peers,
				NextReplica: uint64(len(birth.Peers) + 1),
			})
		}
		if !ok || *known != *self {
			t.PutNode(self)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return n.noteCatalog(n.catalogPeers())
}
