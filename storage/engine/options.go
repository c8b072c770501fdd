package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/roundtabledb/roundtable/storage"
)

// Options say where a store lives and what it may use.
type Options struct {
	// Dir is the directory of the store. It is created if need be. It must be
	// empty for InMemory.
	Dir string
	// InMemory keeps everything in memory. Checkpoints then do nothing, and
	// nothing survives Close.
	InMemory bool
	// MemoryBudget is about how many bytes the store may use. The default,
	// 64 MiB, suits many nodes in one process; a node on its own should give
	// half of its memory.
	MemoryBudget int64
	// Fatal is told the error that stopped the store, at most once, from
	// whichever call met it. The process should end. It must not call the engine
	// or wait for a caller of it. The default does nothing: every later call
	// returns the error anyway.
	Fatal func(error)
	// Logger receives what Badger has to say. The default discards it.
	Logger *slog.Logger
	// FreeSpace returns the bytes left on the disk of a directory. The default
	// asks the file system; tests inject their own.
	FreeSpace func(dir string) (uint64, error)
	// Stagger, from 0 to MaxStagger, makes deltas and memtables smaller, by up to a
	// quarter. Stores that get the same writes, as peers of a group do, should have
	// different ones: then they do not all flush at the same time. A store in memory
	// has no use for it.
	Stagger int
	// Background is called when a flush begins, and what it returns when it has
	// ended. That is when Badger begins to write tables and to compact them, too.
	// The default does nothing.
	Background func() (end func())
	// Pause is called by the goroutine that flushes and sweeps, every 64 KiB or 64
	// values that were looked at, unless commits are about to wait for it. It may let others go first for a while.
	// The default does nothing.
	Pause func()
	// Sync makes a file or directory durable. The default opens it and calls
	// fsync; tests inject faults.
	Sync func(path string) error

	// large is the length from which on values go to the value log, valueFile that
	// of its files, and sweep how much is appended to it at least between two looks
	// at what is still of use. Tests make them small.
	large, valueFile, sweep int
}

const (
	// MaxStagger is the greatest Options.Stagger.
	MaxStagger = 15

	// leastReserve is what a compaction of small memtables may write before the free
	// space is looked at again.
	leastReserve = 96 << 20

	defaultBudget = 64 << 20
	minBudget     = 32 << 20
)

