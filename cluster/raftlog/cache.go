package raftlog

import (
	"sort"
	"sync"
)

// location says where in the log a record lies. The zero location is nowhere.
type location struct {
	segment, offset, size uint32
}

// cache holds the tail of the log in memory, in pieces that the committer
// writes from and readers read from. A record is never changed once it is
// published, and memory is never used twice: a reader keeps what it was given.
type cache struct {
	limit int64

	mu struct {
		sync.RWMutex
		pieces []*piece // in the order of the log
		bytes  int64    // their capacity
	}
}

// piece is a stretch of one segment.
type piece struct {
	segment, start uint32
	// data is what has been published. The committer fills what lies between
	// its length and its capacity; nobody else looks there.
	data []byte
}

// end is the offset that the next byte of the piece has.
func (p *piece) end() int64 { return int64(p.start) + int64(len(p.data)) }

// add appends an empty piece and forgets the oldest ones beyond the limit.
func (c *cache) add(p *piece) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.pieces = append(c.mu.pieces, p)
	c.mu.bytes += int64(cap(p.data))
	old := 0
	for c.mu.bytes > c.limit && old < len(c.mu.pieces)-1 {
		c.mu.bytes -= int64(cap(c.mu.pieces[old].data))
		c.mu.pieces[old] = nil
		old++
	}
	c.mu.pieces = c.mu.pieces[old:]
}

// publish shows readers n more bytes of the piece.
func (c *cache) publish(p *piece, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.data = p.data[:len(p.data)+n]
}

// view returns the bytes of a record, or nil if they are not in memory.
func (c *cache) view(at location) []byte {
	c.mu.RLock()
	defer c.mu.RUnlock()
	pieces := c.mu.pieces
	i := sort.Search(len(pieces), func(i int) bool {
		p := pieces[i]
		return p.segment > at.segment || p.segment == at.segment && p.start > at.offset
	}) - 1
	if i < 0 || pieces[i].segment != at.segment {
		return nil
	}
	p, from := pieces[i], int64(at.offset)
	to := from + int64(at.size)
	if to > p.end() {
		return nil
	}
	return p.data[from-int64(p.start) : to-int64(p.start) : to-int64(p.start)]
}
