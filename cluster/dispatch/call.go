package dispatch

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
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

// call is one command or read on its way. One attempt is under way at a time;
// while it is, only its completion writes to the call.
type call struct {
	target Target
	body   []byte

	window *window // commands only
	seq    uint64

	// node is where the next attempt goes, next the peer to ask when it is not
	// known where the leader is.
	node cluster.NodeID
	next int

	// open is set while an attempt is under way. Only the goroutine that runs
	// retry touches it.
	open bool
	// doubt is set once an attempt may have been carried out unheard.
	doubt bool

	// The outcome of the last attempt: err, or an answer from this node, or
	// one from another, still encoded.
	err    error
	local  bool
	result command.Result
	reply  []byte
}

// refused records that the node asked does not lead, and who it thinks does.
func (c *call) refused(leader cluster.NodeID) {
	c.err = &storage.Error{Kind: storage.NotLeader, Op: "dispatch", Message: "the peer asked does not lead its group"}
	c.node = leader
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

// attempt starts one try of a call and sends the call to done when it ended.
type attempt func(c *call, done chan<- *call)

// retry runs calls in rounds until each has an answer or may not be tried
// again. Where ctx ends first, calls still under way end as Ambiguous.
func (d *Dispatcher) retry(ctx context.Context, pending []*call, done chan *call, try attempt) {
	start := time.Now()
	backoff := firstBackoff
	for {
		for _, c := range pending {
			d.aim(c)
			c.open = true
			try(c, done)
		}
		if !collect(ctx, pending, done) {
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
// first. A call that is still open then belongs to whoever completes it.
func collect(ctx context.Context, pending []*call, done chan *call) bool {
	for range pending {
		select {
		case c := <-done:
			c.open = false
			c.doubt = c.doubt || storage.KindOf(c.err) == storage.Ambiguous
		case <-ctx.Done():
			return false
		}
	}
	return true
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
// pointed, else where the leader was last met or is known to this node's own
// peer, else to each peer in turn.
func (d *Dispatcher) aim(c *call) {
	if c.node != "" && c.err != nil && storage.KindOf(c.err) == storage.NotLeader {
		d.leaders.Store(c.target.Group, c.node)
		return
	}
	if c.err != nil {
		// The node that was thought to lead failed: stop believing it.
		d.leaders.CompareAndDelete(c.target.Group, c.node)
	}
	if known, ok := d.leaders.Load(c.target.Group); ok {
		c.node = known.(cluster.NodeID)
		return
	}
	if g, ok := d.host.Group(c.target.Group); ok && c.err == nil {
		if leader, ok := g.Leader(); ok {
			c.node = leader.Node
			return
		}
	}
	if len(c.target.Peers) == 0 {
		c.node = d.self
		return
	}
	c.node = c.target.Peers[c.next%len(c.target.Peers)].Node
	c.next++
}

// remote makes one attempt at another node.
func (d *Dispatcher) remote(c *call, method transport.Method, done chan<- *call) {
	d.transport.Call(c.node, transport.Client, method, c.target.Group, c.body, attemptTimeout, c.answered(done))
}

// answered is the Reply that ends an attempt.
func (c *call) answered(done chan<- *call) transport.Reply {
	return func(reply []byte, err error) {
		switch {
		case err != nil:
			c.err = err
		case len(reply) == 0:
			c.err = storage.Errorf(storage.Corrupt, "dispatch: empty reply")
		case reply[0] == replyNotLeader:
			c.refused(cluster.NodeID(reply[1:]))
		default:
			c.reply, c.local, c.err = reply[1:], false, nil
		}
		done <- c
	}
}
