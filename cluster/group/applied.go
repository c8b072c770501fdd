package group

import (
	"slices"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/storage"
)

// appliedWaiters are those who wait until the state holds the log up to some
// index: reads at a leader that came while it applied a batch.
type appliedWaiters struct {
	mu     sync.Mutex
	closed bool
	list   []*appliedWaiter
}

type appliedWaiter struct {
	index uint64
	timer *time.Timer
	done  func(error)
}

var errBehind = storage.Errorf(storage.Unavailable, "group: this peer does not apply what is committed")

var errStopping = storage.Errorf(storage.Unavailable, "group: this peer is stopping")

// CommitIndex is up to where the peer knows the log to be committed.
func (g *Group) CommitIndex() uint64 { return g.raft.CommitIndex() }

// Holds says whether the peer's state holds the log up to index, which must be that
// of an entry for the state.
func (g *Group) Holds(index uint64) bool {
	return g.opts.Machine.Meta().AppliedIndex >= index || g.opts.Faults.ReadBehind
}

// WhenApplied calls done once: with nil as soon as the peer's state holds the
// log up to index, or with an error of kind Unavailable if it does not within
// patience, or the group stops. It may do so before it returns, or later on a
// goroutine that serves others, too.
func (g *Group) WhenApplied(index uint64, patience time.Duration, done func(error)) {
	if waits, err := g.enlist(index, patience, done); !waits {
		done(err)
	}
}

// enlist makes done wait, unless that is over or cannot begin.
func (g *Group) enlist(index uint64, patience time.Duration, done func(error)) (waits bool, err error) {
	if g.Holds(index) {
		return false, nil
	}
	a := &g.applied
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return false, errStopping
	case g.Holds(index): // looked at again, as reached looks at the list under the lock
		return false, nil
	}
	w := &appliedWaiter{index: index, done: done}
	w.timer = time.AfterFunc(patience, func() {
		if a.strike(w) {
			done(errBehind)
		}
	})
	a.list = append(a.list, w)
	return true, nil
}

// strike takes a waiter off the list. It reports whether it was on it.
func (a *appliedWaiters) strike(w *appliedWaiter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.list, w)
	if i < 0 {
		return false
	}
	a.list = slices.Delete(a.list, i, i+1)
	return true
}

// reached tells those who waited that the state holds the log up to index. What
// they do then does not hold up what is applied next.
func (g *Group) reached(index uint64) {
	a := &g.applied
	a.mu.Lock()
	var served []*appliedWaiter
	a.list = slices.DeleteFunc(a.list, func(w *appliedWaiter) bool {
		if w.index <= index {
			served = append(served, w)
			return true
		}
		return false
	})
	a.mu.Unlock()
	if len(served) > 0 {
		g.wg.Go(func() { end(served, nil) })
	}
}

// close ends all waiting, and none begins after.
func (a *appliedWaiters) close() {
	a.mu.Lock()
	left := a.list
	a.list, a.closed = nil, true
	a.mu.Unlock()
	end(left, errStopping)
}

func end(list []*appliedWaiter, err error) {
	for _, w := range list {
		w.timer.Stop()
		w.done(err)
	}
}
