// Package simnet is a network in memory, for clusters that run in one process:
// hosts listen and dial, and the paths between them have delays and can be cut.
// It stands in for TCP, so bytes are never lost in the middle of a stream. A cut
// path holds them back, as TCP would, until it heals or a side gives up.
//
// All waits are durably blocking in the sense of testing/synctest, so that time
// can be virtual. Jitter comes from the seed: the n-th connection from one host
// to another sees the same delays in every run, write by write.
package simnet

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Network connects hosts. A host is whatever stands before the last colon of an
// address. It is safe for concurrent use.
type Network struct {
	seed uint64

	mu struct {
		sync.Mutex
		listeners map[string]*listener
		paths     map[route]*path
		conns     map[*conn]struct{}
		// dialed counts the connections made on each route.
		dialed map[route]uint64
		// changed is closed and replaced when a path heals or a listener opens.
		changed chan struct{}
	}
}

// route is a direction between two hosts.
type route struct{ from, to string }

func (r route) back() route { return route{from: r.to, to: r.from} }

// path is the state of a route.
type path struct {
	mu            sync.Mutex
	delay, jitter time.Duration
	cut           bool
	// heldUntil is when bytes that were held back by a cut arrive.
	heldUntil time.Time
}

func (p *path) state() (cut bool, heldUntil time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut, p.heldUntil
}

func (p *path) delayed(r *rand.Rand) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jitter <= 0 {
		return p.delay
	}
	return p.delay + time.Duration(r.Int64N(int64(p.jitter)))
}

// New makes a network without delays.
func New(seed uint64) *Network {
	n := &Network{seed: seed}
	n.mu.listeners = make(map[string]*listener)
	n.mu.paths = make(map[route]*path)
	n.mu.conns = make(map[*conn]struct{})
	n.mu.dialed = make(map[route]uint64)
	n.mu.changed = make(chan struct{})
	return n
}

// SetDelay sets what a byte takes from one host to the other, one way: delay,
// and up to jitter more. Bytes of one stream keep their order.
func (n *Network) SetDelay(from, to string, delay, jitter time.Duration) {
	p := n.path(route{from, to})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.jitter = delay, jitter
}

// Cut holds back everything between two hosts, both ways.
func (n *Network) Cut(a, b string) {
	n.CutOneWay(a, b)
	n.CutOneWay(b, a)
}

// CutOneWay holds back everything that goes from one host to the other.
func (n *Network) CutOneWay(from, to string) {
	p := n.path(route{from, to})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
}

// Heal undoes Cut and CutOneWay, both ways. What was held back arrives after the
// path's delay.
func (n *Network) Heal(a, b string) {
	n.heal(func(r route) bool { return r == route{a, b} || r == route{b, a} })
}

// HealAll undoes every cut.
func (n *Network) HealAll() { n.heal(func(route) bool { return true }) }

func (n *Network) heal(which func(route) bool) {
	now := time.Now()
	n.mu.Lock()
	for r, p := range n.mu.paths {
		p.mu.Lock()
		if which(r) && p.cut {
			p.cut, p.heldUntil = false, now.Add(p.delay)
		}
		p.mu.Unlock()
	}
	n.announceLocked()
	conns := n.connsLocked(func(*conn) bool { return true })
	n.mu.Unlock()
	for _, c := range conns {
		c.in.wake()
		c.out.wake()
	}
}

// Reset breaks the connections between two hosts: both sides get an error.
func (n *Network) Reset(a, b string) {
	n.reset(func(c *conn) bool { return c.route == route{a, b} || c.route == route{b, a} })
}

// Crash ends a host as the death of its process does: nobody listens on it any
// more, its connections are closed, and the other sides get an error as soon as
// a path lets it through. The host can listen again at once.
func (n *Network) Crash(host string) {
	n.mu.Lock()
	var listeners []*listener
	for addr, l := range n.mu.listeners {
		if hostOf(addr) == host {
			listeners = append(listeners, l)
		}
	}
	n.mu.Unlock()
	for _, l := range listeners {
		l.Close()
	}
	n.reset(func(c *conn) bool { return c.route.from == host || c.route.to == host })
}

func (n *Network) reset(which func(*conn) bool) {
	n.mu.Lock()
	conns := n.connsLocked(which)
	n.mu.Unlock()
	for _, c := range conns {
		c.in.reset()
	}
}

// Link says what the path from one host to another is like: its least delay,
// and whether it is up.
func (n *Network) Link(from, to string) (delay time.Duration, up bool) {
	p := n.path(route{from, to})
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay, !p.cut
}

