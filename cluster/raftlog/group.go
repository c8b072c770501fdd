package raftlog

import (
	"errors"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
)

var errNotYet = errors.New("raftlog: not yet")

// GroupLog is the part of the log that belongs to one peer of one group: its
// entries and its stable values. It is what Raft writes to.
type GroupLog struct {
	id   cluster.GroupID
	peer cluster.PeerID
}

var (
	_ raft.LogStore    = (*GroupLog)(nil)
	_ raft.StableStore = (*GroupLog)(nil)
)

// ID returns the group.
func (g *GroupLog) ID() cluster.GroupID { return g.id }

// Peer returns the group's peer on this node.
func (g *GroupLog) Peer() cluster.PeerID { return g.peer }

// FirstIndex returns the index of the first entry, and 0 when there is none.
func (g *GroupLog) FirstIndex() (uint64, error) { return 0, errNotYet }

// LastIndex returns the index of the last entry, and 0 when there is none.
func (g *GroupLog) LastIndex() (uint64, error) { return 0, errNotYet }

// GetLog reads an entry. It returns raft.ErrLogNotFound itself for an index
// outside the log. The entry's Data belongs to the log: it may be kept, and
// must not be changed.
func (g *GroupLog) GetLog(index uint64, entry *raft.Log) error { return errNotYet }

// StoreLog appends one entry.
func (g *GroupLog) StoreLog(entry *raft.Log) error { return errNotYet }

// StoreLogs appends entries and returns when they are durable. They must
// follow the last entry without a gap. The log keeps no reference to them.
func (g *GroupLog) StoreLogs(entries []*raft.Log) error { return errNotYet }

// DeleteRange deletes entries, both ends included, at the beginning of the
// log or at its end.
func (g *GroupLog) DeleteRange(min, max uint64) error { return errNotYet }

// Reset deletes every entry. The next one appended must have index next. It is
// for the peer whose state was replaced by a snapshot that ends at next-1.
func (g *GroupLog) Reset(next uint64) error { return errNotYet }

// Set stores a stable value. It writes nothing when the value is unchanged.
func (g *GroupLog) Set(key, value []byte) error { return errNotYet }

// Get returns a stable value. The error of a missing one reads "not found",
// which Raft compares literally.
func (g *GroupLog) Get(key []byte) ([]byte, error) { return nil, errNotYet }

// SetUint64 stores a stable number.
func (g *GroupLog) SetUint64(key []byte, value uint64) error { return errNotYet }

// GetUint64 returns a stable number, and 0 with the error "not found" when it
// is missing.
func (g *GroupLog) GetUint64(key []byte) (uint64, error) { return 0, errNotYet }
