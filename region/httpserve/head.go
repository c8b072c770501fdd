package httpserve

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
)

// requestLine is how a plain request begins.
const requestLine = "POST / HTTP/1.1\r\n"

// maxFields is how many header fields a plain request may have.
const maxFields = 64

// verdict is what the bytes of a head say so far.
type verdict int

const (
	incomplete verdict = iota
	plain
	unusual // anything else: net/http's
)

// heads reads the heads of one connection. Requests on a connection resemble
// each other, so it remembers the last one, field by field: what is the same is
// neither checked nor copied again.
type heads struct {
	fields []field
	// header is the fields of the last head that was plain, but for Host.
	header http.Header
	host   string
	length int64
}

// field is a header field of the last head, by its place. raw is its name as it
// was sent, name the canonical form. Both are as valid as value is: it is only
// what was checked that is remembered.
type field struct {
	raw, name, value string
	role             role
	// values is the field in the map.
	values [1]string
}

// role is what a field means to the loop.
type role int

const (
	ordinary role = iota
	host
	contentLength
	connection
	notPlain
)

// roleOf gives the names that change what a request is, or how net/http reads
// it.
func roleOf(name string) role {
	switch name {
	case "Host":
		return host
	case "Content-Length":
		return contentLength
	case "Connection":
		return connection
	case "Transfer-Encoding", "Trailer", "Expect", "Upgrade", "Http2-Settings", "Pragma":
		return notPlain
	}
	return ordinary
}

// parse reads a head that begins with b. If it is plain, size is its length.
func (h *heads) parse(b []byte) (size int, v verdict) {
	if n := min(len(b), len(requestLine)); string(b[:n]) != requestLine[:n] {
		return 0, unusual
	} else if n < len(requestLine) {
		return 0, incomplete
	}
	rest := b[len(requestLine):]
	for count := 0; ; count++ {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return 0, incomplete
		}
		if end == 0 || rest[end-1] != '\r' {
			return 0, unusual
		}
		line := rest[:end-1]
		rest = rest[end+1:]
		if len(line) == 0 {
			if !h.interpret(count) {
				return 0, unusual
			}
			return len(b) - len(rest), plain
		}
		if !h.read(count, line) {
			return 0, unusual
		}
	}
}

// read reads the field in the i-th place.
func (h *heads) read(i int, line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || i == maxFields {
		return false
	}
	if i == len(h.fields) {
		h.fields = append(h.fields, field{})
	}
	f := &h.fields[i]
	if raw := line[:colon]; string(raw) != f.raw {
		if !isToken(raw) {
			return false
		}
		f.raw = string(raw)
		f.name = textproto.CanonicalMIMEHeaderKey(f.raw)
		f.role = roleOf(f.name)
	}
	if value := bytes.Trim(line[colon+1:], " \t"); string(value) != f.value {
		if !isValue(value) {
			return false
		}
		f.value = string(value)
	}
	return true
}

// interpret says what the first count fields mean, and whether that is plain.
func (h *heads) interpret(count int) bool {
	clear(h.header)
	h.host, h.length = "", -1
	for i := range h.fields[:count] {
		f := &h.fields[i]
		switch f.role {
		case host:
			if h.host != "" || !isHost(f.value) {
				return false
			}
			h.host = f.value
			continue
		case contentLength:
			if h.length = length(f.value); h.length < 0 {
				return false
			}
		case connection:
			if !strings.EqualFold(f.value, "keep-alive") {
				return false
			}
		case notPlain:
			return false
		}
		f.values[0] = f.value
		h.header[f.name] = f.values[:1:1]
	}
	// A field that comes twice is net/http's to join or refuse.
	return h.host != "" && h.length >= 0 && len(h.header) == count-1
}

// length reads a Content-Length. It is negative if it is not plain digits, or
// more of them than any body has bytes.
func length(s string) int64 {
	if s == "" || len(s) > 15 {
		return -1
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n
}

// Bytes by what they may be part of.
const (
	inToken = 1 << iota
	inValue
	inHost
)

var kinds = func() (t [256]uint8) {
	mark := func(kind uint8, chars string) {
		for _, c := range []byte(chars) {
			t[c] |= kind
		}
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	mark(inToken, letters+"!#$%&'*+-.^_`|~")
	mark(inHost, letters+"-._:[]")
	for c := range t {
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[c] |= inValue
		}
	}
	return t
}()

func consists[T []byte | string](text T, kind uint8) bool {
	for i := range len(text) {
		if kinds[text[i]]&kind == 0 {
			return false
		}
	}
	return true
}

func isToken[T []byte | string](name T) bool  { return consists(name, inToken) }
func isValue[T []byte | string](value T) bool { return consists(value, inValue) }
func isHost(value string) bool                { return value != "" && consists(value, inHost) }
