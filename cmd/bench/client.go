package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"
)

// client has one connection and sends one request at a time.
type client struct {
	bench  *bench
	url    *url.URL
	signer signer
	rand   *rand.Rand

	conn net.Conn
	in   *bufio.Reader
	// reused memory
	body, out, answer []byte
}

// requestTimeout is when an answer is no longer waited for.
const requestTimeout = 30 * time.Second

func (b *bench) newClient(n int) *client {
	target := b.targets[n%len(b.targets)]
	return &client{
		bench:  b,
		url:    target,
		signer: signer{host: target.Host, region: b.Region, accessKey: b.AccessKey, secret: b.SecretKey},
		rand:   rand.New(rand.NewPCG(uint64(n), uint64(time.Now().UnixNano()))),
	}
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// do carries out an operation on a key.
func (c *client) do(ctx context.Context, op operation, key uint64) error {
	c.body = c.bench.appendBody(c.body[:0], op, key, c.rand)
	answer, err := c.call(ctx, operationTargets[op], c.body)
	if err != nil {
		return err
	}
	if (op == getStrong || op == getEventual) && !bytes.Contains(answer, []byte(`"Item"`)) {
		return errors.New("an item that was written is not there")
	}
	return nil
}

// call sends a request and returns the body of its answer, which is valid until
// the next call. The connection is kept unless it fails.
func (c *client) call(ctx context.Context, target string, body []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	c.out = c.signer.appendRequest(c.out[:0], target, body, now)
	status, err := c.exchange(now)
	if err != nil {
		c.close()
		return nil, fmt.Errorf("%s: %w", c.url.Host, err)
	}
	if status != 200 {
		return nil, &statusError{status, string(c.answer)}
	}
	return c.answer, nil
}

// statusError is an answer that is not what was asked for.
type statusError struct {
	status int
	body   string
}

func (e *statusError) Error() string { return fmt.Sprintf("HTTP status %d: %s", e.status, e.body) }

func (c *client) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	address := c.url.Host
	var err error
	if c.url.Scheme == "https" {
		if c.url.Port() == "" {
			address += ":443"
		}
		c.conn, err = (&tls.Dialer{NetDialer: &d}).DialContext(ctx, "tcp", address)
	} else {
		if c.url.Port() == "" {
			address += ":80"
		}
		c.conn, err = d.DialContext(ctx, "tcp", address)
	}
	if err != nil {
		c.conn = nil
		return err
	}
	if c.in == nil {
		c.in = bufio.NewReader(c.conn)
	} else {
		c.in.Reset(c.conn)
	}
	return nil
}

// exchange sends what is in out and reads the answer.
func (c *client) exchange(now time.Time) (status int, err error) {
	if err := c.conn.SetDeadline(now.Add(requestTimeout)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
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
	if chunked {
		if c.answer, err = io.ReadAll(httputil.NewChunkedReader(c.in)); err == nil {
			_, err = c.in.ReadSlice('\n') // the end of the trailer
		}
	} else {
		c.answer = append(c.answer[:0], make([]byte, length)...)
		_, err = io.ReadFull(c.in, c.answer)
	}
	if last {
		c.close()
	}
	return status, err
}

// header reads the header of an answer: how long its body is, and whether it is
// the last on its connection.
func (c *client) header() (length int, chunked, last bool, err error) {
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
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, false, false, fmt.Errorf("a body of %q bytes", value)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			last = bytes.EqualFold(value, []byte("close"))
		}
	}
}
