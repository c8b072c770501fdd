package dispatch

import (
	"sync"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage/command"
)

// window hands out the sequence numbers of one session at one group and knows
// the lowest that may still be retried. The group remembers outcomes only from
// there on.
type window struct {
	mu struct {
		sync.Mutex
		low  uint64 // the lowest number in use, or the next to be given out
		used []bool // of low, low+1, …: whether it is still in use
	}
}

// window finds the window of a group.
func (d *Dispatcher) window(id cluster.GroupID) *window {
	if w, ok := d.windows.Load(id); ok {
		return w.(*window)
	}
	fresh := &window{}
	fresh.mu.low = 1
	w, _ := d.windows.LoadOrStore(id, fresh)
	return w.(*window)
}

// begin gives out the next number.
func (w *window) begin(session uint64) command.RequestID {
	w.mu.Lock()
	defer w.mu.Unlock()
	seq := w.mu.low + uint64(len(w.mu.used))
	w.mu.used = append(w.mu.used, true)
	return command.RequestID{Session: session, Seq: seq, Low: w.mu.low}
}

// finish says that a number will not be used again.
func (w *window) finish(seq uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.used[seq-w.mu.low] = false
	n := 0
	for n < len(w.mu.used) && !w.mu.used[n] {
		n++
	}
	w.mu.low += uint64(n)
	w.mu.used = append(w.mu.used[:0], w.mu.used[n:]...)
}
