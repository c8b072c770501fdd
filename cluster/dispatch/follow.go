package dispatch

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/host"
	"github.com/roundtabledb/roundtable/cluster/transport"
)

// A strong read need not be carried out where the leader is: a node with a peer
// of its own asks the leader up to which index that must have applied the log, and
// reads there (Ongaro's dissertation, section 6.4). The reads of a group that come
// while a question is under way share the next one. So items and keys do not go
// between nodes, and what reads cost is paid where clients are.
//
//	ReadIndex request  count of reads, replica and term of the asking peer
//	ReadIndex answer   index
//
// Numbers are unsigned varints. A peer that has not applied so much leaves the
// reads to the leader, and those that come within a while: followers hear of a
// commit with the next entry, so while there are writes it would be behind again.
type following struct {
	sync.Mutex
	// asking has, while a question is under way, the reads that have come since.
	asking map[linkTo][]follower
	// behind has, for groups whose peer here was behind, when to try again.
	behind map[cluster.GroupID]time.Time
}

// linkTo is what questions go by: a group, and the node that leads it.
type linkTo struct {
	group  cluster.GroupID
	leader cluster.NodeID
}

// follower is an attempt at a read that waits for this node's peer.
type follower struct {
	call *call
	done chan<- answer
}

const (
	// behindFor is how long the leader of a group answers after this node's peer
	// was behind.
	behindFor = 100 * time.Millisecond
	// askTimeout is when a question is given up. Others wait behind it.
	askTimeout = time.Second
)

// follow makes one attempt at a read: it asks the node that c.node names, and lets
// this node's peer answer. It reports false if that is of no use.
func (d *Dispatcher) follow(c *call, done chan<- answer) bool {
	id := c.target.Group
	if g, ok := d.host.Group(id); !ok || g.Machine().Meta().ConfigIndex == 0 {
		return false
	}
	to := linkTo{id, c.node}
	f := &d.following
	f.Lock()
	if until, behind := f.behind[id]; behind {
		if time.Now().Before(until) {
			f.Unlock()
			return false
		}
		delete(f.behind, id)
	}
	next, busy := f.asking[to]
	if busy {
		next = append(next, follower{c, done})
	}
	f.asking[to] = next
	f.Unlock()
	if !busy {
		d.ask(to, []follower{{c, done}})
	}
	return true
}

// ask sends the question of some reads, and then that of those that have come
// meanwhile.
func (d *Dispatcher) ask(to linkTo, reads []follower) {
	body := binary.AppendUvarint(make([]byte, 0, 16), uint64(len(reads)))
	if g, ok := d.host.Group(to.group); ok {
		// Looked at after the reads came: if it is the leader's, there was no later
		// one then.
		body = binary.AppendUvarint(binary.AppendUvarint(body, g.Peer().Replica), g.Term())
	}
	d.transport.Call(to.leader, transport.Control, transport.ReadIndex, to.group, body, askTimeout, func(reply []byte, err error) {
		f := &d.following
		f.Lock()
		next := f.asking[to]
		if len(next) > 0 {
			f.asking[to] = nil
		} else {
			delete(f.asking, to)
		}
		f.Unlock()
		if len(next) > 0 {
			d.ask(to, next)
		}
		d.told(to, reads, reply, err)
	})
}

// told carries on with reads whose question has been answered.
func (d *Dispatcher) told(to linkTo, reads []follower, reply []byte, err error) {
	if err == nil && len(reply) > 0 && reply[0] == replyDone {
		r := reader{b: reply[1:]}
		index := r.uint()
		if err = r.err; err == nil {
			d.readFrom(to, index, reads)
			return
		}
	}
	for _, r := range reads {
		answered(r.call, r.done)(reply, err)
	}
}

// readFrom lets this node's peer answer reads if it has applied the log up to
// index, and the leader if not.
func (d *Dispatcher) readFrom(to linkTo, index uint64, reads []follower) {
	g, ok := d.host.Group(to.group)
	if !ok || !g.Holds(index) {
		d.leave(to, reads)
		return
	}
	for _, r := range reads {
		r.done <- answer{call: r.call, peer: g}
	}
}

// leave leaves reads to the leader, and those that come within a while.
func (d *Dispatcher) leave(to linkTo, reads []follower) {
	f := &d.following
	f.Lock()
	f.behind[to.group] = time.Now().Add(behindFor)
	f.Unlock()
	for _, r := range reads {
		// Of the call, only what does not change: it may have been given up.
		d.transport.Call(to.leader, transport.Client, r.call.method, to.group, r.call.body, attemptTimeout, answered(r.call, r.done))
	}
}

// serveReadIndex answers follow.
func (d *Dispatcher) serveReadIndex(from cluster.NodeID, id cluster.GroupID, body []byte, reply transport.Reply) {
	r := reader{b: body}
	count := r.uint()
	var asks host.Asker
	if len(r.b) > 0 { // it has lost its peer since
		asks = host.Asker{Peer: cluster.PeerID{Node: from, Replica: r.uint()}, Term: r.uint()}
	}
	if r.err != nil {
		reply(nil, r.err)
		return
	}
	d.host.ReadIndex(id, asks, func(index uint64, err error) {
		if err != nil {
			reply(d.refusal(id, err))
			return
		}
		d.demand.count(id, from, int(count))
		reply(binary.AppendUvarint([]byte{replyDone}, index), nil)
	})
}
