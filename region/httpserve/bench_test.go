package httpserve_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/sim/simnet"
	"github.com/roundtabledb/roundtable/region/httpserve"
)

// small answers as the API does, without doing anything.
func small(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h := w.Header()
	h["X-Amzn-Requestid"] = []string{"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEF"}
	h["Content-Type"] = []string{"application/x-amz-json-1.0"}
	h["Content-Length"] = []string{strconv.Itoa(2)}
	h["X-Amz-Crc32"] = []string{"2745614147"}
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, "{}")
}

// limited answers as small does, and waits for an answer of its own within a
// limit of time, as the API does.
func limited(w http.ResponseWriter, r *http.Request) {
	type key struct{}
	ctx, cancel := httpserve.WithTimeout(context.WithValue(r.Context(), key{}, w), 20*time.Second)
	defer cancel()
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	select {
	case <-answered:
	case <-ctx.Done():
		return
	}
	small(w, r)
}

// BenchmarkRequest is a request and its answer, client included, on a connection
// without a network, and on one of the operating system.
func BenchmarkRequest(b *testing.B) {
	networks := map[string]func() (net.Listener, func() (net.Conn, error)){
		"memory": func() (net.Listener, func() (net.Conn, error)) {
			n := simnet.New(1)
			l, err := n.Listen("server:1")
			if err != nil {
				b.Fatal(err)
			}
			return l, func() (net.Conn, error) { return n.Dial(b.Context(), "client", "server:1") }
		},
		"loopback": func() (net.Listener, func() (net.Conn, error)) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			return l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
		},
	}
	request := post(`{"TableName":"t","Item":{"pk":{"S":"`+strings.Repeat("x", 1000)+`"}}}`, sdkFields...)
	for network, listen := range networks {
		bench := func(name string, start func(*http.Server) server, h http.HandlerFunc) {
			b.Run(network+"/"+name, func(b *testing.B) {
				l, dial := listen()
				s := start(settings(h))
				var serving sync.WaitGroup
				serving.Go(func() { _ = s.Serve(l) })
				defer serving.Wait()
				defer s.Close()
				c, err := dial()
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				talk(b, c, request)
			})
		}
		for kind, start := range both {
			bench(kind, start, small)
			bench(kind+"/limited", start, limited)
		}
	}
}

func talk(b *testing.B, c net.Conn, request string) {
	reader := bufio.NewReader(c)
	var length int
	ask := func() {
		if _, err := io.WriteString(c, request); err != nil {
			b.Fatal(err)
		}
		if length == 0 {
			length = answerLength(b, reader)
		}
		if _, err := reader.Discard(length); err != nil {
			b.Fatal(err)
		}
	}
	ask()
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
}

// answerLength is how long the answers are, which are all of one length.
func answerLength(b *testing.B, r *bufio.Reader) int {
	if _, err := r.Peek(1); err != nil {
		b.Fatal(err)
	}
	head, err := r.Peek(r.Buffered())
	if err != nil {
		b.Fatal(err)
	}
	return len(head)
}
