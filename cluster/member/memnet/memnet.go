// Package memnet is a network in memory for the gossip of package member, for
// tests and for the simulator. Packets are dropped and streams break where a
// path is down. All waits are durably blocking in the sense of testing/synctest,
// and nothing outlives Shutdown, which cannot be said of memberlist's own mock.
package memnet

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

// Link says what the path from one host to another is like: what a packet
// takes, and whether it arrives at all. It must be safe for concurrent use.
type Link func(from, to string) (delay time.Duration, up bool)

// Network connects transports. It is safe for concurrent use.
type Network struct {
	link Link

	mu struct {
		sync.Mutex
		transports map[string]*Transport
	}
}

// New makes a network. Without a link all paths are up and take no time.
func New(link Link) *Network {
	if link == nil {
		link = func(string, string) (time.Duration, bool) { return 0, true }
	}
	n := &Network{link: link}
	n.mu.transports = make(map[string]*Transport)
	return n
}

// Attach makes the transport of a host. The address is "ip:port", as memberlist
// wants it; the host is the name that the Link knows.
func (n *Network) Attach(host, addr string) (*Transport, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("memnet: %w", err)
	}
	t := &Transport{
		n: n, host: host, addr: ap,
		packets: make(chan *memberlist.Packet, 1024),
		streams: make(chan net.Conn),
		closed:  make(chan struct{}),
	}
	t.mu.conns = make(map[*conn]struct{})
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.transports[ap.String()] != nil {
		return nil, fmt.Errorf("memnet: %s: %w", addr, syscall.EADDRINUSE)
	}
	n.mu.transports[ap.String()] = t
	return t, nil
}

// at returns the transport at an address, or nil.
func (n *Network) at(addr string) *Transport {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.transports[addr]
}

// Transport implements memberlist.NodeAwareTransport.
type Transport struct {
	n       *Network
	host    string
	addr    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn
	closed  chan struct{}

	mu struct {
		sync.Mutex
		closed bool
		conns  map[*conn]struct{}
	}
}

var _ memberlist.NodeAwareTransport = (*Transport)(nil)

// FinalAdvertiseAddr implements memberlist.Transport.
func (t *Transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return t.addr.Addr().AsSlice(), int(t.addr.Port()), nil
}

// WriteTo implements memberlist.Transport. A packet that cannot arrive is lost
// without an error.
func (t *Transport) WriteTo(b []byte, addr string) (time.Time, error) {
	now := time.Now()
	to := t.n.at(addr)
	if to == nil {
		return now, nil
	}
	delay, up := t.n.link(t.host, to.host)
	if !up {
		return now, nil
	}
	p := &memberlist.Packet{Buf: append([]byte(nil), b...), From: net.UDPAddrFromAddrPort(t.addr)}
	if delay > 0 {
		time.AfterFunc(delay, func() { to.receive(p) })
	} else {
		to.receive(p)
	}
	return now, nil
}

// receive queues a packet, or drops it as a full socket does.
func (t *Transport) receive(p *memberlist.Packet) {
	p.Timestamp = time.Now()
	select {
	case <-t.closed:
	default:
		select {
		case t.packets <- p:
		default:
		}
	}
}

// WriteToAddress implements memberlist.NodeAwareTransport.
func (t *Transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

// PacketCh implements memberlist.Transport.
func (t *Transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements memberlist.Transport.
func (t *Transport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout implements memberlist.Transport.
func (t *Transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	c, err := t.dial(addr, timeout)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "mem", Err: fmt.Errorf("%s: %w", addr, err)}
	}
	return c, nil
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *Transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.DialTimeout(a.Addr, timeout)
}

func (t *Transport) dial(addr string, timeout time.Duration) (net.Conn, error) {
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	to := t.n.at(addr)
	if to == nil {
		return nil, syscall.ECONNREFUSED
	}
	there, up := t.n.link(t.host, to.host)
	back, upBack := t.n.link(to.host, t.host)
	if !up || !upBack {
		select {
		case <-limit.C:
			return nil, os.ErrDeadlineExceeded
		case <-t.closed:
			return nil, net.ErrClosed
		}
	}
	trip := time.NewTimer(there + back)
	defer trip.Stop()
	select {
	case <-trip.C:
	case <-limit.C:
		return nil, os.ErrDeadlineExceeded
	case <-t.closed:
		return nil, net.ErrClosed
	}
	ours, theirs := net.Pipe()
	near := &conn{Conn: ours, local: t, remote: to}
	far := &conn{Conn: theirs, local: to, remote: t}
	if t.adopt(near) && to.adopt(far) {
		select {
		case to.streams <- far:
			return near, nil
		case <-limit.C:
		case <-t.closed:
		case <-to.closed:
		}
	}
	near.Close()
	far.Close()
	return nil, syscall.ECONNREFUSED
}

// adopt makes Shutdown close a connection, or says that it is too late.
func (t *Transport) adopt(c *conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return false
	}
	t.mu.conns[c] = struct{}{}
	return true
}

// Shutdown implements memberlist.Transport. It frees the address.
func (t *Transport) Shutdown() error {
	t.mu.Lock()
	if t.mu.closed {
		t.mu.Unlock()
		return nil
	}
	t.mu.closed = true
	close(t.closed)
	conns := t.mu.conns
	t.mu.conns = nil
	t.mu.Unlock()
	for c := range conns {
		c.Conn.Close()
	}
	t.n.mu.Lock()
	defer t.n.mu.Unlock()
	delete(t.n.mu.transports, t.addr.String())
	return nil
}

// conn is one end of a stream. It breaks when it is used while the path is down.
type conn struct {
	net.Conn
	local, remote *Transport
}

func (c *conn) Write(b []byte) (int, error) {
	if _, up := c.local.n.link(c.local.host, c.remote.host); !up {
		c.Close()
		return 0, syscall.ENETUNREACH
	}
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.local.mu.Lock()
	delete(c.local.mu.conns, c)
	c.local.mu.Unlock()
	return c.Conn.Close()
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local.addr) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote.addr) }
