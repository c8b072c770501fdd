package httpserve_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

var quiet = log.New(io.Discard, "", 0)

// echo answers with all that a handler can see of a request, and in other ways
// when the request asks for it.
func echo(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch r.Header.Get("Do") {
	case "nothing":
		return
	case "ignore":
		h["Content-Type"] = []string{"text/plain"}
		h.Set("Content-Length", "2")
		_, _ = io.WriteString(w, "ok")
		return
	case "some":
		var b [3]byte
		n, err := io.ReadFull(r.Body, b[:])
		fmt.Fprintf(w, "%q %v", b[:n], err)
		return
	case "close":
		h.Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case "Close":
		h.Set("Connection", "Close")
		h.Set("Content-Type", "a")
	case "keep":
		h.Set("Connection", "keep-alive")
		_ = r.Body.Close()
		_, err := r.Body.Read(make([]byte, 1))
		_, _ = io.WriteString(w, "closed")
		if r.ContentLength != 0 && err != http.ErrBodyReadAfterClose {
			panic(err)
		}
		return
	case "less":
		h.Set("Content-Length", "9")
		_, _ = io.WriteString(w, "less")
		return
	case "more":
		h.Set("Content-Length", "4")
		_, err := io.WriteString(w, "four")
		_, more := io.WriteString(w, "more")
		if err != nil || more != http.ErrContentLength {
			panic("wrote more than declared")
		}
		return
	case "long":
		body := bytes.Repeat([]byte("<html> long "), 1<<13)
		h.Set("Content-Length", strconv.Itoa(2*len(body)))
		_, _ = w.Write(body)
		_, _ = w.Write(body)
		return
	case "wrong":
		h["Content-Length"] = []string{"4"}
		h["Bad Name"] = []string{"x"}
		h["X-Lines"] = []string{" a\r\nb ", "c"}
		h["Date"] = []string{"today"}
		w.WriteHeader(299)
		w.WriteHeader(200)
		h.Set("Late", "x")
		_, _ = w.Write([]byte("\x00\x01\x02\x03"))
		return
	case "encoded":
		h["Content-Encoding"] = []string{"gzip"}
		_, _ = w.Write([]byte("<html>"))
		return
	case "none":
		h["Content-Type"] = []string{"text/plain"}
		h["Content-Length"] = []string{"0"}
		w.WriteHeader(http.StatusNoContent)
		if _, err := w.Write([]byte("body")); err != http.ErrBodyNotAllowed {
			panic(err)
		}
		return
	case "same":
		h["Content-Type"] = []string{"text/plain"}
		w.WriteHeader(http.StatusNotModified)
		return
	case "panic":
		h.Set("Content-Length", "4")
		_, _ = io.WriteString(w, "lost")
		panic("a handler's")
	case "abort":
		panic(http.ErrAbortHandler)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s %s %d.%d %q from %s, %d, %v %v %v %v\n", r.Method, r.RequestURI, r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor,
		r.Host, r.RemoteAddr, r.ContentLength, r.TransferEncoding, r.Close, r.Trailer, r.TLS)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(&b, "%q: %q\n", name, r.Header[name])
	}
	hash := sha256.New()
	n, err := io.Copy(hash, r.Body)
	fmt.Fprintf(&b, "%d bytes, %v: %x\n", n, err, hash.Sum(nil))
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("X-Echo", "yes")
	_, _ = w.Write(b.Bytes())
}

func post(body string, fields ...string) string {
	return "POST / HTTP/1.1\r\nHost: api.test:8000\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n" +
		strings.Join(append(fields, ""), "\r\n") + "\r\n" + body
}

// sdkFields are what an SDK sends beside Host and Content-Length.
var sdkFields = []string{
	"User-Agent: aws-sdk-go-v2/1.47.7 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux api/dynamodb#1.73.1",
	"accept-encoding: identity",
	"amz-sdk-invocation-id: 4f1c5ad2-6a0c-45d5-8a55-1b7d5be6f7c2",
	"Amz-Sdk-Request: attempt=1; max=3",
	"Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00",
	"Content-Type: application/x-amz-json-1.0",
	"Connection: Keep-Alive",
	"X-Amz-Date: 20261125T080000Z",
	"X-Amz-Target: DynamoDB_20120810.PutItem",
}

// sdk is a request as an SDK sends it.
var sdk = post(`{"TableName":"t"}`, sdkFields...)

// more is a plain request after whatever came before.
var more = post("more", "X-More: 1")

