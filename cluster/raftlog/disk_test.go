package raftlog_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

// TestDiskFails fails each write and each sync in turn. The log must stop at
// once, and hold everything acknowledged when it is opened again.
func TestDiskFails(t *testing.T) {
	for _, kind := range []memfs.Kind{memfs.Write, memfs.Sync, memfs.SyncDir, memfs.Create, memfs.Allocate, memfs.Rename, memfs.Remove} {
		failed := 0
		for after := range 60 {
			any := false
			synctest.Test(t, func(t *testing.T) { any = failOnce(t, kind, after, errDisk) })
			if !any {
				break
			}
			failed++
		}
		if failed == 0 {
			t.Errorf("no %s failed", kind)
		}
	}
}

// failOnce works with a log until an operation of the disk fails. It returns
// false if none did.
func failOnce(t *testing.T, kind memfs.Kind, after int, cause error) bool {
	t.Helper()
	fs := memfs.NewDisk()
	o := options(t, fs)
	o.SegmentBytes = 2 << 10 // leaves a segment that is then of the wrong size
	closeLog(t, open(t, o))

	o.SegmentBytes = 1 << 10
	f := newFault(kind, after, cause)
	var reason atomic.Value
	o.Fatal = func(err error) { f.fatal.Add(1); reason.Store(err) }
	fs.Intercept(f.intercept)
	l, err := raftlog.Open(o)
	if err != nil {
		if !errors.Is(err, cause) || f.fatal.Load() != 0 {
			t.Errorf("%s %d: Open returned %v", kind, after, err)
		}
		return true
	}
	acked, err := work(l)
	fs.Intercept(nil)
	killed := fs.Clone()
	l.Close()
	if err == nil && f.fatal.Load() == 0 {
		return false
	}
	fatal, _ := reason.Load().(error)
	if f.fatal.Load() != 1 || !errors.Is(fatal, cause) || err != nil && !errors.Is(err, cause) {
		t.Errorf("%s %d: Fatal called %d times with %v, the call returned %v", kind, after, f.fatal.Load(), fatal, err)
	}
	o.Fatal = func(err error) { t.Errorf("%s %d: after the restart: %v", kind, after, err) }
	o.FS = killed
	l, err = raftlog.Open(o)
	if err != nil {
		t.Errorf("%s %d: %v", kind, after, err)
		return true
	}
	defer closeLog(t, l)
	if acked == 0 {
		return true
	}
	g, ok := l.Lookup(1)
	if !ok {
		t.Errorf("%s %d: the group is gone", kind, after)
		return true
	}
	s, err := read(g)
	if err != nil || s.Last < acked {
		t.Errorf("%s %d: acknowledged up to %d, found %d to %d, %v", kind, after, acked, s.First, s.Last, err)
	}
	return true
}

// work appends and compacts, and returns the last entry that was acknowledged.
// After an error all calls must fail.
func work(l *raftlog.Log) (acked uint64, err error) {
	g, err := l.Group(1, peer(1))
	if err != nil {
		return 0, err
	}
	for i := uint64(1); i < 60; i++ {
		if err := g.StoreLogs(entries(i, 1, 1, 200)); err != nil {
			return acked, errors.Join(err, mustFail(l, g))
		}
		acked = i
		if i%5 == 0 {
			if err := g.DeleteRange(1, i-2); err != nil {
				return acked, errors.Join(err, mustFail(l, g))
			}
		}
		synctest.Wait() // allocator and cleaner have done what is to be done
	}
	return acked, nil
}

// errWorks says that a call worked that should have failed.
var errWorks = errors.New("a call works after the log has failed")

func mustFail(l *raftlog.Log, g *raftlog.GroupLog) error {
	_, last := g.LastIndex()
	_, get := g.Get([]byte("other"))
	_, other := l.Group(2, peer(1))
	for _, err := range []error{last, get, other, g.GetLog(1, new(raft.Log)), g.Set([]byte("other"), nil), g.DeleteRange(1, 1)} {
		if err == nil {
			panic(errWorks)
		}
	}
	return nil
}

