package dispatch

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// The first byte of a reply: what follows it.
const (
	// replyDone is followed by the answer.
	replyDone byte = iota
	// replyNotLeader is followed by the node that leads, or by nothing.
	replyNotLeader
)

func notLeader(leader cluster.NodeID) []byte {
	return append([]byte{replyNotLeader}, leader...)
}

// call is one command or read on its way. Only the goroutine that runs retry
// touches it. One attempt is under way at a time that counts; what comes of one
// that was given up is dropped.
type call struct {
	target Target
	body   []byte

	window *window // commands only
	seq    uint64

	// Reads only. method is what another node is asked for, here reads from this
	// node's peer. atLeader says that only the leader may answer.
	method   transport.Method
	here     func(*machine.Partition) error
	atLeader bool

	// node is where the attempt under way went, term the newest term of the
	// group that this node's peer knew then. next is the peer to ask when it is
	// not known where the leader is.
	node cluster.NodeID
	term uint64
	next int
	// hint is who leads, in the words of a peer that does not. silent is the
	// node that gave no answer to the last attempt.
	hint, silent cluster.NodeID

	// open is set while an attempt is under way.
	open bool
	// doubt is set once an attempt may have been carried out unheard.
	doubt bool

	// answer is the outcome of the last attempt.
	answer
}

// answer is what came of one attempt at a call: err, or an answer from this
// node, or one from another, still encoded.
type answer struct {
	call   *call
	err    error
	leader cluster.NodeID // where err is NotLeader, who leads, if that is known
	local  bool
	result command.Result
	reply  []byte
	// peer is one of this node's that may answer the read.
	peer *group.Group
}

// refused is the answer of a node that does not lead.
func refused(c *call, leader cluster.NodeID) answer {
	err := &storage.Error{Kind: storage.NotLeader, Op: "dispatch", Message: "the peer asked does not lead its group"}
	return answer{call: c, err: err, leader: leader}
}

// end ends the attempt under way with its answer.
func (c *call) end(a answer) {
	c.open = false
	c.answer = a
	c.hint, c.silent = "", ""
	if a.peer != nil {
		if c.err = c.here(a.peer.Machine()); c.err != nil && retryable(c.err) {
			c.hint, c.atLeader = c.node, true // the peer is being stopped
		}
		return
	}
	switch storage.KindOf(a.err) {
	case storage.NotLeader:
		c.hint = a.leader
	case storage.Ambiguous:
		c.doubt, c.silent = true, c.node
	case storage.Unavailable:
		c.silent = c.node
	}
}

// failure is why a call has no answer, nil when it has one.
func (c *call) failure() error {
	switch {
	case c.open:
		return storage.Errorf(storage.Ambiguous, "the request ended before its outcome was known")
	case c.err != nil && c.doubt:
		return &storage.Error{Kind: storage.Ambiguous, Op: "dispatch", Message: "the outcome is not known", Err: c.err}
	default:
		return c.err
	}
}

// outcome is the answer to a command.
func (c *call) outcome() (command.Result, error) {
	if err := c.failure(); err != nil {
		return command.Result{}, err
	}
	if c.local {
		return c.result, nil
	}
	return command.DecodeResult(c.reply)
}

// attempt starts one try of a call and sends what came of it to done.
type attempt func(c *call, done chan<- answer)

