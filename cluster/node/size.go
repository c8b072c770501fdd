package node

import (
	"slices"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
)

// sizesAge is how old what other nodes said of their partitions may be. Clients
// are told that counts are right within a minute.
const sizesAge = 30 * time.Second

// sizes remembers how large partitions are that this node has no peer of.
type sizes struct {
	mu struct {
		sync.Mutex
		asked  time.Time
		groups map[cluster.GroupID]size
	}
}

// size is a partition's size as its leader, or else the peer that has applied
// most, knows it.
type size struct {
	items, bytes int64
	leads        bool
	applied      uint64
}

// TableSize is how many items a table has and how many bytes: as this node's
// own peers know it, and for the other partitions as their peers said within
// the last half minute.
func (n *Node) TableSize(t *catalog.Table) (items, bytes int64) {
	var elsewhere []cluster.GroupID
	for _, p := range t.Partitions {
		g, ok := n.host.Group(p.Group)
		if !ok {
			elsewhere = append(elsewhere, p.Group)
			continue
		}
		meta := g.Machine().Meta()
		items += meta.Items
		bytes += meta.Bytes
	}
	if len(elsewhere) == 0 {
		return items, bytes
	}
	known := n.sizes.groups(n)
	for _, id := range elsewhere {
		items += known[id].items
		bytes += known[id].bytes
	}
	return items, bytes
}

// groups is what other nodes say of their partitions. Those who ask while the
// nodes are being asked wait for the same answer.
func (s *sizes) groups(n *Node) map[cluster.GroupID]size {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.mu.groups != nil && now.Sub(s.mu.asked) < sizesAge {
		return s.mu.groups
	}
	s.mu.groups = sizesOf(n.RegionStatus(n.ctx), s.mu.groups)
	s.mu.asked = now
	return s.mu.groups
}

// sizesOf is the sizes that statuses tell of. What nobody tells of now, as while
// its nodes do not answer, is as it was.
func sizesOf(nodes []NodeStatus, before map[cluster.GroupID]size) map[cluster.GroupID]size {
	sizes := map[cluster.GroupID]size{}
	for _, node := range nodes {
		for _, p := range node.Peers {
			best, known := sizes[p.Group]
			if !known || p.Leads && !best.leads || p.Leads == best.leads && p.Applied > best.applied {
				sizes[p.Group] = size{items: p.Items, bytes: p.Bytes, leads: p.Leads, applied: p.Applied}
			}
		}
	}
	if slices.ContainsFunc(nodes, func(node NodeStatus) bool { return !node.Reachable }) {
		for id, old := range before {
			if _, known := sizes[id]; !known {
				sizes[id] = old
			}
		}
	}
	return sizes
}
