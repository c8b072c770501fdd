package transport

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport/wire"
	"github.com/roundtabledb/roundtable/storage"
)

// The bounds of an outbox. A call that would exceed them is refused.
const (
	// maxCalls is how many calls may be unfinished.
	maxCalls = 1 << 16
	// maxQueuedBytes is how much may wait to be sent. One call of any legal
	// size always fits an empty queue.
	maxQueuedBytes = 64 << 20
	// frameBytes is when a frame is full. The last message may exceed it.
	frameBytes = 64 << 10
	// maxBody bounds one message, and so, with frameBytes, one frame.
	maxBody = 15 << 20
	// maxFrame is what gRPC must accept.
	maxFrame = 16 << 20

	// shortPatience is how long answers to patient calls wait for company: those
	// to the calls of one frame are there at about the same time.
	shortPatience = 20 * time.Millisecond
	// patientPart is how small a part of the time in which Raft wants an answer a
	// patient call waits: 94 ms, unless timeouts are changed.
	patientPart = 8

	// lookCost is how long an outbox lets be after it has looked for calls that
	// have timed out, for each call that it has looked at. That takes 10 to 20 ns, so
	// many calls that time out one by one, up to maxCalls, cannot keep a processor
	// busy. So a timeout may be late by 1 ms for each 1,000 calls that are unfinished.
	lookCost = time.Microsecond
)

// call is one request on its way. Its fields are guarded by its outbox's mutex
// once it is in one, except those that never change.
type call struct {
	id     uint64
	method Method
	group  cluster.GroupID
	done   func([]byte, error)
	// body is nil once the call has finished without having been sent.
	body []byte
	// patience is how long the call waits for company. Those that have some do
	// not wake the sender: they go out with the next one that does, or when the
	// first of them loses patience. They are Raft's idle traffic, whose frames
	// cost more than what is in them.
	patience time.Duration
	// timeout is what the caller has asked for, deadline when it passes.
	timeout  time.Duration
	deadline time.Time
	// sent is set when the body is handed to the stream. From then on an error
	// is Ambiguous.
	sent bool
	// queued is how many times the call is in the queue. Only a Tap makes it
	// more than one.
	queued int
	// finished is set when an outcome has been claimed for the call.
	finished bool
}

// outbox holds the unfinished calls of one lane to one node: those that wait to
// be sent, in order, and those that wait for an answer.
//
// An outcome must be claimed before it is told: claims are made under the
// mutex, so that each call has one. Between claim and release the outbox knows
// of the callback, so that close can wait for it.
type outbox struct {
	to   cluster.NodeID
	lane Lane
	// wake has room for one signal that the queue is not empty.
	wake chan struct{}
	// callbacks counts claimed calls whose done has not returned.
	callbacks sync.WaitGroup

	mu struct {
		sync.Mutex
		// queue[head:] waits to be sent.
		queue []*call
		head  int
		// bytes is the size of the bodies that wait.
		bytes int
		// calls holds every unfinished call by id.
		calls  map[uint64]*call
		lastID uint64
		closed bool
		// waiting is set while company wakes the sender in time for the patient
		// calls in the queue, which is until then.
		waiting bool
		until   time.Time
		company *time.Timer
		// alarm calls expire at the time rings, which is zero if it does not:
		// there is no call then. Otherwise that is not after the first deadline,
		// unless that is before rested.
		alarm  *time.Timer
		rings  time.Time
		rested time.Time
	}
}

func (o *outbox) init(to cluster.NodeID, lane Lane) {
	o.to, o.lane = to, lane
	o.wake = make(chan struct{}, 1)
	o.mu.calls = make(map[uint64]*call)
}

// add takes a call in, and its timeout begins. It is queued as the verdict says.
func (o *outbox) add(c *call, timeout time.Duration, v Verdict) error {
	if len(c.body) > maxBody {
		return storage.Errorf(storage.Internal, "a message of %d bytes exceeds the limit of %d", len(c.body), maxBody)
	}
	c.timeout, c.deadline = timeout, time.Now().Add(timeout)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.closed {
		return errClosed()
	}
	if len(o.mu.calls) >= maxCalls || o.mu.bytes+len(c.body) > maxQueuedBytes && o.mu.bytes > 0 {
		return storage.Errorf(storage.Unavailable, "too much waits for node %s on lane %s", o.to, o.lane)
	}
	o.mu.lastID++
	c.id = o.mu.lastID
	o.mu.calls[c.id] = c
	o.ringLocked(c.deadline)
	switch {
	case v.Drop:
		// To the caller a lost request looks like one that was sent.
		c.sent = true
	case v.Delay > 0:
		time.AfterFunc(v.Delay, func() { o.requeue(c, 1+v.Copies) })
	default:
		o.queueLocked(c, 1+v.Copies)
	}
	return nil
}

func (o *outbox) requeue(c *call, copies int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !c.finished {
		o.queueLocked(c, copies)
	}
}

func (o *outbox) queueLocked(c *call, copies int) {
	for range copies {
		o.mu.queue = append(o.mu.queue, c)
		o.mu.bytes += len(c.body)
		c.queued++
	}
	if c.patience == 0 {
		o.signal()
		return
	}
	until := time.Now().Add(c.patience)
	if o.mu.waiting && !until.Before(o.mu.until) {
		return
	}
	o.mu.waiting, o.mu.until = true, until
	if o.mu.company == nil {
		o.mu.company = time.AfterFunc(c.patience, o.leaveNow)
	} else {
		o.mu.company.Reset(c.patience)
	}
}

