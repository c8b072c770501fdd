package raftlog

import (
	"time"

	"github.com/roundtabledb/roundtable/cluster"
)

// Options configures a Log.
type Options struct {
	// Dir is the folder of the log. It is made if need be and holds nothing
	// else.
	Dir string
	// FS is the file system; nil means OS().
	FS FS
	// SegmentBytes is the size of a segment file; 0 means 64 MiB.
	SegmentBytes int64
	// CacheBytes bounds the memory that holds the tail of the log for readers;
	// 0 means 64 MiB. All groups share it.
	CacheBytes int64
	// Fatal is called once, when the log has failed and the process must end:
	// it can no longer keep what Raft promises. It runs on a goroutine of the
	// log, so it must not wait for Close. Required.
	Fatal func(error)
	// Sync says that a call returns only when its record is durable. It is
	// false only for development in memory; Open refuses that on a real disk.
	Sync bool
	// StuckAfter is how long one commit may take before the disk counts as
	// hung and Fatal is called; 0 means 10 seconds.
	StuckAfter time.Duration
}

// Log is the write-ahead log of a node. Its methods may be called from any
// goroutine.
type Log struct {
	options Options
}

// Open opens the log in a folder, or makes a new one there.
func Open(o Options) (*Log, error) { return nil, errNotYet }

// Close commits what waits, marks the end of the log and closes it. Calls
// after it fail.
func (l *Log) Close() error { return errNotYet }

// Group returns the log of a group's peer on this node, making it, durably,
// if it is not there. It refuses a peer that was destroyed, and another peer
// of a group that has one here.
func (l *Log) Group(id cluster.GroupID, peer cluster.PeerID) (*GroupLog, error) {
	return nil, errNotYet
}

// Lookup returns the log of a group if it has one here.
func (l *Log) Lookup(id cluster.GroupID) (*GroupLog, bool) { return nil, false }

// Groups returns the groups that have a log here, by id.
func (l *Log) Groups() []*GroupLog { return nil }

// Destroy ends a peer for ever: its entries and stable values are gone when it
// returns, and Group refuses the peer from then on, also after a restart. It
// does so too for a peer that never was here. Destroying twice is no error.
func (l *Log) Destroy(id cluster.GroupID, peer cluster.PeerID) error { return errNotYet }

// Destroyed says whether a peer was destroyed here.
func (l *Log) Destroyed(id cluster.GroupID, peer cluster.PeerID) bool { return false }
