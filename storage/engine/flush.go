package engine

import (
	"context"
	"errors"
	"math"
	"runtime/pprof"

	"github.com/dgraph-io/badger/v4"
)

// flusher is the one goroutine that writes to Badger, between Open and Close.
// It writes frozen deltas and makes checkpoints.
type flusher struct {
	frozen      chan struct{}   // one token when a delta was frozen for its size
	checkpoints chan chan error // who waits for one
	stop, done  chan struct{}
	err         error // of the last checkpoint, when done
}

func (e *Engine) startFlusher() {
	e.flusher = flusher{
		frozen:      make(chan struct{}, 1),
		checkpoints: make(chan chan error),
		stop:        make(chan struct{}),
		done:        make(chan struct{}),
	}
	go pprof.Do(context.Background(), pprof.Labels("roundtable", "engine flusher"), func(context.Context) {
		defer close(e.flusher.done)
		e.flusher.err = e.runFlusher()
	})
}

// runFlusher returns the error of the checkpoint that it ends with. Errors on
// the way stop the engine, and everybody else learns of them from that.
func (e *Engine) runFlusher() error {
	for {
		select {
		case <-e.flusher.frozen:
			if e.failed.Load() == nil {
				_ = e.flush()
			}
		case reply := <-e.flusher.checkpoints:
			reply <- e.checkpoint()
		case <-e.flusher.stop:
			if e.failed.Load() != nil {
				return nil
			}
			return e.checkpoint()
		}
	}
}

// freezeLocked makes the active delta the frozen one, of which there must be
// none.
func (e *Engine) freezeLocked() {
	if e.mu.frozen != nil {
		panic("engine: a delta that was not flushed would be lost")
	}
	e.mu.frozen, e.mu.active = e.mu.active, newDelta()
	e.cache.freezes.Add(1)
}

// freezeFullLocked freezes an active delta that is full, and has it flushed.
func (e *Engine) freezeFullLocked() {
	e.freezeLocked()
	select {
	case e.flusher.frozen <- struct{}{}:
	default: // a token is there, or a checkpoint is about to flush
	}
}

// flushAll writes everything to Badger that was committed before the call.
func (e *Engine) flushAll() error {
	if err := e.flush(); err != nil {
		return err
	}
	e.mu.Lock()
	// A commit may have frozen the active delta since. Then all is in there.
	if e.mu.frozen == nil && len(e.mu.active.byKey) > 0 {
		e.freezeLocked()
	}
	e.mu.Unlock()
	return e.flush()
}

// flush writes the frozen delta to Badger, if there is one. No reader sees any
// of that before all is there: then, in one step, the timestamp moves at which
// they read Badger, and the delta goes.
func (e *Engine) flush() error {
	e.mu.RLock()
	frozen := e.mu.frozen
	e.mu.RUnlock()
	if frozen == nil {
		return nil
	}
	if err := e.guardSpace(); err != nil {
		return e.fail(err)
	}
	defer e.opts.Background()()
	if err := e.writeOut(frozen); err != nil {
		return e.fail(convert("engine.flush", err))
	}
	e.mu.Lock()
	e.visible.Store(e.next - 1)
	e.mu.frozen = nil
	e.mu.Unlock()
	e.room.Broadcast()
	if e.opts.InMemory {
		e.moveDiscard(e.visible.Load())
	}
	return nil
}

// writeOut writes a delta in the order of its keys: neighbours have most of
// their way through a memtable in common, and find it in the processor's
// caches. A deletion of what Badger does not have is left out, and so is
// most of what is soon deleted again, such as outcomes and changes.
func (e *Engine) writeOut(d *delta) (err error) {
	now := e.db.NewTransactionAt(e.visible.Load(), false)
	defer now.Discard()
	out := writer{engine: e}
	defer out.discard()
	d.order.Scan(func(s *slot) bool {
		w := s.newest.Load()
		e.cache.replace(w)
		if w.deleted {
			var item *badger.Item
			item, err = now.Get([]byte(w.key))
			if errors.Is(err, badger.ErrKeyNotFound) {
				err = nil
				return true
			}
			if err == nil {
				err = e.deleted(item)
			}
		}
		if err == nil {
			err = out.write(w)
		}
		if out.txn == nil {
			e.pause()
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	return out.commit()
}

// pause lets others go first, unless the active delta fills up behind what the
// flusher does.
func (e *Engine) pause() {
	e.mu.RLock()
	urgent := e.mu.active.bytes > e.plan.delta/2
	e.mu.RUnlock()
	if !urgent {
		e.opts.Pause()
	}
}

// writerBytes is when a writer commits. It is far below what Badger's smallest
// transaction holds. Within one Badger forgets the order of keys, and a commit
// is when others get the processor.
const writerBytes = 64 << 10

// writer writes to Badger, in transactions of some size, each at the next
// timestamp. It belongs to the flusher's goroutine, or to Open.
type writer struct {
	engine *Engine
	txn    *badger.Txn
	bytes  int
}

func (o *writer) write(w *write) error {
	if o.txn == nil {
		o.txn = o.engine.db.NewTransactionAt(math.MaxUint64, true)
	}
	if err := o.set(w); err != nil {
		return err
	}
	if o.bytes += len(w.key) + len(w.value) + writeOverhead; o.bytes >= writerBytes {
		return o.commit()
	}
	return nil
}

func (o *writer) set(w *write) error {
	switch {
	case w.deleted:
		return o.txn.Delete([]byte(w.key))
	case len(w.value) < o.engine.opts.large:
		return o.txn.Set([]byte(w.key), w.value)
	}
	pointer, err := o.engine.appendValue(w.key, w.value)
	if err != nil {
		return err
	}
	return o.txn.SetEntry(badger.NewEntry([]byte(w.key), pointer).WithMeta(pointerMeta))
}

func (o *writer) commit() error {
	if o.txn == nil {
		return nil
	}
	err := o.txn.CommitAt(o.engine.next, nil)
	o.engine.next++
	o.discard()
	return err
}

func (o *writer) discard() {
	if o.txn != nil {
		o.txn.Discard()
	}
	o.txn, o.bytes = nil, 0
}
