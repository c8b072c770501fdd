package raftlog

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
)

// maxRequestBytes bounds what one call may write.
const maxRequestBytes = 1 << 30

// GroupLog is the part of the log that belongs to one peer of one group: its
// entries and its stable values. It is what Raft writes to.
type GroupLog struct {
	log  *Log
	id   cluster.GroupID
	peer cluster.PeerID
	slot uint32

	// staged and stagedEnd are span and ended as they will be after the frame
	// that the committer is building. They belong to it.
	staged    span
	stagedEnd bool

	// recent is the entry last read from the disk, if it is small: the leader
	// of an idle group reads its last entry several times a second.
	recent atomic.Pointer[recentEntry]

	// mu guards what the durable records of the group amount to.
	mu struct {
		sync.RWMutex
		span
		at []location // at[i] is where entry first+i is
		// ahead are the entries that StoreLogsAhead has taken and that are not
		// durable yet. They follow those of span.
		ahead   []*raft.Log
		waiting []waiter
		stable  map[string][]byte
		vote    []byte // the half of a vote that waits for the other; see Set
		ended   bool   // the peer was destroyed
	}
}

var (
	_ raft.LogStore    = (*GroupLog)(nil)
	_ raft.StableStore = (*GroupLog)(nil)
)

func newGroupLog(l *Log, id cluster.GroupID, peer cluster.PeerID) *GroupLog {
	g := &GroupLog{log: l, id: id, peer: peer}
	g.mu.stable = make(map[string][]byte)
	return g
}

// ID returns the group.
func (g *GroupLog) ID() cluster.GroupID { return g.id }

// Peer returns the group's peer on this node.
func (g *GroupLog) Peer() cluster.PeerID { return g.peer }

// FirstIndex returns the index of the first entry, and 0 when there is none.
func (g *GroupLog) FirstIndex() (uint64, error) {
	s, err := g.current()
	if err != nil || s.empty() {
		return 0, err
	}
	return s.first, nil
}

// LastIndex returns the index of the last entry, and 0 when there is none.
func (g *GroupLog) LastIndex() (uint64, error) {
	s, err := g.current()
	if err != nil || s.empty() {
		return 0, err
	}
	return s.next - 1, nil
}

// current returns which entries can be read.
func (g *GroupLog) current() (span, error) {
	if err := g.log.usable(); err != nil {
		return span{}, err
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.mu.ended {
		return span{}, errDestroyed
	}
	if n := len(g.mu.ahead); n > 0 {
		return g.mu.extended(g.mu.ahead[0].Index, uint64(n)), nil
	}
	return g.mu.span, nil
}

// StoreLog appends one entry.
func (g *GroupLog) StoreLog(entry *raft.Log) error { return g.StoreLogs([]*raft.Log{entry}) }

// StoreLogs appends entries and returns when they are durable. They must
// follow the last entry without a gap. The log keeps no reference to them,
// unless it fails.
func (g *GroupLog) StoreLogs(entries []*raft.Log) error {
	if len(entries) == 0 {
		return g.log.usable()
	}
	a, err := g.append(entries)
	if err != nil {
		return err
	}
	return g.log.submit(a)
}

// StoreLogsAhead appends entries as StoreLogs does, but returns before they are
// durable. They can be read at once, and become durable before any later change
// of the log does; Durable says when. If the log fails first, they may be lost,
// which is what Options.Fatal has been told then. They must not be changed.
func (g *GroupLog) StoreLogsAhead(entries []*raft.Log) error {
	if len(entries) == 0 {
		return g.log.usable()
	}
	a, err := g.append(entries)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.mu.ahead = append(g.mu.ahead, entries...)
	g.mu.Unlock()
	return g.log.submitAhead(a)
}

func (g *GroupLog) append(entries []*raft.Log) (*appendEntries, error) {
	a := &appendEntries{group: g, entries: entries}
	for _, e := range entries {
		a.bytes += record.EntrySize(e)
	}
	if a.bytes > maxRequestBytes {
		err := broken("group %v: an append of %d bytes is too large", g.id, a.bytes)
		g.log.fail(err)
		return nil, err
	}
	return a, nil
}

// waiter is to be told when the entries up to index are durable.
type waiter struct {
	index uint64
	tell  func()
}

// Durable reports whether the entries up to index that were appended are
// durable. If not, tell is called when they are, or never if the log fails or
// the group is destroyed first. It must not block, nor call the log.
func (g *GroupLog) Durable(index uint64, tell func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.mu.ahead) == 0 || index < g.mu.ahead[0].Index {
		return true
	}
	g.mu.waiting = append(g.mu.waiting, waiter{index, tell})
	return false
}

