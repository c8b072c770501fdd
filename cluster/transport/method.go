package transport

import "github.com/roundtabledb/roundtable/cluster"

// Lane is one of the streams between a pair of nodes. Messages on one lane
// keep their order; lanes do not wait for each other.
type Lane uint8

// The lanes.
const (
	// Control is for small messages that must not queue behind data: votes,
	// heartbeats, confirmations of a term.
	Control Lane = iota
	// Client is for what the router asks of other nodes on behalf of clients.
	Client
	// Data0 and Data1 are for log entries. A group keeps to one of them: see
	// DataLane.
	Data0
	Data1

	lanes
)

var laneNames = [lanes]string{Control: "control", Client: "client", Data0: "data0", Data1: "data1"}

// String names the lane for logs.
func (l Lane) String() string {
	if l < lanes {
		return laneNames[l]
	}
	return "unknown lane"
}

// DataLane returns the data lane that a group keeps to.
func DataLane(g cluster.GroupID) Lane {
	// Group ids are handed out in sequence and leaders may be placed by parity,
	// so the bits are mixed first (Fibonacci hashing).
	return Data0 + Lane(uint64(g)*0x9E3779B97F4A7C15>>63)
}

// Method says what a request asks for. Methods cross the wire between nodes of
// different versions: numbers are never reused.
type Method uint8

// The methods. 1 to 15 belong to this package and to cluster/host, 16 to 31 to
// cluster/catalog and cluster/router, 32 to 63 to the rest of cluster, 64 to
// 127 to the layers above, 128 to 239 are free, 240 to 255 are for tests.
const (
	// RaftAppend is AppendEntries.
	RaftAppend Method = 1
	// RaftVote is RequestVote.
	RaftVote Method = 2
	// RaftPreVote is RequestPreVote.
	RaftPreVote Method = 3
	// RaftTimeoutNow asks the peer to campaign at once: leadership transfer.
	RaftTimeoutNow Method = 4
	// ConfirmTerm asks for the current terms of peers of several groups.
	ConfirmTerm Method = 5
	// GroupStatus asks a peer how far it is: for catching up and for removal.
	GroupStatus Method = 6
	// GroupCreate asks a node to hold an empty peer of a group.
	GroupCreate Method = 7
	// GroupChange asks a leader to change the members of its group.
	GroupChange Method = 8
	// RaftIdle is AppendEntries without entries, heartbeats included. Request and
	// answer wait a moment for company.
	RaftIdle Method = 9

	// Execute proposes a command.
	Execute Method = 16
	// Read reads one item.
	Read Method = 17
	// Page reads a range of items.
	Page Method = 18
	// Catalog reads or follows the catalog.
	Catalog Method = 19
	// NodeStatus asks a node what it holds and leads.
	NodeStatus Method = 20
	// Found asks a node to found the region together with others.
	Found Method = 21
	// ReadIndex asks a leader from which index on a peer may answer strong reads.
	ReadIndex Method = 22

	// ReplicationProgress asks how far a node's senders are.
	ReplicationProgress Method = 64
	// FirstTestMethod and the numbers above are never used outside tests.
	FirstTestMethod Method = 240
)
