// Package placement decides which nodes hold the peers of a partition. It is
// pure: from what there is to what there should be, with no clock, no network
// and no state of its own.
package placement

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/roundtabledb/roundtable/cluster"
)

// Replication is how many peers a group has where there are enough nodes.
const Replication = 3

// Node is a node that peers can be placed on.
type Node struct {
	ID   cluster.NodeID
	Zone string
	// Load is how many peers the node holds already, Leads how many of them were
	// picked to lead.
	Load, Leads int
}

// Peers picks up to Replication nodes for the peers of a new group: in as many
// zones as possible, then on the nodes with the least load, then by id. The
// first is the one that should lead: of those picked, the one that leads least.
// It raises the loads of the nodes picked, so that a run of calls spreads.
func Peers(nodes []Node) []cluster.NodeID {
	picked := make([]cluster.NodeID, 0, Replication)
	zones := map[string]int{}
	taken := make([]bool, len(nodes))
	first, lead := 0, -1 // where in picked and in nodes the one is that leads
	for len(picked) < min(Replication, len(nodes)) {
		best := -1
		for i, n := range nodes {
			if taken[i] {
				continue
			}
			if best < 0 || better(n, nodes[best], zones) {
				best = i
			}
		}
		taken[best] = true
		zones[nodes[best].Zone]++
		nodes[best].Load++
		if lead < 0 || nodes[best].Leads < nodes[lead].Leads {
			first, lead = len(picked), best
		}
		picked = append(picked, nodes[best].ID)
	}
	if lead >= 0 {
		nodes[lead].Leads++
		picked[0], picked[first] = picked[first], picked[0]
	}
	return picked
}

func better(a, b Node, zones map[string]int) bool {
	return cmp.Or(
		cmp.Compare(zones[a.Zone], zones[b.Zone]),
		cmp.Compare(a.Load, b.Load),
		cmp.Compare(a.ID, b.ID),
	) < 0
}

// Addition picks the node for one more peer of a group that has too few: one
// that has none of its peers. It reports false when there is none.
func Addition(nodes []Node, has []cluster.NodeID) (cluster.NodeID, bool) {
	zones := map[string]int{}
	for _, n := range nodes {
		if slices.Contains(has, n.ID) {
			zones[n.Zone]++
		}
	}
	best := -1
	for i, n := range nodes {
		if !slices.Contains(has, n.ID) && (best < 0 || better(n, nodes[best], zones)) {
			best = i
		}
	}
	if best < 0 {
		return "", false
	}
	return nodes[best].ID, true
}

// Partitions is how many partitions a new table has on so many nodes, where
// nobody says otherwise: as few as give each node a peer of it. Commands to one
// partition share log entries, frames and syncs, so fewer partitions take less
// work: with 64 clients on three nodes 60 % of what three would. Even with 256
// clients the node that leads the only partition has less to do for a put
// (19 µs) than each of three that lead one of three (21 µs), because requests come
// to all nodes. The leaders of tables are spread.
func Partitions(nodes int) int {
	return max(1, (nodes+Replication-1)/Replication)
}

// Range is a range of encoded keys: from Lo on, before Hi. Empty means open.
type Range struct{ Lo, Hi []byte }

// Ranges cuts the space of keys, which begin with eight bytes of hash, into n
// ranges of equal size.
func Ranges(n int) []Range {
	ranges := make([]Range, n)
	step := ^uint64(0)/uint64(n) + 1 // 0 for n = 1, where there is no cut
	for i := 1; i < n; i++ {
		cut := binary.BigEndian.AppendUint64(nil, uint64(i)*step)
		ranges[i-1].Hi = cut
		ranges[i].Lo = cut
	}
	return ranges
}
