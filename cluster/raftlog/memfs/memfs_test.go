package memfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

func create(t *testing.T, f *memfs.FS, name string) raftlog.File {
	t.Helper()
	file, err := f.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func write(t *testing.T, file raftlog.File, at int64, b []byte) {
	t.Helper()
	if n, err := file.WriteAt(b, at); n != len(b) || err != nil {
		t.Fatal(n, err)
	}
}

func read(t *testing.T, f *memfs.FS, name string) []byte {
	t.Helper()
	file, err := f.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadsWhatWasWritten(t *testing.T) {
	f := memfs.New()
	file := create(t, f, "d/a")
	want := make([]byte, 20_000)
	for i := range 50 {
		at := i * 371
		b := bytes.Repeat([]byte{byte(i + 1)}, 1000)
		copy(want[at:], b)
		write(t, file, int64(at), b)
	}
	want = want[:49*371+1000]
	if got := read(t, f, "d/a"); !bytes.Equal(got, want) {
		t.Error("the file does not hold what was written")
	}
	if n, err := file.ReadAt(make([]byte, 10), int64(len(want)-4)); n != 4 || err != io.EOF {
		t.Errorf("read past the end: %d, %v", n, err)
	}
	if err := file.Allocate(40_000, func() {}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, f, "d/a"); len(got) != 40_000 || !bytes.Equal(got[:len(want)], want) {
		t.Error("allocation changed the file")
	}
	if _, err := f.Create("d/a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created a file twice: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := file.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read of a closed file: %v", err)
	}
}

func TestPowerLossKeepsWhatWasSynced(t *testing.T) {
	const sectors = 8
	random := rand.New(rand.NewPCG(1, 1))
	outcomes := make(map[string]bool)
	for range 400 {
		f := memfs.NewDisk()
		file := create(t, f, "d/a")
		write(t, file, 0, bytes.Repeat([]byte("a"), 512*sectors))
		if err := file.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := f.SyncDir("d"); err != nil {
			t.Fatal(err)
		}
		write(t, file, 512, bytes.Repeat([]byte("b"), 512*(sectors-1)))
		create(t, f, "d/b")

		after := f.Lose(random)
		got := read(t, after, "d/a")
		if string(got[:512]) != string(bytes.Repeat([]byte("a"), 512)) {
			t.Fatal("lost what was synced")
		}
		var outcome []byte
		for s := range sectors {
			sector := got[512*s : 512*(s+1)]
			if !bytes.Equal(sector, bytes.Repeat(sector[:1], 512)) {
				t.Fatal("tore a sector")
			}
			outcome = append(outcome, sector[0])
		}
		outcomes[string(outcome)] = true
		names, _ := after.List("d")
		outcomes["file b: "+string("ny"[len(names)-1])] = true
		if got := read(t, f, "d/a"); got[600] != 'b' {
			t.Fatal("the loss of power changed the file system that goes on")
		}
	}
	for _, want := range []string{"aaaaaaaa", "abbbbbbb", "abbaaaaa", "aaaaaaab", "file b: n", "file b: y"} {
		if !outcomes[want] {
			t.Errorf("outcome %q never happened", want)
		}
	}
}

func TestFailedSyncForgets(t *testing.T) {
	f := memfs.NewDisk()
	file := create(t, f, "d/a")
	if err := file.Allocate(2, func() {}); err != nil {
		t.Fatal(err)
	}
	if err := f.SyncDir("d"); err != nil {
		t.Fatal(err)
	}
	write(t, file, 0, []byte("x"))
	boom := errors.New("boom")
	f.Intercept(func(op memfs.Op) error {
		if op.Kind == memfs.Sync {
			return boom
		}
		return nil
	})
	if err := file.Sync(); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	f.Intercept(nil)
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, f, "d/a"); got[0] != 'x' {
		t.Error("what was written is gone from memory")
	}
	for seed := range uint64(20) {
		if got := read(t, f.Lose(rand.New(rand.NewPCG(seed, 0))), "d/a"); got[0] != 0 {
			t.Error("a later sync made durable what a failed one has forgotten")
		}
	}
}

func TestCloneIsIndependent(t *testing.T) {
	f := memfs.NewDisk()
	file := create(t, f, "d/a")
	write(t, file, 0, []byte("abc"))
	clone := f.Clone()
	write(t, file, 0, []byte("xyz"))
	if err := f.Remove("d/a"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, clone, "d/a"); string(got) != "abc" {
		t.Errorf("the clone holds %q", got)
	}
	if names, _ := clone.Lose(rand.New(rand.NewPCG(5, 5))).List("d"); slices.Contains(names, "d/b") {
		t.Error("a file appeared")
	}
	if err := clone.Flip("d/a", 8); err != nil {
		t.Fatal(err)
	}
	if got := read(t, clone, "d/a"); string(got) != "acc" {
		t.Errorf("after the flip the clone holds %q", got)
	}
}

func TestLock(t *testing.T) {
	f := memfs.New()
	lock, err := f.Lock("d/lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock("d/lock"); err == nil {
		t.Error("locked twice")
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock("d/lock"); err != nil {
		t.Error(err)
	}
}
