package engine

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// cache holds values of Badger that were read of late. Badger finds a key by
// some fifty reads of memory that are in no cache of the processor: 7 µs where
// a map takes a fraction of one. A put reads the item that it replaces, and did so
// on every peer, so this was the largest single cost of a put.
//
// Only what is looked for comes in, so nothing that is written and never read
// takes room. That a key is not there comes in, too.
//
// It knows nothing of commits. Readers look into the deltas first, so what is
// here may be older than what a delta has of the same key; for all other keys
// it is what Badger has. A flush gives keys that are here what it writes, before
// the delta goes, and a value that was read before the delta was frozen does not
// come in after that: it could be older than what the flush has passed over.
//
// Values are shared: nobody changes one.
type cache struct {
	seed   maphash.Seed
	shards [16]shard
	// freezes counts how often a delta was frozen.
	freezes atomic.Uint64
}

type shard struct {
	mu     sync.RWMutex
	limit  int64
	bytes  int64
	values map[string][]byte // nil for a key that is not there
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

func (c *cache) find(key []byte) (value []byte, ok bool) {
	s := c.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	value, ok = s.values[string(key)]
	return value, ok
}

// fill takes in a value that was read by one who looked into the deltas at some
// number of freezes, unless there was another since.
func (c *cache) fill(key, value []byte, freezes uint64) {
	s := c.shard(key)
	size := entrySize(len(key), len(value))
	if len(value) > maxCached || size > s.limit {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.values[string(key)]; ok || c.freezes.Load() != freezes {
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

// replace gives the key of a write its new value, if it is here.
func (c *cache) replace(w *write) {
	s := &c.shards[maphash.String(c.seed, w.key)%uint64(len(c.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.values[w.key]
	if !ok {
		return
	}
	s.bytes -= entrySize(len(w.key), len(old))
	if len(w.value) > maxCached {
		delete(s.values, w.key)
		return
	}
	var value []byte
	if !w.deleted {
		// A copy: the write's memory is that of a whole commit.
		value = append([]byte{}, w.value...)
	}
	s.values[w.key] = value
	s.bytes += entrySize(len(w.key), len(value))
	s.makeRoomLocked()
}

func entrySize(key, value int) int64 { return int64(key + value + entryOverhead) }