// tellDurable tells those who wait for entries that have become durable.
func (g *GroupLog) tellDurable() {
	var told [4]waiter
	due := told[:0]
	g.mu.Lock()
	g.mu.waiting = slices.DeleteFunc(g.mu.waiting, func(w waiter) bool {
		late := len(g.mu.ahead) > 0 && w.index >= g.mu.ahead[0].Index
		if !late {
			due = append(due, w)
		}
		return !late
	})
	g.mu.Unlock()
	for _, w := range due {
		w.tell()
	}
}

// DeleteRange deletes entries, both ends included, at the beginning of the
// log or at its end.
func (g *GroupLog) DeleteRange(min, max uint64) error {
	return g.log.submit(&deleteRange{group: g, min: min, max: max})
}

// Reset deletes every entry. The next one appended must have index next. It is
// for the peer whose state was replaced by a snapshot that ends at next-1.
func (g *GroupLog) Reset(next uint64) error {
	return g.log.submit(&resetEntries{group: g, next: next})
}

// span says which entries a group has: from first to before next. An empty
// one (first == next) will begin at first, and anywhere if that is 0.
type span struct{ first, next uint64 }

func (s span) empty() bool { return s.first == s.next }

// takes says whether an entry of this index may be appended.
func (s span) takes(index uint64) bool {
	return index == s.next || s.next == 0
}

// extended returns the span with n more entries, which begin at index.
func (s span) extended(index, n uint64) span {
	if s.empty() {
		s.first = index
	}
	return span{s.first, index + n}
}

// cut says which record deletes min to max, with its index, and what is left;
// kind 0 means that there is nothing to delete.
func (s span) cut(min, max uint64) (record.Kind, uint64, span, error) {
	switch {
	case min > max || s.empty() || max < s.first || min >= s.next:
		return 0, 0, s, nil
	case min <= s.first && max >= s.next-1:
		return record.KindReset, 0, span{}, nil
	case min <= s.first:
		return record.KindCompact, max + 1, span{max + 1, s.next}, nil
	case max >= s.next-1:
		return record.KindTruncate, min, span{s.first, min}, nil
	}
	return 0, 0, s, broken("entries %d to %d are neither at the beginning nor at the end of %d to %d",
		min, max, s.first, s.next-1)
}

// The methods below change the group as the effects of durable records do.
// They return the records that are of no more use.

func (g *GroupLog) extend(index uint64, at []location) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.span = g.mu.extended(index, uint64(len(at)))
	g.mu.at = append(g.mu.at, at...)
	durable := 0
	for durable < len(g.mu.ahead) && g.mu.ahead[durable].Index < g.mu.next {
		durable++
	}
	g.mu.ahead = slices.Delete(g.mu.ahead, 0, durable)
}

// move returns the old places in at itself.
func (g *GroupLog) move(index uint64, at []location) []location {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range at {
		p := &g.mu.at[index-g.mu.first+uint64(i)]
		*p, at[i] = at[i], *p
	}
	return at
}

func (g *GroupLog) truncate(index uint64) []location {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := index - g.mu.first
	gone := g.mu.at[n:]
	g.mu.at = g.mu.at[:n:n] // gone is still being read when the group grows
	g.mu.next = index
	return gone
}

func (g *GroupLog) compact(index uint64) []location {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := index - g.mu.first
	gone, left := g.mu.at[:n], g.mu.at[n:]
	if len(gone) > len(left) {
		left = slices.Clone(left) // frees the memory of the rest
	}
	g.mu.at, g.mu.first = left, index
	return gone
}

func (g *GroupLog) reset(next uint64) []location {
	g.mu.Lock()
	defer g.mu.Unlock()
	gone := g.mu.at
	g.mu.at, g.mu.span = nil, span{next, next}
	return gone
}

func (g *GroupLog) end() []location {
	g.mu.Lock()
	defer g.mu.Unlock()
	gone := g.mu.at
	g.mu.at, g.mu.span, g.mu.ended = nil, span{}, true
	g.mu.ahead, g.mu.waiting = nil, nil
	return gone
}
