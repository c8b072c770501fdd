package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"
)

// stored is every key that Badger has a version of, deletions included.
func stored(e *Engine) string {
	txn := e.db.NewTransactionAt(e.visible.Load(), false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{AllVersions: true})
	defer it.Close()
	var keys []string
	for it.Rewind(); it.Valid(); it.Next() {
		if key := it.Item().Key(); key[0] != reserved {
			keys = append(keys, string(key))
		}
	}
	return strings.Join(keys, " ")
}

func TestWhatIsReplacedNeverReachesBadger(t *testing.T) {
	e := onDisk(t)
	commit(t, e, "kept", "1", "outcome", "1", "meta", "1")
	commit(t, e, "meta", "2")
	var b Batch
	b.Delete([]byte("outcome"))
	b.Delete([]byte("never there"))
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
	if got := stored(e); got != "" {
		t.Errorf("Badger has %q before a flush", got)
	}
	checkpoint(t, e)
	if got := stored(e); got != "kept meta" {
		t.Errorf("Badger has %q", got)
	}
	b.Reset()
	b.Delete([]byte("kept"))
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
	checkpoint(t, e)
	if got := stored(e); got != "kept kept meta" {
		t.Errorf("Badger has %q, without the deletion of what it had", got)
	}
	if _, err := e.Get([]byte("kept")); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// While a flush does not get on, commits wait before they take more memory than
// they may, and go on when it has.
func TestCommitsWaitForTheFlush(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var stuck atomic.Bool
		goOn := make(chan struct{})
		opts := Options{Dir: dir, FreeSpace: func(string) (uint64, error) {
			if stuck.Load() {
				<-goOn
			}
			return 1 << 40, nil
		}}
		e, err := Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		e.plan.delta = 200 << 10
		stuck.Store(true)
		const writers, commits, size = 4, 20, 20 << 10
		var done atomic.Int64
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for n := range commits {
					var b Batch
					b.Put(fmt.Appendf(nil, "%d/%d", w, n), make([]byte, size))
					if err := e.Commit(&b); err != nil {
						t.Error(err)
					}
					done.Add(1)
				}
			})
		}
		synctest.Wait()
		_, one := copyWrites([]*Batch{batchOf("0/00", strings.Repeat("x", size))})
		if most := 2 * (e.plan.delta + one); e.mu.active.bytes+e.mu.frozen.bytes > most {
			t.Errorf("%d and %d bytes are in memory, at most %d may be", e.mu.active.bytes, e.mu.frozen.bytes, most)
		}
		if n := done.Load(); n < 18 || n >= writers*commits {
			t.Errorf("%d commits went through", n)
		}
		stuck.Store(false)
		close(goOn)
		wg.Wait()
		if got := len(contents(t, e)); got != writers*commits {
			t.Errorf("%d keys", got)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

func batchOf(key, value string) *Batch {
	var b Batch
	b.Put([]byte(key), []byte(value))
	return &b
}

// What a delta says it takes is what it takes.
func TestDeltaCountsItsMemory(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, size := range []int{0, 20, 300, 5000} {
		for _, perBatch := range []int{1, 12, 200} {
			e := inMemory(t)
			e.plan.delta = 1 << 40
			before := heap()
			chance := rand.New(rand.NewPCG(1, 2))
			for range min(20_000, 20<<20/(size+1)) / perBatch {
				var b Batch
				for range perBatch {
					b.Put(fmt.Appendf(nil, "a key of usual length %08x", chance.Uint32()), make([]byte, size))
				}
				if err := e.Commit(&b); err != nil {
					t.Fatal(err)
				}
			}
			if took := heap() - before; took > e.mu.active.bytes*110/100 || took < e.mu.active.bytes/2 {
				t.Errorf("values of %d bytes, %d a commit: %d bytes are counted, %d are taken",
					size, perBatch, e.mu.active.bytes, took)
			}
		}
	}
}

// A crash in the midst of a flush leaves the last checkpoint.
func TestCrashBetweenTransactionsOfAFlush(t *testing.T) {
	e := onDisk(t)
	var b Batch
	for i := range 100 {
		b.Put(fmt.Appendf(nil, "k%02d", i), []byte("old"))
	}
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
	checkpoint(t, e)
	want, synced := contents(t, e), logs(t, e.opts.Dir)
	b.Reset()
	for i := range 100 {
		if i%3 == 0 {
			b.Delete(fmt.Appendf(nil, "k%02d", i))
		} else {
			b.Put(fmt.Appendf(nil, "k%02d", i), bytes.Repeat([]byte("new"), writerBytes/50))
		}
	}
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
	now := contents(t, e)
	// What the flusher does, as far as it comes.
	out := writer{engine: e}
	begun, writes := e.next, 0
	e.mu.active.order.Scan(func(s *slot) bool {
		if err := out.write(s.newest.Load()); err != nil {
			t.Fatal(err)
		}
		writes++
		return writes < 70
	})
	if e.next < begun+2 {
		t.Fatalf("%d transactions prove nothing", e.next-begun)
	}
	if diff := cmp.Diff(now, contents(t, e)); diff != "" {
		t.Errorf("what is half flushed is seen (-want +got):\n%.500s", diff)
	}
	for i := range 5 {
		cut := powerCut(t, e.opts.Dir, synced, rand.New(rand.NewPCG(uint64(i), 0)))
		if diff := cmp.Diff(want, contents(t, open(t, Options{Dir: cut}))); diff != "" {
			t.Errorf("(-want +got):\n%.500s", diff)
		}
	}
}

// An error of Badger in a flush stops the engine: it is told once, whoever waits
// for the flush learns of it, and what was committed can still be read.
func TestFailedFlushIsFatal(t *testing.T) {
	told := make(chan error, 2)
	e := open(t, Options{InMemory: true, Fatal: func(err error) { told <- err }})
	e.plan.delta = 4 << 10
	if err := e.db.Close(); err != nil {
		t.Fatal(err)
	}
	// The first fills a delta, the second the next one, the third waits.
	var err error
	for i := 0; err == nil; i++ {
		if i > 3 {
			t.Fatal("commits go on")
		}
		err = e.Commit(batchOf(fmt.Sprint(i), strings.Repeat("x", 4<<10)))
	}
	if first := <-told; !errors.Is(err, first) {
		t.Errorf("a commit learned of %v, Fatal of %v", err, first)
	}
	if err := e.Checkpoint(); err == nil {
		t.Error("a checkpoint after it succeeded")
	}
	if value, err := e.Get([]byte("0")); err != nil || len(value) != 4<<10 {
		t.Errorf("got %d bytes, %v", len(value), err)
	}
	if len(told) > 0 {
		t.Errorf("Fatal was told again: %v", <-told)
	}
}

// Writers, readers of one key, readers of views and checkpoints at once, while
// deltas are flushed all the time. A writer sets all its keys to one number in each
// commit: whatever is seen together is equal, and nobody ever finds less than
// what he has seen or was acknowledged before.
func TestConcurrentUse(t *testing.T) {
	for _, c := range []struct {
		opts  Options
		delta int64
	}{
		{Options{InMemory: true}, 1}, // every commit is flushed
		{Options{Dir: t.TempDir()}, 16 << 10},
	} {
		e := open(t, c.opts)
		e.plan.delta = c.delta
		const writers, keys, commits = 3, 5, 400
		key := func(w, k int) []byte { return fmt.Appendf(nil, "w%d/k%d", w, k) }
		var acknowledged [writers]atomic.Uint64
		var writing, reading sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for n := uint64(1); n <= commits; n++ {
					var b Batch
					for k := range keys {
						b.Put(key(w, k), binary.BigEndian.AppendUint64(nil, n), make([]byte, 50))
					}
					// A key that comes and goes.
					if n%2 == 0 {
						b.Put(key(w, keys), nil)
					} else {
						b.Delete(key(w, keys))
					}
					if err := e.Commit(&b); err != nil {
						t.Error(err)
						return
					}
					acknowledged[w].Store(n)
				}
			})
		}
		done := make(chan struct{})
		loop := func(step func()) {
			reading.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						step()
					}
				}
			})
		}
		for range 2 {
			var seen [writers]uint64
			n := 0
			loop(func() {
				n++
				w := n % writers
				least := max(seen[w], acknowledged[w].Load())
				value, err := e.Get(key(w, n%keys))
				if errors.Is(err, ErrNotFound) && least == 0 {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if seen[w] = binary.BigEndian.Uint64(value); seen[w] < least {
					t.Errorf("read %d after %d", seen[w], least)
				}
			})
		}
		for _, reverse := range []bool{false, true} {
			loop(func() {
				var least [writers]uint64
				for w := range writers {
					least[w] = acknowledged[w].Load()
				}
				readTogether(t, e, least[:], keys, reverse)
			})
		}
		loop(func() { checkpoint(t, e) })
		writing.Wait()
		close(done)
		reading.Wait()
		if n := e.visible.Load(); n < 20 {
			t.Errorf("only %d transactions reached Badger: too few flushes to prove anything", n)
		}
	}
}

