package raftlog_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

// TestIdleGroupHoldsNoSegment: the log stays small though a group never
// compacts, and the group keeps its entries and its stable values.
func TestIdleGroupHoldsNoSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := memfs.NewDisk()
		o := options(t, fs)
		l := open(t, o)
		idle, busy := group(t, l, 1), group(t, l, 2)
		must(t, idle.SetUint64([]byte(keyTerm), 5))
		store(t, idle, entries(1, 1, 20, 100))
		want, err := read(idle)
		must(t, err)

		largest := 0
		for i := uint64(0); i < 2000; i += 10 {
			store(t, busy, entries(1+i, 1, 10, 100))
			if i > 20 {
				must(t, busy.DeleteRange(1, i-20))
			}
			synctest.Wait() // the cleaner has done what is to be done
			largest = max(largest, l.Stats().Segments)
		}
		s := l.Stats()
		if largest > 8 || s.Segments > 8 {
			t.Errorf("the log had up to %d segments", largest)
		}
		if s.Moved < 20 || s.Moved > s.Entries/2 {
			t.Errorf("%d entries were appended, and %d moved", s.Entries, s.Moved)
		}
		closeLog(t, l)
		if names, _ := fs.List(dir); len(names) > 8+3+2 { // a segment ahead, spares, identity and lock
			t.Errorf("the files are %v", names)
		}

		l = open(t, o)
		got, err := read(group(t, l, 1))
		if fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
			t.Errorf("the idle group holds %v, %v; want %v", got, err, want)
		}
		closeLog(t, l)
	})
}

// TestNearlyDeadSegments: a few entries of an idle group hold no segment, however
// much of the log is live.
func TestNearlyDeadSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, options(t, memfs.NewDisk()))
		idle, busy := group(t, l, 1), group(t, l, 2)
		store(t, idle, entries(1, 1, 1, 50))
		const live = 200 // entries, in about four segments
		largest := 0
		for i := uint64(0); i < 3000; i += 10 {
			store(t, busy, entries(1+i, 1, 10, 100))
			if i > live {
				must(t, busy.DeleteRange(1, i-live))
			}
			synctest.Wait() // the cleaner has done what is to be done
			largest = max(largest, l.Stats().Segments)
		}
		if largest > 8 {
			t.Errorf("the log had up to %d segments", largest)
		}
		if s := l.Stats(); s.Moved == 0 || s.Moved > 20 {
			t.Errorf("%d entries were appended, and %d moved", s.Entries, s.Moved)
		}
		if s, err := read(idle); err != nil || s.First != 1 || s.Last != 1 {
			t.Errorf("the idle group holds %+v, %v", s, err)
		}
		closeLog(t, l)
	})
}

// TestManyLiveEntries: where little is dead, nothing is moved in vain.
func TestManyLiveEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, options(t, memfs.NewDisk()))
		g := group(t, l, 1)
		for i := uint64(0); i < 2000; i += 10 {
			store(t, g, entries(1+i, 1, 10, 100))
		}
		synctest.Wait()
		if s := l.Stats(); s.Moved > 0 {
			t.Errorf("%d entries were moved", s.Moved)
		}
		must(t, g.DeleteRange(1, 1990))
		synctest.Wait()
		if s := l.Stats(); s.Segments > 1 || s.LiveBytes > 2<<10 {
			t.Errorf("after compaction: %+v", s)
		}
		closeLog(t, l)
	})
}

// TestManyGroupsInSmallSegments: what restates the groups takes the better part
// of a segment, and the log still comes to rest.
func TestManyGroupsInSmallSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, memfs.NewDisk())
		o.SegmentBytes = 1 << 10
		l := open(t, o)
		for id := range 50 {
			g := group(t, l, clusterID(id))
			must(t, g.SetUint64([]byte(keyTerm), 5))
			store(t, g, entries(1, 1, 3, 50))
		}
		g := group(t, l, 1)
		for i := range uint64(500) {
			store(t, g, entries(4+i, 1, 1, 50))
			must(t, g.DeleteRange(1, 2+i))
		}
		synctest.Wait()
		if s := l.Stats(); s.Segments > 20 {
			t.Errorf("the log has not come to rest: %+v", s)
		}
		want := dump(t, l)
		closeLog(t, l)
		l = open(t, o)
		if got := dump(t, l); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the log holds %v, want %v", got, want)
		}
		closeLog(t, l)
	})
}

// TestLargeEntries: larger than a segment, a piece of the cache, and a frame.
func TestLargeEntries(t *testing.T) {
	fs := memfs.NewDisk()
	o := options(t, fs)
	l := open(t, o)
	g := group(t, l, 1)
	for i, size := range []int{10, 9 << 10, 10, 300 << 10, 5 << 20, 10} {
		store(t, g, entries(uint64(1+i), 1, 1, size))
	}
	want := dump(t, l)
	closeLog(t, l)
	l = open(t, o)
	if got := dump(t, l); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("the log does not hold what was stored")
	}
	closeLog(t, l)
}

