package httpserve

import (
	"context"
	"sync"
	"time"
)

// WithTimeout is context.WithTimeout for less, where ctx is the context of a
// request that this package serves, or one with more values. It is so once a
// request: the connection has one timer for all of its requests, which it winds
// up about once a timeout.
func WithTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	r, ok := ctx.Value(requestKey{}).(*requestContext)
	// What has a channel of its own may end before the request does.
	if !ok || ctx.Done() != r.Done() || !r.conn.limit(r, ctx, timeout) {
		return context.WithTimeout(ctx, timeout)
	}
	return &r.limited, r.limited.cancel
}

// requestKey asks the context of a request for itself.
type requestKey struct{}

// requestContext is the context of a request. It lies in the exchange that it
// belongs to, together with the one that WithTimeout makes of it.
type requestContext struct {
	scope
	conn    *conn
	limited limitedContext
}

func (r *requestContext) Value(key any) any {
	if _, ok := key.(requestKey); ok {
		return r
	}
	return r.scope.Value(key)
}

// end ends both contexts.
func (r *requestContext) end() {
	r.limited.cancel()
	r.scope.end(context.Canceled)
}

// limitedContext is what WithTimeout returns.
type limitedContext struct {
	scope
	// deadline is zero until there is such a context. The connection's mutex
	// guards it until then.
	deadline time.Time
}

func (l *limitedContext) Deadline() (time.Time, bool) { return l.deadline, true }

func (l *limitedContext) cancel() { l.end(context.Canceled) }

// scope is a context that ends when its owner says so, with the values of
// another, whose end it does not look at. Unlike those of package context it is
// part of something larger, and needs no more memory before somebody waits for
// its end.
type scope struct {
	context.Context
	mu struct {
		sync.Mutex
		err  error
		done chan struct{} // nil until somebody asks for it
		// after holds what is to be called at the end.
		after map[*func()]struct{}
	}
}

func (s *scope) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.done == nil {
		s.mu.done = make(chan struct{})
		if s.mu.err != nil {
			close(s.mu.done)
		}
	}
	return s.mu.done
}

func (s *scope) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.err
}

// AfterFunc is what package context asks for, so that a context derived from
// this one does not need a goroutine to see it end.
func (s *scope) AfterFunc(f func()) (stop func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.err != nil {
		go f()
		return func() bool { return false }
	}
	if s.mu.after == nil {
		s.mu.after = make(map[*func()]struct{})
	}
	s.mu.after[&f] = struct{}{}
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, waits := s.mu.after[&f]
		delete(s.mu.after, &f)
		return waits
	}
}

// end ends the context, unless it has ended.
func (s *scope) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.err != nil {
		return
	}
	s.mu.err = err
	if s.mu.done != nil {
		close(s.mu.done)
	}
	for f := range s.mu.after {
		go (*f)()
	}
	s.mu.after = nil
}

// enter begins a request. It has ended already if the connection was cut off.
func (c *conn) enter(r *requestContext) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.cut {
		r.end()
		return
	}
	c.mu.request = r
}

// leave ends the request that has entered.
func (c *conn) leave(r *requestContext) {
	c.mu.Lock()
	c.mu.request = nil
	c.mu.Unlock()
	r.end()
}

// cut closes the connection, and ends its request and those that it has read
// already.
func (c *conn) cut() {
	_ = c.rwc.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.cut = true
	if c.mu.request != nil {
		c.mu.request.end()
		c.mu.request = nil
	}
}

// limit makes the limited context of a request, with the values of another. It
// reports false if there was one before, or it would have ended already.
func (c *conn) limit(r *requestContext, values context.Context, timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.request != r || !r.limited.deadline.IsZero() || timeout <= 0 {
		return false
	}
	r.limited.Context, r.limited.deadline = values, deadline
	c.ringLocked(deadline)
	return true
}

// ringLocked sees to it that expire is called in time. A timer that is early
// stays as it is: as a rule requests end long before, and then one call of
// expire serves all those of a timeout.
func (c *conn) ringLocked(at time.Time) {
	if !c.mu.rings.IsZero() && !at.Before(c.mu.rings) {
		return
	}
	c.mu.rings = at
	if c.mu.alarm == nil {
		c.mu.alarm = time.AfterFunc(time.Until(at), c.expire)
	} else {
		c.mu.alarm.Reset(time.Until(at))
	}
}

// expire ends what has come to its limit.
func (c *conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.rings = time.Time{}
	if c.mu.request == nil {
		return
	}
	l := &c.mu.request.limited
	switch {
	case l.deadline.IsZero():
	case time.Until(l.deadline) > 0:
		c.ringLocked(l.deadline)
	default:
		l.end(context.DeadlineExceeded)
	}
}

// silence stops the timer of a connection that has no more requests.
func (c *conn) silence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.alarm != nil {
		c.mu.alarm.Stop()
	}
}
