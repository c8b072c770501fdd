package httpserve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/region/httpserve"
)

// asked are requests of which the loop serves the first and net/http the second.
// What is promised of contexts holds for both.
var asked = map[string]string{"httpserve": sdk, "net/http": get}

// serveOne serves one request, and waits until it has ended. The server is
// closed with the test.
func serveOne(t *testing.T, request string, h http.HandlerFunc) {
	t.Helper()
	w := newWorld(t, h)
	t.Cleanup(w.close)
	c := w.dial()
	c.send(t, request)
	c.answer(t)
	synctest.Wait()
}

func ended(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// wantEnd checks that a context has ended, and why.
func wantEnd(t *testing.T, what string, ctx context.Context, want error) {
	t.Helper()
	if !ended(ctx) || ctx.Err() != want || context.Cause(ctx) != want {
		t.Errorf("%s: ended is %v, with %v, because of %v, want %v", what, ended(ctx), ctx.Err(), context.Cause(ctx), want)
	}
}

func wantNoEnd(t *testing.T, what string, ctx context.Context) {
	t.Helper()
	if ended(ctx) || ctx.Err() != nil || context.Cause(ctx) != nil {
		t.Errorf("%s: has ended with %v, because of %v", what, ctx.Err(), context.Cause(ctx))
	}
}

type valueKey struct{}

// TestWithTimeout: a limit passes when it should, for the context that has it
// and those that are derived from it, whatever else a connection has served.
func TestWithTimeout(t *testing.T) {
	for kind, request := range asked {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var timeout time.Duration
				var wait bool
				w := newWorld(t, func(w http.ResponseWriter, r *http.Request) {
					ctx, cancel := httpserve.WithTimeout(context.WithValue(r.Context(), valueKey{}, "value"), timeout)
					defer cancel()
					if own := fmt.Sprintf("%T", ctx) == "*httpserve.limitedContext"; own != (kind == "httpserve") {
						t.Errorf("the context is a %T", ctx)
					}
					begin := time.Now()
					if d, ok := ctx.Deadline(); !ok || !d.Equal(begin.Add(timeout)) {
						t.Errorf("the deadline is in %v (%v), not %v", d.Sub(begin), ok, timeout)
					}
					if ctx.Value(valueKey{}) != "value" || ctx.Value(http.ServerContextKey) == nil || ctx.Value(http.LocalAddrContextKey) == nil {
						t.Error("the context has lost its values")
					}
					wantNoEnd(t, "before the limit", ctx)
					if !wait {
						return
					}
					derived, cancelDerived := context.WithCancel(ctx)
					defer cancelDerived()
					<-derived.Done()
					if took := time.Since(begin); took != timeout {
						t.Errorf("a limit of %v has passed after %v", timeout, took)
					}
					wantEnd(t, "after the limit", ctx, context.DeadlineExceeded)
					wantEnd(t, "derived, after the limit", derived, context.DeadlineExceeded)
					cancel()
					wantEnd(t, "canceled after the limit", ctx, context.DeadlineExceeded)
					wantNoEnd(t, "the request's own", r.Context())
				})
				defer w.close()
				c := w.dial()
				for _, step := range []struct {
					after, timeout time.Duration
					wait           bool
				}{
					{0, 5 * time.Second, false},
					// The timer is wound up for the one before,
					{time.Second, 5 * time.Second, true},
					{0, 20 * time.Second, false},
					// or for longer than this one may take,
					{time.Second, 2 * time.Second, true},
					// or not at all, because it found nothing to wait for.
					{time.Minute, 20 * time.Second, true},
					{0, time.Millisecond, true},
					{0, time.Millisecond, false},
					// It finds the next request instead of its own.
					{time.Millisecond, 10 * time.Millisecond, true},
					{time.Minute, 1, true},
					{0, time.Hour, false},
				} {
					time.Sleep(step.after)
					timeout, wait = step.timeout, step.wait
					c.send(t, request)
					c.answer(t)
				}
			})
		})
	}
}

