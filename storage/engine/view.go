package engine

import (
	"bytes"

	"github.com/dgraph-io/badger/v4"
)

// View is the store as it was when View was called. It is not safe for
// concurrent use, and must be closed: until then, what it sees is kept.
type View struct {
	engine *Engine
	txn    *badger.Txn
	ts     uint64
	closed bool
}

// View opens a view of the newest commit. On a closed engine, every call on
// the view returns ErrClosed.
func (e *Engine) View() *View {
	if err := e.acquire(); err != nil {
		return &View{engine: e, closed: true}
	}
	// The lock makes reading visible and registering it one step: discarding,
	// under the same lock, sees the view or is not beyond it.
	e.mu.Lock()
	ts := e.visible.Load()
	e.mu.views[ts]++
	e.mu.Unlock()
	return &View{engine: e, txn: e.db.NewTransactionAt(ts, false), ts: ts}
}

// Close ends the view. Its iterators must be closed before.
func (v *View) Close() {
	if v.closed {
		return
	}
	v.closed = true
	v.txn.Discard()
	e := v.engine
	e.mu.Lock()
	if e.mu.views[v.ts]--; e.mu.views[v.ts] == 0 {
		delete(e.mu.views, v.ts)
	}
	e.mu.Unlock()
	e.release()
}

// Get returns a copy of the value at key, or ErrNotFound.
func (v *View) Get(key []byte) ([]byte, error) {
	if v.closed {
		return nil, ErrClosed
	}
	return get(v.txn, key)
}

// Iterate returns an iterator over the keys in [lo, hi), from the greatest down
// if reverse is set. A nil hi means no end.
func (v *View) Iterate(lo, hi []byte, reverse bool) *Iterator {
	if v.closed {
		return &Iterator{err: ErrClosed}
	}
	if hi == nil {
		hi = []byte{reserved}
	}
	// The prefix lets Badger leave out tables.
	opts := badger.IteratorOptions{Reverse: reverse, Prefix: lo[:commonPrefix(lo, hi)]}
	return &Iterator{it: v.txn.NewIterator(opts), lo: lo, hi: hi, reverse: reverse}
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
type Iterator struct {
	it      *badger.Iterator
	lo, hi  []byte
	reverse bool
	started bool
	err     error
}

// Next moves to the next key and reports whether there is one.
func (i *Iterator) Next() bool {
	if i.err != nil || i.it == nil {
		return false
	}
	if i.started {
		i.it.Next()
	} else {
		i.seek()
	}
	if !i.it.Valid() {
		return false
	}
	key := i.it.Item().Key()
	if i.reverse {
		return bytes.Compare(key, i.lo) >= 0
	}
	return bytes.Compare(key, i.hi) < 0
}

// seek finds the first key. In reverse, Badger looks for a key up to and
// including the one given, so that hi itself must be passed over.
func (i *Iterator) seek() {
	i.started = true
	if !i.reverse {
		i.it.Seek(i.lo)
		return
	}
	i.it.Seek(i.hi)
	if i.it.Valid() && bytes.Equal(i.it.Item().Key(), i.hi) {
		i.it.Next()
	}
}

// Key is the current key. It is valid until the next call of Next.
func (i *Iterator) Key() []byte { return i.it.Item().Key() }

// Value is the current value. It is valid until the next call of Next.
func (i *Iterator) Value() ([]byte, error) {
	var value []byte
	err := i.it.Item().Value(func(v []byte) error {
		value = v
		return nil
	})
	return value, convert("engine.Iterate", err)
}

// Err is what ended the iteration early, nil if nothing did.
func (i *Iterator) Err() error { return i.err }

// Close ends the iteration.
func (i *Iterator) Close() {
	if i.it != nil {
		i.it.Close()
	}
}
