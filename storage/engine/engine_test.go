package engine

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/roundtabledb/roundtable/storage"
)

// TestMain makes property tests short unless -rapid.checks says otherwise: each
// check opens several stores.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}

func open(t testing.TB, opts Options) *Engine {
	t.Helper()
	e, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return e
}

func inMemory(t testing.TB) *Engine { return open(t, Options{InMemory: true}) }

func onDisk(t testing.TB) *Engine { return open(t, Options{Dir: t.TempDir()}) }

func checkpoint(t testing.TB, e *Engine) {
	t.Helper()
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, e *Engine, pairs ...string) {
	t.Helper()
	var b Batch
	for i := 0; i < len(pairs); i += 2 {
		b.Put([]byte(pairs[i]), []byte(pairs[i+1]))
	}
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
}

func list(t testing.TB, v *View, lo, hi []byte, reverse bool) string {
	t.Helper()
	it := v.Iterate(lo, hi, reverse)
	defer it.Close()
	var out []string
	for it.Next() {
		value, err := it.Value()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s=%s", it.Key(), value))
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return strings.Join(out, " ")
}

func TestGetSeesTheNewestCommit(t *testing.T) {
	e := inMemory(t)
	if _, err := e.Get([]byte("a")); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
	commit(t, e, "a", "1", "b", "1")
	commit(t, e, "a", "2")
	if v, err := e.Get([]byte("a")); err != nil || string(v) != "2" {
		t.Fatalf("got %q, %v", v, err)
	}
	var b Batch
	b.Put([]byte("b"), []byte("9"))
	b.Delete([]byte("b"))
	b.Delete([]byte("a"))
	b.Put([]byte("a"), []byte("x"), nil, []byte("y"))
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
	if v, err := e.Get([]byte("a")); err != nil || string(v) != "xy" {
		t.Fatalf("got %q, %v: the last write of a batch must win", v, err)
	}
	if _, err := e.Get([]byte("b")); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v, want ErrNotFound", err)
	}
}

func TestIterateBounds(t *testing.T) {
	e := inMemory(t)
	commit(t, e, "a", "1", "b", "2", "ba", "3", "c", "4", "d", "5")
	commit(t, e, "b", "6")
	v := e.View()
	defer v.Close()
	for _, c := range []struct {
		lo, hi  string
		reverse bool
		want    string
	}{
		{"", "", false, "a=1 b=6 ba=3 c=4 d=5"},
		{"", "", true, "d=5 c=4 ba=3 b=6 a=1"},
		{"b", "c", false, "b=6 ba=3"},
		{"b", "c", true, "ba=3 b=6"},
		{"ab", "cc", true, "c=4 ba=3 b=6"},
		{"b", "bz", true, "ba=3 b=6"},
		{"x", "z", false, ""},
		{"x", "z", true, ""},
		{"0", "1", true, ""},
	} {
		var hi []byte
		if c.hi != "" {
			hi = []byte(c.hi)
		}
		if got := list(t, v, []byte(c.lo), hi, c.reverse); got != c.want {
			t.Errorf("[%q, %q) reverse %v: got %q, want %q", c.lo, c.hi, c.reverse, got, c.want)
		}
	}
}

func TestViewKeepsWhatItSaw(t *testing.T) {
	e := open(t, Options{Dir: t.TempDir()})
	commit(t, e, "a", "1", "b", "1")
	v := e.View()
	commit(t, e, "a", "2")
	var b Batch
	b.Delete([]byte("b"))
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if got := e.discarded.Load(); got > v.ts {
		t.Errorf("discarding moved to %d past an open view of %d", got, v.ts)
	}
	if got := list(t, v, []byte("a"), nil, false); got != "a=1 b=1" {
		t.Errorf("the view changed: %q", got)
	}
	v.Close()
	v.Close() // harmless
	commit(t, e, "c", "1")
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if got, want := e.discarded.Load(), e.visible.Load(); got != want {
		t.Errorf("discarding stands at %d, want %d: nothing holds it back", got, want)
	}
}

// A batch that exceeds Badger's transaction, and the delta, is still all or
// nothing to readers, also while it is flushed.
func TestBigCommitIsAtomic(t *testing.T) {
	e := onDisk(t)
	e.plan.delta = 1 << 20
	write := func(n int) {
		var b Batch
		value := bytes.Repeat([]byte{byte(n)}, 400<<10)
		for k := range 16 {
			b.Put(fmt.Appendf(nil, "key%02d", k), value)
		}
		if err := e.Commit(&b); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			v := e.View()
			first, err1 := v.Get([]byte("key00"))
			last, err2 := v.Get([]byte("key15"))
			v.Close()
			if err1 != nil || err2 != nil || first[0] != last[0] {
				t.Errorf("a view saw half of a commit: %v %v", err1, err2)
				return
			}
		}
	})
	checkpoint(t, e)
	before := e.visible.Load()
	for n := 1; n < 4; n++ {
		write(n)
	}
	checkpoint(t, e)
	if n := e.visible.Load() - before; n <= 3+1 {
		t.Errorf("3 commits and a checkpoint took %d transactions: the batch was not big enough to prove anything", n)
	}
	close(done)
	wg.Wait()
}