// TestKeptContexts: who has kept the contexts of a request sees them end with
// it, whether or not somebody has waited for that before, and calls to come at
// their end come.
func TestKeptContexts(t *testing.T) {
	for kind, request := range asked {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kept := make(map[string]context.Context)
				var without context.Context
				var called []string
				var mu sync.Mutex
				serveOne(t, request, func(_ http.ResponseWriter, r *http.Request) {
					limited, _ := httpserve.WithTimeout(r.Context(), time.Hour)
					more, _ := httpserve.WithTimeout(r.Context(), time.Hour)
					kept["request"], kept["limited"], kept["limited again"] = r.Context(), limited, more
					kept["more values"] = context.WithValue(limited, valueKey{}, "value")
					derived, cancel := context.WithCancel(limited)
					t.Cleanup(cancel)
					kept["derived"] = derived
					derived, cancel = context.WithTimeout(kept["more values"], time.Minute)
					t.Cleanup(cancel)
					kept["derived from more"] = derived
					for name, ctx := range kept {
						wantNoEnd(t, name, ctx)
						context.AfterFunc(ctx, func() {
							mu.Lock()
							defer mu.Unlock()
							called = append(called, name)
						})
					}
					without, cancel = httpserve.WithTimeout(context.WithoutCancel(limited), time.Hour)
					t.Cleanup(cancel)
				})
				mu.Lock()
				defer mu.Unlock()
				wantNoEnd(t, "without the request's end", without)
				for name, ctx := range kept {
					wantEnd(t, name, ctx, context.Canceled)
				}
				if len(called) != len(kept) {
					t.Errorf("called for %q", called)
				}
				late, cancel := httpserve.WithTimeout(kept["request"], time.Hour)
				defer cancel()
				wantEnd(t, "limited after the request", late, context.Canceled)
			})
		})
	}
}

// TestUnusedContexts: contexts that nobody has waited for end as well.
func TestUnusedContexts(t *testing.T) {
	for kind, request := range asked {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var own, limited context.Context
				serveOne(t, request, func(_ http.ResponseWriter, r *http.Request) {
					own = r.Context()
					limited, _ = httpserve.WithTimeout(own, time.Hour)
				})
				for what, ctx := range map[string]context.Context{"the request's": own, "the limited": limited} {
					if ctx.Err() != context.Canceled {
						t.Errorf("%s context says %v", what, ctx.Err())
					}
					wantEnd(t, what, ctx, context.Canceled)
				}
			})
		})
	}
}

// TestCancel: a limited context ends when it is canceled or what it was made of
// is; the request's goes on.
func TestCancel(t *testing.T) {
	for kind, request := range asked {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				serveOne(t, request, func(_ http.ResponseWriter, r *http.Request) {
					outer, cancelOuter := context.WithCancel(r.Context())
					inner, cancel := httpserve.WithTimeout(outer, time.Hour)
					defer cancel()
					cancelOuter()
					wantEnd(t, "what is made of a canceled context", inner, context.Canceled)

					limited, cancel := httpserve.WithTimeout(r.Context(), time.Hour)
					again, cancelAgain := httpserve.WithTimeout(limited, time.Minute)
					defer cancelAgain()
					if d, _ := again.Deadline(); time.Until(d) != time.Minute {
						t.Errorf("a limit of a minute passes in %v", time.Until(d))
					}
					cancel()
					cancel()
					synctest.Wait()
					wantEnd(t, "a canceled context", limited, context.Canceled)
					wantEnd(t, "what was made of it", again, context.Canceled)

					past, cancel := httpserve.WithTimeout(r.Context(), -1)
					defer cancel()
					wantEnd(t, "a limit in the past", past, context.DeadlineExceeded)
					wantNoEnd(t, "the request's own", r.Context())
				})
			})
		})
	}
}

// TestNoTimeFirst: a limit in the past is one even if it is the first of a
// request.
func TestNoTimeFirst(t *testing.T) {
	for kind, request := range asked {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				serveOne(t, request, func(_ http.ResponseWriter, r *http.Request) {
					past, cancel := httpserve.WithTimeout(r.Context(), 0)
					defer cancel()
					wantEnd(t, "no time", past, context.DeadlineExceeded)
				})
			})
		})
	}
}

// TestContextsOfAPanic: a handler that panics, or ends its goroutine, leaves no
// context behind.
func TestContextsOfAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept []context.Context
		w := newWorld(t, func(_ http.ResponseWriter, r *http.Request) {
			limited, _ := httpserve.WithTimeout(r.Context(), time.Hour)
			kept = append(kept, r.Context(), limited)
			panic(http.ErrAbortHandler)
		})
		defer w.close()
		c := w.dial()
		c.send(t, sdk)
		c.ended(t, 0, 0)
		for _, ctx := range kept {
			wantEnd(t, "after a panic", ctx, context.Canceled)
		}
	})
}

