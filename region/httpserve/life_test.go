package httpserve_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/e2e/sim/simnet"
	"github.com/roundtabledb/roundtable/region/httpserve"
)

// world is a server in a network without delays. It must be made in a bubble,
// which fails if a goroutine of the server is left at its end.
type world struct {
	t       *testing.T
	network *simnet.Network
	server  *httpserve.Server
	served  chan error
	log     syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newWorld(t *testing.T, h http.HandlerFunc) *world {
	t.Helper()
	return newWorldWith(t, settings(h))
}

func newWorldWith(t *testing.T, options *http.Server) *world {
	t.Helper()
	w := &world{t: t, network: simnet.New(1), served: make(chan error, 1)}
	l, err := w.network.Listen("server:1")
	if err != nil {
		t.Fatal(err)
	}
	options.ErrorLog = log.New(&w.log, "", 0)
	w.server = httpserve.New(options)
	go func() { w.served <- w.server.Serve(l) }()
	return w
}

// close closes the server and checks that serving has ended.
func (w *world) close() {
	w.t.Helper()
	if err := w.server.Close(); err != nil {
		w.t.Error(err)
	}
	if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
		w.t.Errorf("Serve ended with %v", err)
	}
}

// peer is a client's end of a connection.
type peer struct {
	net.Conn
	*bufio.Reader
}

func (p peer) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func (w *world) dial() peer {
	w.t.Helper()
	c, err := w.network.Dial(w.t.Context(), "client", "server:1")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return peer{c, bufio.NewReader(c)}
}

func (p peer) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(p.Conn, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads one answer whole.
func (p peer) answer(t *testing.T) (*http.Response, string) {
	t.Helper()
	r, err := http.ReadResponse(p.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

// ended waits until the server has closed the connection, and checks how long
// that took.
func (p peer) ended(t *testing.T, from, to time.Duration) {
	t.Helper()
	start := time.Now()
	rest, err := io.ReadAll(p.Reader)
	took := time.Since(start)
	if err != nil || len(rest) > 0 || took < from || took > to {
		t.Errorf("ended after %v with %q, %v; want after %v to %v", took, rest, err, from, to)
	}
}

// who tells whether the loop or net/http has served a request.
func who(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	kind := "net/http"
	if fmt.Sprintf("%T", w) == "*httpserve.response" {
		kind = "httpserve"
	}
	_, _ = io.WriteString(w, kind)
}

// TestWhoServes checks that the loop serves what it is for, and that a connection
// that is lent stays so.
func TestWhoServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, who)
		defer w.close()
		other := "POST / HTTP/1.1\r\nContent-Length: 0\r\nX-A: b\r\nhost: c\r\n\r\n"
		for _, exchanges := range [][][2]string{
			{{sdk, "httpserve"}, {other, "httpserve"}, {sdk, "httpserve"}, {other, "httpserve"}},
			{{sdk, "httpserve"}, {sdk, "httpserve"}, {post("a", "X-A: b"), "httpserve"}},
			{{"POST / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", "httpserve"}},
			{{sdk, "httpserve"}, {"\r\n" + sdk, "httpserve"}},
			{{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "net/http"}, {sdk, "net/http"}},
			{{sdk, "httpserve"}, {post("a", "A: b", "A: c"), "net/http"}, {sdk, "net/http"}},
			{{post("a", "A: "+strings.Repeat("b", 9000)), "net/http"}},
		} {
			c := w.dial()
			for i, x := range exchanges {
				c.send(t, x[0])
				if _, got := c.answer(t); got != x[1] {
					t.Errorf("%d: %q was served by %s", i, x[0], got)
				}
			}
		}
		c := w.dial()
		c.send(t, strings.Repeat(sdk, 50)) // some lie across the end of a buffer
		for i := range 50 {
			if _, got := c.answer(t); got != "httpserve" {
				t.Errorf("%d of many: was served by %s", i, got)
			}
		}
	})
}

// TestTimes checks how long a client may take for each part of a request.
func TestTimes(t *testing.T) {
	const most = time.Second // more than a deadline asks for
	for name, try := range map[string]func(t *testing.T, w *world, c peer){
		"first byte": func(t *testing.T, _ *world, c peer) {
			c.ended(t, 10*time.Second, 10*time.Second+most)
		},
		"first head": func(t *testing.T, _ *world, c peer) {
			time.Sleep(4 * time.Second)
			c.send(t, sdk[:100])
			c.ended(t, 6*time.Second, 6*time.Second+most)
		},
		"later head": func(t *testing.T, _ *world, c peer) {
			c.send(t, sdk)
			c.answer(t)
			time.Sleep(time.Minute)
			c.send(t, sdk[:100])
			time.Sleep(9 * time.Second)
			c.send(t, sdk[100:110])
			c.ended(t, time.Second, time.Second+most)
		},
		"idle": func(t *testing.T, _ *world, c peer) {
			for range 3 {
				c.send(t, sdk)
				r, _ := c.answer(t)
				if got, want := r.Header.Get("Date"), time.Now().UTC().Format(http.TimeFormat); got != want {
					t.Errorf("answered at %s, not %s", got, want)
				}
				time.Sleep(4 * time.Minute)
			}
			c.ended(t, time.Minute, time.Minute+most)
		},
		"slow but not idle": func(t *testing.T, _ *world, c peer) {
			// Each head is split, so that deadlines change each time.
			for range 3 {
				c.send(t, sdk[:50])
				time.Sleep(9 * time.Second)
				c.send(t, sdk[50:])
				c.answer(t)
				time.Sleep(5*time.Minute - time.Millisecond)
			}
		},
		"body": func(t *testing.T, _ *world, c peer) {
			c.send(t, sdk[:len(sdk)-1])
			start := time.Now()
			r, body := c.answer(t)
			if took := time.Since(start); took < time.Minute || took > time.Minute+most {
				t.Errorf("answered after %v", took)
			}
			if !strings.Contains(body, "i/o timeout") || !r.Close {
				t.Errorf("answered %v %s", r, body)
			}
			c.ended(t, 0, 0)
		},
		"lent": func(t *testing.T, _ *world, c peer) {
			c.send(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			c.answer(t)
			c.ended(t, 5*time.Minute, 5*time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, echo)
				defer w.close()
				try(t, w, w.dial())
			})
		})
	}
}

