package raftlog

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func newFile(tb testing.TB) *osFile {
	tb.Helper()
	f, err := OS().Create(filepath.Join(tb.TempDir(), "file"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f.(*osFile)
}

// The first sync finds out whether the kernel can, and those after it go the
// same way. Both ways there are, the file is synced.
func TestSyncWithAndWithoutAIO(t *testing.T) {
	for _, without := range []bool{false, true} {
		f := newFile(t)
		f.noAIO = without
		for range 3 {
			if _, err := f.WriteAt(make([]byte, smallSync), 0); err != nil {
				t.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		if f.noAIO != (f.aio == nil) {
			t.Errorf("a file without aio %v has aio %v", f.noAIO, f.aio != nil)
		}
	}
}

// An error of the kernel is the caller's, and no reason to try another way: the
// second sync of data that could not be written succeeds without them.
func TestSyncTellsErrors(t *testing.T) {
	f := newFile(t)
	if f.aio = newAIO(); f.aio == nil {
		t.Skip("this kernel lets nobody sync asynchronously")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := f.aio.fdatasync(int(w.Fd())); !errors.Is(err, errNoAIO) && !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a pipe was synced: %v", err)
	}
	if err := f.aio.fdatasync(1 << 20); !errors.Is(err, syscall.EBADF) {
		t.Errorf("a file that is not open was synced: %v", err)
	}
	if err := f.Sync(); err != nil {
		t.Errorf("after errors of others: %v", err)
	}
	if err := f.File.Close(); err != nil {
		t.Fatal(err)
	}
	f.unsynced = smallSync
	if err := f.Sync(); err == nil {
		t.Error("a closed file was synced")
	}
}

func BenchmarkSync(b *testing.B) {
	for _, name := range []string{"aio", "fdatasync"} {
		b.Run(name, func(b *testing.B) {
			f := newFile(b)
			f.noAIO = name == "fdatasync"
			if err := f.Allocate(1<<20, func() {}); err != nil {
				b.Fatal(err)
			}
			block := make([]byte, 4096)
			for i := 0; b.Loop(); i++ {
				if _, err := f.WriteAt(block, int64(i%256)*4096); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
