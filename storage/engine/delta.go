package engine

import (
	"strings"
	"sync/atomic"

	"github.com/tidwall/btree"
)

// delta is what was committed since the state in Badger: the newest write of
// each key, which hides what Badger has of it. Once frozen, nothing changes it.
//
// It is kept twice over: byKey finds one key in a fraction of the time that a
// tree takes, and order, whose copies are made by sharing, lets a View walk over
// the keys that there were. Both hold the same slots.
type delta struct {
	byKey map[string]*slot
	order *btree.BTreeG[*slot]
	// commits counts what was applied, and viewed is how many there were when
	// the last View was opened.
	commits, viewed uint64
	// bytes is the memory of all writes, replaced ones included: what one
	// commit brought lies together and goes together.
	bytes int64
}

// slot is the place of a key. It stays where it is when the key is written
// again: the way through a tree is by some fifteen comparisons that each miss
// the processor's caches, and most writes are of keys that are there.
type slot struct {
	key string
	// newest is replaced under the delta's lock, and read by views without.
	newest atomic.Pointer[write]
}

// write is a key's new value, or its deletion. Nothing of it ever changes.
type write struct {
	key     string
	value   []byte
	deleted bool
	// commit is the number of the commit that brought it.
	commit uint64
	// older is the newest write before this one that a View may see.
	older *write
}

// result is what the write left, which is not nil, or ErrNotFound.
func (w *write) result() ([]byte, error) {
	if w.deleted {
		return nil, ErrNotFound
	}
	return w.value, nil
}

// writeOverhead is about what a write takes beside its key and value: itself,
// its slot, and its place in the map and in the tree, both partly empty.
const writeOverhead = 64 + 24 + 48 + 24

func newDelta() *delta {
	return &delta{
		byKey: make(map[string]*slot),
		order: btree.NewBTreeGOptions(func(a, b *slot) bool { return a.key < b.key },
			btree.Options{NoLocks: true}),
	}
}

// copyWrites returns what batches hold, in memory of its own, and how much that
// takes. It is a few large pieces instead of three for each write: cheaper to
// make and less for the garbage collector to follow.
func copyWrites(batches []*Batch) (writes []write, bytes int64) {
	var n, size, keySize int
	for _, b := range batches {
		n += len(b.ops)
		size += len(b.buf)
		for _, op := range b.ops {
			keySize += op.split - op.start
		}
	}
	if n == 0 {
		return nil, 0
	}
	var keys strings.Builder
	keys.Grow(keySize)
	for _, b := range batches {
		for _, op := range b.ops {
			keys.Write(b.key(op))
		}
	}
	rest := keys.String()
	values := make([]byte, 0, size-keySize) // not nil, so that an empty value is not nil either
	writes = make([]write, 0, n)
	for _, b := range batches {
		for _, op := range b.ops {
			start := len(values)
			values = append(values, b.value(op)...)
			writes = append(writes, write{
				key: rest[:op.split-op.start], value: values[start:len(values):len(values)], deleted: op.deleted,
			})
			rest = rest[op.split-op.start:]
		}
	}
	// Go rounds what it gives out up, by an eighth at most.
	return writes, int64(size + size/8 + n*writeOverhead)
}

// apply takes in a commit of so many bytes. It keeps what it replaces only where
// a View may need it.
func (d *delta) apply(writes []write, bytes int64) {
	d.commits++
	for i := range writes {
		w := &writes[i]
		w.commit = d.commits
		s := d.byKey[w.key]
		if s == nil {
			s = &slot{key: w.key}
			d.byKey[w.key] = s
			d.order.Set(s)
		} else if old := s.newest.Load(); old.commit <= d.viewed {
			w.older = old
		} else {
			w.older = old.older // no View was opened since old came
		}
		s.newest.Store(w)
	}
	d.bytes += bytes
}

// find returns the newest write of key, nil if there is none.
func (d *delta) find(key []byte) *write {
	if d == nil {
		return nil
	}
	if s := d.byKey[string(key)]; s != nil {
		return s.newest.Load()
	}
	return nil
}

// layer is a delta as it was after some commits.
type layer struct {
	order   *btree.BTreeG[*slot]
	commits uint64
}

// layer returns the delta as it is now, nil if it is empty. Its owner must keep
// others from it meanwhile, readers too, unless it is frozen.
func (d *delta) layer(frozen bool) *layer {
	switch {
	case d == nil || d.order.Len() == 0:
		return nil
	case frozen:
		return &layer{order: d.order, commits: d.commits}
	default:
		d.viewed = d.commits
		return &layer{order: d.order.Copy(), commits: d.commits}
	}
}

// at returns the newest write of a slot of the layer that the layer knows of.
// There is one, or the slot would not be in it.
func (l *layer) at(s *slot) *write {
	w := s.newest.Load()
	for w.commit > l.commits {
		w = w.older
	}
	return w
}
