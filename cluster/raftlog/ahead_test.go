package raftlog_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

// Entries stored ahead can be read while the disk is at work. Who waits for them
// is told once, when they are durable and not before.
func TestStoreLogsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := memfs.NewDisk()
		l := open(t, options(t, fs))
		g, other := group(t, l, 1), group(t, l, 2)
		store(t, g, entries(1, 1, 2, 10))
		fs.Intercept(func(op memfs.Op) error {
			if op.Kind == memfs.Sync {
				time.Sleep(time.Second)
			}
			return nil
		})
		begin := time.Now()
		told := make(map[uint64]time.Duration)
		for _, first := range []uint64{3, 5} {
			if err := g.StoreLogsAhead(entries(first, 1, 2, 10)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the first is with the disk when the second comes
		}
		for index := range uint64(7) {
			if g.Durable(index, func() { told[index] = time.Since(begin) }) {
				told[index] = 0
			}
		}
		if s, err := read(g); err != nil || s.First != 1 || s.Last != 6 || len(s.Entries) != 6 {
			t.Errorf("can be read: %+v, %v", s, err)
		}
		if !other.Durable(1, nil) {
			t.Error("another group waits")
		}
		if lost := open(t, options(t, fs.Clone())); dump(t, lost)[1].Last > 4 {
			t.Errorf("entries that nobody wrote are there: %+v", dump(t, lost)[1])
		} else {
			closeLog(t, lost)
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("all this has taken %v", took)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for index, want := range []time.Duration{0, 0, 0, time.Second, time.Second, 2 * time.Second, 2 * time.Second} {
			if got := told[uint64(index)]; got != want {
				t.Errorf("entry %d was durable after %v, want %v", index, got, want)
			}
		}
		closeLog(t, l)
	})
}

// doomed makes a group with one entry in a log that is to fail.
func doomed(t *testing.T, fs *memfs.FS) (g *raftlog.GroupLog, failed <-chan error) {
	o := options(t, fs)
	fatal := make(chan error, 1)
	o.Fatal = func(err error) { fatal <- err }
	l := open(t, o)
	t.Cleanup(func() { l.Close() })
	g = group(t, l, 1)
	store(t, g, entries(1, 1, 1, 10))
	return g, fatal
}

// What is stored ahead when the disk fails is never called durable.
func TestAheadOfADiskThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := memfs.NewDisk()
		g, failed := doomed(t, fs)
		fs.Intercept(newFault(memfs.Sync, 0, errDisk).intercept)
		if err := g.StoreLogsAhead(entries(2, 1, 1, 10)); err != nil {
			t.Fatal(err)
		}
		tell := func() { t.Error("it is said to be durable") }
		if g.Durable(2, tell) {
			tell()
		}
		<-failed
		synctest.Wait()
		if g.Durable(2, tell) {
			tell()
		}
		if err := g.StoreLogsAhead(entries(3, 1, 1, 10)); err == nil {
			t.Error("a log that has failed takes entries")
		}
		if err := g.GetLog(2, new(raft.Log)); err == nil {
			t.Error("a log that has failed can be read")
		}
	})
}

// A gap fails the log, as it does for entries that are waited for.
func TestAheadWithAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, failed := doomed(t, memfs.NewDisk())
		if err := g.StoreLogsAhead(entries(3, 1, 1, 10)); err != nil {
			t.Fatal(err)
		}
		<-failed
	})
}
