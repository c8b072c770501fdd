package auth

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// verify says whether a's signature is that of r, over the headers that a names.
func verify(key *signingKey, a authorization, r *http.Request, body []byte) bool {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	b := appendCanonical((*buf)[:0], a, r, body)
	request := sha256.Sum256(b)

	b = append(b[:0], algorithm...)
	b = append(b, '\n')
	b = append(b, a.date...)
	b = append(b, '\n')
	for _, part := range []string{a.scope.date, a.scope.region, a.scope.service} {
		b = append(b, part...)
		b = append(b, '/')
	}
	b = append(b, a.scope.term...)
	b = append(b, '\n')
	b = hex.AppendEncode(b, request[:])
	text := len(b)
	b = key.appendMAC(b, b)
	mac := len(b)
	b = hex.AppendEncode(b, b[text:])
	b = append(b, a.signature...)
	*buf = b
	signed := mac + 2*sha256.Size
	return hmac.Equal(b[mac:signed], b[signed:])
}

// appendCanonical appends the canonical form of r: its method, path, query,
// signed headers and the hash of its body.
func appendCanonical(dst []byte, a authorization, r *http.Request, body []byte) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	dst = appendPath(dst, r.URL.EscapedPath())
	dst = append(dst, '\n')
	if r.URL.RawQuery != "" {
		query := r.URL.Query()
		if a.presigned {
			query.Del("X-Amz-Signature")
		}
		dst = appendQuery(dst, query)
	}
	dst = append(dst, '\n')
	for _, name := range a.signed {
		dst = append(dst, name...)
		dst = append(dst, ':')
		dst = appendHeader(dst, r, name)
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = append(dst, a.signedList...)
	dst = append(dst, '\n')
	sum := sha256.Sum256(body)
	return hex.AppendEncode(dst, sum[:])
}

// appendQuery appends a query in the order of its escaped names and values, which
// is not that of the names themselves.
func appendQuery(dst []byte, query url.Values) []byte {
	pairs := make([][2]string, 0, len(query))
	for name, values := range query {
		for _, value := range values {
			pairs = append(pairs, [2]string{escaped(name), escaped(value)})
		}
	}
	slices.SortFunc(pairs, func(x, y [2]string) int {
		return cmp.Or(strings.Compare(x[0], y[0]), strings.Compare(x[1], y[1]))
	})
	for i, pair := range pairs {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, pair[0]...)
		dst = append(dst, '=')
		dst = append(dst, pair[1]...)
	}
	return dst
}

// escaped is a text as signatures have it in queries: with spaces as %20.
func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// appendPath appends a path that is escaped already, escaped once more, as
// signatures want it for all services but S3.
func appendPath(dst []byte, path string) []byte {
	if path == "" {
		return append(dst, '/')
	}
	const upperhex = "0123456789ABCDEF"
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', upperhex[c>>4], upperhex[c&15])
		}
	}
	return dst
}

// appendHeader appends the values of a header, joined with commas. Two headers
// are not where the others are.
func appendHeader(dst []byte, r *http.Request, name string) []byte {
	switch name {
	case "host":
		return appendTrimmed(dst, r.Host)
	case "content-length":
		return strconv.AppendInt(dst, r.ContentLength, 10)
	}
	for i, value := range r.Header[canonicalName(name)] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendTrimmed(dst, value)
	}
	return dst
}

// canonicalName is a header's name as net/http has it.
func canonicalName(name string) string {
	for _, h := range amzHeaders {
		if name == h.signed {
			return h.name
		}
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// amzHeaders are headers that must be signed if they are there.
var amzHeaders = [...]struct{ name, signed string }{
	{"X-Amz-Date", "x-amz-date"},
	{"X-Amz-Target", "x-amz-target"},
	{"X-Amz-Security-Token", "x-amz-security-token"},
}

// appendTrimmed appends a value without spaces around it, and with single ones
// in it.
func appendTrimmed(dst []byte, s string) []byte {
	s = strings.TrimSpace(s)
	for i := range len(s) {
		if s[i] != ' ' || s[i-1] != ' ' {
			dst = append(dst, s[i])
		}
	}
	return dst
}
