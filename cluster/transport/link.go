package transport

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"google.golang.org/grpc"

	"github.com/roundtabledb/roundtable/cluster/transport/wire"
	"github.com/roundtabledb/roundtable/proto/peer"
	"github.com/roundtabledb/roundtable/storage"
)

const (
	// connectTimeout bounds the opening of a stream. Calls with a shorter
	// timeout do not wait for it.
	connectTimeout = 3 * time.Second
	// The wait after a stream that could not be opened doubles from the first to
	// the last of these. Calls made meanwhile fail at once.
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// link is the sending side of one lane to another node.
type link struct {
	outbox
	t *Transport

	// The rest belongs to run.

	// session counts the streams opened so far.
	session uint64
	// retryAt is when a stream may be opened again, after backoff.
	retryAt time.Time
	backoff time.Duration
}

// run opens a stream whenever there is something to send and none is open, and
// returns when the transport is closed.
func (l *link) run() {
	defer l.close()
	for {
		select {
		case <-l.wake:
		case <-l.t.ctx.Done():
			return
		}
		if wait := time.Until(l.retryAt); wait > 0 {
			l.fail(true, storage.Errorf(storage.Unavailable, "not reachable, next attempt in %v", wait))
			continue
		}
		worked, err := l.serve()
		if l.t.ctx.Err() != nil {
			return
		}
		l.lost(worked, err)
	}
}

// lost accounts for a stream that ended. One that has carried an answer is
// replaced at once; else the other node is taken to be away for a while.
func (l *link) lost(worked bool, err error) {
	log := l.t.options.Logger.With("node", l.to, "lane", l.lane)
	if worked {
		log.Warn("lost the stream to a node", "error", err)
		l.backoff = 0
		l.fail(false, err)
		l.signal()
		return
	}
	if l.backoff == 0 {
		log.Warn("cannot reach a node", "error", err)
	}
	l.backoff = min(max(2*l.backoff, firstBackoff), lastBackoff)
	l.retryAt = time.Now().Add(l.backoff)
	l.fail(true, err)
}

// serve opens a stream and sends calls until it breaks. It says whether the
// other node has answered anything on it.
func (l *link) serve() (worked bool, err error) {
	addr, ok := l.t.options.Resolve(l.to)
	if !ok {
		return false, errors.New("its address is not known")
	}
	conn, err := l.t.dial(addr)
	if err != nil {
		return false, fmt.Errorf("connect to %s: %w", addr, err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(l.t.ctx)
	defer cancel()
	l.session++
	stream, err := l.open(ctx, cancel, conn)
	if err != nil {
		return false, fmt.Errorf("connect to %s: %w", addr, err)
	}

	// The reader ends with the stream, so it is waited for after cancel.
	r := reader{ended: make(chan struct{})}
	l.t.goroutine("transport reader", func() { l.read(stream, &r) })
	err = l.write(stream, r.ended)
	cancel()
	<-r.ended
	if err == nil {
		err = r.err
	}
	return r.worked, err
}

// open starts the stream and introduces this node.
func (l *link) open(ctx context.Context, cancel func(), conn *grpc.ClientConn) (grpc.BidiStreamingClient[peer.Frame, peer.Frame], error) {
	timer := time.AfterFunc(connectTimeout, cancel)
	stream, err := peer.NewPeerClient(conn).Exchange(ctx)
	if !timer.Stop() && err == nil {
		err = errors.New("timeout")
	}
	if err != nil {
		return nil, err
	}
	hello := &peer.Hello{
		From: string(l.t.options.Self), To: string(l.to), Lane: uint32(l.lane),
		Instance: l.t.instance, Session: l.session,
	}
	return stream, stream.Send(&peer.Frame{Hello: hello})
}

// write sends frames until the stream breaks, the reader has ended or the
// transport is closed. In the last two cases it returns nil.
func (l *link) write(stream grpc.BidiStreamingClient[peer.Frame, peer.Frame], ended <-chan struct{}) error {
	var batch []*call
	var frame peer.Frame
	for {
		batch = l.take(batch[:0])
		if len(batch) == 0 {
			select {
			case <-l.wake:
				// Those who are about to call get to do so first. Without this
				// a busy lane sends a message per frame; with it, dozens.
				runtime.Gosched()
			case <-ended:
				return nil
			case <-l.t.ctx.Done():
				return nil
			}
			continue
		}
		// gRPC has encoded the frame when Send returns, so its memory is free.
		frame.Messages = frame.Messages[:0]
		for _, c := range batch {
			r := wire.Record{Kind: wire.Request, ID: c.id, Method: byte(c.method), Group: c.group, Body: c.body}
			frame.Messages = wire.AppendRecord(frame.Messages, r)
		}
		l.t.stats.sent(len(batch), len(frame.Messages))
		clear(batch)
		if err := stream.Send(&frame); err != nil {
			return nil // The reader has the reason.
		}
		frame.Messages = keepSmall(frame.Messages)
	}
}

// reader is what read tells serve.
type reader struct {
	// ended is closed last.
	ended  chan struct{}
	worked bool
	err    error
}

// read ends calls with their answers until the stream breaks.
func (l *link) read(stream grpc.BidiStreamingClient[peer.Frame, peer.Frame], r *reader) {
	defer close(r.ended)
	for {
		// Bodies point into the frame, so each has memory of its own.
		frame, err := stream.Recv()
		if err == nil {
			err = l.deliver(frame.Messages)
		}
		if err != nil {
			r.err = err
			return
		}
		r.worked = true
	}
}

// deliver ends the calls that a frame answers.
func (l *link) deliver(messages []byte) error {
	for len(messages) > 0 {
		r, rest, err := wire.ReadRecord(messages)
		if err != nil {
			return err
		}
		messages = rest
		// Calls that have timed out are no longer known.
		c := l.claim(r.ID)
		switch {
		case c == nil:
		case r.Kind == wire.Answer:
			l.end(c, r.Body, nil)
		case r.Kind == wire.Failure:
			l.end(c, nil, wire.DecodeError(r.Body))
		default:
			l.end(c, nil, storage.Errorf(storage.Internal, "an answer of kind %d", r.Kind))
		}
	}
	return nil
}

// keepSmall returns b for reuse, or nil if it has grown by a rare large message.
func keepSmall(b []byte) []byte {
	if cap(b) > 4*frameBytes {
		return nil
	}
	return b[:0]
}
