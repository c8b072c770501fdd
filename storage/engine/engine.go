// Package engine is the node's key-value store: one Badger for the state of
// all partitions of a node, and the only package that imports Badger.
//
// It promises four things to package machine, and knows nothing of what the
// keys mean.
//
//   - Commit is atomic and visible when it returns, whatever its size.
//   - A View sees the same state for as long as it is open.
//   - Commits are not durable. Checkpoint makes everything durable that was
//     committed before it was called.
//   - Whatever ended the process, Open returns exactly the state of the last
//     checkpoint. Every partition then resumes from its Raft log, which is kept
//     for as long as a checkpoint does not cover it.
//
// # How
//
// The state is what Badger holds at one timestamp, visible, and on top of it
// deltas in memory: the newest write of each key that was committed since.
//
//	Commit ──► active delta ──freeze──► frozen delta ──flush──► Badger ──Checkpoint──► synced
//	                                                       └──► value log ──┘
//
// Large values go to a value log, and Badger holds pointers to them: in Badger
// each would be copied into a memtable and its log, into a table, and again by
// compactions.
//
// A commit costs no more than that its writes are copied into the active delta.
// When that is full, or a checkpoint is asked for, it is frozen and another
// takes its place. The flusher, the only goroutine that writes to Badger, writes
// the frozen delta in the order of its keys, in transactions at growing
// timestamps; then, in one step, visible moves to the last of them and the delta
// goes. What is overwritten or deleted between two flushes never reaches Badger:
// a partition's Meta, most outcomes and changes.
//
// Nothing is lost by this: what no checkpoint covers is taken back by Open in
// any case. It may have reached the disk wholly, in part, or with holes (a
// crash in the midst of a flush; after a power cut an older memtable's log can
// be shorter than a newer one's is complete). The file CHECKPOINT holds the
// timestamp up to which everything is durable, and Badger may not discard what a
// reader at that timestamp sees.
//
// Memory is bounded: while a delta is flushed and the next one is full, Commit
// waits. An open View keeps what it sees of the deltas.
//
// An error of the disk is fatal, in a flush as elsewhere: it is reported once
// through Options.Fatal, and every later call that writes returns it.
package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"

	"github.com/roundtabledb/roundtable/storage/engine/valuelog"
)

// Errors to compare with errors.Is.
var (
	// ErrNotFound says that there is no such key.
	ErrNotFound = errors.New("engine: key not found")
	// ErrClosed says that the engine was closed.
	ErrClosed = errors.New("engine: closed")
	// ErrDiskFull says that so little space is left that the next write to a
	// mapped file could kill the process. The node must stop first.
	ErrDiskFull = errors.New("engine: the disk is almost full")
)

// Limits of what a Batch may hold.
const (
	// MaxKeySize is the longest key. A key is not empty and does not begin with
	// 0xff.
	MaxKeySize = 16 << 10
	// MaxValueSize is the longest value. Badger's own value log is never used: its
	// collector may leave pointers on the disk to values that are not there yet.
	MaxValueSize = 1<<20 - 1
)

// Engine is an open store. It is safe for concurrent use.
type Engine struct {
	opts Options
	db   *badger.DB
	// plan is what the memory budget and the machine came to.
	plan plan

	mu struct {
		sync.RWMutex
		active *delta
		frozen *delta // nil while nothing is to be flushed
	}
	// room is where Commit waits for the frozen delta to go. Its lock is mu.
	room *sync.Cond
	// visible is the timestamp at which Badger is read. It moves under mu,
	// together with the frozen delta that goes.
	visible atomic.Uint64

	// values is the value log, nil for a store in memory. The flusher's goroutine
	// owns it, everybody reads.
	values *valuelog.Log
	// cache holds what was read of late.
	cache cache
	// unsure is how many bytes were committed since the free space was last
	// looked at.
	unsure atomic.Int64

	// views is the timestamps of open views, and is locked before mu.
	views struct {
		sync.Mutex
		open map[uint64]int
	}
	// discarded is the timestamp up to which Badger may drop versions that a
	// newer one, also up to it, has replaced.
	discarded atomic.Uint64

	// What follows belongs to the flusher's goroutine. next and durable are the
	// timestamps of the next transaction and of the last checkpoint.
	flusher   flusher
	next      uint64
	durable   uint64
	collector collector

	failed  atomic.Pointer[error]
	refs    atomic.Int64
	closing atomic.Bool
	idle    chan struct{} // one token when refs came to 0 while closing
}

