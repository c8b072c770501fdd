package memfs

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	pageBytes = 4 << 10
	// sectorBytes is what a disk writes whole or not at all.
	sectorBytes = 512
)

// pages is the memory of a file; a page never written to is nil.
type pages [][]byte

func (p *pages) write(b []byte, at int64) {
	for len(b) > 0 {
		page, from := at/pageBytes, at%pageBytes
		for int64(len(*p)) <= page {
			*p = append(*p, nil)
		}
		if (*p)[page] == nil {
			(*p)[page] = make([]byte, pageBytes)
		}
		n := copy((*p)[page][from:], b)
		b, at = b[n:], at+int64(n)
	}
}

func (p pages) read(b []byte, at int64) {
	for len(b) > 0 {
		page, from := at/pageBytes, at%pageBytes
		n := min(int64(len(b)), pageBytes-from)
		if page < int64(len(p)) && p[page] != nil {
			copy(b[:n], p[page][from:])
		} else {
			clear(b[:n])
		}
		b, at = b[n:], at+n
	}
}

func (p pages) clone() pages {
	c := make(pages, len(p))
	for i, page := range p {
		if page != nil {
			c[i] = append([]byte(nil), page...)
		}
	}
	return c
}

// content is what a file holds, whatever its names.
type content struct {
	tracked bool

	mu   sync.RWMutex
	now  pages
	size int64
	// durable is what the disk holds for certain; unsynced is what was written
	// since, in order.
	durable     pages
	durableSize int64
	unsynced    []written
}

// written is one call of WriteAt.
type written struct {
	at    int64
	bytes []byte
}

func (c *content) readAt(b []byte, at int64) (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n := max(0, min(int64(len(b)), c.size-at))
	c.now.read(b[:n], at)
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (c *content) writeAt(b []byte, at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.write(b, at)
	c.size = max(c.size, at+int64(len(b)))
	if c.tracked {
		c.unsynced = append(c.unsynced, written{at, append([]byte(nil), b...)})
	}
}

func (c *content) sync() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.unsynced {
		c.durable.write(w.bytes, w.at)
	}
	c.unsynced, c.durableSize = nil, c.size
}

func (c *content) allocate(size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size, c.durableSize = size, size
}

func (c *content) clone() *content {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return &content{
		tracked: c.tracked,
		now:     c.now.clone(), size: c.size,
		durable: c.durable.clone(), durableSize: c.durableSize,
		unsynced: slices.Clone(c.unsynced),
	}
}

// forget is what a failed sync may do: what was written stays in memory, and
// will not reach the disk.
func (c *content) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unsynced = nil
}

// flip changes a bit.
func (c *content) flip(bit int64) error {
	var b [1]byte
	if _, err := c.readAt(b[:], bit/8); err != nil {
		return err
	}
	b[0] ^= 1 << (bit % 8)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.write(b[:], bit/8)
	if c.tracked {
		c.durable.write(b[:], bit/8)
	}
	return nil
}

// lose returns the content after a loss of power: of what was not synced all,
// nothing, the beginning, or any of the sectors.
func (c *content) lose(random *rand.Rand) *content {
	c.mu.RLock()
	defer c.mu.RUnlock()
	after := &content{tracked: true, durable: c.durable.clone(), durableSize: c.durableSize}
	kept := 0.0
	switch random.IntN(4) {
	case 0:
	case 1:
		kept = 1
	default:
		kept = random.Float64()
	}
	prefix := kept > 0 && kept < 1 && random.IntN(2) == 0
	for _, w := range c.unsynced {
		for len(w.bytes) > 0 {
			n := min(int64(len(w.bytes)), sectorBytes-w.at%sectorBytes)
			if random.Float64() < kept || kept == 1 {
				after.durable.write(w.bytes[:n], w.at)
				after.durableSize = max(after.durableSize, w.at+n)
			} else if prefix {
				kept = 0
			}
			w.bytes, w.at = w.bytes[n:], w.at+n
		}
	}
	after.now, after.size = after.durable.clone(), after.durableSize
	return after
}

// file is an open file.
type file struct {
	fs      *FS
	name    string // when it was opened
	content *content
	closed  atomic.Bool
}

// before checks that an operation may go on.
func (f *file) before(kind Kind, offset, size int64) error {
	if f.closed.Load() {
		return &fs.PathError{Op: string(kind), Path: f.name, Err: fs.ErrClosed}
	}
	return f.fs.before(Op{Kind: kind, Name: f.name, Offset: offset, Size: size})
}

func (f *file) ReadAt(b []byte, at int64) (int, error) {
	if err := f.before(Read, at, int64(len(b))); err != nil {
		return 0, err
	}
	return f.content.readAt(b, at)
}

func (f *file) WriteAt(b []byte, at int64) (int, error) {
	if err := f.before(Write, at, int64(len(b))); err != nil {
		return 0, err
	}
	f.content.writeAt(b, at)
	return len(b), nil
}

func (f *file) Sync() error {
	if err := f.before(Sync, 0, 0); err != nil {
		f.content.forget()
		return err
	}
	f.content.sync()
	return nil
}

func (f *file) Allocate(size int64, _ func()) error {
	if err := f.before(Allocate, 0, size); err != nil {
		return err
	}
	f.content.allocate(size)
	return nil
}

func (f *file) Size() (int64, error) {
	f.content.mu.RLock()
	defer f.content.mu.RUnlock()
	return f.content.size, nil
}

func (f *file) Close() error {
	f.closed.Store(true)
	return nil
}