func (o *Options) ensureDefaults() error {
	if o.InMemory != (o.Dir == "") {
		return errors.New("engine: a directory is needed, and must not be given for a store in memory")
	}
	if o.MemoryBudget == 0 {
		o.MemoryBudget = defaultBudget
	}
	if o.MemoryBudget < minBudget {
		return fmt.Errorf("engine: a memory budget of %d bytes is below %d", o.MemoryBudget, int64(minBudget))
	}
	if o.Stagger < 0 || o.Stagger > MaxStagger {
		return fmt.Errorf("engine: a stagger of %d is not from 0 to %d", o.Stagger, MaxStagger)
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.Logger == nil {
		o.Logger = discardLogger
	}
	if o.FreeSpace == nil {
		o.FreeSpace = freeSpace
	}
	if o.Background == nil {
		o.Background = func() func() { return func() {} }
	}
	if o.Pause == nil {
		o.Pause = func() {}
	}
	if o.Sync == nil {
		o.Sync = syncPath
	}
	if o.large == 0 {
		o.large, o.valueFile, o.sweep = maxCached+1, 64<<20, 128<<20
	}
	if o.InMemory {
		// Everything is in memtables, which have to hold the largest value.
		o.large, o.Stagger = MaxValueSize+1, 0
	}
	return nil
}

// plan is what Options come to.
type plan struct {
	badger badger.Options
	// delta is how many bytes a delta holds before it is frozen.
	delta int64
	// cache is how many bytes of values that were read are kept.
	cache int64
	// reserve is how many bytes must be left on the disk: Badger writes through
	// mapped sparse files, and where the disk cannot back a page the process
	// is killed.
	reserve int64
}

// plan scales the store to the budget. An eighth of it goes to each of the two
// deltas and to indexes and filters, a quarter to the cache of values, and another
// to memtables, of which Badger keeps NumMemtables and one more, each 1.3 times its
// nominal size. Two are enough: only flushes write, and what waits for one waits
// in the deltas.
//
// Badger's tables are built outside of any budget: a dozen at a time by each
// compaction, each in memory of twice the table's size to begin with, and another
// for each memtable that is written out. With compression all of that doubles, and
// once more where it no longer fits. So there is none, and tables and memtables are small:
// with both at 16 and 8 MiB and Snappy, a node of 256 MiB came to 420 MiB and
// collected garbage for half of its time. Blocks are then read where the file is
// mapped, and need no cache.
func (o *Options) plan() plan {
	b := o.MemoryBudget
	staggered := func(size int64) int64 { return size - size*int64(o.Stagger)/(4*(MaxStagger+1)) }
	memtable := staggered(clamp(b/16, 8<<20, 64<<20))
	const memtables = 2
	compactors := 2
	if b >= 1<<30 {
		compactors = max(4, runtime.NumCPU()/2)
	}
	bo := badger.DefaultOptions(o.Dir).
		WithInMemory(o.InMemory).
		WithLogger(logger{o.Logger}).
		WithSyncWrites(false).
		WithDetectConflicts(false). // one writer per key range
		WithNumVersionsToKeep(1).
		WithMemTableSize(memtable).
		WithNumMemtables(memtables).
		WithNumLevelZeroTables(8).
		WithNumLevelZeroTablesStall(24).
		WithNumCompactors(compactors).
		WithBaseTableSize(clamp(b/64, 2<<20, 8<<20)).
		WithBaseLevelSize(64 << 20).
		WithValueThreshold(int64(max(pointerSize, min(o.large, MaxValueSize))) + 1). // large values have a log of ours
		WithValueLogFileSize(64 << 20).
		WithCompression(options.None).
		WithBlockSize(8 << 10).
		WithBlockCacheSize(0).
		WithIndexCacheSize(b / 8).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithCompactL0OnClose(false).
		WithMetricsEnabled(true)
	return plan{badger: bo, delta: staggered(b / 8), cache: b / 4, reserve: max(leastReserve, 2*int64(memtables+1)*memtable)}
}

func clamp(x, lo, hi int64) int64 { return max(lo, min(x, hi)) }

// guardSpace reports ErrDiskFull while there is still room to stop in order.
func (e *Engine) guardSpace() error {
	if e.opts.InMemory {
		return nil
	}
	free, err := e.opts.FreeSpace(e.opts.Dir)
	if err != nil {
		return fmt.Errorf("engine: free space: %w", err)
	}
	if free < uint64(e.plan.reserve) {
		return fmt.Errorf("%w: %d MiB are left in %s, %d are needed to go on",
			ErrDiskFull, free>>20, e.opts.Dir, e.plan.reserve>>20)
	}
	return nil
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// convert turns an error of Badger into one of ours, and is the only place that
// knows Badger's. Badger's own wrapping drops the chain, so that damage is told
// by its words.
func convert(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, badger.ErrKeyNotFound):
		return ErrNotFound
	case errors.Is(err, badger.ErrDBClosed), errors.Is(err, badger.ErrBlockedWrites):
		return ErrClosed
	case strings.Contains(strings.ToLower(err.Error()), "checksum"):
		return &storage.Error{Kind: storage.Corrupt, Op: op, Message: "a stored block is damaged", Err: err}
	default:
		return &storage.Error{Op: op, Err: err}
	}
}

// logger hands Badger's messages to slog. What Badger calls information is
// about its insides and of interest to a developer only.
type logger struct{ *slog.Logger }

func (l logger) Errorf(f string, a ...any)   { l.Error("badger: " + line(f, a)) }
func (l logger) Warningf(f string, a ...any) { l.Warn("badger: " + line(f, a)) }

func (l logger) Infof(f string, a ...any) {
	if l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("badger: " + line(f, a))
	}
}

// Debugf drops what Badger says about every single write.
func (l logger) Debugf(string, ...any) {}

func line(f string, a []any) string { return strings.TrimSpace(fmt.Sprintf(f, a...)) }
