// Package catalog is the region's metadata: which nodes, tables, partitions
// and long-running jobs there are.
//
// The catalog is data. It is kept in an ordinary partition, the group with the
// id cluster.CatalogGroup, as one item per record, and changed by ordinary
// transactions that compare and raise one revision number. Every node follows
// it and holds it in memory as an immutable State, so that no request path
// ever asks the catalog group. A node acts on the revision it holds and never
// goes back to an older one.
//
// The package knows how records are stored, changed and followed. It does not
// know what is done about them: placement plans, node reconciles.
package catalog

import (
	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage/schema"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Status is DynamoDB's TableStatus.
type Status string

// The statuses of a table that Roundtable uses.
const (
	Creating Status = "CREATING"
	Active   Status = "ACTIVE"
	Updating Status = "UPDATING"
	Deleting Status = "DELETING"
)

// Node is the record of a node.
type Node struct {
	ID     cluster.NodeID `json:"id"`
	Region string         `json:"region"`
	Zone   string         `json:"zone,omitempty"`
	// Store is the identity of the node's disk. A node that comes with another
	// store than its record's has lost its promises and is refused.
	Store string `json:"store"`
	// Address is where the node's peer service listens.
	Address string `json:"address"`
}

// Partition is the record of one key range of a table, and of its group.
type Partition struct {
	Group   cluster.GroupID `json:"group"`
	TableID string          `json:"tableId"`
	Lo      []byte          `json:"lo,omitempty"`
	Hi      []byte          `json:"hi,omitempty"`
	// Birth is the peers that the group was created with. They start from a
	// state that all of them make up alike.
	Birth []cluster.PeerID `json:"birth"`
	// Peers is the peers that the group should have now.
	Peers []cluster.PeerID `json:"peers"`
	// NextReplica is the number that the next new peer gets.
	NextReplica uint64 `json:"nextReplica"`
}

// Contains reports whether key lies in the partition's range.
func (p *Partition) Contains(key []byte) bool {
	return string(key) >= string(p.Lo) && (len(p.Hi) == 0 || string(key) < string(p.Hi))
}

// PeerOn returns the peer that lives on a node.
func (p *Partition) PeerOn(node cluster.NodeID) (cluster.PeerID, bool) {
	for _, peer := range p.Peers {
		if peer.Node == node {
			return peer, true
		}
	}
	return cluster.PeerID{}, false
}

// Nodes lists the nodes that its peers should be on.
func (p *Partition) Nodes() []cluster.NodeID {
	nodes := make([]cluster.NodeID, len(p.Peers))
	for i, peer := range p.Peers {
		nodes[i] = peer.Node
	}
	return nodes
}

// Home is the node that should lead the group as long as nothing speaks for
// another: that of its first peer.
func (p *Partition) Home() cluster.NodeID {
	if len(p.Peers) == 0 {
		return ""
	}
	return p.Peers[0].Node
}

// Table is the record of a table, with its partitions once it is part of a
// State.
type Table struct {
	schema.Table
	Status Status `json:"status"`
	// Global is the table's replica set; nil for a table of one region.
	Global *Global `json:"global,omitempty"`

	// Partitions is the table's partitions in order of their ranges, which
	// together cover all keys. It is filled in from the partition records.
	Partitions []*Partition `json:"-"`
}

// Find returns the partition that a key belongs to, nil while the table has
// none.
func (t *Table) Find(key []byte) *Partition {
	lo, hi := 0, len(t.Partitions)
	for lo < hi {
		mid := (lo + hi) / 2
		if string(t.Partitions[mid].Lo) <= string(key) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return nil
	}
	return t.Partitions[lo-1]
}

// Global is the replica set of a global table as this region knows it. It is
// convergent: regions exchange it and merge it member by member, the greater
// version of a member wins.
type Global struct {
	// ID is the same in every region: the id of the table that the first
	// replica was added to.
	ID      string            `json:"id"`
	Members map[string]Member `json:"members"`
	// Settings is what the regions have agreed on of the table's settings; the
	// greater version wins.
	Settings Settings `json:"settings,omitzero"`
}

// Settings is the settings of a global table that are the same in all regions.
type Settings struct {
	Version     version.Version `json:"version"`
	BillingMode string          `json:"billingMode"`
	ReadUnits   int64           `json:"readUnits,omitempty"`
	WriteUnits  int64           `json:"writeUnits,omitempty"`
}

// Member is one region of a replica set.
type Member struct {
	Version version.Version `json:"version"`
	// Present is false once the region has been removed.
	Present bool `json:"present"`
	// Status is DynamoDB's ReplicaStatus.
	Status string `json:"status,omitempty"`
	// Sources is the regions that have shipped everything to this one since it
	// became a member. It only grows, until a new Version.
	Sources []string `json:"sources,omitempty"`
}

// Clone is a deep copy.
func (g *Global) Clone() *Global {
	if g == nil {
		return nil
	}
	members := make(map[string]Member, len(g.Members))
	for region, m := range g.Members {
		members[region] = m
	}
	dup := *g
	dup.Members = members
	return &dup
}

// Settled reports whether a replica set, as a region knows it, waits for
// nothing: that region's replica is complete and no other is being added or
// removed. A table without a replica set waits for nothing.
func (g *Global) Settled(region string) bool {
	if g == nil {
		return true
	}
	for name, m := range g.Members {
		if m.Present && m.Status != ReplicaActive && (name == region || m.Status == ReplicaCreating) {
			return false
		}
		if !m.Present && m.Status == ReplicaDeleting {
			return false
		}
	}
	return true
}

// DynamoDB's ReplicaStatus, as far as Roundtable uses it.
const (
	ReplicaCreating = "CREATING"
	ReplicaActive   = "ACTIVE"
	ReplicaDeleting = "DELETING"
)
