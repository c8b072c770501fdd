// Package cluster is the vocabulary of one region's machine: many Raft groups
// that look like tables. The packages below it build that machine. Nothing
// here or below knows of HTTP or of another region.
package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// NodeID names a node within its region. It is given by the operator and never
// reused for another disk.
type NodeID string

// GroupID identifies a Raft group within its region. It is never reused.
type GroupID uint64

// CatalogGroup is the group of the catalog, the only one whose id is fixed.
const CatalogGroup GroupID = 1

// String prints the id for logs.
func (g GroupID) String() string { return "g" + strconv.FormatUint(uint64(g), 10) }

// PeerID names one member of one group for ever: the node it lives on and a
// replica number that is unique within the group. It serves Raft as server id
// and as address; it is never a network address, and never reused, because
// Raft stores votes under it.
type PeerID struct {
	Node    NodeID
	Replica uint64
}

// String is the form that Raft sees: "node/replica".
func (p PeerID) String() string { return string(p.Node) + "/" + strconv.FormatUint(p.Replica, 10) }

// ParsePeerID reads what PeerID.String printed.
func ParsePeerID(s string) (PeerID, error) {
	node, number, ok := strings.Cut(s, "/")
	if !ok || node == "" {
		return PeerID{}, fmt.Errorf("peer id %q is not node/replica", s)
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return PeerID{}, fmt.Errorf("peer id %q: %w", s, err)
	}
	return PeerID{Node: NodeID(node), Replica: n}, nil
}