// Open opens the store in Options.Dir, or creates it, and takes back what no
// checkpoint covers.
func Open(opts Options) (*Engine, error) {
	if err := opts.ensureDefaults(); err != nil {
		return nil, err
	}
	e := &Engine{opts: opts, plan: opts.plan(), idle: make(chan struct{}, 1)}
	e.mu.active = newDelta()
	e.room = sync.NewCond(&e.mu)
	e.views.open = make(map[uint64]int)
	e.cache.init(e.plan.cache)
	if err := e.guardSpace(); err != nil {
		return nil, err
	}
	covered, err := e.readCheckpoint()
	if err != nil {
		return nil, err
	}
	durable := covered.ts
	if e.db, err = badger.OpenManaged(e.plan.badger); err != nil {
		return nil, convert("engine.Open", err)
	}
	// The newest version may be older than the checkpoint: compaction drops
	// deletions, their timestamps with them.
	newest := max(e.db.MaxVersion(), durable)
	e.next = newest + 1
	e.durable = durable
	e.visible.Store(newest)
	if err = e.openValues(covered.values); err == nil {
		err = e.checkWitness(durable)
	}
	if err == nil {
		err = e.rollBack(durable, newest)
	}
	if err != nil {
		return nil, errors.Join(err, e.closeStores())
	}
	e.startFlusher()
	return e, nil
}

// Close checkpoints and closes the store, after it has waited for open views.
func (e *Engine) Close() error {
	if e.closing.Swap(true) {
		return ErrClosed
	}
	for e.refs.Load() > 0 {
		<-e.idle
	}
	close(e.flusher.stop)
	<-e.flusher.done
	return errors.Join(e.flusher.err, e.closeStores())
}

func (e *Engine) closeStores() error {
	err := e.db.Close()
	if e.values != nil {
		err = errors.Join(err, e.values.Close())
	}
	return convert("engine.Close", err)
}

// Commit writes batches as one: all of them or nothing, visible when Commit
// returns, not durable. Batches of several owners cost one commit.
func (e *Engine) Commit(batches ...*Batch) error {
	if err := e.acquire(); err != nil {
		return err
	}
	defer e.release()
	for _, b := range batches {
		if b.err != nil {
			return b.err
		}
	}
	if err := e.failure(); err != nil {
		return err
	}
	writes, bytes := copyWrites(batches)
	if e.unsure.Add(bytes) >= e.plan.reserve/8 {
		e.unsure.Store(0)
		if err := e.guardSpace(); err != nil {
			return e.fail(err)
		}
	}
	if len(writes) == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.makeRoomLocked(); err != nil {
		return err
	}
	e.mu.active.apply(writes, bytes)
	if e.mu.active.bytes >= e.plan.delta && e.mu.frozen == nil {
		e.freezeFullLocked()
	}
	return nil
}

// makeRoomLocked makes sure that the active delta is not full, which may mean
// to wait for a flush. Commits of any size then fit: one alone may exceed the
// limit.
func (e *Engine) makeRoomLocked() error {
	for e.mu.active.bytes >= e.plan.delta {
		if err := e.failure(); err != nil {
			return err
		}
		if e.mu.frozen == nil {
			e.freezeFullLocked()
			return nil
		}
		e.room.Wait()
	}
	return nil
}

// Get returns the value that the newest commit left at key, or ErrNotFound. The
// value must not be changed: others may be given the same.
func (e *Engine) Get(key []byte) ([]byte, error) {
	value, _, err := e.Find(key)
	return value, err
}

