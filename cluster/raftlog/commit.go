package raftlog

import (
	"runtime"

	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
)

const (
	// maxFrameBytes is how much the committer puts in one frame while more
	// waits. A larger change has a frame to itself.
	maxFrameBytes = 4 << 20
	// pieceBytes is the size of a piece of the cache, if that is not small.
	pieceBytes = 256 << 10
)

// frame is a commit that is being built, in the free memory of a piece.
type frame struct {
	buf     []byte
	seed    record.Seed
	segment uint32
	offset  int64 // of buf in the segment
	header  int   // where in buf the frame's header is
	newSlot func() uint32

	// effects are what the records will do once they are durable. places holds
	// the locations that effects refer to.
	effects []effect
	places  []location
}

// add appends a record whose payload is at hand.
func (f *frame) add(slot uint32, k record.Kind, index uint64, payload []byte) {
	f.buf = record.Append(f.buf, f.seed, slot, k, index, payload)
}

// cut appends a record that deletes entries.
func (f *frame) cut(g *GroupLog, k record.Kind, index uint64, left span) {
	f.add(g.slot, k, index, nil)
	f.effects = append(f.effects, effect{kind: k, group: g, index: index})
	g.staged = left
}

// place returns where the record is that begins at start and ends the buffer.
func (f *frame) place(start int) location {
	return location{f.segment, uint32(f.offset) + uint32(start), uint32(len(f.buf) - start)}
}

// committer makes changes durable. Whoever holds it commits for all who wait:
// a caller that finds it free, so that a lone caller need not wait for another
// goroutine to wake up, or its own goroutine as long as more and more waits.
// Its fields belong to the holder, and to Open before there is one.
type committer struct {
	log      *Log
	closing  chan struct{} // closed to end the goroutine
	finished chan struct{} // closed when it has ended
	watch    watchdog      // fails the log when a commit is stuck

	segment *segment // the one being written
	offset  int64    // of the next frame in it
	limit   int64    // where the segment is full
	number  uint64   // of the next frame
	piece   *piece   // what the next frame is built in, if it fits
	frame   frame
	head    []byte     // scratch
	taken   []*request // scratch
}

func (c *committer) init(l *Log) {
	c.log = l
	c.number = 1
	c.closing = make(chan struct{})
	c.finished = make(chan struct{})
	c.frame.newSlot = func() uint32 {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.mu.nextSlot++
		return l.mu.nextSlot
	}
	stuck := l.options.StuckAfter
	c.watch.init(stuck, func() {
		l.fail(broken("the disk of the log hangs: a commit has taken more than %v", stuck))
	})
}

// run is the goroutine. It is woken when it holds the committer.
func (c *committer) run() {
	defer close(c.finished)
	for {
		select {
		case <-c.log.wake:
		case <-c.closing:
			return
		}
		for held := true; held; held = !c.release() {
			c.commitWaiting()
			// Those just woken may have more to commit. Unless they are let run
			// first, the next commit is for a part of them, and the one after for
			// the others.
			runtime.Gosched()
		}
	}
}

// commitWaiting commits all that waits.
func (c *committer) commitWaiting() {
	l := c.log
	l.queue.Lock()
	batch := l.queue.waiting
	l.queue.waiting, c.taken = c.taken[:0], batch
	l.queue.Unlock()

	for batch = movesFirst(batch); len(batch) > 0 && l.usable() == nil; {
		n := fits(batch)
		if err := c.commit(batch[:n]); err != nil {
			l.fail(err)
		}
		batch = batch[n:]
	}
}

// release gives the committer back, unless more waits.
func (c *committer) release() bool {
	l := c.log
	l.queue.Lock()
	defer l.queue.Unlock()
	l.queue.held = len(l.queue.waiting) > 0 && l.usable() == nil
	return !l.queue.held
}

// movesFirst puts the cleaner's change, of which there is one at most, before
// all others.
func movesFirst(batch []*request) []*request {
	for i, r := range batch {
		if _, ok := r.change.(*moveEntries); ok {
			copy(batch[1:], batch[:i])
			batch[0] = r
			break
		}
	}
	return batch
}

// fits returns how many changes go in one frame, at least one.
func fits(batch []*request) int {
	bytes := batch[0].change.size()
	for i, r := range batch[1:] {
		bytes += r.change.size()
		if bytes > maxFrameBytes {
			return i + 1
		}
	}
	return len(batch)
}

