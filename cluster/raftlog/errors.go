package raftlog

import (
	"errors"
	"syscall"

	"github.com/roundtabledb/roundtable/storage"
)

// errNotFound is what Raft takes for a stable value that is missing. It
// compares the text.
var errNotFound = errors.New("not found")

// errClosed is the error of calls after Close.
var errClosed = &storage.Error{Kind: storage.Unavailable, Op: "raftlog", Message: "the log is closed"}

// errDestroyed is the error of calls on a peer that was destroyed.
var errDestroyed = &storage.Error{Kind: storage.Unavailable, Op: "raftlog", Message: "the peer was destroyed on this node"}

// damaged makes the error of a log whose bytes are not what was written.
func damaged(format string, args ...any) error {
	e := storage.Errorf(storage.Corrupt, format, args...)
	e.Op = "raftlog"
	e.Message = "the log is damaged: " + e.Message + ". This node may have lost what it promised its Raft groups, " +
		"so it must not take part in them again. Remove the node from the region, empty its data folders, and let it " +
		"join under a new name: its peers will send it its data"
	return e
}

// broken makes the error of a call that breaks the contract of the log.
func broken(format string, args ...any) error {
	e := storage.Errorf(storage.Internal, format, args...)
	e.Op = "raftlog"
	return e
}

// diskFailed makes the error of a file system that failed.
func diskFailed(err error) error {
	e := &storage.Error{Op: "raftlog", Message: "the disk of the log failed", Err: err}
	if errors.Is(err, syscall.ENOSPC) {
		e.Message = "the disk of the log is full: free some space and start the node again; " +
			"nothing that was acknowledged is lost"
	}
	return e
}

// ending is why the log takes no more calls.
type ending struct{ err error }

// fail records the first reason to stop, makes every call fail, and calls
// Options.Fatal.
func (l *Log) fail(cause error) {
	err := &storage.Error{Kind: storage.Unavailable, Op: "raftlog", Message: "the log has failed", Err: cause}
	if !l.ended.CompareAndSwap(nil, &ending{err}) {
		return
	}
	close(l.dead)
	l.options.Fatal(cause)
}

// usable returns nil until the log has failed or was closed.
func (l *Log) usable() error {
	if e := l.ended.Load(); e != nil {
		return e.err
	}
	return nil
}
