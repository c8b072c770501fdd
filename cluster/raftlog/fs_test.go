package raftlog_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

// TestFileSystems holds each file system to the contract.
func TestFileSystems(t *testing.T) {
	for name, f := range map[string]raftlog.FS{"OS": raftlog.OS(), "memfs.New": memfs.New(), "memfs.NewDisk": memfs.NewDisk()} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "a", "b")
			must(t, f.MkdirAll(folder))
			must(t, f.MkdirAll(folder))
			t.Run("names", func(t *testing.T) { checkNames(t, f, folder) })
			t.Run("content", func(t *testing.T) { checkContent(t, f, folder) })
			t.Run("lock", func(t *testing.T) { checkLock(t, f, folder) })
		})
	}
}

func checkNames(t *testing.T, f raftlog.FS, folder string) {
	a, b := filepath.Join(folder, "a"), filepath.Join(folder, "b")
	if _, err := f.Open(a); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened a file that is not there: %v", err)
	}
	for _, name := range []string{a, b} {
		file, err := f.Create(name)
		must(t, err)
		_, err = file.WriteAt([]byte(filepath.Base(name)), 0)
		must(t, err)
		must(t, file.Close())
	}
	if _, err := f.Create(a); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created a file that is there: %v", err)
	}
	must(t, f.Rename(a, b))
	must(t, f.SyncDir(folder))
	if names, err := f.List(folder); err != nil || !slices.Equal(names, []string{"b"}) {
		t.Errorf("the names are %q, %v", names, err)
	}
	file, err := f.Open(b)
	must(t, err)
	var got [1]byte
	if _, err := file.ReadAt(got[:], 0); err != nil || got[0] != 'a' {
		t.Errorf("the file that was replaced holds %q, %v", got, err)
	}
	must(t, file.Close())
	must(t, f.Remove(b))
	if err := f.Remove(b); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed a file twice: %v", err)
	}
	if names, err := f.List(folder); err != nil || len(names) != 0 {
		t.Errorf("the names are %q, %v", names, err)
	}
}

func checkContent(t *testing.T, f raftlog.FS, folder string) {
	file, err := f.Create(filepath.Join(folder, "content"))
	must(t, err)
	must(t, file.Allocate(3<<20+5, func() {}))
	_, err = file.WriteAt([]byte("hello"), 3<<20)
	must(t, err)
	must(t, file.Sync())
	if size, err := file.Size(); size != 3<<20+5 || err != nil {
		t.Errorf("the size is %d, %v", size, err)
	}
	b := make([]byte, 3<<20+10)
	if n, err := file.ReadAt(b, 0); n != 3<<20+5 || err != io.EOF {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if !bytes.Equal(b, append(make([]byte, 3<<20), "hello\x00\x00\x00\x00\x00"...)) {
		t.Error("what was allocated does not hold zeros and what was written")
	}
	must(t, file.Close())
	if _, err := file.ReadAt(b, 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read a file that is closed: %v", err)
	}
	must(t, f.Remove(filepath.Join(folder, "content")))
}

func checkLock(t *testing.T, f raftlog.FS, folder string) {
	name := filepath.Join(folder, "lock")
	lock, err := f.Lock(name)
	must(t, err)
	if _, err := f.Lock(name); err == nil {
		t.Error("locked twice")
	}
	must(t, lock.Close())
	lock, err = f.Lock(name)
	must(t, err)
	must(t, lock.Close())
}
