package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
)

// contents is all keys and values of a store.
func contents(t rapid.TB, e *Engine) map[string]string {
	t.Helper()
	v := e.View()
	defer v.Close()
	it := v.Iterate(nil, nil, false)
	defer it.Close()
	all := make(map[string]string)
	for it.Next() {
		value, err := it.Value()
		if err != nil {
			t.Fatal(err)
		}
		all[string(it.Key())] = string(value)
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return all
}

// powerCut copies the directory of a running store as a disk could hold it
// after the power went: what was synced is there, and of every page that
// changed in a memtable's log or the value log since, chance decides whether it is.
// synced is what they held at the last checkpoint, by name.
func powerCut(t rapid.TB, from string, synced map[string][]byte, chance *rand.Rand) (to string) {
	t.Helper()
	to, err := os.MkdirTemp(filepath.Dir(from), "cut")
	if err != nil {
		t.Fatal(err)
	}
	for {
		before := listing(t, from)
		if err := errors.Join(os.RemoveAll(to), os.Mkdir(to, 0o700)); err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := readSparse(path)
			if isValues(path) {
				b, err = os.ReadFile(path)
			}
			if err != nil {
				return err
			}
			old, ok := synced[d.Name()]
			if !isLog(path) {
				return writeSparse(path, filepath.Join(to, d.Name()), b)
			}
			mixPages(b, old, chance)
			if !isValues(path) {
				return writeSparse(path, filepath.Join(to, d.Name()), b)
			}
			// The file itself may be missing, or as long as it was.
			switch chance.IntN(3) {
			case 0:
				return writeSparse(path, filepath.Join(to, d.Name()), b)
			case 1:
				if !ok {
					return nil
				}
			}
			return os.WriteFile(filepath.Join(to, d.Name()), b[:min(len(b), len(old))], 0o600)
		})
		if listing(t, from) != before {
			continue // a memtable was flushed: the copy is of two times
		}
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
}

// listing is the files of a store and the length of each.
func listing(t rapid.TB, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			fmt.Fprintln(&b, f.Name(), info.Size())
		}
	}
	return b.String()
}

// readSparse reads a file without the zeros at its end: a memtable's log is
// mapped at its full size from the beginning.
func readSparse(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	for n := len(b) - len(zeros); n >= 0 && bytes.Equal(b[n:], zeros[:]); n -= len(zeros) {
		b = b[:n]
	}
	return b, err
}

var zeros [4 << 10]byte

// writeSparse writes b to a new file as long as another.
func writeSparse(like, path string, b []byte) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, info.Size())
}

// mixPages sets some pages of b to what they were in old. Mostly it keeps a
// prefix, sometimes a torn mixture.
func mixPages(b, old []byte, chance *rand.Rand) {
	const page = 4 << 10
	torn := chance.IntN(3) == 0
	cut := chance.IntN(len(b)/page + 2)
	for i := 0; i*page < len(b); i++ {
		keep := i < cut
		if torn {
			keep = chance.IntN(2) == 0
		}
		if keep {
			continue
		}
		target := b[i*page : min((i+1)*page, len(b))]
		clear(target)
		if i*page < len(old) {
			copy(target, old[i*page:])
		}
	}
}

// isLog reports whether a file is one that a checkpoint syncs.
func isLog(path string) bool { return strings.HasSuffix(path, ".mem") || isValues(path) }

func isValues(path string) bool { return strings.HasSuffix(path, ".values") }

// logs is what the memtables' logs and the value log hold, by file.
func logs(t rapid.TB, dir string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	logs := make(map[string][]byte)
	for _, name := range names {
		if !isLog(name) {
			continue
		}
		read := readSparse
		if isValues(name) {
			read = os.ReadFile
		}
		if b, err := read(name); err == nil {
			logs[filepath.Base(name)] = b
		}
	}
	return logs
}

