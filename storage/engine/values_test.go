package engine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/storage"
)

// valueFiles is how many files of values a store has, and their length.
func valueFiles(t *testing.T, dir string) (files int, length int64) {
	t.Helper()
	for name, b := range logs(t, dir) {
		if isValues(name) {
			files, length = files+1, length+int64(len(b))
		}
	}
	return files, length
}

// Large values are written over again and again, beside some that stay: the
// value log does not grow beyond its bound, and an open View keeps what it sees.
func TestValueLogIsSwept(t *testing.T) {
	e := open(t, Options{Dir: t.TempDir(), large: 1000, valueFile: 64 << 10, sweep: 128 << 10})
	value := func(n int) string { return strings.Repeat(fmt.Sprintf("%03d|", n%1000), 2500) }
	for i := range 10 {
		commit(t, e, fmt.Sprintf("stays%d", i), value(i))
		commit(t, e, "changes0", value(i))
		checkpoint(t, e)
	}
	before := e.View()
	seen := contents(t, e)
	var most int64
	for n := range 100 {
		for k := range 5 {
			commit(t, e, fmt.Sprintf("changes%d", k), value(n+k))
		}
		checkpoint(t, e)
		_, length := valueFiles(t, e.opts.Dir)
		most = max(most, length)
		if n == 50 {
			for key, want := range seen {
				if got, err := before.Get([]byte(key)); err != nil || string(got) != want {
					t.Fatalf("an open view: %s is %.10q, %v, want %.10q", key, got, err, want)
				}
			}
			before.Close()
			most = 0 // until here the view kept everything
		}
	}
	// 15 values of 10 KB are live: three times as much, a sweep's worth and the files
	// between them.
	if most > 3*15*10_000+128<<10+3*64<<10 {
		t.Errorf("the value log took %d bytes", most)
	}
	for i := range 10 {
		if got, err := e.Get(fmt.Appendf(nil, "stays%d", i)); err != nil || string(got) != value(i) {
			t.Errorf("stays%d is %.10q, %v", i, got, err)
		}
	}
}

// What nothing points at any more goes without being read, after a reopen too.
func TestUselessValuesGo(t *testing.T) {
	opts := Options{Dir: t.TempDir(), large: 1000, valueFile: 16 << 10, sweep: 1}
	e, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		commit(t, e, fmt.Sprint("key", i), strings.Repeat("v", 10_000))
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if files, _ := valueFiles(t, opts.Dir); files < 10 {
		t.Fatalf("%d files: the test proves nothing", files)
	}
	e = open(t, opts)
	for i := range 20 {
		commit(t, e, fmt.Sprint("key", i), "small")
	}
	for i := range 20 {
		commit(t, e, "key", fmt.Sprint(i)) // or there is nothing to checkpoint
		checkpoint(t, e)
	}
	// The last file that was written stays, as the position of the checkpoint.
	if files, _ := valueFiles(t, opts.Dir); files > 1 {
		t.Errorf("%d files are left", files)
	}
}

// Room comes back when values are deleted and none is written.
func TestDeletedValuesGo(t *testing.T) {
	e := open(t, Options{Dir: t.TempDir(), large: 1000, valueFile: 16 << 10, sweep: 64 << 10})
	var puts, deletes Batch
	for i := range 20 {
		key := fmt.Appendf(nil, "key%02d", i)
		puts.Put(key, bytes.Repeat([]byte("v"), 10_000))
		deletes.Delete(key)
	}
	for _, b := range []*Batch{&puts, &deletes} {
		if err := e.Commit(b); err != nil {
			t.Fatal(err)
		}
		checkpoint(t, e)
	}
	for i := range 10 {
		commit(t, e, "key", fmt.Sprint(i)) // or there is nothing to checkpoint
		checkpoint(t, e)
	}
	if files, _ := valueFiles(t, e.opts.Dir); files > 1 {
		t.Errorf("%d files are left", files)
	}
}

// Damage to a large value is reported where it is read, and when it would be
// copied by a sweep.
func TestDamagedValue(t *testing.T) {
	var fatal error
	opts := Options{Dir: t.TempDir(), large: 1000, valueFile: 10_000, sweep: 1, Fatal: func(err error) { fatal = err }}
	e, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, e, "a", strings.Repeat("v", 5000), "z", strings.Repeat("v", 9000))
	checkpoint(t, e)
	path := filepath.Join(opts.Dir, "00000001.values")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[12] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Get([]byte("a")); storage.KindOf(err) != storage.Corrupt {
		t.Errorf("read: %v", err)
	}
	// Less than half of the file is then of use, so that the value is to be copied.
	commit(t, e, "z", strings.Repeat("w", 9000))
	checkpoint(t, e)
	commit(t, e, "c", strings.Repeat("x", 5000))
	if err := e.Checkpoint(); storage.KindOf(err) != storage.Corrupt || storage.KindOf(fatal) != storage.Corrupt {
		t.Errorf("sweep: %v, fatal %v", err, fatal)
	}
	_ = e.Close()
}

// A checkpoint covers no value that was not synced.
func TestCheckpointSyncsValues(t *testing.T) {
	var synced []string
	e := open(t, Options{Dir: t.TempDir(), large: 1000, valueFile: 1, sweep: 128 << 20, Sync: func(path string) error {
		synced = append(synced, filepath.Base(path))
		return nil
	}})
	commit(t, e, "a", strings.Repeat("v", 5000), "b", strings.Repeat("v", 5000))
	checkpoint(t, e)
	for _, want := range []string{"00000001.values", "00000002.values"} {
		at, recorded := slices.Index(synced, want), slices.Index(synced, checkpointName+".new")
		if at < 0 || at > recorded {
			t.Errorf("%s is not synced before the checkpoint: %v", want, synced)
		}
	}
}

// The smallest store takes the largest value.
func TestLargestValue(t *testing.T) {
	for name, opts := range map[string]Options{
		"disk": {}, "memory": {InMemory: true},
	} {
		for _, stagger := range []int{0, MaxStagger} {
			t.Run(fmt.Sprint(name, " ", stagger), func(t *testing.T) {
				opts.MemoryBudget, opts.Stagger = minBudget, stagger
				if !opts.InMemory {
					opts.Dir = t.TempDir()
				}
				e := open(t, opts)
				value := strings.Repeat("v", MaxValueSize)
				commit(t, e, "key", value)
				checkpoint(t, e)
				if got, err := e.Get([]byte("key")); err != nil || string(got) != value {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// Nothing goes to Badger's own value log, pointers neither.
func TestBadgersValueLogIsEmpty(t *testing.T) {
	for _, large := range []int{1, 100, maxCached + 1, MaxValueSize} {
		e := open(t, Options{Dir: t.TempDir(), large: large, valueFile: 1 << 20, sweep: 128 << 20})
		for _, size := range []int{0, 1, 100, maxCached, maxCached + 1, MaxValueSize} {
			commit(t, e, fmt.Sprint(size), strings.Repeat("v", size))
		}
		checkpoint(t, e)
		logs, err := filepath.Glob(filepath.Join(e.opts.Dir, "*.vlog"))
		if err != nil || len(logs) == 0 {
			t.Fatal(logs, err)
		}
		for _, name := range logs {
			// What Badger writes there comes after a header of 20 bytes.
			if b, err := readSparse(name); err != nil || len(b) > len(zeros) || len(bytes.TrimRight(b, "\x00")) > 20 {
				t.Errorf("large values from %d on: %s holds %d bytes, %v", large, filepath.Base(name), len(bytes.TrimRight(b, "\x00")), err)
			}
		}
	}
}
