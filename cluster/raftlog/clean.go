package raftlog

import (
	"cmp"
	"slices"
	"sync"
)

const (
	// freeSegments is how many segments of dead records are not worth the work
	// of moving what is live.
	freeSegments = 4
	// nearlyDead is how many times what is live a segment has to hold for moving
	// that to be next to nothing.
	nearlyDead = 32
	// moveBytes is how much the cleaner moves in one frame.
	moveBytes = 512 << 10
)

// cleaner frees the oldest segments.
type cleaner struct {
	log  *Log
	wake chan struct{}
	quit chan struct{}
	done sync.WaitGroup

	// cleaning is the segment that is being cleaned, or 0; the entries that it
	// has of groups with slots before moved have been moved.
	cleaning uint32
	moved    uint32
}

func (c *cleaner) init(l *Log) {
	c.log = l
	c.wake = make(chan struct{}, 1)
	c.quit = make(chan struct{})
}

// start cleans whenever it is woken.
func (c *cleaner) start() {
	notify(c.wake)
	c.done.Go(func() {
		for {
			select {
			case <-c.wake:
			case <-c.quit:
				return
			}
			for !c.stopped() && c.clean() {
			}
		}
	})
}

func (c *cleaner) stopped() bool {
	select {
	case <-c.quit:
		return true
	default:
		return c.log.usable() != nil
	}
}

// stop ends the goroutine and waits for it.
func (c *cleaner) stop() {
	close(c.quit)
	c.done.Wait()
}

// overdue says whether the oldest segment is to be freed: because
// nothing in it is live, or next to nothing, as where one group has all the work
// and others hold a few entries; or because the closed segments are more than three
// times what is live and some. Moving then frees at least twice what it
// writes, and the log is bounded by what its groups keep.
func (s *state) overdue() bool {
	if len(s.segments) < 2 {
		return false
	}
	oldest := s.segments[0]
	if oldest.live == 0 {
		return true
	}
	if len(s.segments) <= freeSegments {
		return false
	}
	if oldest.live*nearlyDead <= oldest.used {
		return true
	}
	var closed, largest int64
	for _, seg := range s.segments[:len(s.segments)-1] {
		closed += seg.used
		largest = max(largest, seg.used)
	}
	return closed > 3*s.live+freeSegments*largest
}

// clean takes one step to free the oldest segment, and says whether it did.
func (c *cleaner) clean() bool {
	l := c.log
	l.mu.RLock()
	if !l.mu.overdue() {
		l.mu.RUnlock()
		return false
	}
	oldest := l.mu.segments[0]
	empty := oldest.live == 0
	l.mu.RUnlock()
	if empty {
		if err := c.free(oldest); err != nil {
			l.fail(err)
			return false
		}
		return true
	}
	if c.cleaning != oldest.number {
		c.cleaning, c.moved = oldest.number, 0
	}
	moves, err := c.collect(oldest)
	if err == nil && len(moves.moves) == 0 {
		err = c.verifyEmpty(oldest)
	}
	if err != nil {
		l.fail(err)
		return false
	}
	if len(moves.moves) > 0 && l.submit(moves) != nil {
		c.cleaning = 0 // they have not been moved
		return false
	}
	return true
}

// verifyEmpty checks that a segment of which no group has entries has none
// that are live.
func (c *cleaner) verifyEmpty(seg *segment) error {
	c.log.mu.RLock()
	defer c.log.mu.RUnlock()
	if seg.live != 0 {
		return broken("segment %d has %d live bytes, but no group has entries in it", seg.number, seg.live)
	}
	return nil
}

// free drops a segment of which nothing is live. Readers that are about to
// read from it find that their entry is no longer there.
func (c *cleaner) free(seg *segment) error {
	l := c.log
	l.mu.Lock()
	l.mu.segments = slices.Clone(l.mu.segments[1:])
	l.mu.Unlock()
	size, err := seg.file.Size()
	if err != nil {
		return diskFailed(err)
	}
	if err := seg.file.Close(); err != nil {
		return diskFailed(err)
	}
	return l.allocator.recycle(seg.name, size)
}

// collect reads live entries of a segment, up to moveBytes of them, in the
// order of their slots.
func (c *cleaner) collect(seg *segment) (*moveEntries, error) {
	m := &moveEntries{}
	groups := c.log.Groups()
	slices.SortFunc(groups, func(a, b *GroupLog) int { return cmp.Compare(a.slot, b.slot) })
	for _, g := range groups {
		if g.slot < c.moved {
			continue
		}
		c.moved = g.slot
		for _, at := range g.within(seg.number) {
			raw, _, err := c.log.readRecord(at.location)
			if err != nil {
				if now, _, gone := g.locate(at.index); gone != nil || now != at.location {
					continue
				}
				return nil, err
			}
			m.moves = append(m.moves, move{group: g, index: at.index, from: at.location, raw: raw})
			if m.bytes += int64(len(raw)); m.bytes >= moveBytes {
				return m, nil
			}
		}
	}
	return m, nil
}

// indexed is an entry and where it is.
type indexed struct {
	index uint64
	location
}

// within returns the entries that are in a segment, up to moveBytes of them.
func (g *GroupLog) within(segment uint32) []indexed {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var found []indexed
	var bytes int64
	for i, at := range g.mu.at {
		if at.segment == segment {
			found = append(found, indexed{g.mu.first + uint64(i), at})
			if bytes += int64(at.size); bytes >= moveBytes {
				break
			}
		}
	}
	return found
}