// TestCrash checks the promise of the package: whatever a crash left on the
// disk, Open returns the state of the last checkpoint.
func TestCrash(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "run")
		if err != nil {
			t.Fatal(err)
		}
		opts := drawOptions(t)
		opts.Dir = dir
		e, err := Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = e.Close() }()
		now, durable := map[string]string{}, map[string]string{}
		delta := int64(rapid.SampledFrom([]int{1, 200 << 10, 8 << 20}).Draw(t, "delta"))
		e.plan.delta = delta
		synced := logs(t, dir)
		key := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("k%02d", rapid.IntRange(0, 30).Draw(t, "k")) })
		size := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 100<<10))
		reopen := func(at string) {
			opts.Dir = at
			if e, err = Open(opts); err != nil {
				t.Fatal(err)
			}
			e.plan.delta = delta
			dir, synced = at, logs(t, at)
			if diff := cmp.Diff(durable, contents(t, e)); diff != "" {
				t.Fatalf("after a reopen (-want +got):\n%.2000s", diff)
			}
			now = maps.Clone(durable)
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"commit", "commit", "commit", "checkpoint", "cut", "close"}).Draw(t, "step") {
			case "commit":
				var b Batch
				for range rapid.IntRange(1, 40).Draw(t, "writes") {
					k := key.Draw(t, "key")
					if rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
						b.Delete([]byte(k))
						delete(now, k)
						continue
					}
					v := strings.Repeat(string(rune('a'+rapid.IntRange(0, 25).Draw(t, "fill"))), size.Draw(t, "size"))
					b.Put([]byte(k), []byte(v))
					now[k] = v
				}
				if err := e.Commit(&b); err != nil {
					t.Fatal(err)
				}
			case "checkpoint":
				if err := e.Checkpoint(); err != nil {
					t.Fatal(err)
				}
				durable, synced = maps.Clone(now), logs(t, dir)
			case "cut":
				chance := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "chance"), 0))
				at := powerCut(t, dir, synced, chance)
				_ = e.Close()
				reopen(at)
			case "close":
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				durable = maps.Clone(now)
				reopen(dir)
			}
		}
		_ = e.Close()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	})
}

// A memtable that was rotated but not flushed may lose its end while a newer
// one is complete: what the newer holds must not be believed.
func TestHoleBetweenMemtables(t *testing.T) {
	base := t.TempDir()
	dir, cut := filepath.Join(base, "store"), filepath.Join(base, "cut")
	e, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, e, "first", "1")
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(cut, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	const newer = "00002.mem"
	value := bytes.Repeat([]byte("v"), maxCached) // not for the value log
	for i := 0; logs(t, dir)[newer] == nil; i++ {
		var b Batch
		b.Put(fmt.Appendf(nil, "later%03d", i), value)
		b.Put([]byte("first"), fmt.Appendf(nil, "later%03d", i))
		if err := e.Commit(&b); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSparse(filepath.Join(dir, newer), filepath.Join(cut, newer), logs(t, dir)[newer]); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	again := open(t, Options{Dir: cut, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if diff := cmp.Diff(map[string]string{"first": "1"}, contents(t, again)); diff != "" {
		t.Errorf("(-want +got):\n%.500s", diff)
	}
	if !strings.Contains(out.String(), "taken back") {
		t.Error("nothing was taken back: the test proves nothing")
	}
}

// A checkpoint that covers more than the store holds is not believed.
func TestMissingFiles(t *testing.T) {
	dir := t.TempDir()
	e, err := Open(Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, e, "a", "1")
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(filepath.Join(dir, "store"))); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "copy", "00001.mem")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: filepath.Join(dir, "copy")}); storage.KindOf(err) != storage.Corrupt {
		t.Errorf("got %v", err)
	}
}

// withCheckpoint makes a store that holds a: 1, and changes its file CHECKPOINT.
func withCheckpoint(t *testing.T, change func([]byte) []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	e, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, e, "a", "1")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, checkpointName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDamagedCheckpointFile(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"a bit":   func(b []byte) []byte { b[12] ^= 1; return b },
		"its end": func(b []byte) []byte { return b[:len(b)-1] },
		"all":     func([]byte) []byte { return nil },
	} {
		dir := withCheckpoint(t, change)
		if _, err := Open(Options{Dir: dir}); storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A checkpoint of before there was a value log is understood.
func TestOldCheckpoint(t *testing.T) {
	dir := withCheckpoint(t, func(b []byte) []byte {
		old := append([]byte(oldMagic), b[8:16]...)
		return append(old, checksum(old)...)
	})
	e := open(t, Options{Dir: dir})
	if got, err := e.Get([]byte("a")); err != nil || string(got) != "1" {
		t.Errorf("got %q, %v", got, err)
	}
}

func BenchmarkCommit64(b *testing.B) {
	e := open(b, Options{Dir: b.TempDir(), MemoryBudget: 256 << 20})
	value := make([]byte, 1024)
	var batch Batch
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		batch.Reset()
		for k := range 64 {
			batch.Put(fmt.Appendf(nil, "key%08d", (i*64+k)*7919%1_000_000), value)
		}
		if err := e.Commit(&batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	e := open(b, Options{Dir: b.TempDir(), MemoryBudget: 256 << 20})
	for i := range 1000 {
		var batch Batch
		for k := range 20 {
			batch.Put(fmt.Appendf(nil, "key%08d", i*20+k), make([]byte, 1024))
		}
		if err := e.Commit(&batch); err != nil {
			b.Fatal(err)
		}
	}
	key := []byte("key00004711")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Get(key); err != nil {
			b.Fatal(err)
		}
	}
}
