package engine

import (
	"strings"

	"github.com/tidwall/btree"
)

// delta is what was committed since the state in Badger: the newest write of
// each key, which hides what Badger has of it. Once frozen, nothing changes it.
//
// It is kept twice over: newest finds one key in a fraction of the time that a
// tree takes, and order, whose copies are made by sharing, gives a View its
// point in time. Both hold the same writes.
type delta struct {
	newest map[string]*write
	order  *btree.BTreeG[*write]
	// copies counts the copies that were made of order.
	copies uint64
	// bytes is the memory of all writes, replaced ones included: what one
	// commit brought lies together and goes together.
	bytes int64
}

// write is a key's new value, or its deletion. The bytes of a value never
// change.
type write struct {
	key     string
	value   []byte
	deleted bool
	// copies is the delta's when the write came into order: none of the copies
	// made before holds it.
	copies uint64
}

func (w *write) result() ([]byte, error) {
	if w.deleted {
		return nil, ErrNotFound
	}
	return w.value, nil
}

// writeOverhead is about what a write takes beside its key and value: itself,
// its place in the map and in the tree, both partly empty.
const writeOverhead = 56 + 48 + 24

func newDelta() *delta {
	return &delta{
		newest: make(map[string]*write),
		order: btree.NewBTreeGOptions(func(a, b *write) bool { return a.key < b.key },
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

// apply takes in a commit of so many bytes. A write that no copy of order holds
// is changed in place: most are of keys that are written again and again,
// and their way through the tree was half the cost of a commit.
func (d *delta) apply(writes []write, bytes int64) {
	for i := range writes {
		w := &writes[i]
		if old := d.newest[w.key]; old != nil && old.copies == d.copies {
			old.value, old.deleted = w.value, w.deleted
			continue
		}
		w.copies = d.copies
		d.newest[w.key] = w
		d.order.Set(w)
	}
	d.bytes += bytes
}

// find returns the newest write of key, nil if there is none. Unless the delta is
// frozen, it may change when its lock is given up.
func (d *delta) find(key []byte) *write {
	if d == nil {
		return nil
	}
	return d.newest[string(key)]
}

// layer is the delta's part of a View: nil if it is empty, or else an order that
// does not change any more.
type layer = btree.BTreeG[*write]

// layer returns the delta as it is now. Its owner must keep others from it
// meanwhile, readers too, unless it is frozen.
func (d *delta) layer(frozen bool) *layer {
	switch {
	case d == nil || d.order.Len() == 0:
		return nil
	case frozen:
		return d.order
	default:
		d.copies++
		return d.order.Copy()
	}
}
