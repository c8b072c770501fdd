package raftlog

import (
	"sync"
	"time"
)

// watchdog barks when a commit takes too long. It counts ticks, not time: a
// process that was stopped for a while, as by a pause of its virtual machine,
// has not waited for its disk meanwhile.
type watchdog struct {
	tick  time.Duration
	bark  func()
	timer *time.Timer

	mu struct {
		sync.Mutex
		left int // ticks until it barks; 0: there is no commit
	}
}

// watchTicks is how many ticks a commit may take.
const watchTicks = 10

func (w *watchdog) init(patience time.Duration, bark func()) {
	w.tick, w.bark = patience/watchTicks, bark
	w.timer = time.AfterFunc(w.tick, w.tock)
	w.timer.Stop()
}

// begin begins to watch a commit, end ends it.
func (w *watchdog) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.left = watchTicks
	w.timer.Reset(w.tick)
}

func (w *watchdog) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.left = 0
	w.timer.Stop()
}

// tock is one tick. One that was late counts for the commit after: it has nine
// more.
func (w *watchdog) tock() {
	w.mu.Lock()
	if w.mu.left == 0 {
		w.mu.Unlock()
		return
	}
	w.mu.left--
	stuck := w.mu.left == 0
	if !stuck {
		w.timer.Reset(w.tick)
	}
	w.mu.Unlock()
	if stuck {
		w.bark()
	}
}
