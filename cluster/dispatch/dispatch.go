// Package dispatch carries one command or one read to the right peer of one
// Raft group, wherever in the region that is.
//
// It finds the leader, retries what is safe to retry, and makes commands take
// effect exactly once: every command gets the id of this node's session and a
// sequence number, and a retry carries the same one (Ongaro's dissertation,
// section 6.3). Which group a key belongs to is not its business.
package dispatch

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/host"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
)

// Target is a group and the peers that it is known to have.
type Target struct {
	Group cluster.GroupID
	Peers []cluster.PeerID
}

// Write is a command for a group.
type Write struct {
	Target  Target
	Command *command.Command
}

// Outcome is what became of a Write. Err says that it is not known to have
// been carried out; what the command itself was answered, refusals included,
// is in Result.
type Outcome struct {
	Result command.Result
	Err    error
}

const (
	// giveUpAfter bounds how long a command or read is retried.
	giveUpAfter = 10 * time.Second
	// attemptTimeout bounds one attempt at another node.
	attemptTimeout = 5 * time.Second
	// lookEvery is how often an attempt that waits is compared with what this
	// node hears of new leaders.
	lookEvery = 250 * time.Millisecond
	// The wait between two attempts doubles from the first to the second.
	firstBackoff = 4 * time.Millisecond
	maxBackoff   = 250 * time.Millisecond
)

// Dispatcher sends commands and reads. It is safe for concurrent use.
type Dispatcher struct {
	self      cluster.NodeID
	host      *host.Host
	transport *transport.Transport
	session   uint64

	// leaders remembers where each group's leader was last met:
	// cluster.GroupID → cluster.NodeID.
	leaders sync.Map
	// windows has the sequence numbers in use: cluster.GroupID → *window.
	windows sync.Map

	// looks has stopped timers of calls that have ended: *time.Timer. It is not
	// shared with other dispatchers, whose time may be another in tests.
	looks sync.Pool

	serving sync.WaitGroup // page reads under way for other nodes

	demand    demand
	following following
}

// New makes the dispatcher of a node and registers the handlers that serve the
// dispatchers of other nodes.
func New(self cluster.NodeID, h *host.Host, t *transport.Transport) (*Dispatcher, error) {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("dispatch: session id: %w", err)
	}
	d := &Dispatcher{self: self, host: h, transport: t, session: binary.BigEndian.Uint64(id[:]) | 1}
	d.following.asking = make(map[linkTo][]follower)
	d.following.behind = make(map[cluster.GroupID]time.Time)
	t.Handle(transport.Execute, d.serveExecute)
	t.Handle(transport.Read, d.serveGet)
	t.Handle(transport.ReadIndex, d.serveReadIndex)
	t.Handle(transport.Page, d.servePage)
	return d, nil
}

// Close waits until nothing is being served any more. The transport must have
// been closed before.
func (d *Dispatcher) Close() { d.serving.Wait() }

// Execute carries out one command.
func (d *Dispatcher) Execute(ctx context.Context, t Target, cmd *command.Command) (command.Result, error) {
	out := d.ExecuteAll(ctx, []Write{{Target: t, Command: cmd}})[0]
	return out.Result, out.Err
}

// ExecuteAll carries out commands side by side, in no promised order.
func (d *Dispatcher) ExecuteAll(ctx context.Context, writes []Write) []Outcome {
	calls := make([]call, len(writes))
	pending := make([]*call, len(writes))
	for i, w := range writes {
		c := &calls[i]
		c.target = w.Target
		c.window = d.window(w.Target.Group)
		w.Command.Request = c.window.begin(d.session)
		c.seq = w.Command.Request.Seq
		c.body = w.Command.Append(nil)
		pending[i] = c
	}
	d.retry(ctx, pending, d.propose)

	outcomes := make([]Outcome, len(writes))
	for i := range calls {
		c := &calls[i]
		c.window.finish(c.seq)
		outcomes[i].Result, outcomes[i].Err = c.outcome()
	}
	return outcomes
}

// propose makes one attempt at a command, at the node that c.node names.
func (d *Dispatcher) propose(c *call, done chan<- answer) {
	if c.node != d.self {
		d.remote(c, transport.Execute, done)
		return
	}
	g, ok := d.host.Group(c.target.Group)
	if !ok {
		done <- refused(c, "")
		return
	}
	g.Propose(c.body, func(result command.Result, err error) {
		if storage.KindOf(err) == storage.NotLeader {
			leader, _ := g.Leader()
			done <- refused(c, leader.Node)
			return
		}
		d.demand.write(c.target.Group, d.self, c.body)
		done <- answer{call: c, result: result, local: true, err: err}
	})
}

// serveExecute answers the propose of another node.
func (d *Dispatcher) serveExecute(from cluster.NodeID, id cluster.GroupID, body []byte, reply transport.Reply) {
	g, ok := d.host.Group(id)
	if !ok {
		reply(notLeader(""), nil)
		return
	}
	g.Propose(body, func(result command.Result, err error) {
		if err != nil {
			reply(d.refusal(id, err))
			return
		}
		d.demand.write(id, from, body)
		reply(result.Append([]byte{replyDone}), nil)
	})
}

// refusal is the answer to another node that says why there is none.
func (d *Dispatcher) refusal(id cluster.GroupID, err error) ([]byte, error) {
	if storage.KindOf(err) != storage.NotLeader {
		return nil, err
	}
	var leader cluster.PeerID
	if g, ok := d.host.Group(id); ok {
		leader, _ = g.Leader()
	}
	return notLeader(leader.Node), nil
}
