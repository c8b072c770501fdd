package server

import (
	"net/http"
	"sync"
)

// gate counts the requests under way, so that Close can wait for the last. The
// zero gate is open.
type gate struct {
	mu struct {
		sync.Mutex
		inside int
		closed bool
		empty  chan struct{} // closed when the last leaves a closed gate
	}
}

// guard lets requests of h through while the gate is open.
func (g *gate) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer g.leave()
		h.ServeHTTP(w, r)
	})
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed {
		return false
	}
	g.mu.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.inside--
	if g.mu.closed && g.mu.inside == 0 {
		close(g.mu.empty)
	}
}

// close lets no more requests in and waits until all have left.
func (g *gate) close() {
	g.mu.Lock()
	if g.mu.closed {
		g.mu.Unlock()
		return
	}
	g.mu.closed = true
	g.mu.empty = make(chan struct{})
	if g.mu.inside == 0 {
		close(g.mu.empty)
	}
	g.mu.Unlock()
	<-g.mu.empty
}