// retry runs calls in rounds until each has an answer or may not be tried
// again. Where ctx ends first, calls still under way end as Ambiguous.
func (d *Dispatcher) retry(ctx context.Context, pending []*call, try attempt) {
	start := time.Now()
	backoff := firstBackoff
	for {
		// A channel for each round: an attempt that was given up in an earlier
		// one must find room for its answer, and nobody must take it for another.
		done := make(chan answer, len(pending))
		for _, c := range pending {
			d.aim(c)
			c.open = true
			try(c, done)
		}
		if !d.collect(ctx, pending, done) {
			return
		}
		again := pending[:0]
		for _, c := range pending {
			if c.err != nil && retryable(c.err) {
				again = append(again, c)
			}
		}
		pending = again
		if len(pending) == 0 || time.Since(start) > giveUpAfter {
			return
		}
		if !pause(ctx, backoff) {
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// collect waits for the attempts of a round, and returns false when ctx ends
// first. It gives up those that wait for a node that leads no more.
func (d *Dispatcher) collect(ctx context.Context, pending []*call, done <-chan answer) bool {
	look := d.lookTimer()
	defer d.putLookTimer(look)
	for waiting := len(pending); waiting > 0; {
		select {
		case a := <-done:
			if a.call.open {
				a.call.end(a)
				waiting--
			}
		case <-look.C:
			for _, c := range pending {
				if c.open && d.deposed(c) {
					c.end(answer{call: c, err: storage.Errorf(storage.Ambiguous, "node %s leads no more and has not answered", c.node)})
					waiting--
				}
			}
			look.Reset(lookEvery)
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// lookTimer is a timer that has lookEvery to go. To make one for each call costs
// more than to wind one up.
func (d *Dispatcher) lookTimer() *time.Timer {
	if t, ok := d.looks.Get().(*time.Timer); ok {
		t.Reset(lookEvery)
		return t
	}
	return time.NewTimer(lookEvery)
}

// putLookTimer takes a timer back. Nothing is received from a timer that was
// stopped, so it need not be drained.
func (d *Dispatcher) putLookTimer(t *time.Timer) {
	t.Stop()
	d.looks.Put(t)
}

// deposed reports whether this node's peer of a call's group has heard of
// another leader since the attempt under way began. A leader that has died
// without a word would otherwise be waited for until attemptTimeout.
func (d *Dispatcher) deposed(c *call) bool {
	g, ok := d.host.Group(c.target.Group)
	if !ok || c.node == d.self || g.Term() <= c.term {
		return false
	}
	leader, ok := g.Leader()
	return ok && leader.Node != c.node
}

func retryable(err error) bool {
	switch storage.KindOf(err) {
	case storage.NotLeader, storage.Unavailable, storage.Ambiguous:
		return true
	}
	return false
}

// pause waits about d, and reports false when ctx ended first. The jitter
// keeps callers that failed together from coming back together.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// aim decides where the next attempt of a call goes: where the last refusal
// pointed; else to the leader that this node's own peer knows, for it hears of a
// new one first; else where the leader was last met; else to each peer in turn.
// A node that has just given no answer is passed over once.
func (d *Dispatcher) aim(c *call) {
	group := c.target.Group
	if c.err != nil {
		d.leaders.CompareAndDelete(group, c.node) // stop believing it
	}
	c.node = ""
	if g, ok := d.host.Group(group); ok {
		c.term = g.Term()
		if leader, ok := g.Leader(); ok && leader.Node != c.silent {
			c.node = leader.Node
		}
	}
	if c.hint != "" {
		d.leaders.Store(group, c.hint)
		c.node = c.hint
		return
	}
	if c.err != nil && c.silent == "" {
		c.node = "" // the leader that all believe in refuses to lead
	}
	if c.node != "" {
		return
	}
	if known, ok := d.leaders.Load(group); ok {
		c.node = known.(cluster.NodeID)
		return
	}
	c.node = d.turn(c)
}

// turn is the next peer of a call's group to ask who leads.
func (d *Dispatcher) turn(c *call) cluster.NodeID {
	if len(c.target.Peers) == 0 {
		return d.self
	}
	for range 2 {
		node := c.target.Peers[c.next%len(c.target.Peers)].Node
		c.next++
		if node != c.silent {
			return node
		}
	}
	return c.silent // it is the only one
}

// remote makes one attempt at another node.
func (d *Dispatcher) remote(c *call, method transport.Method, done chan<- answer) {
	d.transport.Call(c.node, transport.Client, method, c.target.Group, c.body, attemptTimeout, answered(c, done))
}

// answered is the Reply that ends an attempt.
func answered(c *call, done chan<- answer) transport.Reply {
	return func(reply []byte, err error) {
		switch {
		case err != nil:
			done <- answer{call: c, err: err}
		case len(reply) == 0:
			done <- answer{call: c, err: storage.Errorf(storage.Corrupt, "dispatch: empty reply")}
		case reply[0] == replyNotLeader:
			done <- refused(c, cluster.NodeID(reply[1:]))
		default:
			done <- answer{call: c, reply: reply[1:]}
		}
	}
}