// TestReadsFromMemory: recent entries are read without the disk, and so is the
// last entry of an idle group, after the first time.
func TestReadsFromMemory(t *testing.T) {
	fs := memfs.New()
	o := options(t, fs)
	o.SegmentBytes, o.CacheBytes = 1<<20, 64<<10
	reads := 0
	l := open(t, o)
	idle, busy := group(t, l, 1), group(t, l, 2)
	store(t, idle, entries(1, 1, 2, 100))
	for i := range uint64(1000) {
		store(t, busy, entries(1+i, 1, 1, 1000))
	}
	fs.Intercept(func(op memfs.Op) error {
		if op.Kind == memfs.Read {
			reads++
		}
		return nil
	})
	var e raft.Log
	for i := range uint64(40) {
		must(t, busy.GetLog(1000-i, &e))
	}
	if reads != 0 {
		t.Errorf("%d reads of recent entries went to the disk", reads)
	}
	for range 10 {
		must(t, idle.GetLog(2, &e))
	}
	if reads != 1 {
		t.Errorf("%d reads of one entry went to the disk", reads)
	}
	if e.Index != 2 || !strings.HasPrefix(string(e.Data), "entry 2 of term 1") {
		t.Errorf("read %v", e)
	}
	// An entry in the place of one that was read must not be taken for it.
	must(t, idle.DeleteRange(2, 2))
	store(t, idle, entries(2, 9, 1, 100))
	for i := range uint64(1000) {
		store(t, busy, entries(1001+i, 1, 1, 1000))
	}
	if must(t, idle.GetLog(2, &e)); e.Term != 9 {
		t.Errorf("read an entry that was deleted: %v", e)
	}
	closeLog(t, l)
}

// TestReaderKeepsData: what a reader was given stays as it is, whatever
// happens to the entry and to the buffer it was stored from.
func TestReaderKeepsData(t *testing.T) {
	o := options(t, memfs.New())
	l := open(t, o)
	g := group(t, l, 1)
	logs := entries(1, 1, 1, 100)
	want := string(logs[0].Data)
	store(t, g, logs)
	clear(logs[0].Data)
	var e raft.Log
	must(t, g.GetLog(1, &e))
	for i := range uint64(200) {
		store(t, g, entries(2+i, 1, 1, 1000))
	}
	must(t, g.DeleteRange(1, 150))
	if string(e.Data) != want {
		t.Errorf("the data became %q", e.Data)
	}
	closeLog(t, l)
}

// TestMoveMeetsTruncation: while the cleaner has read an entry, and wants to
// write it again, another takes its place.
func TestMoveMeetsTruncation(t *testing.T) {
	for name, inOneFrame := range map[string]bool{"before": false, "in the same frame": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { moveMeetsTruncation(t, inOneFrame) })
		})
	}
}

func moveMeetsTruncation(t *testing.T, inOneFrame bool) {
	fs := memfs.NewDisk()
	l := open(t, options(t, fs))
	idle, busy := group(t, l, 1), group(t, l, 2)
	store(t, idle, entries(1, 1, 20, 100))

	// The cleaner stops when it reads its first entry.
	read, sync := make(chan struct{}), make(chan struct{})
	var reading, syncing atomic.Bool
	fs.Intercept(func(op memfs.Op) error {
		if op.Kind == memfs.Read && reading.CompareAndSwap(false, true) {
			<-read
		}
		if op.Kind == memfs.Sync && syncing.CompareAndSwap(true, false) {
			<-sync
		}
		return nil
	})
	index := uint64(1)
	for ; !reading.Load(); index += 10 {
		store(t, busy, entries(index, 1, 10, 100))
		if index > 20 {
			must(t, busy.DeleteRange(1, index-20))
		}
		synctest.Wait()
	}

	if inOneFrame { // nothing is committed until all of it waits
		syncing.Store(true)
		go func() { store(t, busy, entries(index, 1, 1, 10)) }()
		synctest.Wait()
	}
	go func() { must(t, idle.DeleteRange(10, 20)) }()
	synctest.Wait()
	go func() { store(t, idle, entries(10, 7, 3, 100)) }()
	synctest.Wait()
	close(read)
	synctest.Wait()
	close(sync)
	synctest.Wait()

	if s := l.Stats(); s.Moved == 0 {
		t.Error("nothing was moved")
	}
	closeLog(t, l)
	l = open(t, options(t, fs))
	var e raft.Log
	for i, want := range map[uint64]uint64{9: 1, 10: 7, 12: 7} {
		if must(t, group(t, l, 1).GetLog(i, &e)); e.Term != want {
			t.Errorf("entry %d is of term %d, want %d", i, e.Term, want)
		}
	}
	if last, _ := group(t, l, 1).LastIndex(); last != 12 {
		t.Errorf("the last entry is %d", last)
	}
	closeLog(t, l)
}