// Conns is the number of open connections between two hosts.
func (n *Network) Conns(a, b string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.connsLocked(func(c *conn) bool {
		return c.dialer && (c.route == route{a, b} || c.route == route{b, a})
	}))
}

// Listen takes connections for an address, "host:port".
func (n *Network) Listen(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "sim", Addr: address(addr), Err: syscall.EADDRINUSE}
	}
	l := &listener{n: n, addr: address(addr), backlog: make(chan *conn, 128), closed: make(chan struct{})}
	n.mu.listeners[addr] = l
	n.announceLocked()
	return l, nil
}

// Dialer returns Dial of one host, in the form that servers and clients want.
func (n *Network) Dialer(from string) func(ctx context.Context, addr string) (net.Conn, error) {
	return func(ctx context.Context, addr string) (net.Conn, error) { return n.Dial(ctx, from, addr) }
}

// Dial connects a host to an address. It takes a round trip, waits while the
// path is cut and is refused where nobody listens.
func (n *Network) Dial(ctx context.Context, from, to string) (net.Conn, error) {
	r := route{from, hostOf(to)}
	c, err := n.dial(ctx, r, to)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "sim", Addr: address(to), Err: err}
	}
	return c, nil
}

func (n *Network) dial(ctx context.Context, r route, to string) (*conn, error) {
	there, back := n.path(r), n.path(r.back())
	rng := n.nextRand(r)
	if err := sleep(ctx, there.delayed(rng)+back.delayed(rng)); err != nil {
		return nil, err
	}
	for {
		n.mu.Lock()
		changed, l := n.mu.changed, n.mu.listeners[to]
		n.mu.Unlock()
		cutThere, _ := there.state()
		cutBack, _ := back.state()
		if !cutThere && !cutBack {
			if l == nil {
				return nil, syscall.ECONNREFUSED
			}
			return n.connect(ctx, r, l, rng)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// connect makes both ends of a connection and hands one to the listener.
func (n *Network) connect(ctx context.Context, r route, l *listener, rng *rand.Rand) (*conn, error) {
	out, in := newHalf(n.path(r), rng), newHalf(n.path(r.back()), rand.New(rand.NewPCG(rng.Uint64(), 0)))
	local := &conn{n: n, route: r, dialer: true, local: address(r.from + ":0"), remote: l.addr, in: in, out: out}
	remote := &conn{n: n, route: r.back(), local: l.addr, remote: local.local, in: out, out: in}
	n.mu.Lock()
	n.mu.conns[local] = struct{}{}
	n.mu.conns[remote] = struct{}{}
	n.mu.Unlock()
	var err error
	select {
	case <-l.closed:
		err = syscall.ECONNREFUSED
	default:
		select {
		case l.backlog <- remote:
			return local, nil
		case <-l.closed:
			err = syscall.ECONNREFUSED
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	local.Close()
	remote.Close()
	return nil, err
}

// nextRand returns the source of the next connection on a route.
func (n *Network) nextRand(r route) *rand.Rand {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.dialed[r]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %d", r.from, r.to, n.mu.dialed[r])
	return rand.New(rand.NewPCG(n.seed, h.Sum64()))
}

func (n *Network) path(r route) *path {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.mu.paths[r]
	if p == nil {
		p = new(path)
		n.mu.paths[r] = p
	}
	return p
}

func (n *Network) connsLocked(which func(*conn) bool) []*conn {
	var conns []*conn
	for c := range n.mu.conns {
		if which(c) {
			conns = append(conns, c)
		}
	}
	return conns
}

func (n *Network) announceLocked() {
	close(n.mu.changed)
	n.mu.changed = make(chan struct{})
}

func hostOf(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		return addr[:i]
	}
	return addr
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// address is a net.Addr of this network.
type address string

func (a address) Network() string { return "sim" }
func (a address) String() string  { return string(a) }

// listener implements net.Listener.
type listener struct {
	n       *Network
	addr    address
	backlog chan *conn
	once    sync.Once
	closed  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "sim", Addr: l.addr, Err: net.ErrClosed}
	}
}

// Close stops listening. Connections that nobody has accepted are reset.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.n.mu.Lock()
		if l.n.mu.listeners[string(l.addr)] == l {
			delete(l.n.mu.listeners, string(l.addr))
		}
		l.n.mu.Unlock()
		close(l.closed)
		for {
			select {
			case c := <-l.backlog:
				c.out.reset()
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
