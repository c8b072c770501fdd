package replication_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// wan is a network between regions, in memory and in virtual time. What is
// written arrives in order after a delay, unless the way is cut.
type wan struct {
	mu        sync.Mutex
	listeners map[string]*listener
	ways      map[[2]string]*way // by sorted region names
	delay     time.Duration
}

// way is what lies between two regions.
type way struct {
	cut  bool // nothing arrives, and no connection is made
	ends map[*end]struct{}
}

func newWAN(delay time.Duration) *wan {
	return &wan{listeners: map[string]*listener{}, ways: map[[2]string]*way{}, delay: delay}
}

func (w *wan) wayLocked(a, b string) *way {
	if a > b {
		a, b = b, a
	}
	at := [2]string{a, b}
	if w.ways[at] == nil {
		w.ways[at] = &way{ends: map[*end]struct{}{}}
	}
	return w.ways[at]
}

// cut makes everything between two regions vanish without a word.
func (w *wan) cut(a, b string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	y := w.wayLocked(a, b)
	y.cut = cut
	for e := range y.ends {
		e.in.stall(cut)
	}
}

// reset breaks all connections between two regions.
func (w *wan) reset(a, b string) {
	w.mu.Lock()
	var ends []*end
	for e := range w.wayLocked(a, b).ends {
		ends = append(ends, e)
	}
	w.mu.Unlock()
	for _, e := range ends {
		_ = e.Close()
	}
}

func (w *wan) listen(address string) *listener {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &listener{address: address, accepted: make(chan net.Conn), closed: make(chan struct{})}
	w.listeners[address] = l
	return l
}

var errRefused = errors.New("wan: connection refused")

func (w *wan) dial(ctx context.Context, from, to, address string) (net.Conn, error) {
	w.mu.Lock()
	y := w.wayLocked(from, to)
	l, cut := w.listeners[address], y.cut
	w.mu.Unlock()
	if cut {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if l == nil {
		return nil, errRefused
	}
	ab, ba := newPipe(w.delay), newPipe(w.delay)
	client := &end{in: ba, out: ab, address: address}
	server := &end{in: ab, out: ba, address: address}
	for _, e := range []*end{client, server} {
		e.forget = func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(y.ends, e)
		}
		w.mu.Lock()
		y.ends[e] = struct{}{}
		w.mu.Unlock()
	}
	select {
	case l.accepted <- server:
		return client, nil
	case <-l.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type listener struct {
	address  string
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return address(l.address) }

type address string

func (a address) Network() string { return "wan" }
func (a address) String() string  { return string(a) }

// end is one end of a connection. Deadlines are not kept: gRPC does not rely
// on them.
type end struct {
	in, out *pipe
	address string
	once    sync.Once
	forget  func()
}

func (e *end) Read(b []byte) (int, error)  { return e.in.read(b) }
func (e *end) Write(b []byte) (int, error) { return e.out.write(b) }
func (e *end) Close() error {
	e.once.Do(func() {
		e.in.close()
		e.out.close()
		e.forget()
	})
	return nil
}
func (e *end) LocalAddr() net.Addr              { return address(e.address) }
func (e *end) RemoteAddr() net.Addr             { return address(e.address) }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }

// pipe is one direction of a connection.
type pipe struct {
	delay time.Duration

	mu      sync.Mutex
	chunks  []chunk
	stalled bool
	closed  bool
	wake    chan struct{} // closed and replaced at every change
}

type chunk struct {
	due time.Time
	b   []byte
}

func newPipe(delay time.Duration) *pipe { return &pipe{delay: delay, wake: make(chan struct{})} }

func (p *pipe) signalLocked() {
	close(p.wake)
	p.wake = make(chan struct{})
}

func (p *pipe) stall(stalled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = stalled
	p.signalLocked()
}

func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.signalLocked()
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	p.chunks = append(p.chunks, chunk{due: time.Now().Add(p.delay), b: append([]byte(nil), b...)})
	p.signalLocked()
	return len(b), nil
}

func (p *pipe) read(b []byte) (int, error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return 0, io.EOF
		}
		wake, wait := p.wake, time.Duration(-1)
		if len(p.chunks) > 0 && !p.stalled {
			if wait = time.Until(p.chunks[0].due); wait <= 0 {
				n := copy(b, p.chunks[0].b)
				if p.chunks[0].b = p.chunks[0].b[n:]; len(p.chunks[0].b) == 0 {
					p.chunks = p.chunks[1:]
				}
				p.mu.Unlock()
				return n, nil
			}
		}
		p.mu.Unlock()
		if wait < 0 {
			<-wake
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}
