package raftlog

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
)

// recovery reads a log back.
type recovery struct {
	log      *Log
	buf      []byte      // the segment being read
	segments int         // begun so far
	last     uint64      // number of the last frame; 0: none yet
	tail     extent      // of the last frame
	at       [1]location // scratch
	suspect  error       // why the log ends where it ends, should more of it follow
	unused   []*segment
}

// extent is a stretch of a segment.
type extent struct{ from, to int64 }

// recover reads the segments in order, and returns the number of the next.
func (l *Log) recover(files files) (uint32, error) {
	if err := l.readIdentity(); err != nil {
		return 0, err
	}
	r := &recovery{log: l}
	for _, number := range files.segments {
		if err := r.open(number); err != nil {
			return 0, err
		}
	}
	if r.segments == 0 {
		return 0, damaged("its segments are missing")
	}
	if err := r.complete(); err != nil {
		return 0, err
	}
	if err := r.secure(); err != nil {
		return 0, err
	}
	return l.committer.segment.number + 1, r.keepSpares(files.spares)
}

// open reads a segment. One without frames comes after all others, if at all.
func (r *recovery) open(number uint32) error {
	l := r.log
	seg := &segment{number: number, name: l.path(segmentName(number)), seed: record.NewSeed(l.salt, number)}
	var err error
	if seg.file, err = l.fs.Open(seg.name); err != nil {
		return diskFailed(err)
	}
	begun, err := r.read(seg)
	if err != nil || !begun {
		seg.file.Close() // it was read at most
	}
	if err == nil && !begun {
		r.unused = append(r.unused, seg)
	}
	return err
}

// read reads the frames of a segment, if it has any.
func (r *recovery) read(seg *segment) (begun bool, err error) {
	if r.buf, err = readAll(seg.file, r.buf); err != nil {
		return false, err
	}
	b := r.buf
	number, _, ok := record.ParseFrame(b[min(len(b), record.SegmentHeaderSize):], seg.seed)
	if !ok || !record.ValidSegmentHeader(b, seg.seed, seg.number) {
		// A frame that was synced is followed by another, or is the last of all.
		at, found := record.LaterFrame(b, seg.seed, r.last+2)
		if found || ok {
			return false, damaged("the beginning of segment %d is unreadable, but a frame after it is not (byte %d)", seg.number, at)
		}
		if r.suspect == nil {
			r.suspect = damaged("segment %d has no frames, but one after it has", seg.number)
		}
		return false, nil
	}
	if r.segments > 0 && number != r.last+1 {
		return false, r.suspect
	}
	if err := r.follow(seg, number); err != nil {
		return false, err
	}
	return true, r.frames(seg)
}

// follow checks that a segment comes right after the one before.
func (r *recovery) follow(seg *segment, number uint64) error {
	l := r.log
	if r.segments > 0 {
		if len(r.unused) > 0 || seg.number != l.committer.segment.number+1 {
			return damaged("segment %d does not follow segment %d", seg.number, l.committer.segment.number)
		}
	} else if len(r.unused) > 0 {
		return r.suspect
	}
	r.segments++
	r.last = number - 1
	l.mu.segments = append(l.mu.segments, seg)
	l.committer.segment = seg
	return nil
}

// frames reads the frames of a segment and applies their records.
func (r *recovery) frames(seg *segment) error {
	at := int64(record.SegmentHeaderSize)
	for {
		number, records, ok := record.ParseFrame(r.buf[at:], seg.seed)
		if !ok || number != r.last+1 {
			break
		}
		from := at + record.FrameHeaderSize
		if err := r.apply(seg, from, records, at == record.SegmentHeaderSize); err != nil {
			return damaged("frame %d at byte %d of segment %d: %w", number, at, seg.number, err)
		}
		r.last = number
		r.tail = extent{at, from + int64(len(records))}
		at = r.tail.to
	}
	if r.tail.from == record.SegmentHeaderSize {
		r.tail.from = 0
	}
	seg.used = at
	if later, found := record.LaterFrame(r.buf[at:], seg.seed, r.last+2); found {
		return damaged("byte %d of segment %d is unreadable, but byte %d is not", at, seg.number, at+int64(later))
	}
	r.suspect = damaged("segment %d ends at byte %d with frame %d, but the log goes on", seg.number, at, r.last)
	return nil
}

// apply applies the records of a frame that begin at a byte of its segment.
func (r *recovery) apply(seg *segment, at int64, records []byte, first bool) error {
	head := first && r.segments == 1
	for len(records) > 0 {
		rec, size, err := record.Parse(records, seg.seed)
		if err == nil {
			err = r.applyRecord(rec, location{seg.number, uint32(at), uint32(size)}, head)
		}
		if err != nil {
			return fmt.Errorf("the record at byte %d: %w", at, err)
		}
		at += int64(size)
		records = records[size:]
	}
	return nil
}