// TestAnswerNobodyReads: a client that does not read its answer is given up.
func TestAnswerNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		w := newWorld(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "16777216")
			_, err := w.Write(make([]byte, 16<<20))
			failed <- err
		})
		defer w.close()
		c := w.dial()
		start := time.Now()
		c.send(t, sdk)
		err := <-failed
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took < 2*time.Minute || took > 2*time.Minute+time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if n, err := io.Copy(io.Discard, c); err != nil || n >= 16<<20 || time.Since(start) > 3*time.Minute {
			t.Errorf("ended after %v with %d bytes, %v", time.Since(start), n, err)
		}
	})
}

// TestNoTimes: without limits there are none, and none is left to net/http.
func TestNoTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldWith(t, &http.Server{Handler: http.HandlerFunc(who), IdleTimeout: time.Minute})
		defer w.close()
		c := w.dial()
		for _, request := range []string{sdk, sdk, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"} {
			c.send(t, request[:10])
			time.Sleep(time.Hour)
			c.send(t, request[10:len(request)-1])
			time.Sleep(time.Hour)
			c.send(t, request[len(request)-1:])
			c.answer(t)
		}
		c.ended(t, time.Minute, time.Minute)
	})
}

// TestContexts: the context of a request ends with the request, and with the
// server, and says who serves.
func TestContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		contexts := make(chan context.Context, 1)
		entered := make(chan struct{})
		w := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
			if err := r.Context().Err(); err != nil {
				t.Errorf("a context begins with %v", err)
			}
			if _, ok := r.Context().Value(http.ServerContextKey).(*http.Server); !ok {
				t.Error("no server in the context")
			}
			if r.Context().Value(http.LocalAddrContextKey).(net.Addr).String() != "server:1" {
				t.Error("not the server's address")
			}
			if r.Header.Get("Wait") != "" {
				close(entered)
				<-r.Context().Done()
			}
			contexts <- r.Context()
		})
		c := w.dial()
		c.send(t, sdk)
		c.answer(t)
		if err := (<-contexts).Err(); err == nil {
			t.Error("the context of a request outlives it")
		}
		c.send(t, post("", "Wait: yes"))
		<-entered
		w.close()
		if (<-contexts).Err() == nil {
			t.Error("Close has not ended the context")
		}
		c.ended(t, 0, 0)
	})
}

// TestPanic: a panic costs its connection, and is logged with where it was.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo)
		defer w.close()
		bystander := w.dial()
		bystander.send(t, sdk)
		bystander.answer(t)
		c := w.dial()
		c.send(t, post("", "Do: panic"))
		c.ended(t, 0, 0)
		for _, want := range []string{"panic serving client:", "a handler's", "httpserve_test.echo"} {
			if !strings.Contains(w.log.String(), want) {
				t.Errorf("no %q in the log:\n%s", want, w.log.String())
			}
		}
		logged := len(w.log.String())
		c = w.dial()
		c.send(t, post("", "Do: abort"))
		c.ended(t, 0, 0)
		if rest := w.log.String()[logged:]; rest != "" {
			t.Errorf("an abort was logged: %s", rest)
		}
		bystander.send(t, sdk)
		bystander.answer(t)
	})
}

// TestUnreadBody: who sends too much gets the answer, and time to read it.
func TestUnreadBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, echo)
		defer w.close()
		c := w.dial()
		c.send(t, "POST / HTTP/1.1\r\nHost: a\r\nDo: close\r\nContent-Length: 99999999\r\n\r\nabc")
		r, _ := c.answer(t)
		if r.StatusCode != http.StatusRequestEntityTooLarge || !r.Close {
			t.Errorf("answered %v", r)
		}
		c.ended(t, 500*time.Millisecond, 500*time.Millisecond)
	})
}

// TestKeptStrings: a handler may keep what it reads in a header.
func TestKeptStrings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept []string
		w := newWorld(t, func(_ http.ResponseWriter, r *http.Request) {
			for name, values := range r.Header {
				kept = append(kept, name, values[0])
				// What a handler does to a header is not seen by the next.
				values[0] = "changed"
				r.Header.Add(name, "added")
			}
			kept = append(kept, r.Host)
		})
		c := w.dial()
		var want []string
		for i := range 5 {
			value := strings.Repeat(string(rune('a'+i/2)), 10)
			c.send(t, "POST / HTTP/1.1\r\nHost: "+value+"\r\nContent-Length: 0\r\nX-A: "+value+"\r\n\r\n")
			c.answer(t)
			want = append(want, "Content-Length", "0", "X-A", value, value)
		}
		w.close()
		for i := range len(kept) / 5 {
			if kept := kept[5*i : 5*i+5]; kept[0] != "Content-Length" { // maps have no order
				kept[0], kept[1], kept[2], kept[3] = kept[2], kept[3], kept[0], kept[1]
			}
		}
		if got, want := strings.Join(kept, " "), strings.Join(want, " "); got != want {
			t.Errorf("kept %s\nwant %s", got, want)
		}
	})
}
