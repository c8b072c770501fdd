package raftlog

import (
	"maps"
	"slices"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
)

// segment is one file of the log.
type segment struct {
	number uint32
	name   string
	file   File
	seed   record.Seed

	// used is the length of header and frames, live that of the records in it
	// of entries that are still of use.
	used, live int64
}

// state is what the records of the log amount to. It changes by effects alone,
// when the log is opened and when a frame has become durable.
type state struct {
	segments  []*segment // by number, without gaps; the last is being written
	groups    map[cluster.GroupID]*GroupLog
	slots     map[uint32]*GroupLog
	destroyed map[cluster.GroupID][]cluster.PeerID
	nextSlot  uint32
	live      int64 // of all segments
}

func newState() state {
	return state{
		groups:    make(map[cluster.GroupID]*GroupLog),
		slots:     make(map[uint32]*GroupLog),
		destroyed: make(map[cluster.GroupID][]cluster.PeerID),
	}
}

// effect is what a record does to the state.
type effect struct {
	kind  record.Kind
	group *GroupLog // nil for the destruction of a peer that never was here
	index uint64
	at    []location // of the entries that begin at index
	pairs []record.Pair
	id    cluster.GroupID // of the peer destroyed
	peer  cluster.PeerID
}

// segment returns a segment by its number, and nil if it is gone.
func (s *state) segment(number uint32) *segment {
	if len(s.segments) == 0 || number < s.segments[0].number {
		return nil
	}
	i := number - s.segments[0].number
	if int(i) >= len(s.segments) {
		return nil
	}
	return s.segments[i]
}

// apply changes the state. The effect fits it: the committer and recovery have
// seen to that.
func (s *state) apply(e effect) {
	switch e.kind {
	case record.KindGroup:
		s.groups[e.group.id] = e.group
		s.slots[e.group.slot] = e.group
	case record.KindDestroy:
		if !slices.Contains(s.destroyed[e.id], e.peer) {
			s.destroyed[e.id] = append(s.destroyed[e.id], e.peer)
		}
		if e.group != nil {
			s.release(e.group.end())
			delete(s.groups, e.group.id)
			delete(s.slots, e.group.slot)
		}
	case record.KindEntry:
		s.account(e.at, 1)
		e.group.extend(e.index, e.at)
	case record.KindMoved:
		s.account(e.at, 1)
		s.release(e.group.move(e.index, e.at))
	case record.KindTruncate:
		s.release(e.group.truncate(e.index))
	case record.KindCompact:
		s.release(e.group.compact(e.index))
	case record.KindReset:
		s.release(e.group.reset(e.index))
	case record.KindStable:
		e.group.setStable(e.pairs)
	}
}

// release takes note that records are of no more use.
func (s *state) release(at []location) { s.account(at, -1) }

// account counts the bytes of records as live, or no longer.
func (s *state) account(at []location, sign int64) {
	var seg *segment
	for _, p := range at {
		if p == (location{}) {
			continue // only while the log is opened: not yet found
		}
		if seg == nil || seg.number != p.segment {
			seg = s.segment(p.segment)
		}
		seg.live += sign * int64(p.size)
		s.live += sign * int64(p.size)
	}
}

// appendHead appends the records that restate everything but entries.
func (s *state) appendHead(b []byte, sd record.Seed) []byte {
	for _, slot := range slices.Sorted(maps.Keys(s.slots)) {
		start := len(b)
		b = record.Begin(b, slot, record.KindState, 0, 0, 0)
		b = s.slots[slot].appendState(b)
		record.End(b, start, sd)
	}
	for _, id := range slices.Sorted(maps.Keys(s.destroyed)) {
		for _, peer := range s.destroyed[id] {
			start := len(b)
			b = record.Begin(b, 0, record.KindDestroy, 0, 0, 0)
			b = record.AppendPeer(b, id, peer)
			record.End(b, start, sd)
		}
	}
	return b
}
