// Package httpserve serves HTTP/1.1 to http.Handlers for less than net/http
// takes, where requests are as the clients of the API send them, and through
// net/http where they are not.
//
// A plain request is what an SDK sends thousands of times a second: POST / with
// a Content-Length, on a connection that stays. A loop of one goroutine per
// connection reads it, calls the handler and sends the answer with one write.
// The first byte that makes a request anything else ends this: the connection,
// with all bytes of that request, goes to a net/http.Server with the same
// handler and stays there. So there is one implementation of chunks, of
// Expect and Upgrade, of HTTP/1.0, of lenient syntax and of what malformed
// requests are answered, and TLS with all that comes with it is net/http's from
// the first byte. What the loop reads it reads strictly, and the tests hold its
// answers against net/http's, byte by byte.
//
// What a handler may rely on is what net/http promises, with these differences:
//
//   - The request's Header map belongs to the connection and is filled anew for
//     the next request. A handler must not use it after it has returned; the
//     strings in it may be kept. The same holds for the answer's map.
//   - A client that goes away does not end the context of its request. To notice
//     it, net/http reads in a second goroutine while the handler runs, which
//     costs a system call and two switches of goroutines per request. Whoever
//     answers in bounded time does not miss it: the answer's write fails.
//     The context ends when the handler returns or the server is closed. Who
//     keeps it keeps the memory of its connection.
//   - Answers cannot be flushed, hijacked or given trailers or deadlines, and
//     interim answers (1xx) are not sent. An answer whose length the handler
//     does not declare is gathered whole; a long one should be declared.
package httpserve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves connections. Its methods do what http.Server's do.
type Server struct {
	// fallback serves what is not plain. Its settings are those of the loop, too.
	fallback *http.Server
	lent     *lender

	// ctx has the values of all contexts and ends with Close.
	ctx    context.Context
	cancel context.CancelFunc

	// running counts the goroutines of this package: one for each listener and
	// one for each connection.
	running crowd
	closing atomic.Bool
	mu      struct {
		sync.Mutex
		listeners      map[net.Listener]struct{}
		conns          map[*conn]struct{}
		fallbackServes bool
	}
}

// New makes a Server with the handler, the times and the log of a net/http
// server. That server belongs to it from then on, and must not have been used.
// It must have a handler, and no hooks (BaseContext, ConnContext, ConnState).
// Times are kept to the second: a client may get one more. MaxHeaderBytes is
// net/http's; heads up to 8 KiB are read whatever it says.
func New(settings *http.Server) *Server {
	s := &Server{fallback: settings, lent: newLender()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.ctx = context.WithValue(s.ctx, http.ServerContextKey, settings)
	s.mu.listeners = make(map[net.Listener]struct{})
	s.mu.conns = make(map[*conn]struct{})
	settings.BaseContext = func(net.Listener) context.Context { return s.ctx }
	settings.ConnState = s.lent.changed
	return s
}

// Serve accepts connections until the server is shut down, and then returns
// http.ErrServerClosed, or until the listener fails. It closes the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.listen(l) {
		return http.ErrServerClosed
	}
	defer s.running.leave()
	var pause time.Duration
	for {
		rwc, err := l.Accept()
		if s.closing.Load() {
			if err == nil {
				_ = rwc.Close()
			}
			return http.ErrServerClosed
		}
		if err == nil {
			pause = 0
			s.start(rwc)
			continue
		}
		// Running out of file descriptors passes.
		if t, ok := errors.AsType[temporary](err); !ok || !t.Temporary() {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.logf("http: Accept error: %v; retrying in %v", err, pause)
		s.sleep(pause)
	}
}

// temporary is an error of a listener that may pass.
type temporary interface {
	error
	Temporary() bool
}

// listen counts the caller, who serves l, unless the server is closing, and
// lets net/http serve what it will be lent.
func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.mu.listeners[l] = struct{}{}
	s.running.enter()
	if !s.mu.fallbackServes {
		s.mu.fallbackServes = true
		s.lent.crowd.enter()
		go func() {
			defer s.lent.crowd.leave()
			pprof.Do(s.ctx, pprof.Labels("roundtable", "lent http connection"), func(context.Context) {
				// It ends when the server is shut down, and has no other error: its
				// listener is ours.
				_ = s.fallback.Serve(s.lent)
			})
		}()
	}
	return true
}

// start begins to serve a connection.
func (s *Server) start(rwc net.Conn) {
	if _, secure := rwc.(*tls.Conn); secure {
		s.lent.lend(rwc)
		return
	}
	c := newConn(s, rwc)
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		_ = rwc.Close()
		return
	}
	s.mu.conns[c] = struct{}{}
	s.running.enter()
	s.mu.Unlock()
	go func() {
		defer s.running.leave()
		defer s.forget(c)
		pprof.Do(s.ctx, pprof.Labels("roundtable", "http connection"), c.serve)
	}()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c)
}

// Shutdown stops accepting, closes idle connections and waits until the others
// have been answered, or until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.refuse()
	// What net/http answers from here on it answers for the last time.
	s.fallback.SetKeepAlivesEnabled(false)
	s.mu.Lock()
	for c := range s.mu.conns {
		c.retire()
	}
	s.mu.Unlock()
	if waited := wait(ctx, s.running.gone()); waited != nil {
		return waited
	}
	if waited := s.fallback.Shutdown(ctx); waited != nil {
		return waited
	}
	if waited := wait(ctx, s.lent.crowd.gone()); waited != nil {
		return waited
	}
	s.cancel()
	return err
}

// Close cuts all connections off and ends the contexts of their requests. It
// waits until all of them have ended: longer than http.Server does.
func (s *Server) Close() error {
	err := s.refuse()
	s.cancel()
	s.mu.Lock()
	for c := range s.mu.conns {
		c.cut()
	}
	s.mu.Unlock()
	_ = s.fallback.Close()
	<-s.running.gone()
	<-s.lent.crowd.gone()
	return err
}

// refuse stops to accept connections.
func (s *Server) refuse() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	var errs []error
	for l := range s.mu.listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
		delete(s.mu.listeners, l)
	}
	return errors.Join(errs...)
}

// headerTimeout is how long a client may take for the head of a request.
func (s *Server) headerTimeout() time.Duration {
	return cmp.Or(s.fallback.ReadHeaderTimeout, s.fallback.ReadTimeout)
}

// idleTimeout is how long a client may take between requests.
func (s *Server) idleTimeout() time.Duration {
	return cmp.Or(s.fallback.IdleTimeout, s.fallback.ReadTimeout)
}

func (s *Server) logf(format string, args ...any) {
	if s.fallback.ErrorLog != nil {
		s.fallback.ErrorLog.Printf(format, args...)
	} else {
		log.Printf(format, args...)
	}
}

// sleep waits, unless the server is closed.
func (s *Server) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ctx.Done():
	}
}

func wait(ctx context.Context, gone <-chan struct{}) error {
	select {
	case <-gone:
		return nil
	default:
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// crowd counts goroutines. The zero crowd is empty.
type crowd struct {
	mu     sync.Mutex
	inside int
	empty  chan struct{} // closed when the last leaves; nil when nobody waits
}

func (c *crowd) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside++
}

func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside--
	if c.inside == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// gone is closed when nobody is inside.
func (c *crowd) gone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	empty := c.empty
	if c.inside == 0 {
		close(c.empty)
		c.empty = nil
	}
	return empty
}