// commit makes changes durable and visible, and tells those who wait.
func (c *committer) commit(batch []*request) error {
	var bytes int64
	for _, r := range batch {
		bytes += r.change.size()
	}
	c.watch.begin()
	defer c.watch.end()
	if err := c.begin(bytes); err != nil {
		return err
	}
	for i, r := range batch {
		err := r.change.encode(&c.frame)
		if err == errDestroyed {
			batch[i] = nil
			r.end(err)
		} else if err != nil {
			return err
		}
	}
	if err := c.flush(); err != nil {
		return err
	}
	for i, r := range batch {
		if r != nil {
			batch[i] = nil
			r.end(nil)
		}
	}
	return nil
}

// begin begins a frame with room for so many bytes of records, in the next
// segment if the present one is full.
func (c *committer) begin(bytes int64) error {
	if c.offset+record.FrameHeaderSize+bytes > c.limit && c.offset > 0 {
		seg, err := c.log.allocator.take()
		if err != nil {
			return err
		}
		c.enter(seg)
	}
	f := &c.frame
	if c.offset == 0 {
		c.head = c.log.mu.appendHead(c.head[:0], c.segment.seed)
		c.limit = max(c.log.options.SegmentBytes, 4*int64(len(c.head)))
		c.reserve(record.SegmentHeaderSize + record.FrameHeaderSize + int64(len(c.head)) + bytes)
		f.buf = record.AppendSegmentHeader(f.buf, c.segment.seed, c.segment.number)
	} else {
		c.head = c.head[:0]
		c.reserve(record.FrameHeaderSize + bytes)
	}
	f.header = len(f.buf)
	f.buf = append(f.buf, make([]byte, record.FrameHeaderSize)...)
	f.buf = append(f.buf, c.head...)
	return nil
}

// enter goes on to a new segment.
func (c *committer) enter(seg *segment) {
	l := c.log
	l.mu.Lock()
	l.mu.segments = append(l.mu.segments, seg)
	l.mu.Unlock()
	c.segment, c.offset, c.piece = seg, 0, nil
}

// reserve readies the frame with room for so many bytes at the present offset.
func (c *committer) reserve(bytes int64) {
	if c.piece == nil || int64(cap(c.piece.data)-len(c.piece.data)) < bytes {
		size := max(min(pieceBytes, c.log.options.SegmentBytes, c.log.options.CacheBytes/8), bytes)
		c.piece = &piece{segment: c.segment.number, start: uint32(c.offset), data: make([]byte, 0, size)}
		c.log.cache.add(c.piece)
	}
	f := &c.frame
	f.buf = c.piece.data[len(c.piece.data):]
	f.seed, f.segment, f.offset = c.segment.seed, c.segment.number, c.offset
	clear(f.effects)
	f.effects, f.places = f.effects[:0], f.places[:0]
}

// flush writes the frame, makes it durable, and lets its records take effect.
// A frame with no records is written only if it is the first of its segment.
func (c *committer) flush() error {
	f, l := &c.frame, c.log
	if len(f.buf) == f.header+record.FrameHeaderSize && c.offset > 0 {
		return nil
	}
	if len(f.buf) > cap(c.piece.data)-len(c.piece.data) {
		panic("raftlog: a change is larger than it said")
	}
	record.SealFrame(f.buf[f.header:], f.seed, c.number)
	if _, err := c.segment.file.WriteAt(f.buf, c.offset); err != nil {
		return diskFailed(err)
	}
	if l.options.Sync {
		if err := c.segment.file.Sync(); err != nil {
			return diskFailed(err)
		}
	}
	c.publish()
	return nil
}

// publish lets the records of the frame take effect.
func (c *committer) publish() {
	f, l := &c.frame, c.log
	l.cache.publish(c.piece, len(f.buf))
	c.offset += int64(len(f.buf))
	c.number++
	l.stats.frames.Add(1)
	l.stats.bytes.Add(uint64(len(f.buf)))
	l.mu.Lock()
	defer l.mu.Unlock()
	c.segment.used = c.offset
	for _, e := range f.effects {
		l.mu.apply(e)
		switch e.kind {
		case record.KindEntry:
			l.stats.entries.Add(uint64(len(e.at)))
		case record.KindMoved:
			l.stats.moved.Add(1)
		}
	}
	if l.mu.overdue() {
		notify(l.cleaner.wake)
	}
}
