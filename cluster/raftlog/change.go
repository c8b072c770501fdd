package raftlog

import (
	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
)

// request is a change that a caller waits for, or an append that runs ahead.
type request struct {
	change change
	done   chan error // of capacity 1
	ahead  *GroupLog  // instead of done
}

// end says that the change is durable, or refused.
func (r *request) end(err error) {
	if r.ahead == nil {
		r.done <- err
	} else if err == nil {
		r.ahead.tellDurable()
	}
}

// change is what a caller asks of the log. The committer alone calls encode,
// for one change after the other.
type change interface {
	// size is at least the size of the records of the change.
	size() int64
	// encode adds the records of the change to a frame, with their effects.
	// After an error it has added nothing. errDestroyed refuses this change
	// alone, any other error fails the log.
	encode(f *frame) error
}

// createPeer begins the log of a peer.
type createPeer struct{ group *GroupLog }

func peerSize(peer cluster.PeerID) int64 { return record.HeaderSize + 26 + int64(len(peer.Node)) }

func (c *createPeer) size() int64 { return peerSize(c.group.peer) }

func (c *createPeer) encode(f *frame) error {
	c.group.slot = f.newSlot()
	f.add(c.group.slot, record.KindGroup, 0, record.AppendPeer(nil, c.group.id, c.group.peer))
	f.effects = append(f.effects, effect{kind: record.KindGroup, group: c.group})
	return nil
}

// destroyPeer ends the log of a peer; group is nil when it never was here.
type destroyPeer struct {
	group *GroupLog
	id    cluster.GroupID
	peer  cluster.PeerID
}

func (c *destroyPeer) size() int64 { return peerSize(c.peer) }

func (c *destroyPeer) encode(f *frame) error {
	f.add(0, record.KindDestroy, 0, record.AppendPeer(nil, c.id, c.peer))
	f.effects = append(f.effects, effect{kind: record.KindDestroy, group: c.group, id: c.id, peer: c.peer})
	if c.group != nil {
		c.group.stagedEnd = true
	}
	return nil
}

// appendEntries appends entries to a group.
type appendEntries struct {
	group   *GroupLog
	entries []*raft.Log
	bytes   int64
}

func (c *appendEntries) size() int64 { return c.bytes }

func (c *appendEntries) encode(f *frame) error {
	if c.group.stagedEnd {
		return errDestroyed
	}
	first := c.entries[0].Index
	for i, e := range c.entries {
		if want := first + uint64(i); e.Index != want || i == 0 && !c.group.staged.takes(e.Index) || e.Index == 0 {
			return broken("group %v: entry %d does not follow %d to %d", c.group.id, e.Index,
				c.group.staged.first, c.group.staged.next-1)
		}
	}
	from := len(f.places)
	for _, e := range c.entries {
		start := len(f.buf)
		f.buf = record.AppendEntry(f.buf, f.seed, c.group.slot, e)
		f.places = append(f.places, f.place(start))
	}
	c.group.staged = c.group.staged.extended(first, uint64(len(c.entries)))
	f.effects = append(f.effects, effect{kind: record.KindEntry, group: c.group, index: first, at: f.places[from:]})
	return nil
}

// deleteRange deletes entries at the beginning or the end of a group.
type deleteRange struct {
	group    *GroupLog
	min, max uint64
}

func (c *deleteRange) size() int64 { return record.HeaderSize }

func (c *deleteRange) encode(f *frame) error {
	if c.group.stagedEnd {
		return errDestroyed
	}
	k, index, left, err := c.group.staged.cut(c.min, c.max)
	if err != nil || k == 0 {
		return err
	}
	f.cut(c.group, k, index, left)
	return nil
}

// resetEntries deletes all entries of a group.
type resetEntries struct {
	group *GroupLog
	next  uint64
}

func (c *resetEntries) size() int64 { return record.HeaderSize }

func (c *resetEntries) encode(f *frame) error {
	if c.group.stagedEnd {
		return errDestroyed
	}
	if left := (span{c.next, c.next}); c.group.staged != left {
		f.cut(c.group, record.KindReset, c.next, left)
	}
	return nil
}

// setStable stores stable values of a group.
type setStable struct {
	group   *GroupLog
	pairs   []record.Pair
	payload []byte // pairs, encoded
}

func (c *setStable) size() int64 { return record.HeaderSize + int64(len(c.payload)) }

func (c *setStable) encode(f *frame) error {
	if c.group.stagedEnd {
		return errDestroyed
	}
	f.add(c.group.slot, record.KindStable, 0, c.payload)
	f.effects = append(f.effects, effect{kind: record.KindStable, group: c.group, pairs: c.pairs})
	return nil
}

// moveEntries writes entries of old segments again. It is the first change of
// its frame, so what is durable is what the frame begins with.
type moveEntries struct {
	moves []move
	bytes int64
}

type move struct {
	group *GroupLog
	index uint64
	from  location
	raw   []byte
}

func (c *moveEntries) size() int64 { return c.bytes }

func (c *moveEntries) encode(f *frame) error {
	for _, m := range c.moves {
		if at, _, err := m.group.locate(m.index); err != nil || at != m.from {
			continue // deleted since it was read
		}
		start, from := len(f.buf), len(f.places)
		f.buf = record.AppendMoved(f.buf, f.seed, m.raw)
		f.places = append(f.places, f.place(start))
		f.effects = append(f.effects, effect{kind: record.KindMoved, group: m.group, index: m.index, at: f.places[from:]})
	}
	return nil
}

// markClosed says that the log was closed.
type markClosed struct{}

func (markClosed) size() int64 { return record.HeaderSize }

func (markClosed) encode(f *frame) error {
	f.add(0, record.KindClosed, 0, nil)
	return nil
}
