package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// wan makes loopback behave like a network between regions: what is sent
// arrives later, and a region can be cut off.
type wan struct {
	delay time.Duration

	mu    sync.Mutex
	apart map[string]bool
	conns map[*wanConn]struct{}
}

func newWAN(delay time.Duration) *wan {
	return &wan{delay: delay, apart: map[string]bool{}, conns: map[*wanConn]struct{}{}}
}

// dial connects two regions. It takes a round trip.
func (w *wan) dial(ctx context.Context, from, to, address string) (net.Conn, error) {
	timer := time.NewTimer(2 * w.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	w.mu.Lock()
	apart := w.apart[from] || w.apart[to]
	w.mu.Unlock()
	if apart {
		return nil, fmt.Errorf("%s and %s are cut off from each other", from, to)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &wanConn{Conn: conn, wan: w, from: from, to: to, out: newPipe(w.delay), in: newPipe(w.delay)}
	go func() { // ends when the connection or the pipe does
		_, _ = io.Copy(c.in, conn)
		c.in.close()
	}()
	go func() {
		_, _ = io.Copy(conn, c.out)
		_ = conn.Close()
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = struct{}{}
	return c, nil
}

// cut breaks a region's connections and lets it make no others.
func (w *wan) cut(region string) {
	w.mu.Lock()
	w.apart[region] = true
	var broken []*wanConn
	for c := range w.conns {
		if c.from == region || c.to == region {
			broken = append(broken, c)
		}
	}
	w.mu.Unlock()
	for _, c := range broken {
		_ = c.Close()
	}
}

func (w *wan) heal(region string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.apart, region)
}

// wanConn is a connection whose bytes arrive late, in both directions.
type wanConn struct {
	net.Conn
	wan      *wan
	from, to string
	out, in  *pipe
}

// Read returns what arrived a while ago.
func (c *wanConn) Read(b []byte) (int, error) { return c.in.Read(b) }

// Write sends, for later.
func (c *wanConn) Write(b []byte) (int, error) { return c.out.Write(b) }

// Close closes both directions at once.
func (c *wanConn) Close() error {
	c.wan.mu.Lock()
	delete(c.wan.conns, c)
	c.wan.mu.Unlock()
	c.out.close()
	c.in.close()
	return c.Conn.Close()
}

// SetDeadline does nothing: gRPC, the only user, sets deadlines only while it
// shakes hands.
func (c *wanConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *wanConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *wanConn) SetWriteDeadline(time.Time) error { return nil }

// pipe gives back what was written to it, a delay later.
type pipe struct {
	delay  time.Duration
	chunks chan chunk
	rest   []byte

	once   sync.Once
	closed chan struct{}
}

type chunk struct {
	due   time.Time
	bytes []byte
}

// pipeChunks bounds what is under way. A writer waits beyond it.
const pipeChunks = 4096

func newPipe(delay time.Duration) *pipe {
	return &pipe{delay: delay, chunks: make(chan chunk, pipeChunks), closed: make(chan struct{})}
}

// Write takes a copy.
func (p *pipe) Write(b []byte) (int, error) {
	c := chunk{due: time.Now().Add(p.delay), bytes: append([]byte(nil), b...)}
	select {
	case p.chunks <- c:
		return len(b), nil
	case <-p.closed:
		return 0, io.ErrClosedPipe
	}
}

// Read waits until something is due.
func (p *pipe) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		var c chunk
		select {
		case c = <-p.chunks:
		case <-p.closed:
			return 0, io.EOF
		}
		timer := time.NewTimer(time.Until(c.due))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.closed:
			return 0, io.EOF
		}
		p.rest = c.bytes
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pipe) close() { p.once.Do(func() { close(p.closed) }) }