// streams are what clients may send. Names say what is odd about them.
var streams = map[string]string{
	"sdk":                   sdk,
	"three":                 sdk + post("other", "X-A: 1", "X-B: 2") + sdk,
	"no body":               post("") + post(""),
	"fields change":         post("a", "A: 1", "B: 2") + post("b", "B: 2", "A: 1") + post("c", "A: 2") + post("d", "A: 1", "B: 2", "C:"),
	"field names in lower":  "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nx-a:b\r\n\r\n1",
	"spaces around a value": post("a", "A:   b \t c\t ", "B:\t"),
	"high bytes":            post("a", "A: gr\xc3\xbc\xdfe"),
	"control in a value":    post("a", "A: b\x01c"),
	"nul in a value":        post("a", "A: b\x00c"),
	"del in a value":        post("a", "A: b\x7fc"),
	"tab in a value":        post("a", "A: b\tc"),
	"cr in a value":         post("a", "A: b\rc"),
	"space in a name":       post("a", "A b: c"),
	"space after a name":    post("a", "A : c"),
	"no name":               post("a", ": c"),
	"no colon":              post("a", "A"),
	"odd name":              post("a", "A(b): c"),
	"folded":                post("a", "A: b", " c", "D: e"),
	"first is folded":       "POST / HTTP/1.1\r\n Host: a\r\nContent-Length: 0\r\n\r\n",
	"twice":                 post("a", "A: b", "a: c"),
	"bare lf":               "POST / HTTP/1.1\nHost: a\nContent-Length: 1\n\n1",
	"some bare lf":          "POST / HTTP/1.1\r\nHost: a\nContent-Length: 1\r\n\n1",
	"cr cr lf":              "POST / HTTP/1.1\r\nHost: a\r\r\nContent-Length: 1\r\n\r\n1",
	"no host":               "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n1",
	"empty host":            "POST / HTTP/1.1\r\nHost:\r\nContent-Length: 1\r\n\r\n1",
	"two hosts":             "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 1\r\n\r\n1",
	"odd host":              "POST / HTTP/1.1\r\nHost: a/b\r\nContent-Length: 1\r\n\r\n1",
	"bad host":              "POST / HTTP/1.1\r\nHost: a b\r\nContent-Length: 1\r\n\r\n1",
	"host of v6":            "POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 1\r\n\r\n1",
	"no length":             "POST / HTTP/1.1\r\nHost: a\r\n\r\n" + more,
	"empty length":          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n1",
	"signed length":         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n1",
	"negative length":       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n1",
	"hexadecimal length":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n1",
	"list of lengths":       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n1",
	"zeros before a length": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0001\r\n\r\n1" + more,
	"long length":           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00000000000000000001\r\n\r\n1" + more,
	"huge length":           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n1",
	"two lengths":           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
	"same length twice":     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1" + more,
	"chunks":                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + more,
	"chunks and a length":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + more,
	"other encoding":        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\nabc",
	"chunks after plain":    more + "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + more,
	"expect":                post("abc", "Expect: 100-continue") + more,
	"expect more":           post("abc", "Expect: more") + more,
	"upgrade":               post("abc", "Connection: upgrade", "Upgrade: websocket") + more,
	"connection close":      post("abc", "Connection: close") + more,
	"connection list":       post("abc", "Connection: keep-alive, te", "Te: trailers") + more,
	"pragma":                post("abc", "Pragma: no-cache") + more,
	"trailer":               post("abc", "Trailer: X-T") + more,
	"version 1.0":           "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\n1" + more,
	"version 1.0 kept":      "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1" + more,
	"version 1.2":           "POST / HTTP/1.2\r\nHost: a\r\nContent-Length: 1\r\n\r\n1" + more,
	"version 2":             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"get":                   "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + more,
	"get after plain":       more + "GET /x?y=z HTTP/1.1\r\nHost: a\r\n\r\n" + more,
	"head":                  "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + more,
	"options":               "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + more,
	"put":                   "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1" + more,
	"lower post":            "post / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1",
	"path":                  "POST /a%20b HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1" + more,
	"query":                 "POST /?X-Amz-Algorithm=a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1" + more,
	"absolute":              "POST http://b/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1" + more,
	"two spaces":            "POST  / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1",
	"space at the end":      "POST / HTTP/1.1 \r\nHost: a\r\nContent-Length: 1\r\n\r\n1",
	"no version":            "POST /\r\nHost: a\r\n\r\n",
	"garbage":               "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	"garbage after plain":   more + "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	"empty line first":      "\r\n" + more,
	"empty line between":    more + "\r\n" + more,
	"lines between":         more + "\n\r\n\n" + more,
	"many lines between":    more + "\r\n\r\n\r\n" + more,
	"empty line at the end": more + "\r\n",
	"line and a get":        more + "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" + more,
	"cut in the body":       sdk[:len(sdk)-3],
	"cut in a field":        sdk[:60],
	"cut after a field":     "POST / HTTP/1.1\r\nHost: a\r\n",
	"cut in the line":       sdk[:9],
	"cut after plain":       sdk + "POS",
	"cut a bit later":       sdk + "POST / H",
	"cut in a long body":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n1",
	"cut in a second body":  sdk + sdk[:len(sdk)-3],
	"nothing":               "",
	"fragment":              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1" + "0" + more,
	"does nothing":          post("abc", "Do: nothing") + more,
	"ignores the body":      post("abc", "Do: ignore") + more,
	"ignores no body":       post("", "Do: ignore") + more,
	"reads some":            post("abcdef", "Do: some") + post("ab", "Do: some") + post("", "Do: some") + more,
	"closes":                post("abc", "Do: close") + more,
	"Closes":                post("abc", "Do: Close") + more,
	"keeps":                 post("abc", "Do: keep") + more,
	"sends less":            post("abc", "Do: less") + more,
	"sends more":            post("abc", "Do: more") + more,
	"sends wrong fields":    post("abc", "Do: wrong") + more,
	"sends encoded":         post("abc", "Do: encoded") + more,
	"sends nothing":         post("abc", "Do: none") + more,
	"sends the same":        post("abc", "Do: same") + more,
	"panics":                more + post("abc", "Do: panic") + more,
	"aborts":                more + post("abc", "Do: abort") + more,
}

