package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/placement"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// CreateTable enters a table and its partitions into the catalog. It is ACTIVE
// once its groups have leaders. global is the replica set that it begins with,
// nil for a table of one region. A missing id, creation time or hash seed is
// made up.
func (n *Node) CreateTable(ctx context.Context, table schema.Table, global *catalog.Global) (*catalog.Table, error) {
	if table.ID == "" {
		table.ID = uuid.NewString()
	}
	if table.CreatedMillis == 0 {
		table.CreatedMillis = time.Now().UnixMilli()
	}
	if table.HashSeed == [16]byte{} {
		if _, err := rand.Read(table.HashSeed[:]); err != nil {
			return nil, fmt.Errorf("create table %s: hash seed: %w", table.Name, err)
		}
	}
	n.awaitFounders(ctx)
	record := &catalog.Table{Table: table, Status: catalog.Creating, Global: global}
	err := n.catalog.Update(ctx, func(t *catalog.Txn) error {
		if _, ok := t.Table(table.Name); ok {
			return storage.Errorf(storage.ResourceInUse, "Table already exists: %s", table.Name)
		}
		t.PutTable(record)
		n.addPartitions(t, table.ID)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return record, nil
}

// foundersTimeout bounds how long a table waits for the region to be complete.
const foundersTimeout = 10 * time.Second

// awaitFounders waits until every node that founded the region is in the
// catalog. They enter it one by one in the first moments, and a table that came
// between would have the partitions of a smaller region for ever. A founder that
// does not come in time is done without.
func (n *Node) awaitFounders(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, foundersTimeout)
	defer cancel()
	founders := n.identity.read().Founders
	_, _ = n.catalog.Await(ctx, func(s *catalog.State) bool {
		for _, id := range founders {
			if _, ok := s.Nodes[id]; !ok {
				return false
			}
		}
		return true
	})
}

// addPartitions lays a new table out over the region's nodes.
func (n *Node) addPartitions(t *catalog.Txn, tableID string) {
	nodes := n.placeable(t.State())
	count := n.config.Partitions
	if count == 0 {
		count = placement.Partitions(len(nodes))
	}
	for _, r := range placement.Ranges(count) {
		p := &catalog.Partition{Group: t.NewGroup(), TableID: tableID, Lo: r.Lo, Hi: r.Hi}
		for i, id := range placement.Peers(nodes) {
			p.Birth = append(p.Birth, cluster.PeerID{Node: id, Replica: uint64(i + 1)})
		}
		p.Peers = p.Birth
		p.NextReplica = uint64(len(p.Birth) + 1)
		t.PutPartition(p)
	}
}

// placeable is the nodes that new peers may be placed on: those that gossip
// believes alive, as long as they are enough; else all.
func (n *Node) placeable(s *catalog.State) []placement.Node {
	load, leads := map[cluster.NodeID]int{}, map[cluster.NodeID]int{}
	for _, p := range s.Groups {
		leads[p.Home()]++
		for _, peer := range p.Peers {
			load[peer.Node]++
		}
	}
	alive := n.up()
	var up, all []placement.Node
	for _, id := range s.NodeIDs() {
		node := placement.Node{ID: id, Zone: s.Nodes[id].Zone, Load: load[id], Leads: leads[id]}
		all = append(all, node)
		if alive[id] {
			up = append(up, node)
		}
	}
	if len(up) >= min(placement.Replication, len(all)) {
		return up
	}
	return all
}

// UpdateTable changes a table's record and returns it as changed.
func (n *Node) UpdateTable(ctx context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error) {
	var changed *catalog.Table
	err := n.catalog.Update(ctx, func(t *catalog.Txn) error {
		table, ok := t.Table(name)
		if !ok {
			return storage.Errorf(storage.ResourceNotFound, "Requested resource not found: Table: %s not found", name)
		}
		if err := change(table); err != nil {
			return err
		}
		t.PutTable(table)
		changed = table
		return nil
	})
	return changed, err
}
