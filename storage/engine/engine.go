// Package engine is the node's key-value store: one Badger for the state of
// all partitions of a node, and the only package that imports Badger.
//
// It promises four things to package machine, and knows nothing of what the
// keys mean.
//
//   - Commit is atomic and visible when it returns, whatever its size: a Batch
//     that exceeds Badger's transactions is written as several of them, none of
//     which is seen before all are there.
//   - A View sees the same state for as long as it is open.
//   - Commits are not synced. Checkpoint makes everything durable that was
//     committed before it was called.
//   - Whatever ended the process, Open returns exactly the state of the last
//     checkpoint. Later commits may have reached the disk wholly, in part, or
//     with holes (after a power cut an older memtable's log can be shorter than
//     a newer one's is complete), so Open takes all of them back. Every
//     partition then resumes from its Raft log, which is kept for as long as a
//     checkpoint does not cover it.
//
// The last promise rests on versions. Each commit has a timestamp of a
// node-wide counter, the file CHECKPOINT holds the timestamp up to which
// everything is durable, and Badger may not discard what a reader at that
// timestamp sees.
//
// An error of the disk is fatal: it is reported once through Options.Fatal and
// every later call returns it.
package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
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
	// MaxValueSize is the longest value. It keeps every value inside the LSM
	// tree: Badger's value log is never used.
	MaxValueSize = 1<<20 - 1
)

// Engine is an open store. It is safe for concurrent use.
type Engine struct {
	opts Options
	db   *badger.DB
	// plan is what the memory budget and the machine came to.
	plan plan

	// commitMu makes commits one after the other, so that timestamps reach
	// Badger in order and visible never runs ahead of a commit. It guards next
	// and the fields of the space guard.
	commitMu sync.Mutex
	next     uint64
	unsure   int64 // bytes committed since the free space was last looked at

	// cache holds what was read of late.
	cache cache
	// visible is the timestamp of the newest whole commit.
	visible atomic.Uint64
	// discarded is the timestamp up to which Badger may drop versions that a
	// newer one, also up to it, has replaced.
	discarded atomic.Uint64

	mu struct {
		sync.Mutex
		durable uint64         // timestamp of the last checkpoint
		views   map[uint64]int // timestamps of open views
	}
	checkpointMu sync.Mutex

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
	e.mu.views = make(map[uint64]int)
	e.cache.init(e.plan.cache)
	if err := e.guardSpace(); err != nil {
		return nil, err
	}
	durable, err := e.readCheckpoint()
	if err != nil {
		return nil, err
	}
	if e.db, err = badger.OpenManaged(e.plan.badger); err != nil {
		return nil, convert("engine.Open", err)
	}
	// The newest version may be older than the checkpoint: compaction drops
	// deletions, their timestamps with them.
	newest := max(e.db.MaxVersion(), durable)
	e.next = newest + 1
	e.mu.durable = durable
	e.visible.Store(newest)
	if err = e.checkWitness(durable); err == nil {
		err = e.rollBack(durable, newest)
	}
	if err != nil {
		return nil, errors.Join(err, e.db.Close())
	}
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
	var err error
	if e.failed.Load() == nil {
		err = e.checkpoint()
	}
	return errors.Join(err, convert("engine.Close", e.db.Close()))
}

// Commit writes batches as one: all of them or nothing, visible when Commit
// returns, not synced. Batches of several owners cost one commit.
func (e *Engine) Commit(batches ...*Batch) error {
	if err := e.acquire(); err != nil {
		return err
	}
	defer e.release()
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	if err := e.failure(); err != nil {
		return err
	}
	var bytes int64
	for _, b := range batches {
		if b.err != nil {
			return b.err
		}
		bytes += int64(b.Bytes())
	}
	if e.unsure += bytes; e.unsure >= e.plan.reserve/8 {
		e.unsure = 0
		if err := e.guardSpace(); err != nil {
			return e.fail(err)
		}
	}
	if bytes == 0 {
		return nil
	}
	if err := e.writeLocked(batches); err != nil {
		return e.fail(convert("engine.Commit", err))
	}
	last := e.next - 1
	e.cache.commit(batches, func() { e.visible.Store(last) })
	if e.opts.InMemory && last%256 == 0 {
		e.moveDiscard(last)
	}
	return nil
}

// writeLocked writes batches in as few transactions as Badger allows, each at
// a timestamp of its own. A reader at a timestamp before the first sees none of
// them; a crash in between leaves what Open takes back.
func (e *Engine) writeLocked(batches []*Batch) error {
	txn := e.db.NewTransactionAt(math.MaxUint64, true)
	defer func() { txn.Discard() }()
	flush := func() error {
		err := txn.CommitAt(e.next, nil)
		e.next++
		return err
	}
	for _, b := range batches {
		entries := make([]badger.Entry, len(b.ops))
		for i, op := range b.ops {
			entries[i].Key = b.key(op)
			if !op.deleted {
				entries[i].Value = b.value(op)
			}
			err := set(txn, &entries[i], op.deleted)
			if errors.Is(err, badger.ErrTxnTooBig) {
				if err = flush(); err == nil {
					txn = e.db.NewTransactionAt(math.MaxUint64, true)
					err = set(txn, &entries[i], op.deleted)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return flush()
}

func set(txn *badger.Txn, entry *badger.Entry, deleted bool) error {
	if deleted {
		return txn.Delete(entry.Key)
	}
	return txn.SetEntry(entry)
}

// Get returns the value that the newest commit left at key, or ErrNotFound. The
// value must not be changed: others may be given the same.
func (e *Engine) Get(key []byte) ([]byte, error) {
	if err := e.acquire(); err != nil {
		return nil, err
	}
	defer e.release()
	shard := e.cache.shard(key)
	value, commits, ok := shard.find(key)
	if !ok {
		var err error
		if value, err = e.read(key); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		shard.fill(key, value, commits)
	}
	if value == nil {
		return nil, ErrNotFound
	}
	return value, nil
}

// read returns a copy of the value that the newest commit left at key, which
// is not nil.
func (e *Engine) read(key []byte) ([]byte, error) {
	for {
		ts := e.visible.Load()
		txn := e.db.NewTransactionAt(ts, false)
		value, err := get(txn, key)
		txn.Discard()
		// Not even the time it takes to register a view is spent: if discarding
		// overtook ts meanwhile, the version looked for may have gone.
		if e.discarded.Load() <= ts {
			return value, err
		}
	}
}

// get reads one key. The value is the caller's: Badger copies it into an Item
// that nobody else sees.
func get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return nil, convert("engine.Get", err)
	}
	var value []byte
	err = item.Value(func(v []byte) error {
		value = v
		return nil
	})
	if value == nil {
		value = []byte{}
	}
	return value, convert("engine.Get", err)
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
	e.mu.Lock()
	defer e.mu.Unlock()
	for view := range e.mu.views {
		ts = min(ts, view)
	}
	if ts > e.discarded.Load() {
		e.discarded.Store(ts)
		e.db.SetDiscardTs(ts)
	}
}

// discardLogger is the logger of an engine that was given none.
var discardLogger = slog.New(slog.DiscardHandler)
