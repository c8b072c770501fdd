package httpserve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readBuffer holds the head of a request and most bodies whole, so that one
	// system call reads them. A head that does not fit is not plain.
	readBuffer = 8 << 10
	// gatherLimit is up to where the parts of an answer are copied together. More
	// is sent from where it is.
	gatherLimit = 8 << 10
	// maxKept bounds each buffer that an idle connection keeps.
	maxKept = 16 << 10
	// patience is how long a new connection may be silent once the server shuts
	// down. It is net/http's number.
	patience = 5 * time.Second
	// goodbye is how long an unread client gets to read its answer before the
	// connection is reset. It is net/http's number.
	goodbye = 500 * time.Millisecond
)

// conn is a connection. Its goroutine owns everything but state, rwc and mu.
type conn struct {
	server   *Server
	rwc      net.Conn
	accepted time.Time
	state    atomic.Int32
	// lent says that the connection is net/http's now.
	lent bool
	// answered says that there was a request before.
	answered bool

	ctx      context.Context // whose values the contexts of its requests have
	template *http.Request
	heads    heads

	buf           [readBuffer]byte
	begin, end    int // buf[begin:end] is read and not used
	reads, writes deadline

	header   http.Header // of the answer
	names    []string    // of header, sorted
	out      []byte      // what is sent next: the head of an answer,
	gathered []byte      // and its body as far as it has been written
	date     dateText

	mu struct {
		sync.Mutex
		// request is the one under way. cut says that it must not go on, nor another.
		request *requestContext
		cut     bool
		// alarm calls expire at the time rings, which is zero if it does not.
		alarm *time.Timer
		rings time.Time
	}
}

// The states of a connection. The server may retire an idle one, and its
// goroutine makes all other transitions.
const (
	fresh   = iota // no byte has come
	active         // a request is being read or answered
	idle           // between requests
	retired        // closed when it was idle
)

func newConn(s *Server, rwc net.Conn) *conn {
	return &conn{
		server: s, rwc: rwc, accepted: time.Now(),
		heads:  heads{header: make(http.Header)},
		header: make(http.Header),
		reads:  deadline{set: rwc.SetReadDeadline},
		writes: deadline{set: rwc.SetWriteDeadline},
	}
}

// retire closes the connection if no request is under way.
func (c *conn) retire() {
	if c.state.CompareAndSwap(idle, retired) {
		_ = c.rwc.Close()
	} else if c.state.Load() == fresh {
		// Its first request may be on its way.
		_ = c.rwc.SetReadDeadline(c.accepted.Add(patience))
	}
}

// serve answers requests until the connection ends or is lent.
func (c *conn) serve(ctx context.Context) {
	defer func() {
		if !c.lent {
			_ = c.rwc.Close()
		}
	}()
	defer c.silence()
	c.ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.rwc.LocalAddr())
	c.template = &http.Request{
		Method: http.MethodPost, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RequestURI: "/",
	}
	if a := c.rwc.RemoteAddr(); a != nil {
		c.template.RemoteAddr = a.String()
	}
	for c.await() == nil {
		size, v := c.readHead()
		switch v {
		case unusual:
			c.lend()
			return
		case incomplete:
			return
		}
		c.begin += size
		if !c.exchange() {
			return
		}
		c.answered = true
	}
}

var errClosing = errors.New("the server is closing")

// await waits until a request begins.
func (c *conn) await() error {
	if !c.answered {
		c.reads.after(c.accepted, c.server.headerTimeout())
		if err := c.fill(); err != nil {
			return err
		}
		if !c.state.CompareAndSwap(fresh, active) {
			return errClosing
		}
		return nil
	}
	// After a POST some old clients send an empty line that no header counts.
	// net/http looks at four bytes, and so does this.
	const peeked = 4
	for c.end-c.begin < peeked {
		c.state.Store(idle)
		if c.server.closing.Load() {
			return errClosing
		}
		c.reads.after(c.date.at, c.server.idleTimeout())
		err := c.fill()
		if !c.state.CompareAndSwap(idle, active) {
			return errClosing
		}
		if err != nil {
			return err
		}
	}
	for range peeked {
		if b := c.buf[c.begin]; b != '\r' && b != '\n' {
			break
		}
		c.begin++
	}
	return nil
}