// leaveNow wakes the sender for patient calls that have waited long enough.
// Whatever the sender does then, it may also just fail them, the next patient
// call has to be waited for anew.
func (o *outbox) leaveNow() {
	o.mu.Lock()
	o.mu.waiting = false
	o.mu.Unlock()
	o.signal()
}

// signal wakes the sender to look at the queue.
func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take moves queued calls, a frame's worth at most, to batch, and marks them as
// sent. Those that have finished meanwhile are left out.
func (o *outbox) take(batch []*call) []*call {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.waiting {
		o.mu.waiting = false
		o.mu.company.Stop()
	}
	size := 0
	for o.mu.head < len(o.mu.queue) && size < frameBytes {
		c := o.mu.queue[o.mu.head]
		o.mu.queue[o.mu.head] = nil
		o.mu.head++
		c.queued--
		if c.finished {
			continue
		}
		c.sent = true
		o.mu.bytes -= len(c.body)
		size += len(c.body) + wire.RecordOverhead
		batch = append(batch, c)
	}
	// The front is reclaimed when it costs less than what has been taken.
	if 2*o.mu.head >= len(o.mu.queue) {
		rest := copy(o.mu.queue, o.mu.queue[o.mu.head:])
		clear(o.mu.queue[rest:])
		o.mu.queue, o.mu.head = o.mu.queue[:rest], 0
	}
	return batch
}

// claim reserves the outcome of a call for the caller, who must then end it. It
// returns nil where the call has another outcome already.
func (o *outbox) claim(id uint64) *call {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.claimLocked(o.mu.calls[id])
}

func (o *outbox) claimLocked(c *call) *call {
	if c == nil || c.finished {
		return nil
	}
	c.finished = true
	delete(o.mu.calls, c.id)
	if len(o.mu.calls) == 0 && !o.mu.rings.IsZero() {
		o.mu.rings = time.Time{}
		o.mu.alarm.Stop()
	}
	// Where it is still queued, take will pass over it.
	o.mu.bytes -= c.queued * len(c.body)
	if !c.sent {
		c.body = nil
	}
	o.callbacks.Add(1)
	return c
}

// end tells the outcome of a claimed call.
func (o *outbox) end(c *call, body []byte, err error) {
	c.done(body, err)
	o.callbacks.Done()
}

// ringLocked sees to it that expire is called when a deadline passes. An alarm
// that is too early stays as it is: most calls end long before their deadline, and
// then one call of expire serves all those of a timeout.
func (o *outbox) ringLocked(deadline time.Time) {
	if deadline.Before(o.mu.rested) {
		deadline = o.mu.rested
	}
	if !o.mu.rings.IsZero() && !deadline.Before(o.mu.rings) {
		return
	}
	o.mu.rings = deadline
	if o.mu.alarm == nil {
		o.mu.alarm = time.AfterFunc(time.Until(deadline), o.expire)
	} else {
		o.mu.alarm.Reset(time.Until(deadline))
	}
}

// expire ends the calls that have timed out.
func (o *outbox) expire() {
	o.mu.Lock()
	now := time.Now()
	o.mu.rings = time.Time{}
	o.mu.rested = now.Add(time.Duration(len(o.mu.calls)) * lookCost)
	var late []*call
	var next *call
	for _, c := range o.mu.calls {
		switch {
		case !c.deadline.After(now):
			late = append(late, c)
		case next == nil || c.deadline.Before(next.deadline):
			next = c
		}
	}
	for _, c := range late {
		o.claimLocked(c)
	}
	if next != nil {
		o.ringLocked(next.deadline)
	}
	o.mu.Unlock()
	slices.SortFunc(late, func(a, b *call) int {
		return cmp.Or(a.deadline.Compare(b.deadline), cmp.Compare(a.id, b.id))
	})
	for _, c := range late {
		o.end(c, nil, c.failure("node %s did not answer on lane %s within %v", o.to, o.lane, c.timeout))
	}
}

// failure makes the error of a claimed call that has no answer.
func (c *call) failure(format string, args ...any) error {
	if c.sent {
		return storage.Errorf(storage.Ambiguous, format, args...)
	}
	return storage.Errorf(storage.Unavailable, format, args...)
}

// fail ends the calls that have been sent and, if asked to, the others too.
func (o *outbox) fail(queued bool, cause error) {
	o.mu.Lock()
	var claimed []*call
	for _, c := range o.mu.calls {
		if c.sent || queued {
			claimed = append(claimed, c)
		}
	}
	for _, c := range claimed {
		o.claimLocked(c)
	}
	o.mu.Unlock()
	slices.SortFunc(claimed, func(a, b *call) int { return cmp.Compare(a.id, b.id) })
	for _, c := range claimed {
		o.end(c, nil, c.failure("node %s, lane %s: %w", o.to, o.lane, cause))
	}
}

// close ends every call, refuses new ones and waits for the callbacks.
func (o *outbox) close() {
	o.mu.Lock()
	o.mu.closed = true
	if o.mu.company != nil {
		o.mu.company.Stop()
	}
	o.mu.Unlock()
	o.fail(true, errClosed())
	o.callbacks.Wait()
}

func errClosed() error { return storage.Errorf(storage.Unavailable, "the transport is closed") }
