package httpserve_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// waiting is a handler that takes five seconds, or until its context ends if
// that comes first.
func waiting(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(5 * time.Second):
	case <-r.Context().Done():
	}
}

// get is a request that net/http serves.
const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// TestShutdown: idle connections end at once, whoever has them; requests are
// answered, and then their connections end; a connection that has just begun may
// send its request.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, waiting)
		var idle, busy []peer
		for _, request := range []string{sdk, get} {
			c := w.dial()
			c.send(t, request)
			c.answer(t)
			idle = append(idle, c)
		}
		for _, request := range []string{sdk, get} {
			c := w.dial()
			c.send(t, request)
			busy = append(busy, c)
		}
		young, silent := w.dial(), w.dial()
		synctest.Wait()
		start := time.Now()
		ended := make(chan time.Duration, 1)
		go func() {
			if err := w.server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			ended <- time.Since(start)
		}()
		synctest.Wait()
		for _, c := range idle {
			c.ended(t, 0, 0)
		}
		if _, err := w.network.Dial(t.Context(), "client", "server:1"); err == nil {
			t.Error("a server that shuts down has accepted a connection")
		}
		young.send(t, sdk)
		for _, c := range append(busy, young) {
			if r, _ := c.answer(t); r.StatusCode != 200 || !r.Close {
				t.Errorf("answered %v", r)
			}
			c.ended(t, 0, 0)
		}
		silent.ended(t, 0, 0)
		if took := <-ended; took < 5*time.Second || took > 6*time.Second {
			t.Errorf("took %v", took)
		}
		if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if err := w.server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestShutdownOfAnUnusual: what is lent while the server shuts down is answered.
func TestShutdownOfAnUnusual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, waiting)
		c := w.dial()
		c.send(t, sdk)
		synctest.Wait()
		c.send(t, get) // after the request under way
		late := w.dial()
		late.send(t, sdk[:30])
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- w.server.Shutdown(t.Context()) }()
		synctest.Wait()
		late.send(t, "A B: c\r\n\r\n")
		if r, _ := late.answer(t); r.StatusCode != 400 {
			t.Errorf("answered %v", r)
		}
		if r, _ := c.answer(t); r.StatusCode != 200 || !r.Close {
			t.Errorf("answered %v", r)
		}
		c.ended(t, 0, 0)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.close()
	})
}

// TestShutdownThatIsCutShort: Close ends what Shutdown has not waited for, and
// waits until it has ended.
func TestShutdownThatIsCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := make(chan struct{}, 2)
		w := newWorld(t, func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Minute)
			if r.Method == http.MethodGet {
				time.Sleep(time.Minute)
			}
			left <- struct{}{}
		})
		for _, request := range []string{sdk, get} {
			w.dial().send(t, request)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		w.close()
		if len(left) != 2 {
			t.Errorf("Close has waited for %d requests of 2", len(left))
		}
	})
}

// TestNeverServed: a server can be closed before it serves, and does not serve
// then.
func TestNeverServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, waiting)
		w.close()
		l := newListener()
		if err := w.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if _, err := l.Accept(); err == nil {
			t.Error("the listener was left open")
		}
		if err := w.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