func TestCommitOfSeveralBatches(t *testing.T) {
	e := inMemory(t)
	var a, b Batch
	a.Put([]byte("a"), []byte("1"))
	b.Put([]byte("b"), []byte("2"))
	if err := e.Commit(&a, &b); err != nil {
		t.Fatal(err)
	}
	v := e.View()
	defer v.Close()
	if got := list(t, v, nil, nil, false); got != "a=1 b=2" {
		t.Errorf("got %q", got)
	}
}

func TestBatchRefusesWhatBadgerCannotHold(t *testing.T) {
	e := inMemory(t)
	for name, fill := range map[string]func(*Batch){
		"empty key":  func(b *Batch) { b.Put(nil, []byte("v")) },
		"reserved":   func(b *Batch) { b.Put([]byte{0xff, 1}, nil) },
		"long key":   func(b *Batch) { b.Delete(make([]byte, MaxKeySize+1)) },
		"long value": func(b *Batch) { b.Put([]byte("k"), make([]byte, MaxValueSize), []byte{1}) },
	} {
		var b Batch
		fill(&b)
		if err := e.Commit(&b); storage.KindOf(err) != storage.Internal {
			t.Errorf("%s: got %v", name, err)
		}
		b.Reset()
		b.Put([]byte("k"), make([]byte, MaxValueSize))
		if err := e.Commit(&b); err != nil {
			t.Errorf("%s: after Reset: %v", name, err)
		}
	}
}

func TestFailedSyncIsFatal(t *testing.T) {
	disk := errors.New("input/output error")
	var broken bool
	var told []error
	opts := Options{Dir: t.TempDir(), Fatal: func(err error) { told = append(told, err) }}
	opts.Sync = func(path string) error {
		if broken {
			return disk
		}
		return syncPath(path)
	}
	e, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, e, "a", "1")
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	commit(t, e, "a", "2")
	broken = true
	if err := e.Checkpoint(); !errors.Is(err, disk) {
		t.Fatalf("got %v, want the disk's error", err)
	}
	broken = false
	if err := e.Checkpoint(); !errors.Is(err, disk) {
		t.Errorf("a later checkpoint returned %v: what the kernel dropped cannot become durable by asking again", err)
	}
	var b Batch
	b.Put([]byte("b"), nil)
	if err := e.Commit(&b); !errors.Is(err, disk) {
		t.Errorf("a later commit returned %v", err)
	}
	if len(told) != 1 || !errors.Is(told[0], disk) {
		t.Errorf("Fatal was told %v", told)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	opts.Fatal = nil
	again := open(t, opts)
	if v, err := again.Get([]byte("a")); err != nil || string(v) != "1" {
		t.Errorf("got %q, %v: only the first checkpoint counts", v, err)
	}
}

func TestFailedRecordOfCheckpointIsFatal(t *testing.T) {
	disk := errors.New("input/output error")
	told := 0
	opts := Options{Dir: t.TempDir(), Fatal: func(error) { told++ }}
	opts.Sync = func(path string) error {
		if strings.HasSuffix(path, ".new") {
			return disk
		}
		return syncPath(path)
	}
	e, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, e, "a", "1")
	if err := e.Checkpoint(); !errors.Is(err, disk) || told != 1 {
		t.Errorf("got %v, told %d times", err, told)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestDiskSpaceGuard(t *testing.T) {
	free := uint64(1 << 40)
	var told error
	opts := Options{Dir: t.TempDir(), Fatal: func(err error) { told = err }}
	opts.FreeSpace = func(string) (uint64, error) { return free, nil }
	e, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, e, "a", "1")
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	free = uint64(e.plan.reserve) - 1
	var b Batch
	for i := range 60 { // far less than the reserve, but enough to look
		b.Put([]byte{byte(i)}, make([]byte, 300<<10))
	}
	if err := e.Commit(&b); !errors.Is(err, ErrDiskFull) || !errors.Is(told, ErrDiskFull) {
		t.Errorf("Commit returned %v, Fatal was told %v", err, told)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(opts); !errors.Is(err, ErrDiskFull) {
		t.Errorf("Open on a full disk returned %v", err)
	}
	free = 1 << 40
	e = open(t, opts)
	free = 0
	if err := e.Checkpoint(); !errors.Is(err, ErrDiskFull) {
		t.Errorf("Checkpoint returned %v", err)
	}
}

func TestCloseWaitsForViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := Open(Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		commit(t, e, "a", "1")
		view := e.View()
		closed := make(chan error, 1)
		go func() { closed <- e.Close() }()
		synctest.Wait()
		if v, err := view.Get([]byte("a")); err != nil || string(v) != "1" {
			t.Errorf("an open view must outlive Close: %q, %v", v, err)
		}
		view.Close()
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
	})
}

