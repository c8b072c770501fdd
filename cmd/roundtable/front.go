package main

import (
	"net"
	"sync"
)

// front is a region's endpoint in the demo: one listener that hands each
// connection to a node that runs, in turn, as a load balancer would.
type front struct {
	listener net.Listener
	done     sync.WaitGroup

	mu    sync.Mutex
	next  int
	nodes map[int]*backend
}

func newFront(address string) (*front, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	f := &front{listener: l, nodes: map[int]*backend{}}
	f.done.Go(f.accept)
	return f, nil
}

// backend makes the listener of a node, which gets connections once it is
// admitted.
func (f *front) backend() *backend {
	return &backend{addr: f.listener.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
}

// admit makes a node that accepts connections get its share of them.
func (f *front) admit(node int, b *backend) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[node] = b
}

// dismiss gives a node no more connections.
func (f *front) dismiss(node int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.nodes, node)
}

func (f *front) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.hand(conn)
	}
}

// hand gives a connection to the next node that takes it.
func (f *front) hand(conn net.Conn) {
	for _, b := range f.turn() {
		select {
		case b.conns <- conn:
			return
		case <-b.closed:
		}
	}
	_ = conn.Close()
}

// turn is the nodes in the order in which to try them for one connection.
func (f *front) turn() []*backend {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	var order []*backend
	for i := range demoNodes {
		if b := f.nodes[(f.next+i)%demoNodes]; b != nil {
			order = append(order, b)
		}
	}
	return order
}

func (f *front) close() {
	_ = f.listener.Close()
	f.mu.Lock()
	for _, b := range f.nodes {
		_ = b.Close()
	}
	f.mu.Unlock()
	f.done.Wait()
}

// backend is one node's share of a front's connections.
type backend struct {
	addr  net.Addr
	conns chan net.Conn

	once   sync.Once
	closed chan struct{}
}

var _ net.Listener = (*backend)(nil)

// Accept returns the next connection.
func (b *backend) Accept() (net.Conn, error) {
	select {
	case conn := <-b.conns:
		return conn, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (b *backend) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// Addr is the front's.
func (b *backend) Addr() net.Addr { return b.addr }