// readTogether checks that a view holds whole commits, and none before least.
func readTogether(t *testing.T, e *Engine, least []uint64, keys int, reverse bool) {
	v := e.View()
	defer v.Close()
	it := v.Iterate([]byte("w"), []byte("x"), reverse)
	defer it.Close()
	found := make(map[byte][]uint64)
	extra := make(map[byte]bool)
	for it.Next() {
		value, err := it.Value()
		if err != nil {
			t.Error(err)
			return
		}
		w := it.Key()[1] - '0'
		if len(value) == 0 {
			extra[w] = true
			continue
		}
		found[w] = append(found[w], binary.BigEndian.Uint64(value))
	}
	for w := range least {
		numbers := found[byte(w)]
		if len(numbers) == 0 && least[w] == 0 {
			continue
		}
		if len(numbers) != keys {
			t.Errorf("writer %d: %d keys", w, len(numbers))
			continue
		}
		for _, n := range numbers {
			if n != numbers[0] || n < least[w] || extra[byte(w)] != (n%2 == 0) {
				t.Errorf("writer %d: %v are seen, %v has the extra key, at least %d was committed",
					w, numbers, extra[byte(w)], least[w])
				break
			}
		}
	}
}

// A flush lets others go first, unless commits are about to wait for it.
func TestFlushPauses(t *testing.T) {
	for name, urgent := range map[string]bool{"nobody waits": false, "commits are about to wait": true} {
		t.Run(name, func(t *testing.T) {
			var e *Engine
			var pauses, begun, ended int
			e = open(t, Options{
				InMemory:   true,
				Pause:      func() { pauses++ },
				Background: func() func() { begun++; return func() { ended++ } },
			})
			for n := range 20 {
				commit(t, e, fmt.Sprint(n), strings.Repeat("x", 64<<10))
			}
			e.mu.Lock()
			e.freezeLocked()
			if urgent {
				e.plan.delta = 1
			}
			e.mu.Unlock()
			if urgent {
				commit(t, e, "more", "of it")
			}
			if err := e.flush(); err != nil {
				t.Fatal(err)
			}
			if want := map[bool]int{false: 20, true: 0}[urgent]; pauses != want {
				t.Errorf("%d pauses, not %d", pauses, want)
			}
			if begun != 1 || ended != 1 {
				t.Errorf("%d flushes began, %d ended", begun, ended)
			}
		})
	}
}