func TestClosedEngine(t *testing.T) {
	e, err := Open(Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Get([]byte("a")); !errors.Is(err, ErrClosed) {
		t.Errorf("Get: %v", err)
	}
	if err := e.Commit(new(Batch)); !errors.Is(err, ErrClosed) {
		t.Errorf("Commit: %v", err)
	}
	if err := e.Checkpoint(); !errors.Is(err, ErrClosed) {
		t.Errorf("Checkpoint: %v", err)
	}
	if err := e.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("Close: %v", err)
	}
	late := e.View()
	defer late.Close()
	if _, err := late.Get([]byte("a")); !errors.Is(err, ErrClosed) {
		t.Errorf("View.Get: %v", err)
	}
	it := late.Iterate(nil, nil, false)
	defer it.Close()
	if it.Next() || !errors.Is(it.Err(), ErrClosed) {
		t.Errorf("Iterate: %v", it.Err())
	}
}

// Inside a bubble, virtual time passes while every goroutine of Badger waits,
// and none is left when the engine is closed.
func TestVirtualTime(t *testing.T) {
	dir := t.TempDir()
	for _, opts := range []Options{{InMemory: true}, {Dir: dir}} {
		synctest.Test(t, func(t *testing.T) {
			e, err := Open(opts)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 50 {
				commit(t, e, fmt.Sprint(i), strings.Repeat("x", 100<<10))
				time.Sleep(time.Minute)
				if err := e.Checkpoint(); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for name, opts := range map[string]Options{
		"nowhere":        {},
		"two places":     {Dir: t.TempDir(), InMemory: true},
		"too small":      {InMemory: true, MemoryBudget: 1 << 20},
		"negative":       {InMemory: true, MemoryBudget: -1},
		"staggered":      {InMemory: true, Stagger: MaxStagger + 1},
		"no such parent": {Dir: "/proc/nothing/here"},
	} {
		if e, err := Open(opts); err == nil {
			t.Errorf("%s: opened", name)
			_ = e.Close()
		}
	}
	small, big := (&Options{MemoryBudget: 64 << 20}).plan(), (&Options{MemoryBudget: 4 << 30}).plan()
	if small.badger.MemTableSize != 8<<20 || small.badger.NumMemtables != 2 {
		t.Errorf("small: memtable %d x %d", small.badger.MemTableSize, small.badger.NumMemtables)
	}
	if big.badger.MemTableSize != 64<<20 || big.badger.NumMemtables != 2 {
		t.Errorf("big: memtable %d x %d", big.badger.MemTableSize, big.badger.NumMemtables)
	}
	least := (&Options{MemoryBudget: 4 << 30, Stagger: MaxStagger}).plan()
	if m := least.badger.MemTableSize; m <= 48<<20 || m >= 50<<20 || least.delta <= 3*big.delta/4 || least.delta >= big.delta {
		t.Errorf("staggered: memtable %d, delta %d", m, least.delta)
	}
}

func TestConvert(t *testing.T) {
	if got := convert("op", badger.ErrKeyNotFound); got != ErrNotFound {
		t.Errorf("got %v", got)
	}
	if got := convert("op", badger.ErrDBClosed); got != ErrClosed {
		t.Errorf("got %v", got)
	}
	damaged := fmt.Errorf("table 3: checksum mismatch")
	if got := convert("op", damaged); storage.KindOf(got) != storage.Corrupt || !errors.Is(got, damaged) {
		t.Errorf("got %v", got)
	}
	if got := convert("op", nil); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	l := logger{slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	l.Debugf("a %d\n", 1)
	l.Infof("b %d\n", 2)
	l.Warningf("c %d\n", 3)
	l.Errorf("d %d\n", 4)
	got := out.String()
	if strings.Contains(got, "a 1") || strings.Contains(got, "b 2") {
		t.Errorf("chatter came through: %s", got)
	}
	if !strings.Contains(got, "level=WARN msg=\"badger: c 3\"") || !strings.Contains(got, "level=ERROR msg=\"badger: d 4\"") {
		t.Errorf("got %s", got)
	}
}
