package group

import (
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// guardedLog is the log as raft sees it. It keeps every entry that the state
// on disk might still need, whatever raft asks to delete: raft knows what it
// has handed to the state machine, but only a checkpoint knows what is durable.
//
// It hides the optional interfaces of the log beneath on purpose:
// raft.MonotonicLogStore and raft.CommitTrackingLogStore must stay unused.
type guardedLog struct {
	Log
	// runsAhead says whether entries may become durable after they are stored.
	runsAhead  func(entries []*raft.Log) bool
	applied    func() uint64
	oldestOpen func() (index uint64, ok bool)
	durable    atomic.Uint64
}

func newGuardedLog(log Log, runsAhead func([]*raft.Log) bool, oldestOpen func() (uint64, bool), applied func() uint64) *guardedLog {
	return &guardedLog{Log: log, runsAhead: runsAhead, oldestOpen: oldestOpen, applied: applied}
}

// StoreLogs appends entries, and returns when they are durable unless it may run
// ahead.
func (l *guardedLog) StoreLogs(entries []*raft.Log) error {
	if l.runsAhead(entries) {
		return l.Log.StoreLogsAhead(entries)
	}
	return l.Log.StoreLogs(entries)
}

func (l *guardedLog) setDurable(index uint64) {
	for {
		old := l.durable.Load()
		if index <= old || l.durable.CompareAndSwap(old, index) {
			return
		}
	}
}

// DeleteRange deletes a suffix that another leader overwrites, or so much of a
// prefix as is no longer needed. The two cannot be confused: an overwritten
// entry was never committed, and a prefix ends at or before an applied one.
//
// The entry at the durable index itself is kept, because raft wants to see the
// one before the first that it sends, and a snapshot ends there at the
// earliest. So is everything after a snapshot that is on its way to a peer.
func (l *guardedLog) DeleteRange(lo, hi uint64) error {
	if lo > l.applied() {
		return l.Log.DeleteRange(lo, hi)
	}
	keep := l.durable.Load()
	if index, ok := l.oldestOpen(); ok {
		keep = min(keep, index)
	}
	if keep <= lo {
		return nil
	}
	return l.Log.DeleteRange(lo, min(hi, keep-1))
}