// longStreams are tried whole and in a few pieces only.
func longStreams() map[string]string {
	long := strings.Repeat("0123456789abcdef", 1<<12)
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("X-%d: a", i))
	}
	return map[string]string{
		"long body":            post(long) + sdk,
		"long body, unread":    post(long, "Do: ignore") + sdk,
		"too long, unread":     post(strings.Repeat(long, 5), "Do: ignore") + sdk,
		"too long, closed":     post(strings.Repeat(long, 5), "Do: close") + sdk,
		"too long, kept":       post(strings.Repeat(long, 5), "Do: keep") + sdk,
		"just short enough":    post(strings.Repeat(long, 4)[1:], "Do: ignore") + sdk,
		"just too long":        post(strings.Repeat(long, 4), "Do: ignore") + sdk,
		"just too long, close": post(strings.Repeat(long, 4), "Do: close") + sdk,
		"long answer":          post("a", "Do: long") + sdk + post("a", "Do: long") + sdk,
		"many fields":          post("a", many...) + sdk,
		"long field":           post("a", "A: "+long[:7000]) + post("a", "A: "+long[:8000]) + sdk,
		"field of 20 kB":       sdk + post("a", "A: "+long[:20000]) + sdk,
		"field too long":       post("a", "A: "+long+long) + sdk,
		"long line":            "POST /" + long + long + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"many requests":        strings.Repeat(sdk+post("a", "A: 1"), 100),
	}
}

// answer is what a server answers to a stream. Each has a time of its own, which
// stands still but for what the server waits for, so that dates are equal, too.
func answer(t *testing.T, kind string, portions ...[]byte) (text string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		text = play(t, kind, http.HandlerFunc(echo), slices.Clone(portions)...)
	})
	return text
}

// compare plays a stream to our server and fails if the answer is not the one
// that is wanted.
func compare(t *testing.T, want string, portions ...[]byte) {
	t.Helper()
	if got := answer(t, "httpserve", portions...); got != want {
		t.Fatalf("sent as %d portions (-net/http +httpserve):\n%s", len(portions), cmp.Diff(want, got))
	}
}

func cut(stream string, at ...int) (portions [][]byte) {
	begin := 0
	for _, end := range append(at, len(stream)) {
		if end > begin {
			portions = append(portions, []byte(stream[begin:end]))
			begin = end
		}
	}
	return portions
}

// TestSameAsNetHTTP plays byte streams to a server of each kind, in one piece, cut
// at every place, and byte by byte: answers are equal to the last byte.
func TestSameAsNetHTTP(t *testing.T) {
	for name, stream := range streams {
		t.Run(name, func(t *testing.T) {
			want := answer(t, "net/http", cut(stream)...)
			compare(t, want, cut(stream)...)
			var each []int
			for i := range stream {
				each = append(each, i)
				compare(t, want, cut(stream, i)...)
			}
			compare(t, want, cut(stream, each...)...)
		})
	}
	for name, stream := range longStreams() {
		t.Run(name, func(t *testing.T) {
			want := answer(t, "net/http", cut(stream)...)
			compare(t, want, cut(stream)...)
			var some []int
			for i := 0; i < len(stream); i += 1009 {
				some = append(some, i)
			}
			compare(t, want, cut(stream, some...)...)
		})
	}
}

// FuzzSameAsNetHTTP holds the two servers against each other on any stream, cut
// in any two places.
func FuzzSameAsNetHTTP(f *testing.F) {
	for _, stream := range streams {
		f.Add([]byte(stream), uint16(len(stream)/3), uint16(len(stream)/2))
	}
	f.Fuzz(func(t *testing.T, stream []byte, a, b uint16) {
		places := []int{min(int(a), len(stream)), min(int(b), len(stream))}
		slices.Sort(places)
		portions := cut(string(stream), places...)
		compare(t, answer(t, "net/http", portions...), portions...)
	})
}
