package node

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/dispatch"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// catalogSource is how the catalog of a node reaches the catalog group.
type catalogSource struct{ n *Node }

var _ catalog.Source = catalogSource{}

// Local is this node's own peer.
func (s catalogSource) Local() *machine.Partition {
	g, ok := s.n.host.Group(cluster.CatalogGroup)
	if !ok {
		return nil
	}
	return g.Machine()
}

// Execute runs a command at the group's leader.
func (s catalogSource) Execute(ctx context.Context, cmd *command.Command) (command.Result, error) {
	return s.n.dispatcher.Execute(ctx, s.n.catalogTarget(), cmd)
}

func (n *Node) catalogTarget() dispatch.Target {
	return dispatch.Target{Group: cluster.CatalogGroup, Peers: n.catalogPeers()}
}

// Watch asks the peers of the group, one after the other, what is new.
func (s catalogSource) Watch(ctx context.Context, after uint64) (catalog.Delta, error) {
	err := storage.Errorf(storage.Unavailable, "no peer of the catalog is known")
	var cause error = err
	for _, peer := range s.n.catalogPeers() {
		if peer.Node == s.n.config.ID {
			continue
		}
		delta, err := s.n.watch(ctx, peer.Node, after)
		if err == nil {
			return delta, nil
		}
		cause = err
	}
	return catalog.Delta{}, cause
}

func (n *Node) watch(ctx context.Context, peer cluster.NodeID, after uint64) (catalog.Delta, error) {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Second)
	defer cancel()
	body := binary.BigEndian.AppendUint64(nil, after)
	reply, err := n.transport.CallWait(ctx, peer, transport.Control, transport.Catalog, cluster.CatalogGroup, body)
	if err != nil {
		return catalog.Delta{}, err
	}
	var delta catalog.Delta
	if err := json.Unmarshal(reply, &delta); err != nil {
		return catalog.Delta{}, storage.Errorf(storage.Corrupt, "catalog: answer of %s: %w", peer, err)
	}
	return delta, nil
}

// serveCatalog answers the watch of another node. It may wait, so each has its
// own goroutine; there is one for each node at the most.
func (n *Node) serveCatalog(_ cluster.NodeID, _ cluster.GroupID, body []byte, reply transport.Reply) {
	if len(body) != 8 {
		reply(nil, storage.Errorf(storage.Corrupt, "catalog: a watch names a revision in eight bytes"))
		return
	}
	after := binary.BigEndian.Uint64(body)
	n.task(func() {
		delta, err := n.catalog.WatchLocal(n.ctx, after)
		if err != nil {
			reply(nil, storage.Errorf(storage.Unavailable, "catalog: %w", err))
			return
		}
		reply(json.Marshal(delta))
	})
}

// Get reads a record as the leader has it.
func (s catalogSource) Get(ctx context.Context, key []byte) (machine.Stored, error) {
	return s.n.dispatcher.Get(ctx, s.n.catalogTarget(), key, true)
}