// Find is Get that also says whether Badger had to be asked, which takes some ten
// times as long as to find a key in memory. A store with the same commits is then
// likely to have to do so, too.
func (e *Engine) Find(key []byte) (value []byte, deep bool, err error) {
	if err := e.acquire(); err != nil {
		return nil, false, err
	}
	defer e.release()
	value, freezes, err := e.findInDeltas(key)
	if value != nil || err != nil {
		return value, false, err
	}
	// What Badger, and with it the cache, comes to hold of the key from here on
	// is newer than what was just looked at.
	value, ok := e.cache.find(key)
	if !ok {
		if value, err = e.read(key); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, true, err
		}
		e.cache.fill(key, value, freezes)
	}
	if value == nil {
		return nil, !ok, ErrNotFound
	}
	return value, !ok, nil
}

// findInDeltas returns the value that was committed of key since Badger's state,
// ErrNotFound if it was deleted, or else what the cache must be told if the value
// is then read from Badger.
func (e *Engine) findInDeltas(key []byte) (value []byte, freezes uint64, err error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	w := e.mu.active.find(key)
	if w == nil {
		w = e.mu.frozen.find(key)
	}
	if w != nil {
		value, err = w.result()
	}
	return value, e.cache.freezes.Load(), err
}

// read returns a copy of the value that Badger has of key, which is not nil.
func (e *Engine) read(key []byte) ([]byte, error) {
	for {
		ts := e.visible.Load()
		txn := e.db.NewTransactionAt(ts, false)
		value, err := e.get(txn, key)
		txn.Discard()
		// Not even the time it takes to register a view is spent: if discarding
		// overtook ts meanwhile, the version looked for, or the file of its value,
		// may have gone.
		if e.discarded.Load() <= ts {
			return value, err
		}
	}
}

// get reads one key. The value is the caller's: Badger copies it into an Item
// that nobody else sees.
func (e *Engine) get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return nil, convert("engine.Get", err)
	}
	return e.valueOf("engine.Get", item)
}

// valueOf is the value of an item, for as long as that is valid. It is not nil.
func (e *Engine) valueOf(op string, item *badger.Item) ([]byte, error) {
	value := []byte{}
	err := item.Value(func(v []byte) error {
		if v != nil {
			value = v
		}
		return nil
	})
	if err == nil && item.UserMeta() == pointerMeta {
		value, err = e.follow(item.Key(), value)
	}
	return value, convert(op, err)
}

// acquire keeps the store open until release.
func (e *Engine) acquire() error {
	e.refs.Add(1)
	if e.closing.Load() {
		e.release()
		return ErrClosed
	}
	return nil
}

func (e *Engine) release() {
	if e.refs.Add(-1) == 0 && e.closing.Load() {
		select {
		case e.idle <- struct{}{}:
		default:
		}
	}
}

// fail records the first fatal error, reports it and returns it.
func (e *Engine) fail(err error) error {
	if e.failed.CompareAndSwap(nil, &err) {
		e.mu.Lock() // whoever waits has not seen the error, or waits by now
		e.room.Broadcast()
		e.mu.Unlock()
		e.opts.Fatal(err)
		return err
	}
	return *e.failed.Load()
}

func (e *Engine) failure() error {
	if err := e.failed.Load(); err != nil {
		return fmt.Errorf("engine stopped: %w", *err)
	}
	return nil
}

// moveDiscard lets Badger drop versions up to ts that newer ones have replaced,
// as far as no open view needs them.
func (e *Engine) moveDiscard(ts uint64) {
	e.views.Lock()
	defer e.views.Unlock()
	for view := range e.views.open {
		ts = min(ts, view)
	}
	if ts > e.discarded.Load() {
		e.discarded.Store(ts)
		e.db.SetDiscardTs(ts)
	}
}

// discardLogger is the logger of an engine that was given none.
var discardLogger = slog.New(slog.DiscardHandler)