func TestDiskIsFull(t *testing.T) {
	for _, kind := range []memfs.Kind{memfs.Write, memfs.Sync, memfs.Allocate} {
		fs := memfs.NewDisk()
		o := options(t, fs)
		o.SegmentBytes = 1 << 10
		closeLog(t, open(t, o))
		f := newFault(kind, 2, syscall.ENOSPC)
		o.Fatal = func(error) { f.fatal.Add(1) }
		l := open(t, o)
		fs.Intercept(f.intercept)
		acked, err := fillUp(l)
		fs.Intercept(nil)
		after := fs.Clone()
		l.Close()
		if err == nil || !strings.Contains(err.Error(), "the disk of the log is full: free some space") || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: the error is %v", kind, err)
		}
		if f.fatal.Load() != 1 {
			t.Errorf("%s: Fatal was called %d times", kind, f.fatal.Load())
		}
		l = open(t, options(t, after))
		if last, err := group(t, l, 1).LastIndex(); last < acked || err != nil {
			t.Errorf("%s: acknowledged up to %d, found up to %d, %v", kind, acked, last, err)
		}
		closeLog(t, l)
	}
}

// fillUp appends until that fails.
func fillUp(l *raftlog.Log) (acked uint64, err error) {
	g, err := l.Group(1, peer(1))
	for i := uint64(1); err == nil && i < 1000; i++ {
		if err = g.StoreLogs(entries(i, 1, 1, 200)); err == nil {
			acked = i
		}
	}
	return acked, err
}

// TestSpaceFreedInTime: a segment that could not be allocated ahead of time is
// tried again when it is needed.
func TestSpaceFreedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := memfs.NewDisk()
		f := newFault(memfs.Allocate, 1, syscall.ENOSPC)
		fs.Intercept(f.intercept)
		o := options(t, fs)
		o.SegmentBytes = 1 << 10
		l := open(t, o)
		g := group(t, l, 1)
		synctest.Wait() // the allocator has failed
		fs.Intercept(nil)
		for i := range uint64(20) {
			store(t, g, entries(1+i, 1, 1, 200))
		}
		closeLog(t, l)
	})
}

// TestDiskHangs: a sync that does not return fails the log after a while, and
// lets go of all who wait.
func TestDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := memfs.NewDisk()
		o := options(t, fs)
		o.SegmentBytes = 1 << 20
		fatal := make(chan time.Time, 2)
		o.Fatal = func(error) { fatal <- time.Now() }
		l := open(t, o)
		a, b := group(t, l, 1), group(t, l, 2)
		time.Sleep(time.Minute) // idle for long, and then busy

		hang := make(chan struct{})
		fs.Intercept(func(op memfs.Op) error {
			if op.Kind == memfs.Sync {
				<-hang
			}
			return nil
		})
		begun := time.Now()
		results := make(chan error, 2)
		go func() { results <- a.StoreLogs(entries(1, 1, 1, 10)) }()
		synctest.Wait()
		go func() { results <- b.StoreLogs(entries(1, 1, 1, 10)) }()
		if waited := (<-fatal).Sub(begun); waited != 10*time.Second {
			t.Errorf("Fatal was called after %v", waited)
		}
		if err := <-results; err == nil { // the one that waits for the other
			t.Error("an append returned while the disk hangs")
		}
		if _, err := b.LastIndex(); err == nil {
			t.Error("the log still works")
		}
		close(hang)
		<-results
		if l.Close() == nil {
			t.Error("Close says that all is well")
		}
		if len(fatal) > 0 {
			t.Error("Fatal was called twice")
		}
	})
}

// TestDamageFoundByReading: a record that changed after it was written fails
// the log when it is read.
func TestDamageFoundByReading(t *testing.T) {
	fs := memfs.NewDisk()
	o := options(t, fs)
	o.CacheBytes = 1
	var fatal int
	o.Fatal = func(error) { fatal++ }
	l := open(t, o)
	g := group(t, l, 1)
	store(t, g, entries(1, 1, 10, 100))
	store(t, g, entries(11, 1, 1, 100)) // what is in memory now
	for i := range 10 {
		must(t, fs.Flip(fmt.Sprintf("%s/%010d.log", dir, 1), int64(8*(200+100*i))))
	}
	err := g.GetLog(5, new(raft.Log))
	if err == nil || !strings.Contains(err.Error(), "damaged") || fatal != 1 {
		t.Errorf("GetLog returned %v, Fatal was called %d times", err, fatal)
	}
	l.Close()
}
