package raftlog

import (
	"errors"
	"io"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
)

// maxRecentBytes is the size up to which a group keeps the entry it last read
// from the disk.
const maxRecentBytes = 4 << 10

// recentEntry is an entry read from the disk.
type recentEntry struct {
	at    location
	entry raft.Log
}

// GetLog reads an entry. It returns raft.ErrLogNotFound itself for an index
// outside the log. The entry's Data belongs to the log: it may be kept, and
// must not be changed.
func (g *GroupLog) GetLog(index uint64, entry *raft.Log) error {
	for {
		at, ahead, err := g.locate(index)
		if err != nil {
			return err
		}
		if ahead != nil {
			*entry = *ahead
			return nil
		}
		if raw := g.log.cache.view(at); raw != nil {
			return record.View(raw).Entry(entry)
		}
		if r := g.recent.Load(); r != nil && r.at == at {
			*entry = r.entry
			return nil
		}
		err = g.read(at, index, entry)
		if err == nil {
			return nil
		}
		// The entry may have been moved or deleted meanwhile, and its segment
		// freed. Then the index says so now.
		if now, _, gone := g.locate(index); gone != nil || now != at {
			continue
		}
		g.log.fail(err)
		return err
	}
}

// locate returns where an entry is, or the entry itself while it is not durable.
func (g *GroupLog) locate(index uint64) (location, *raft.Log, error) {
	if err := g.log.usable(); err != nil {
		return location{}, nil, err
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.mu.ended {
		return location{}, nil, errDestroyed
	}
	if n := len(g.mu.ahead); n > 0 && index >= g.mu.ahead[0].Index && index <= g.mu.ahead[n-1].Index {
		return location{}, g.mu.ahead[index-g.mu.ahead[0].Index], nil
	}
	if index < g.mu.first || index >= g.mu.next {
		return location{}, nil, raft.ErrLogNotFound
	}
	return g.mu.at[index-g.mu.first], nil, nil
}

// read reads an entry from the disk.
func (g *GroupLog) read(at location, index uint64, entry *raft.Log) error {
	_, r, err := g.log.readRecord(at)
	if err != nil {
		return err
	}
	if r.Slot != g.slot || r.Index != index {
		return damaged("the record at byte %d of segment %d is not entry %d of group %v", at.offset, at.segment, index, g.id)
	}
	if err := r.Entry(entry); err != nil {
		return damaged("entry %d of group %v, at byte %d of segment %d: %w", index, g.id, at.offset, at.segment, err)
	}
	if at.size <= maxRecentBytes {
		g.recent.Store(&recentEntry{at: at, entry: *entry})
	}
	return nil
}

// readRecord reads a record from the disk.
func (l *Log) readRecord(at location) ([]byte, record.Record, error) {
	l.mu.RLock()
	seg := l.mu.segment(at.segment)
	l.mu.RUnlock()
	if seg == nil {
		return nil, record.Record{}, damaged("segment %d, of which a record is in use, is gone", at.segment)
	}
	raw := make([]byte, at.size)
	if _, err := seg.file.ReadAt(raw, int64(at.offset)); err != nil && !errors.Is(err, io.EOF) {
		return nil, record.Record{}, diskFailed(err)
	}
	r, size, err := record.Parse(raw, seg.seed)
	if err == nil && size != len(raw) {
		err = record.ErrShort
	}
	if err != nil {
		return nil, record.Record{}, damaged("the record at byte %d of segment %d: %w", at.offset, at.segment, err)
	}
	return raw, r, nil
}
