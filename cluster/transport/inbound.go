package transport

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport/wire"
	"github.com/roundtabledb/roundtable/proto/peer"
	"github.com/roundtabledb/roundtable/storage"
)

// The bounds of a stream that another node has opened.
const (
	// maxUnanswered is how many requests the handlers may hold. Others are
	// refused, so that one group that does not answer cannot stop a lane.
	maxUnanswered = 1 << 16
	// maxAnswerBytes is how much may wait to be sent back. Above it no request
	// is read: the node that asks does not read either.
	maxAnswerBytes = 64 << 20
)

// service is the serving side of the Peer service.
type service struct {
	peer.UnimplementedPeerServer
	t *Transport
}

// gate lets one stream per node and lane through, the latest.
type gate struct {
	mu                sync.Mutex
	instance, session uint64
	current           *inbound
}

// inbound is the serving side of one stream.
type inbound struct {
	t      *Transport
	stream grpc.BidiStreamingServer[peer.Frame, peer.Frame]
	// from and lane are set by the reader before the first request.
	from cluster.NodeID
	lane Lane
	// wake has room for one signal that answers wait, room for one that they
	// have been sent.
	wake, room chan struct{}

	mu struct {
		sync.Mutex
		answers []answer
		// bytes is the size of the bodies in answers.
		bytes int
		// unanswered counts the requests that are with their handlers.
		unanswered int
		closed     bool
		// company wakes the writer in time for the patient answers that wait, if
		// waiting is set.
		company *time.Timer
		waiting bool
	}
}

// answer is one answer on its way back.
type answer struct {
	id      uint64
	body    []byte
	err     error
	patient bool
}

func (a *answer) size() int { return len(a.body) + wire.RecordOverhead }

// Exchange serves one stream until it breaks or the transport is closed. The
// answers are written here and the requests are read on a second goroutine,
// because only the end of this one interrupts a read.
func (s service) Exchange(stream grpc.BidiStreamingServer[peer.Frame, peer.Frame]) error {
	in := &inbound{t: s.t, stream: stream, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	var readErr error
	ended := make(chan struct{})
	read := func() {
		defer close(ended)
		readErr = in.read()
	}
	if !s.t.enter() {
		return status.Error(codes.Unavailable, "closed")
	}
	defer s.t.running.Done()
	s.t.goroutine("transport server", read)
	err := in.write(ended)
	in.close()
	select {
	case <-ended:
		return readErr
	default:
		return err
	}
}

// read dispatches requests until the stream breaks.
func (in *inbound) read() error {
	first, err := in.stream.Recv()
	if err != nil {
		return err
	}
	g, err := in.t.admit(in, first.Hello)
	if err != nil {
		return err
	}
	defer g.leave(in)
	for {
		// Bodies point into the frame, so each has memory of its own.
		frame, err := in.stream.Recv()
		if err != nil {
			return err
		}
		if err := in.dispatch(g, frame.Messages); err != nil {
			return err
		}
		if err := in.waitForRoom(); err != nil {
			return err
		}
	}
}

// admit checks who opened a stream and makes it the current one of its lane.
func (t *Transport) admit(in *inbound, h *peer.Hello) (*gate, error) {
	if h == nil || h.From == "" || h.Lane >= uint32(lanes) {
		return nil, status.Error(codes.InvalidArgument, "the stream does not begin with a hello")
	}
	if h.To != string(t.options.Self) {
		return nil, status.Errorf(codes.FailedPrecondition, "this is node %s, not %s", t.options.Self, h.To)
	}
	in.from, in.lane = cluster.NodeID(h.From), Lane(h.Lane)
	g := t.gate(linkKey{in.from, in.lane})
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.instance == h.Instance && g.session >= h.Session {
		return nil, status.Error(codes.Aborted, "the stream has been replaced")
	}
	g.instance, g.session, g.current = h.Instance, h.Session, in
	return g, nil
}

// leave forgets a stream that has ended.
func (g *gate) leave(in *inbound) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.current == in {
		g.current = nil
	}
}

// dispatch gives the requests of a frame to their handlers, unless another
// stream has taken over the lane. The gate is held meanwhile: see "Order" in
// the package comment.
func (in *inbound) dispatch(g *gate, messages []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.current != in {
		return status.Error(codes.Aborted, "the stream has been replaced")
	}
	for len(messages) > 0 {
		r, rest, err := wire.ReadRecord(messages)
		if err != nil || r.Kind != wire.Request {
			return status.Error(codes.InvalidArgument, wire.ErrFrame.Error())
		}
		messages = rest
		if !in.begin() {
			in.send(answer{id: r.ID, err: storage.Errorf(storage.Unavailable, "node %s is too busy", in.t.options.Self)})
			continue
		}
		in.t.dispatch(in.from, Method(r.Method), r.Group, r.Body, func(body []byte, err error) {
			in.answer(r.ID, Method(r.Method), r.Group, body, err)
		})
	}
	return nil
}

