package engine

import (
	"bytes"

	"github.com/dgraph-io/badger/v4"
	"github.com/tidwall/btree"
)

// Iterate returns an iterator over the keys in [lo, hi), from the greatest down
// if reverse is set. A nil hi means no end.
func (v *View) Iterate(lo, hi []byte, reverse bool) *Iterator {
	if v.closed {
		return &Iterator{err: ErrClosed}
	}
	if hi == nil {
		hi = []byte{reserved}
	}
	i := &Iterator{engine: v.engine, lo: lo, hi: hi, reverse: reverse}
	for _, l := range v.layers {
		c := &cursor{layer: l}
		if c.seek(i); c.at != nil {
			i.cursors = append(i.cursors, c)
		}
	}
	// The prefix lets Badger leave out tables.
	opts := badger.IteratorOptions{Reverse: reverse, Prefix: lo[:commonPrefix(lo, hi)]}
	i.base = v.txn.NewIterator(opts)
	return i
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// Iterator walks over a range of keys. It begins before the first.
//
//	it := view.Iterate(lo, hi, false)
//	defer it.Close()
//	for it.Next() { … it.Key() … }
//	return it.Err()
//
// It merges Badger's iterator with a cursor in each layer that has anything
// in the range; mostly none has, and then it is Badger's alone.
type Iterator struct {
	engine  *Engine
	lo, hi  []byte
	reverse bool
	err     error

	base *badger.Iterator
	// inBase says that base stands at a key of the range.
	inBase  bool
	started bool
	cursors []*cursor // the newest layer first
	// current is the write that the iterator stands at, nil if it stands where
	// base does.
	current *write
	key     []byte // memory for Key
}

// Next moves to the next key and reports whether there is one.
func (i *Iterator) Next() bool {
	if i.err != nil || i.base == nil {
		return false
	}
	if len(i.cursors) == 0 {
		i.nextBase()
		return i.inBase
	}
	for i.step() {
		if i.current == nil || !i.current.deleted {
			return true
		}
	}
	return false
}

// step moves to the next key that any source has, as the newest of them has
// it.
func (i *Iterator) step() bool {
	if !i.started {
		i.nextBase()
	} else {
		i.leave()
	}
	i.current = nil
	for _, c := range i.cursors {
		switch {
		case c.at == nil:
		case i.current == nil,
			i.reverse && c.at.key > i.current.key,
			!i.reverse && c.at.key < i.current.key:
			i.current = c.at
		}
	}
	if i.current != nil && i.inBase {
		key := i.base.Item().Key()
		if i.reverse && string(key) > i.current.key || !i.reverse && string(key) < i.current.key {
			i.current = nil
		}
	}
	return i.current != nil || i.inBase
}

// leave moves every source on that stands at the current key.
func (i *Iterator) leave() {
	if i.current == nil {
		// No cursor stands there, or it would be current.
		i.nextBase()
		return
	}
	if i.inBase && string(i.base.Item().Key()) == i.current.key {
		i.nextBase()
	}
	for _, c := range i.cursors {
		if c.at != nil && c.at.key == i.current.key {
			c.next(i)
		}
	}
}

func (i *Iterator) nextBase() {
	switch {
	case !i.started:
		i.started = true
		i.seekBase()
	case i.inBase:
		i.base.Next()
	}
	i.inBase = i.base.Valid()
	if !i.inBase {
		return
	}
	key := i.base.Item().Key()
	if i.reverse {
		i.inBase = bytes.Compare(key, i.lo) >= 0
	} else {
		i.inBase = bytes.Compare(key, i.hi) < 0
	}
}

// seekBase finds the first key. In reverse, Badger looks for a key up to and
// including the one given, so that hi itself must be passed over.
func (i *Iterator) seekBase() {
	if !i.reverse {
		i.base.Seek(i.lo)
		return
	}
	i.base.Seek(i.hi)
	if i.base.Valid() && bytes.Equal(i.base.Item().Key(), i.hi) {
		i.base.Next()
	}
}

// Key is the current key. It is valid until the next call of Next.
func (i *Iterator) Key() []byte {
	if i.current == nil {
		return i.base.Item().Key()
	}
	i.key = append(i.key[:0], i.current.key...)
	return i.key
}

// Value is the current value. It is valid until the next call of Next.
func (i *Iterator) Value() ([]byte, error) {
	if i.current != nil {
		return i.current.value, nil
	}
	return i.engine.valueOf("engine.Iterate", i.base.Item())
}

// Err is what ended the iteration early, nil if nothing did.
func (i *Iterator) Err() error { return i.err }

// Close ends the iteration.
func (i *Iterator) Close() {
	if i.base != nil {
		i.base.Close()
	}
}

// cursor walks over the part of a layer that is in an iterator's range.
type cursor struct {
	layer *layer
	iter  btree.IterG[*slot]
	at    *write // nil after the last
}

// seek finds the first write.
func (c *cursor) seek(i *Iterator) {
	c.iter.Init(c.layer.order, false)
	if !i.reverse {
		c.settle(c.iter.Seek(&slot{key: string(i.lo)}), i)
		return
	}
	if c.iter.Seek(&slot{key: string(i.hi)}) {
		c.settle(c.iter.Prev(), i)
	} else {
		c.settle(c.iter.Last(), i)
	}
}

func (c *cursor) next(i *Iterator) {
	if i.reverse {
		c.settle(c.iter.Prev(), i)
	} else {
		c.settle(c.iter.Next(), i)
	}
}

// settle sets at if the tree's iterator stands at a key of the range.
func (c *cursor) settle(found bool, i *Iterator) {
	c.at = nil
	if !found {
		return
	}
	s := c.iter.Item()
	if i.reverse && s.key >= string(i.lo) || !i.reverse && s.key < string(i.hi) {
		c.at = c.layer.at(s)
	}
}