// applyRecord applies a record if it fits what is known so far. Only the head
// of the oldest segment may tell what no record before it has.
func (r *recovery) applyRecord(rec record.Record, at location, head bool) error {
	s := &r.log.mu.state
	d := record.Decoder{B: rec.Payload}
	switch rec.Kind {
	case record.KindGroup, record.KindState:
		return r.applyPeer(rec, head)
	case record.KindDestroy:
		e := effect{kind: record.KindDestroy}
		e.id, e.peer = d.Peer()
		if err := d.End(); err != nil {
			return err
		}
		if g, ok := s.groups[e.id]; ok && g.peer == e.peer {
			e.group = g
		}
		s.apply(e)
		return nil
	case record.KindClosed:
		return d.End()
	}
	g, ok := s.slots[rec.Slot]
	if !ok {
		return fmt.Errorf("slot %d is of no group", rec.Slot)
	}
	e := effect{kind: rec.Kind, group: g, index: rec.Index, at: r.at[:]}
	r.at[0] = at
	fits := true
	switch rec.Kind {
	case record.KindEntry:
		fits = g.mu.takes(rec.Index) && rec.Index > 0
	case record.KindMoved:
		fits = rec.Index >= g.mu.first && rec.Index < g.mu.next
	case record.KindTruncate, record.KindCompact:
		fits = rec.Index > g.mu.first && rec.Index < g.mu.next
	case record.KindStable:
		e.pairs = d.Pairs()
		if err := d.End(); err != nil {
			return err
		}
	case record.KindReset:
	default:
		return fmt.Errorf("kind %d is not known", rec.Kind)
	}
	if !fits {
		return fmt.Errorf("index %d does not fit entries %d to %d of group %v", rec.Index, g.mu.first, g.mu.next-1, g.id)
	}
	s.apply(e)
	return nil
}

// applyPeer begins a peer's log, or compares what is known with what is
// restated.
func (r *recovery) applyPeer(rec record.Record, head bool) error {
	s := &r.log.mu.state
	d := record.Decoder{B: rec.Payload}
	id, peer := d.Peer()
	if old, ok := s.slots[rec.Slot]; ok {
		if rec.Kind != record.KindState || !bytes.Equal(old.appendState(nil), rec.Payload) {
			return fmt.Errorf("group %v is not what it was before", id)
		}
		return nil
	}
	if _, ok := s.groups[id]; ok || rec.Kind == record.KindState && !head {
		return fmt.Errorf("group %v is not to be here", id)
	}
	g := newGroupLog(r.log, id, peer)
	g.slot = rec.Slot
	s.nextSlot = max(s.nextSlot, rec.Slot)
	if rec.Kind == record.KindState {
		g.mu.span = span{first: d.Uint64(), next: d.Uint64()}
		if n := g.mu.next - g.mu.first; g.mu.first > g.mu.next || n > 1<<40 {
			return record.ErrFormat
		}
		g.mu.at = make([]location, g.mu.next-g.mu.first) // to be found
		g.setStable(d.Pairs())
	}
	if err := d.End(); err != nil {
		return err
	}
	s.apply(effect{kind: record.KindGroup, group: g})
	return nil
}

// complete checks that all live entries were found, and readies the groups.
func (r *recovery) complete() error {
	s := &r.log.mu.state
	for _, g := range s.groups {
		if i := slices.Index(g.mu.at, location{}); i >= 0 {
			return damaged("entry %d of group %v is missing", g.mu.first+uint64(i), g.id)
		}
		g.staged = g.mu.span
	}
	return nil
}

// secure writes the last frame again and syncs it, and sets the committer to
// what follows it. The frame may never have been synced, or have been lost by
// a sync that failed, and still be in the memory of the operating system.
func (r *recovery) secure() error {
	l, c := r.log, &r.log.committer
	last := make([]byte, r.tail.to-r.tail.from)
	if _, err := c.segment.file.ReadAt(last, r.tail.from); err != nil {
		return diskFailed(err)
	}
	if _, err := c.segment.file.WriteAt(last, r.tail.from); err != nil {
		return diskFailed(err)
	}
	if err := c.segment.file.Sync(); err != nil {
		return diskFailed(err)
	}
	if err := l.fs.SyncDir(l.options.Dir); err != nil {
		return diskFailed(err)
	}
	c.offset, c.number = r.tail.to, r.last+1
	c.limit = max(l.options.SegmentBytes, 4*int64(len(l.mu.appendHead(nil, c.segment.seed))))
	return nil
}

// keepSpares keeps old files to be written over.
func (r *recovery) keepSpares(names []string) error {
	l := r.log
	for _, seg := range r.unused {
		names = append(names, segmentName(seg.number))
	}
	for _, name := range names {
		f, err := l.fs.Open(l.path(name))
		if err != nil {
			return diskFailed(err)
		}
		size, err := f.Size()
		f.Close() // nothing was written to it
		if err != nil {
			return diskFailed(err)
		}
		if err := l.allocator.recycle(l.path(name), size); err != nil {
			return err
		}
	}
	return nil
}
