package workload

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Keys are the numbers of a table's items: those that it is filled with, and
// those that are inserted later. They are for all clients together.
type Keys struct {
	loaded  uint64
	zipfian *zipfian
	spread  spread

	// written is how many keys there are from 0 without a gap.
	written atomic.Uint64

	mu struct {
		sync.Mutex
		next  uint64              // the first that nobody has inserted
		ahead map[uint64]struct{} // inserted, but not yet part of written
		again []uint64            // whose insert has failed
	}
}

// NewKeys returns the keys of a table that is filled with so many items.
func NewKeys(loaded int) *Keys {
	n := uint64(loaded)
	k := &Keys{loaded: n, zipfian: newZipfian(n), spread: newSpread(n)}
	k.written.Store(n)
	k.mu.next = n
	k.mu.ahead = map[uint64]struct{}{}
	return k
}

func (k *Keys) uniform(r *rand.Rand) uint64 { return r.Uint64N(k.loaded) }

// popular chooses by Zipf's law. The popular keys are spread over all, or they
// would share a partition wherever keys are kept in order.
func (k *Keys) popular(r *rand.Rand) uint64 { return k.spread.of(k.zipfian.next(r)) }

// latest chooses by Zipf's law of age: the item written last is read most.
func (k *Keys) latest(r *rand.Rand) uint64 {
	return k.written.Load() - 1 - k.zipfian.next(r)
}

// insert returns a key to insert. Inserted must be told what came of it.
func (k *Keys) insert() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.mu.again); n > 0 {
		key := k.mu.again[n-1]
		k.mu.again = k.mu.again[:n-1]
		return key
	}
	k.mu.next++
	return k.mu.next - 1
}

// Inserted says whether the insert of a key has succeeded. One that has not is
// tried again, so that a reader of the latest finds no gap.
func (k *Keys) Inserted(key uint64, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !ok {
		k.mu.again = append(k.mu.again, key)
		return
	}
	k.mu.ahead[key] = struct{}{}
	written := k.written.Load()
	for {
		if _, there := k.mu.ahead[written]; !there {
			break
		}
		delete(k.mu.ahead, written)
		written++
	}
	k.written.Store(written)
}