// TestCloseEndsContexts: Close ends the contexts of a request under way.
func TestCloseEndsContexts(t *testing.T) {
	for kind, request := range asked {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(_ http.ResponseWriter, r *http.Request) {
					limited, cancel := httpserve.WithTimeout(r.Context(), time.Hour)
					defer cancel()
					derived, cancel := context.WithCancel(limited)
					defer cancel()
					begin := time.Now()
					<-derived.Done()
					if took := time.Since(begin); took != time.Minute {
						t.Errorf("ended after %v", took)
					}
					wantEnd(t, "the request's", r.Context(), context.Canceled)
					wantEnd(t, "the limited", limited, context.Canceled)
					wantEnd(t, "the derived", derived, context.Canceled)
				})
				c := w.dial()
				c.send(t, request)
				time.Sleep(time.Minute)
				w.close()
				if _, err := io.Copy(io.Discard, c); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// closing is a connection that closes its server when something is written to
// it, and pretends that it has been sent.
type closing struct {
	net.Conn
	once  sync.Once
	close func()
}

func (c *closing) Write(p []byte) (int, error) {
	c.once.Do(func() {
		go c.close()
		synctest.Wait() // it waits for us
	})
	return len(p), nil
}

// TestContextsAfterClose: a request that had been read when the server was closed
// begins with contexts that have ended.
func TestContextsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		w := newWorld(t, func(_ http.ResponseWriter, r *http.Request) {
			if requests++; requests == 1 {
				return
			}
			limited, cancel := httpserve.WithTimeout(r.Context(), time.Hour)
			defer cancel()
			wantEnd(t, "the request's", r.Context(), context.Canceled)
			wantEnd(t, "the limited", limited, context.Canceled)
		})
		l := newListener()
		served := make(chan error)
		go func() { served <- w.server.Serve(l) }()
		ours, theirs := net.Pipe()
		defer ours.Close()
		closed := make(chan struct{})
		l.conns <- &closing{Conn: theirs, close: func() {
			defer close(closed)
			w.close()
		}}
		if _, err := io.WriteString(ours, sdk+sdk); err != nil {
			t.Fatal(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		<-closed
		if requests != 2 {
			t.Errorf("%d requests were served", requests)
		}
	})
}

// TestAfterFunc: what is to be called at the end of a context is called once, and
// not if that was stopped in time. The methods are called as package context
// calls them.
func TestAfterFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type afterFuncer interface {
			AfterFunc(func()) func() bool
		}
		var calls sync.Map
		count := func(name string) func() {
			return func() {
				n, _ := calls.LoadOrStore(name, 0)
				calls.Store(name, n.(int)+1)
			}
		}
		var stopLate, stopAgain func() bool
		var own afterFuncer
		serveOne(t, sdk, func(_ http.ResponseWriter, r *http.Request) {
			own = r.Context().(afterFuncer)
			stopLate = own.AfterFunc(count("called"))
			stop := own.AfterFunc(count("stopped"))
			if !stop() || stop() {
				t.Error("a call is stopped once")
			}
			limited, cancel := httpserve.WithTimeout(r.Context(), time.Second)
			defer cancel()
			limited.(afterFuncer).AfterFunc(count("at the limit"))
			stopAgain = limited.(afterFuncer).AfterFunc(count("stopped when the limit passes"))
			if !stopAgain() {
				t.Error("not stopped")
			}
			time.Sleep(2 * time.Second)
			if _, ok := calls.Load("at the limit"); !ok {
				t.Error("the call comes when the limit passes")
			}
			if _, ok := calls.Load("called"); ok {
				t.Error("a call comes before the request has ended")
			}
			limited.(afterFuncer).AfterFunc(count("after the limit"))
		})
		if stopLate() || stopAgain() {
			t.Error("stopped what has been called or stopped")
		}
		stop := own.AfterFunc(count("after the request"))
		if stop() {
			t.Error("stopped what is called at once")
		}
		synctest.Wait()
		got := make(map[any]any)
		calls.Range(func(name, n any) bool { got[name] = n; return true })
		want := "map[after the limit:1 after the request:1 at the limit:1 called:1]"
		if fmt.Sprint(got) != want {
			t.Errorf("called %v\nwant   %s", got, want)
		}
	})
}

// TestContextsSideBySide: contexts may be used by many goroutines while requests
// and the server end.
func TestContextsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var using sync.WaitGroup
		w := newWorld(t, func(_ http.ResponseWriter, r *http.Request) {
			var ready sync.WaitGroup
			for i := range 8 {
				ready.Add(1)
				using.Go(func() {
					ctx, cancel := httpserve.WithTimeout(r.Context(), time.Duration(1+i)*time.Millisecond)
					defer cancel()
					stop := context.AfterFunc(ctx, func() {
						if ctx.Err() == nil {
							t.Error("called before the end")
						}
					})
					defer stop()
					derived, cancel := context.WithCancel(ctx)
					defer cancel()
					ready.Done()
					for ctx.Err() == nil {
						select {
						case <-derived.Done():
						case <-ctx.Done():
						case <-r.Context().Done():
							if !errors.Is(r.Context().Err(), context.Canceled) {
								t.Errorf("the request has ended with %v", r.Context().Err())
							}
							<-ctx.Done()
						}
					}
					<-derived.Done()
				})
			}
			ready.Wait()
			if r.Header.Get("Wait") != "" {
				<-r.Context().Done()
			}
		})
		for range 4 {
			c := w.dial()
			for range 50 {
				c.send(t, sdk)
				c.answer(t)
			}
			c.send(t, post("", "Wait: yes"))
		}
		synctest.Wait()
		w.close()
		using.Wait()
	})
}
