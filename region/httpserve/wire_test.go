package httpserve_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/region/httpserve"
)

// server is what the tests hold side by side.
type server interface {
	Serve(net.Listener) error
	Close() error
}

// settings are those of a server of the API, with some of the times set.
func settings(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

// both are the two kinds of servers.
var both = map[string]func(*http.Server) server{
	"net/http":  func(s *http.Server) server { return s },
	"httpserve": func(s *http.Server) server { return httpserve.New(s) },
}

// script is a connection of a client that sends what it has to say in portions,
// one per read, and nothing else.
type script struct {
	mu       sync.Mutex
	portions [][]byte
	answer   bytes.Buffer
	closed   chan struct{}
	once     sync.Once
}

func newScript(portions ...[]byte) *script {
	return &script{portions: portions, closed: make(chan struct{})}
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return 0, net.ErrClosed
	default:
	}
	if len(s.portions) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.portions[0])
	if s.portions[0] = s.portions[0][n:]; len(s.portions[0]) == 0 {
		s.portions = s.portions[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer.Write(p)
}

func (s *script) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *script) CloseWrite() error                { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.UnixAddr{Name: "near"} }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{Name: "far"} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// listener hands out the connections that a test makes.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "test"} }

// play lets a server answer one client that sends these portions, and returns
// what it answered before it closed the connection.
func play(t testing.TB, kind string, h http.Handler, portions ...[]byte) string {
	t.Helper()
	l, c := newListener(), newScript(portions...)
	options := settings(h)
	options.ErrorLog = quiet
	s := both[kind](options)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	l.conns <- c
	<-c.closed
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	serving.Wait()
	return c.answer.String()
}
