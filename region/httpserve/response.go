package httpserve

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// response is the answer to one request. It writes what net/http writes, in the
// same order, so that the two can be compared.
type response struct {
	c    *conn
	body *body

	status  int   // 0 before WriteHeader
	length  int64 // the Content-Length that the handler declared, or negative
	written int64
	// typed, encoded and dated say what the handler has declared.
	typed, encoded, dated bool
	// connection is where the head has the handler's Connection field, and
	// wantsClose whether that asks to close.
	connection [2]int
	wantsClose bool

	sent  bool  // the head and maybe more
	err   error // of sending
	close bool  // the connection, after this answer
	over  bool  // the handler has returned
}

var (
	_ http.ResponseWriter = (*response)(nil)

	errOver = errors.New("http: the handler has returned")
)

func (w *response) Header() http.Header { return w.c.header }

func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	switch {
	case w.over:
		return
	case w.status != 0:
		w.c.server.logf("http: superfluous WriteHeader of %d after %d", status, w.status)
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		return
	}
	w.begin(status)
}

// begin makes the head of the answer, as far as it is known.
func (w *response) begin(status int) {
	w.status = status
	c := w.c
	c.out = appendStatusLine(c.out[:0], status)
	c.names = c.names[:0]
	for name := range c.header {
		c.names = append(c.names, name)
	}
	slices.Sort(c.names)
	for _, name := range c.names {
		w.declare(name, c.header[name])
	}
}

// declare takes a field of the answer that the handler has set.
func (w *response) declare(name string, values []string) {
	c, start := w.c, len(w.c.out)
	first := ""
	if len(values) > 0 {
		first = values[0]
	}
	switch name {
	case "Content-Length":
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil || n < 0 {
			c.server.logf("http: invalid Content-Length of %q", first)
			return
		}
		if w.length = n; !allowsBody(w.status) {
			return
		}
	case "Content-Type":
		if w.typed = true; w.status == http.StatusNotModified {
			return
		}
	case "Content-Encoding":
		w.encoded = first != ""
	case "Date":
		w.dated = true
	case "Transfer-Encoding":
		return
	case "Connection":
		w.close = first == "close"
		w.wantsClose = strings.EqualFold(strings.TrimSpace(first), "close")
	}
	if name == "" || !isToken(name) {
		return
	}
	for _, value := range values {
		c.out = appendField(c.out, name, value)
	}
	if name == "Connection" {
		w.connection = [2]int{start, len(c.out)}
	}
}

func appendStatusLine(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	if text := http.StatusText(status); text != "" {
		dst = append(dst, text...)
	} else {
		dst = append(dst, "status code "...)
		dst = strconv.AppendInt(dst, int64(status), 10)
	}
	return append(dst, "\r\n"...)
}

var newlines = strings.NewReplacer("\n", " ", "\r", " ")

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, strings.Trim(newlines.Replace(value), " \t\r\n")...)
	return append(dst, "\r\n"...)
}

// allowsBody says whether an answer has a body, if only an empty one.
func allowsBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

func (w *response) Write(p []byte) (int, error) { return write(w, p) }

func (w *response) WriteString(s string) (int, error) { return write(w, s) }

func write[T []byte | string](w *response, p T) (int, error) {
	if w.over {
		return 0, errOver
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !allowsBody(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	switch {
	case w.length >= 0 && w.written > w.length:
		return 0, http.ErrContentLength
	case w.err != nil:
		return 0, w.err
	case w.length < 0 || len(w.c.gathered)+len(p) <= gatherLimit:
		w.c.gathered = append(w.c.gathered, p...)
		return len(p), nil
	}
	if w.send([]byte(p)); w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// send sends what there is of the answer, p at its end.
func (w *response) send(p []byte) {
	c := w.c
	if !w.sent {
		w.sent = true
		w.settle()
		now := time.Now()
		w.finishHead(now, p)
		c.writes.after(now, c.server.fallback.WriteTimeout)
	}
	if w.err == nil && len(c.out)+len(c.gathered)+len(p) > 0 {
		w.err = c.write(p)
	}
}

// settle decides whether the connection stays. Before it can, the body must be
// out of the way: there are clients that read no answer before they have sent
// everything.
func (w *response) settle() {
	w.close = w.close || w.c.server.closing.Load()
	switch {
	case w.close:
	case w.body.unread() >= maxDrained:
		w.close = true
	default:
		w.close = w.body.drain() != nil
	}
}

// finishHead adds what the handler has not declared.
func (w *response) finishHead(now time.Time, p []byte) {
	c := w.c
	if w.close && !w.wantsClose {
		c.out = slices.Delete(c.out, w.connection[0], w.connection[1])
	}
	c.date.update(now)
	if !w.dated {
		c.out = appendField(c.out, "Date", c.date.text)
	}
	if allowsBody(w.status) {
		if w.length < 0 {
			c.out = append(c.out, "Content-Length: "...)
			c.out = strconv.AppendInt(c.out, int64(len(c.gathered)), 10)
			c.out = append(c.out, "\r\n"...)
		}
		if !w.typed && !w.encoded {
			c.sniff(p)
		}
	}
	if w.close && !w.wantsClose {
		c.out = append(c.out, "Connection: close\r\n"...)
	}
	c.out = append(c.out, "\r\n"...)
}

// sniff says of what type a body is that begins with what is gathered and p.
func (c *conn) sniff(p []byte) {
	const looksAt = 512
	if sample := append(c.gathered, p[:min(len(p), looksAt)]...); len(sample) > 0 {
		c.out = appendField(c.out, "Content-Type", http.DetectContentType(sample))
	}
}

// finish sends the answer of a handler that has returned, and reports whether
// the connection can have another request.
func (w *response) finish() bool {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	w.send(nil)
	if w.body.unread() >= maxDrained {
		w.c.linger()
		return false
	}
	if err := w.body.drain(); err != nil || w.err != nil || w.close {
		return false
	}
	short := w.length >= 0 && allowsBody(w.status) && w.written != w.length
	return !short
}

// dateText is the time of the last answer, as a Date field has it.
type dateText struct {
	at   time.Time
	text string
}

func (d *dateText) update(now time.Time) {
	if d.text == "" || now.Unix() != d.at.Unix() {
		d.text = now.UTC().Format(http.TimeFormat)
	}
	d.at = now
}
