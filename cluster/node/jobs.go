package node

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/dispatch"
	"github.com/roundtabledb/roundtable/cluster/placement"
)

// jobEvery is how often the leader of the catalog looks for work, besides at
// every change.
const jobEvery = time.Second

// runJobs carries the region's jobs on while this node leads the catalog group.
// A job is nothing but the state of its record, so that any node can resume it.
func (n *Node) runJobs() {
	for n.ctx.Err() == nil {
		changed := n.catalog.Changed()
		if g, ok := n.host.Group(cluster.CatalogGroup); ok && g.IsLeader() {
			n.work(n.ctx, n.catalog.State())
		}
		n.await(changed, jobEvery)
	}
}

// await waits for a change, or for a time.
func (n *Node) await(changed <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-n.ctx.Done():
	}
}

// work does one round of jobs.
func (n *Node) work(ctx context.Context, s *catalog.State) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, name := range s.TableNames() {
		if err := n.workOn(ctx, s.Tables[name]); err != nil && ctx.Err() == nil {
			n.logger.Warn("a table's job is not done, will try again", "table", name, "error", err)
		}
	}
	if err := n.addPeers(ctx, s); err != nil && ctx.Err() == nil {
		n.logger.Warn("partitions with too few peers get no more, will try again", "error", err)
	}
}

// workOn carries one table on.
func (n *Node) workOn(ctx context.Context, table *catalog.Table) error {
	switch table.Status {
	case catalog.Creating, catalog.Updating:
		if !table.Global.Settled(n.config.Region) || !n.led(ctx, table) {
			return nil
		}
		_, err := n.UpdateTable(ctx, table.Name, func(t *catalog.Table) error {
			if t.ID == table.ID && t.Global.Settled(n.config.Region) &&
				(t.Status == catalog.Creating || t.Status == catalog.Updating) {
				t.Status = catalog.Active
			}
			return nil
		})
		return err
	case catalog.Deleting:
		return n.catalog.Update(ctx, func(t *catalog.Txn) error {
			if current, ok := t.Table(table.Name); ok && current.ID == table.ID && current.Status == catalog.Deleting {
				t.DeleteTable(table.Name)
			}
			return nil
		})
	}
	return nil
}

// led reports whether every group of a table has a leader that can be read.
func (n *Node) led(ctx context.Context, table *catalog.Table) bool {
	if len(table.Partitions) == 0 {
		return false
	}
	for _, p := range table.Partitions {
		_, err := n.dispatcher.Get(ctx, dispatch.Target{Group: p.Group, Peers: p.Peers}, probeKey(p), true)
		if err != nil {
			return false
		}
	}
	return true
}

// probeKey is a key within a partition's range that no item has.
func probeKey(p *catalog.Partition) []byte {
	if len(p.Lo) > 0 {
		return p.Lo
	}
	return []byte{0}
}

// addPeers gives one more peer to each partition that has fewer than the
// region's nodes allow. The nodes concerned do the rest.
func (n *Node) addPeers(ctx context.Context, s *catalog.State) error {
	want := min(placement.Replication, len(s.Nodes))
	short := func(p *catalog.Partition) bool { return len(p.Peers) < want }
	if !slices.ContainsFunc(slices.Collect(maps.Values(s.Groups)), short) {
		return nil
	}
	return n.catalog.Update(ctx, func(t *catalog.Txn) error {
		nodes := n.placeable(t.State())
		for _, id := range slices.Sorted(maps.Keys(t.State().Groups)) {
			p, _ := t.Partition(id)
			if !short(p) {
				continue
			}
			node, ok := placement.Addition(nodes, p.Nodes())
			if !ok {
				continue
			}
			p.Peers = append(p.Peers, cluster.PeerID{Node: node, Replica: p.NextReplica})
			p.NextReplica++
			t.PutPartition(p)
		}
		return nil
	})
}
