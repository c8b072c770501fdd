package main

import (
	"expvar"
	"os"
	"runtime"
	"sync"
	"time"
)

// processors lets the kernel share the processors out between clients' requests
// and long work in the background, while there is some.
//
// Go lets a goroutine run for 10 ms before another that is ready gets its place,
// and a request passes through a dozen of them. So on a node with two processors
// a flush and a compaction make a request of 1 ms take 100. The kernel is fairer,
// and lets those go first that have slept. With two threads more than
// processors, p99 fell from 270 to 34 ms beside items of 400 KB. Without work in
// the background they would cost a tenth of the processor time of a put, because
// Go wakes a thread for each goroutine that becomes ready as long as it may.
//
// A node with nothing to do rests, see rest.go.
type processors struct {
	stop, done chan struct{}

	mu      sync.Mutex
	procs   int // how many Go uses at other times
	work    int // how many flushes are under way
	raised  bool
	resting bool
}

const (
	// spareProcs is how many pieces of such work there are at a time.
	spareProcs = 2
	// afterWork is how long after a flush it is looked whether Badger has ended
	// what it does in consequence.
	afterWork = 500 * time.Millisecond
	// compacting is Badger's name for the number of tables that it compacts now.
	compacting = "badger_compaction_current_num_lsm"
)

// newProcessors returns nil, which does nothing, if the user has chosen a number.
// The limit that a container sets is in what Go starts with.
func newProcessors() *processors {
	if os.Getenv("GOMAXPROCS") != "" {
		return nil
	}
	p := &processors{procs: runtime.GOMAXPROCS(0), stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.watch(p.stop)
	}()
	return p
}

func (p *processors) close() {
	if p == nil {
		return
	}
	close(p.stop)
	<-p.done
}

// setLocked has Go use as many processors as there is need for.
func (p *processors) setLocked() {
	n := p.procs
	switch {
	case p.raised:
		n += spareProcs
	case p.resting:
		n = 1
	}
	runtime.GOMAXPROCS(n) // which stops the world only if the number is another
}

func (p *processors) setResting(resting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resting = resting
	p.setLocked()
}

// background says that work has begun. It returns what is to be called at its
// end.
func (p *processors) background() (end func()) {
	if p == nil {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.work++
	p.raised = true
	p.setLocked()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.work--; p.work == 0 {
			time.AfterFunc(afterWork, p.relax)
		}
	}
}

// relax goes back to the usual number when there is no more work.
func (p *processors) relax() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.work > 0 || !p.raised {
		return // the end of that work will see to it, or another has
	}
	if tables, ok := expvar.Get(compacting).(*expvar.Int); ok && tables.Value() > 0 {
		time.AfterFunc(afterWork, p.relax)
		return
	}
	p.raised = false
	p.setLocked()
}