// readHead reads a whole head, unless it is not plain, or cannot be read.
func (c *conn) readHead() (size int, v verdict) {
	timed := !c.answered // since the connection was accepted
	for {
		if size, v = c.heads.parse(c.buf[c.begin:c.end]); v != incomplete {
			return size, v
		}
		if !timed {
			timed = true
			c.reads.after(time.Now(), c.server.headerTimeout())
		}
		switch err := c.fill(); {
		case err == nil:
		case err == errFull, err == io.EOF && c.begin < c.end:
			// How a request that is too long, or cut short, is answered is
			// net/http's to say.
			return 0, unusual
		default:
			return 0, incomplete
		}
	}
}

// lend gives the connection to net/http, with what was read of a request.
func (c *conn) lend() {
	c.lent = true
	_ = c.rwc.SetDeadline(time.Time{})
	c.server.lent.lend(&replayed{Conn: c.rwc, read: c.buf[c.begin:c.end]})
}

var errFull = errors.New("the buffer is full")

// fill reads what has come, at least one byte.
func (c *conn) fill() error {
	if c.begin > 0 {
		c.begin, c.end = 0, copy(c.buf[:], c.buf[c.begin:c.end])
	}
	if c.end == len(c.buf) {
		return errFull
	}
	for range 100 {
		n, err := c.rwc.Read(c.buf[c.end:])
		c.end += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// exchange carries out one request whose head was read. It reports whether there
// may be another.
func (c *conn) exchange() bool {
	x := &exchange{url: url.URL{Path: "/"}}
	x.response = response{c: c, body: &x.body, length: -1}
	x.ctx.Context, x.ctx.conn = c.ctx, c
	r := c.template.WithContext(&x.ctx)
	r.URL, r.Host, r.Header = &x.url, c.heads.host, c.heads.header
	r.ContentLength = c.heads.length
	x.body.c, x.body.remain = c, r.ContentLength
	r.Body = &x.body
	if r.ContentLength == 0 {
		r.Body = http.NoBody
	}
	clear(c.header)
	c.enter(&x.ctx)
	return c.handle(x, r) && x.response.finish()
}

// exchange is what a request and its answer are made of, in one piece of
// memory. It is not reused.
type exchange struct {
	ctx      requestContext
	url      url.URL
	body     body
	response response
}

// handle calls the handler. It reports whether that returned.
func (c *conn) handle(x *exchange, r *http.Request) (returned bool) {
	defer func() {
		x.response.over = true
		c.leave(&x.ctx)
		if returned {
			return
		}
		if cause := recover(); cause != nil && cause != http.ErrAbortHandler {
			c.server.logf("http: panic serving %v: %v\n%s", r.RemoteAddr, cause, debug.Stack())
		}
	}()
	c.server.fallback.Handler.ServeHTTP(&x.response, r)
	return true
}

// readBody reads of a body, first what is in the buffer.
func (c *conn) readBody(p []byte) (int, error) {
	if c.begin < c.end {
		n := copy(p, c.buf[c.begin:c.end])
		c.begin += n
		return n, nil
	}
	return c.rwc.Read(p)
}

// write sends what is gathered and then p, with one system call.
func (c *conn) write(p []byte) (err error) {
	if len(c.gathered) <= gatherLimit {
		c.out = append(c.out, c.gathered...)
		c.gathered = c.gathered[:0]
	}
	if len(c.gathered)+len(p) == 0 {
		_, err = c.rwc.Write(c.out)
	} else {
		parts := net.Buffers{c.out, c.gathered, p}
		_, err = parts.WriteTo(c.rwc)
	}
	c.out, c.gathered = emptied(c.out), emptied(c.gathered)
	return err
}

func emptied(b []byte) []byte {
	if cap(b) > maxKept {
		return nil
	}
	return b[:0]
}

// linger lets a client that still sends read its answer.
func (c *conn) linger() {
	_ = closeWrite(c.rwc)
	c.server.sleep(goodbye)
}

// slack is how much later than asked a deadline may be.
const slack = time.Second

// deadline is one of a connection's. To set it costs more than to look at the
// clock, so it is set when it would be too early or much too late, which on a
// busy connection is once in a slack.
type deadline struct {
	set func(time.Time) error
	at  time.Time
}

// after sets the deadline to a time after now, and at most slack later. No
// timeout means no deadline.
func (d *deadline) after(now time.Time, timeout time.Duration) {
	if timeout <= 0 {
		if !d.at.IsZero() {
			d.at = time.Time{}
			_ = d.set(d.at)
		}
		return
	}
	earliest := now.Add(timeout)
	if latest := earliest.Add(slack); d.at.Before(earliest) || d.at.After(latest) {
		d.at = latest
		_ = d.set(latest)
	}
}
