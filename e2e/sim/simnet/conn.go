package simnet

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many bytes one direction of a connection holds. Writers wait
// while it is full.
const window = 1 << 20

// half is one direction of a connection: what one side has written and the
// other has not read.
type half struct {
	path *path

	mu struct {
		sync.Mutex
		rng *rand.Rand
		// segments are in order of arrival.
		segments []segment
		bytes    int
		// lastAt is when the last segment arrives.
		lastAt time.Time
		// finished is set when the writer has closed: its last segment says so.
		finished bool
		// abandoned is set when the reader has closed.
		abandoned bool
		// broken is set by a reset. The reader learns of it when the path is up.
		broken bool
		// lost is set when this writer's own reader has met the end of the other
		// direction. The news that the other side has gone comes to both by the
		// same path, so a writer does not know before.
		lost bool

		readBy, writeBy time.Time
	}
	// changed wakes readers and writers. alarm signals it when the next segment
	// arrives, readAlarm and writeAlarm at the deadlines.
	changed                      sync.Cond
	alarm, readAlarm, writeAlarm *time.Timer
}

// segment is what one write, or a part of one, has put on the path.
type segment struct {
	at   time.Time
	data []byte
	// last marks the end of the stream.
	last bool
}

func newHalf(p *path, rng *rand.Rand) *half {
	h := &half{path: p}
	h.mu.rng = rng
	h.changed.L = &h.mu
	return h
}

func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		if h.mu.abandoned {
			return 0, net.ErrClosed
		}
		if expired(h.mu.readBy) {
			return 0, os.ErrDeadlineExceeded
		}
		cut, heldUntil := h.path.state()
		if h.mu.broken && !cut {
			return 0, syscall.ECONNRESET
		}
		if len(h.mu.segments) > 0 && !cut {
			s := &h.mu.segments[0]
			at := s.at
			if heldUntil.After(at) {
				at = heldUntil
			}
			if wait := time.Until(at); wait > 0 {
				h.alarm = rearm(h.alarm, wait, h.wake)
			} else {
				return h.consumeLocked(s, b)
			}
		}
		h.changed.Wait()
	}
}

func (h *half) consumeLocked(s *segment, b []byte) (int, error) {
	if s.last {
		return 0, io.EOF
	}
	n := copy(b, s.data)
	s.data = s.data[n:]
	if len(s.data) == 0 {
		h.mu.segments = h.mu.segments[1:]
	}
	h.mu.bytes -= n
	h.changed.Broadcast()
	return n, nil
}

func (h *half) write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	written := 0
	for {
		if h.mu.finished {
			return written, net.ErrClosed
		}
		if expired(h.mu.writeBy) {
			return written, os.ErrDeadlineExceeded
		}
		// The other side's silence looks the same as a cut while there is one.
		if cut, _ := h.path.state(); h.mu.lost && !cut {
			return written, syscall.ECONNRESET
		}
		if written == len(b) {
			return written, nil
		}
		if room := window - h.mu.bytes; room > 0 {
			n := min(room, len(b)-written)
			h.pushLocked(segment{data: append([]byte(nil), b[written:written+n]...)})
			written += n
			continue
		}
		h.changed.Wait()
	}
}

func (h *half) pushLocked(s segment) {
	s.at = time.Now().Add(h.path.delayed(h.mu.rng))
	if s.at.Before(h.mu.lastAt) {
		s.at = h.mu.lastAt
	}
	h.mu.lastAt = s.at
	h.mu.segments = append(h.mu.segments, s)
	h.mu.bytes += len(s.data)
	h.changed.Broadcast()
}

// finish ends the stream from the writer's side.
func (h *half) finish() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.mu.finished {
		h.mu.finished = true
		h.pushLocked(segment{last: true})
		stop(h.writeAlarm)
	}
}

// abandon ends the stream from the reader's side.
func (h *half) abandon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.abandoned = true
	h.mu.segments, h.mu.bytes = nil, 0
	stop(h.alarm)
	stop(h.readAlarm)
	h.changed.Broadcast()
}

func (h *half) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.broken = true
	h.changed.Broadcast()
}

// lose tells the writer that the other side has gone.
func (h *half) lose() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.lost = true
	h.changed.Broadcast()
}

func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed.Broadcast()
}

func (h *half) setReadDeadline(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.readBy = t
	if t.IsZero() {
		stop(h.readAlarm)
		return
	}
	h.readAlarm = rearm(h.readAlarm, time.Until(t), h.wake)
}

func (h *half) setWriteDeadline(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.writeBy = t
	if t.IsZero() {
		stop(h.writeAlarm)
		return
	}
	h.writeAlarm = rearm(h.writeAlarm, time.Until(t), h.wake)
}

func expired(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}

func rearm(t *time.Timer, after time.Duration, f func()) *time.Timer {
	if t == nil {
		return time.AfterFunc(after, f)
	}
	t.Reset(after)
	return t
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// conn implements net.Conn.
type conn struct {
	n             *Network
	route         route
	dialer        bool
	local, remote address
	in, out       *half
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	if err == io.EOF || err == syscall.ECONNRESET {
		c.out.lose()
	}
	return n, c.wrap("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.wrap("write", err)
}

func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "sim", Source: c.local, Addr: c.remote, Err: err}
}

func (c *conn) Close() error {
	c.out.finish()
	c.in.abandon()
	c.n.mu.Lock()
	delete(c.n.mu.conns, c)
	c.n.mu.Unlock()
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.setWriteDeadline(t)
	return nil
}
