package engine

import (
	"bytes"

	"github.com/dgraph-io/badger/v4"
)

// View is the store as it was when View was called. It is not safe for
// concurrent use, and must be closed: until then, what it sees is kept, on the
// disk and in memory.
type View struct {
	engine *Engine
	// layers are of the deltas, the newest first. Each hides what is below.
	layers []*layer
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
	v := &View{engine: e}
	// The lock makes reading visible and registering it one step: discarding,
	// under the same lock, sees the view or is not beyond it.
	e.views.Lock()
	e.mu.Lock()
	v.ts = e.visible.Load()
	for _, l := range [...]*layer{e.mu.active.layer(false), e.mu.frozen.layer(true)} {
		if l != nil {
			v.layers = append(v.layers, l)
		}
	}
	e.mu.Unlock()
	e.views.open[v.ts]++
	e.views.Unlock()
	v.txn = e.db.NewTransactionAt(v.ts, false)
	return v
}

// Close ends the view. Its iterators must be closed before.
func (v *View) Close() {
	if v.closed {
		return
	}
	v.closed = true
	v.txn.Discard()
	v.layers = nil
	e := v.engine
	e.views.Lock()
	if e.views.open[v.ts]--; e.views.open[v.ts] == 0 {
		delete(e.views.open, v.ts)
	}
	e.views.Unlock()
	e.release()
}

// Get returns a copy of the value at key, or ErrNotFound.
func (v *View) Get(key []byte) ([]byte, error) {
	if v.closed {
		return nil, ErrClosed
	}
	for _, l := range v.layers {
		if s, ok := l.order.Get(&slot{key: string(key)}); ok {
			value, err := l.at(s).result()
			return bytes.Clone(value), err
		}
	}
	return v.engine.get(v.txn, key)
}
