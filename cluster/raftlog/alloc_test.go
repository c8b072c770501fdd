package raftlog_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

// slowDisk takes allocation to allocate a segment, in many pieces.
type slowDisk struct {
	raftlog.FS
	allocated atomic.Int64
}

type slowFile struct {
	raftlog.File
	disk *slowDisk
}

const (
	allocation = 320 * time.Millisecond
	pieces     = 64
)

func (d *slowDisk) Create(name string) (raftlog.File, error) {
	f, err := d.FS.Create(name)
	return slowFile{f, d}, err
}

func (f slowFile) Allocate(size int64, pause func()) error {
	for range pieces {
		time.Sleep(allocation / pieces)
		pause()
	}
	err := f.File.Allocate(size, pause)
	f.disk.allocated.Add(1)
	return err
}

// TestAllocationTakesItsTime unless somebody waits for it.
func TestAllocationTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{FS: memfs.New()}
		begin := time.Now()
		l, err := raftlog.Open(raftlog.Options{Dir: "log", FS: disk, SegmentBytes: 1 << 20, Sync: true, Fatal: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > allocation*5/4 {
			t.Errorf("it took %v until the first segment was there", took)
		}
		time.Sleep(2 * allocation)
		if n := disk.allocated.Load(); n != 1 {
			t.Errorf("%d segments were allocated without rests", n)
		}
		time.Sleep(3 * allocation)
		if n := disk.allocated.Load(); n != 2 {
			t.Errorf("%d segments are there after a while", n)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestAllocationIsHurriedAtTheEnd closes a log that prepares a segment.
func TestAllocationIsHurriedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := raftlog.Open(raftlog.Options{Dir: "log", FS: &slowDisk{FS: memfs.New()}, SegmentBytes: 1 << 20, Sync: true, Fatal: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > allocation*5/4 {
			t.Errorf("closing took %v", took)
		}
	})
}