// begin counts a request, or says that there are too many.
func (in *inbound) begin() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.mu.unanswered >= maxUnanswered {
		return false
	}
	in.mu.unanswered++
	return true
}

// answer takes the outcome of a request from its handler.
func (in *inbound) answer(id uint64, m Method, group cluster.GroupID, body []byte, err error) {
	in.mu.Lock()
	in.mu.unanswered--
	in.mu.Unlock()
	if len(body) > maxBody {
		body, err = nil, storage.Errorf(storage.Internal, "an answer of %d bytes exceeds the limit of %d", len(body), maxBody)
	}
	a := answer{id: id, body: body, err: err, patient: m == RaftIdle}
	v := in.t.tap(Message{
		From: in.t.options.Self, To: in.from, Lane: in.lane, Method: m, Group: group, Reply: true, Size: len(body),
	})
	if v.Drop {
		return
	}
	for range 1 + v.Copies {
		if v.Delay > 0 {
			time.AfterFunc(v.Delay, func() { in.send(a) })
		} else {
			in.send(a)
		}
	}
}

// send queues an answer. After the stream has ended it is dropped: the node
// that asked has given up already.
func (in *inbound) send(a answer) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.mu.closed {
		return
	}
	in.mu.answers = append(in.mu.answers, a)
	in.mu.bytes += a.size()
	switch {
	case !a.patient:
		in.signal()
	case in.mu.waiting:
	case in.mu.company == nil:
		in.mu.waiting = true
		in.mu.company = time.AfterFunc(shortPatience, in.signal)
	default:
		in.mu.waiting = true
		in.mu.company.Reset(shortPatience)
	}
}

// signal wakes the writer.
func (in *inbound) signal() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// write sends answers until the stream breaks, the reader has ended or the
// transport is closed.
func (in *inbound) write(ended <-chan struct{}) error {
	var batch []answer
	var frame peer.Frame
	for {
		batch = in.take(batch[:0])
		if len(batch) == 0 {
			select {
			case <-in.wake:
				// Those who are about to answer get to do so first. Without this
				// a busy lane sends a message per frame; with it, dozens.
				runtime.Gosched()
			case <-ended:
				return nil
			case <-in.t.ctx.Done():
				return status.Error(codes.Unavailable, "closed")
			}
			continue
		}
		for begin := 0; begin < len(batch); {
			// gRPC has encoded the frame when Send returns, so its memory is free.
			frame.Messages = frame.Messages[:0]
			end := begin
			for end < len(batch) && len(frame.Messages) < frameBytes {
				frame.Messages = appendAnswer(frame.Messages, batch[end])
				end++
			}
			in.t.stats.sent(end-begin, len(frame.Messages))
			begin = end
			if err := in.stream.Send(&frame); err != nil {
				return err
			}
			frame.Messages = keepSmall(frame.Messages)
		}
		clear(batch)
	}
}

func appendAnswer(dst []byte, a answer) []byte {
	if a.err != nil {
		return wire.AppendRecord(dst, wire.Record{Kind: wire.Failure, ID: a.id, Body: wire.AppendError(nil, a.err)})
	}
	return wire.AppendRecord(dst, wire.Record{Kind: wire.Answer, ID: a.id, Body: a.body})
}

// take empties the queue into batch, which becomes the next queue.
func (in *inbound) take(batch []answer) []answer {
	in.mu.Lock()
	defer in.mu.Unlock()
	taken := in.mu.answers
	in.mu.answers, in.mu.bytes = batch, 0
	if in.mu.waiting {
		in.mu.waiting = false
		in.mu.company.Stop()
	}
	select {
	case in.room <- struct{}{}:
	default:
	}
	return taken
}

// waitForRoom returns when the answers that wait are few enough.
func (in *inbound) waitForRoom() error {
	for {
		in.mu.Lock()
		bytes, closed := in.mu.bytes, in.mu.closed
		in.mu.Unlock()
		if closed {
			return errors.New("the stream has ended")
		}
		if bytes <= maxAnswerBytes {
			return nil
		}
		select {
		case <-in.room:
		case <-in.stream.Context().Done():
			return in.stream.Context().Err()
		}
	}
}

func (in *inbound) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.mu.closed = true
	in.mu.answers = nil
	if in.mu.company != nil {
		in.mu.company.Stop()
	}
}

// dispatch runs the handler of a method.
func (t *Transport) dispatch(from cluster.NodeID, m Method, g cluster.GroupID, body []byte, reply Reply) {
	if h := t.handlers[m]; h != nil {
		h(from, g, body, reply)
		return
	}
	reply(nil, storage.Errorf(storage.Unavailable, "node %s does not serve method %d", t.options.Self, m))
}

// gate returns the gate of a node and lane.
func (t *Transport) gate(k linkKey) *gate {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.mu.gates[k]
	if g == nil {
		g = new(gate)
		t.mu.gates[k] = g
	}
	return g
}
