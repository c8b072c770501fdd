package dispatch

import (
	"sync"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage/command"
)

// Origin is a group that this node leads, and a node that asked something of
// its leader.
type Origin struct {
	Group cluster.GroupID
	From  cluster.NodeID
}

// demand counts what clients have asked of the leaders on this node: their writes
// and strong reads, by the node that they are connected to.
type demand struct {
	mu       sync.Mutex
	requests map[Origin]int
}

// write counts a command that has been carried out, if it is a client's.
func (d *demand) write(id cluster.GroupID, from cluster.NodeID, cmd []byte) {
	if command.Writes(cmd) > 0 {
		d.count(id, from, 1)
	}
}

func (d *demand) count(id cluster.GroupID, from cluster.NodeID, n int) {
	d.mu.Lock()
	if d.requests == nil {
		d.requests = make(map[Origin]int)
	}
	d.requests[Origin{id, from}] += n
	d.mu.Unlock()
}

func (d *demand) take() map[Origin]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := d.requests
	d.requests = nil
	return taken
}

// Demand is how many writes and strong reads clients have made of groups that
// this node leads, by the node that they are connected to, since it was last
// asked.
func (d *Dispatcher) Demand() map[Origin]int { return d.demand.take() }
