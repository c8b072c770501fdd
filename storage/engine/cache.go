package engine

import (
	"hash/maphash"
	"sync"
)

// cache holds values that were read of late, each as the newest commit left
// it. Badger finds a key in a memtable of tens of megabytes by some fifty reads
// of memory that are in no cache of the processor: 7 µs where a map takes a
// fraction of one. A put reads the item that it replaces on every peer, so this
// was the largest single cost of a put.
//
// Only what is looked for comes in, so nothing that is written and never read
// takes room. That a key is not there comes in, too: so an item that is put for
// the first time, which is looked for first, is here from then on. A commit replaces what is here, under the locks of all shards and
// together with Engine.visible: whoever has seen a commit, here or in a View,
// finds nothing older here afterwards.
//
// Values are shared: nobody changes one.
type cache struct {
	seed   maphash.Seed
	shards [16]shard
}

type shard struct {
	mu     sync.RWMutex
	limit  int64
	bytes  int64
	values map[string][]byte // nil for a key that is not there
	// commits counts commits, so that a value read before one does not come in
	// after it.
	commits uint64
}

const (
	// maxCached is the longest value that is kept.
	maxCached = 16 << 10
	// entryOverhead is about what the map takes for an entry.
	entryOverhead = 64
)

func (c *cache) init(limit int64) {
	c.seed = maphash.MakeSeed()
	for i := range c.shards {
		c.shards[i].limit = limit / int64(len(c.shards))
		c.shards[i].values = make(map[string][]byte)
	}
}

func (c *cache) shard(key []byte) *shard {
	return &c.shards[maphash.Bytes(c.seed, key)%uint64(len(c.shards))]
}

// find returns a value, or else what fill must be told if the value is then
// read from Badger.
func (s *shard) find(key []byte) (value []byte, commits uint64, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	value, ok = s.values[string(key)]
	return value, s.commits, ok
}

// fill takes in a value that was read after find, unless there was a commit
// since.
func (s *shard) fill(key, value []byte, commits uint64) {
	size := entrySize(len(key), len(value))
	if len(value) > maxCached || size > s.limit {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.values[string(key)]; ok || s.commits != commits {
		return
	}
	s.bytes += size
	s.makeRoomLocked()
	s.values[string(key)] = value
}

// makeRoomLocked drops values, whichever come first: a map is gone through from
// a random place on.
func (s *shard) makeRoomLocked() {
	if s.bytes <= s.limit {
		return
	}
	for key, value := range s.values {
		s.bytes -= entrySize(len(key), len(value))
		delete(s.values, key)
		if s.bytes <= s.limit {
			return
		}
	}
}

// commit makes a commit seen: show does that for Badger's readers.
func (c *cache) commit(batches []*Batch, show func()) {
	for i := range c.shards {
		c.shards[i].mu.Lock()
	}
	show()
	for _, b := range batches {
		for _, op := range b.ops {
			c.shard(b.key(op)).replaceLocked(b, op)
		}
	}
	for i := range c.shards {
		c.shards[i].commits++
		c.shards[i].mu.Unlock()
	}
}

// replaceLocked gives a key that is here its new value.
func (s *shard) replaceLocked(b *Batch, op operation) {
	key := b.key(op)
	old, ok := s.values[string(key)]
	if !ok {
		return
	}
	s.bytes -= entrySize(len(key), len(old))
	var value []byte
	if !op.deleted {
		// The batch's memory is used again.
		value = append([]byte{}, b.value(op)...)
	}
	if len(value) > maxCached {
		delete(s.values, string(key))
		return
	}
	s.values[string(key)] = value
	s.bytes += entrySize(len(key), len(value))
	s.makeRoomLocked()
}

func entrySize(key, value int) int64 { return int64(key + value + entryOverhead) }
