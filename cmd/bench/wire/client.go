// Package wire speaks DynamoDB's protocol at the least cost: it writes requests
// by hand on a connection that it keeps, and signs them with a few hashes. An
// SDK would take ten times the processor time.
package wire

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

// Options say whom a client speaks to, as whom, and of what.
type Options struct {
	URL                          *url.URL
	Region, AccessKey, SecretKey string
	// Table has a partition key, Sorted has a sort key, too.
	Table, Sorted string
	Items         *workload.Items
}

// Client has one connection and sends one request at a time.
type Client struct {
	Options
	signer signer

	socket *socket
	in     *bufio.Reader // of socket
	// deadline is what the connection was last given.
	deadline time.Time
	// reused memory
	body, head, answer, revision []byte

	mu struct {
		sync.Mutex
		conn        net.Conn // only the client's own user changes it
		interrupted bool
	}
}

// RequestTimeout is when an answer is no longer waited for, at most a second
// earlier or later.
const RequestTimeout = 30 * time.Second

// maxKept is how much memory a client keeps of each kind for its next request.
// Hundreds of clients must not hold the largest item each.
const maxKept = 64 << 10

// New returns a client, which connects when it has something to send.
func New(o Options) *Client {
	return &Client{
		Options:  o,
		revision: make([]byte, 0, workload.RevisionBytes),
		signer:   signer{host: o.URL.Host, region: o.Region, accessKey: o.AccessKey, secret: o.SecretKey},
	}
}

// Close ends the connection. The next request makes a new one.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.conn != nil {
		_ = c.mu.conn.Close()
		c.mu.conn = nil
	}
}

// Interrupt ends the request under way and all that follow. Others may call it.
func (c *Client) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.interrupted = true
	if c.mu.conn != nil {
		_ = c.mu.conn.Close() // and the client sees that
	}
}

// Call sends a request and returns the body of its answer, which is valid until
// the next call. The connection is kept unless it fails.
func (c *Client) Call(ctx context.Context, target string, body []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	c.head = c.signer.appendHead(c.head[:0], target, body, now)
	status, err := c.exchange(now, body)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", c.URL.Host, err)
	}
	if status != 200 {
		return nil, &StatusError{status, string(c.answer)}
	}
	return c.answer, nil
}

// StatusError is an answer that is not what was asked for.
type StatusError struct {
	Status int
	Body   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("HTTP status %d: %s", e.Status, e.Body) }

func (c *Client) connect(ctx context.Context) error {
	if c.mu.conn != nil { // nobody else changes it
		return nil
	}
	conn, err := dial(ctx, c.URL)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.interrupted {
		return errors.Join(errors.New("interrupted"), conn.Close())
	}
	c.mu.conn = conn
	c.deadline = time.Time{}
	c.socket = newSocket(conn)
	if c.in == nil {
		c.in = bufio.NewReader(c.socket)
	} else {
		c.in.Reset(c.socket)
	}
	return nil
}

func dial(ctx context.Context, u *url.URL) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	address := u.Host
	if u.Scheme == "https" {
		if u.Port() == "" {
			address += ":443"
		}
		return (&tls.Dialer{NetDialer: &d}).DialContext(ctx, "tcp", address)
	}
	if u.Port() == "" {
		address += ":80"
	}
	return d.DialContext(ctx, "tcp", address)
}

// exchange sends the head and a body, and reads the answer.
func (c *Client) exchange(now time.Time, body []byte) (status int, err error) {
	if err := c.send(now, body); err != nil {
		return 0, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, fmt.Errorf("%q is not the beginning of an answer", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length, chunked, last, err := c.header()
	if err != nil {
		return 0, err
	}
	if cap(c.answer) > maxKept {
		c.answer = nil
	}
	if chunked {
		if c.answer, err = io.ReadAll(httputil.NewChunkedReader(c.in)); err == nil {
			_, err = c.in.ReadSlice('\n') // the end of the trailer
		}
	} else {
		c.answer = slices.Grow(c.answer[:0], length)[:length]
		_, err = io.ReadFull(c.in, c.answer)
	}
	if last {
		c.Close()
	}
	return status, err
}

// send writes the request in one go, or lets whoever reads the answer do that.
func (c *Client) send(now time.Time, body []byte) error {
	conn := c.mu.conn
	// A deadline costs as much as one of a signature's hashes, and nobody minds
	// a second, so it is renewed only now and then.
	if deadline := now.Add(RequestTimeout); deadline.Sub(c.deadline) > time.Second {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
		c.deadline = deadline
	}
	if len(body) < maxKept {
		c.head = append(c.head, body...)
		c.socket.request = c.head
		return nil
	}
	_, err := (&net.Buffers{c.head, body}).WriteTo(conn)
	return err
}

// header reads the header of an answer: how long its body is, and whether it is
// the last on its connection.
func (c *Client) header() (length int, chunked, last bool, err error) {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, false, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, chunked, last, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > maxAnswer {
				return 0, false, false, fmt.Errorf("a body of %q bytes", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			last = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// maxAnswer is more than DynamoDB ever answers: a batch has up to 16 MiB.
const maxAnswer = 32 << 20
