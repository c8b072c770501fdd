package httpserve

import (
	"errors"
	"net"
	"net/http"
	"sync"
)

// lender is the listener through which net/http gets connections. What it has
// been lent it keeps.
type lender struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	// crowd counts the connections that net/http has, and its goroutine that
	// accepts them.
	crowd crowd
}

func newLender() *lender {
	return &lender{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// lend gives a connection away, or closes it when net/http takes no more.
func (l *lender) lend(rwc net.Conn) {
	l.crowd.enter()
	select {
	case l.conns <- rwc:
	case <-l.closed:
		_ = rwc.Close()
		l.crowd.leave()
	}
}

// changed is net/http's hook: its goroutine is about to end when a connection
// is closed.
func (l *lender) changed(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateClosed, http.StateHijacked:
		l.crowd.leave()
	}
}

func (l *lender) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *lender) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is told to nobody.
func (l *lender) Addr() net.Addr { return &net.UnixAddr{Name: "httpserve"} }

// replayed is a connection some of whose bytes were read already.
type replayed struct {
	net.Conn
	read []byte
}

// Read is called by one goroutine at a time.
func (c *replayed) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

// CloseWrite is what net/http says goodbye with.
func (c *replayed) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
