package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// Whoever has seen a commit, by Get or in a View, never again finds less by
// either, whatever is read from the deltas, from the cache and from Badger.
func TestReadersNeverGoBack(t *testing.T) {
	e := inMemory(t)
	e.plan.delta = 40 * 16 * writeOverhead // a flush every few commits
	// Room for a few values: they come and go.
	e.cache.init(16 * 3 * (entryOverhead + 32))
	key := func(i uint64) []byte { return fmt.Appendf(nil, "key%d", i) }
	const keys, commits = 16, 600
	write := func(n uint64) {
		var b Batch
		for i := range uint64(keys) {
			b.Put(key(i), binary.BigEndian.AppendUint64(nil, n))
		}
		if err := e.Commit(&b); err != nil {
			t.Error(err)
		}
	}
	write(0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for r := range 4 {
		wg.Go(func() {
			var seen uint64
			check := func(value []byte, err error) {
				if err != nil {
					t.Error(err)
					return
				}
				n := binary.BigEndian.Uint64(value)
				if n < seen {
					t.Errorf("read %d after %d", n, seen)
				}
				seen = max(seen, n)
			}
			for i := uint64(r); ; i++ {
				select {
				case <-done:
					return
				default:
				}
				check(e.Get(key(i % keys)))
				view := e.View()
				check(view.Get(key((i + 1) % keys)))
				view.Close()
			}
		})
	}
	for n := range uint64(commits) {
		write(n + 1)
	}
	close(done)
	wg.Wait()
}

// A value that was read before a delta was frozen and comes in after it would
// be found for ever.
func TestFillAfterFreeze(t *testing.T) {
	e := onDisk(t)
	commit(t, e, "a", "old")
	checkpoint(t, e)
	freezes := e.cache.freezes.Load()
	stale, err := e.read([]byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	commit(t, e, "a", "new")
	checkpoint(t, e)
	e.cache.fill([]byte("a"), stale, freezes)
	if got, err := e.Get([]byte("a")); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCacheFollowsFlushes(t *testing.T) {
	e := onDisk(t)
	commit(t, e, "a", "1", "b", "1")
	get := func(key, want string) {
		t.Helper()
		for n := range 3 { // from the delta, from the cache or Badger, from the cache
			if n == 1 {
				checkpoint(t, e)
			}
			got, err := e.Get([]byte(key))
			if want == "" && !errors.Is(err, ErrNotFound) || want != "" && (err != nil || string(got) != want) {
				t.Errorf("%s: %q, %v, want %q", key, got, err, want)
			}
		}
	}
	get("a", "1")
	get("b", "1")
	commit(t, e, "a", "2", "a", "3")
	get("a", "3")
	var b Batch
	b.Delete([]byte("b"))
	if err := e.Commit(&b); err != nil {
		t.Fatal(err)
	}
	get("b", "")
	get("c", "")
	commit(t, e, "c", "1", "empty", "")
	get("c", "1")
	if got, err := e.Get([]byte("empty")); err != nil || got == nil || len(got) != 0 {
		t.Errorf("an empty value is %q, %v", got, err)
	}
	commit(t, e, "a", "4")
	big := string(make([]byte, maxCached+1))
	commit(t, e, "a", big)
	get("a", big)
	if _, ok := e.cache.find([]byte("a")); ok {
		t.Error("a value that is too long is kept")
	}
}

func TestCacheIsBounded(t *testing.T) {
	e := onDisk(t)
	const limit = 64 << 10
	e.cache.init(limit)
	for i := range 2000 {
		key := fmt.Sprintf("key%d", i)
		if _, err := e.Get([]byte(key)); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		commit(t, e, key, fmt.Sprintf("%100d", i))
	}
	checkpoint(t, e) // gives the keys that are here their values
	var bytes, counted int64
	for i := range e.cache.shards {
		s := &e.cache.shards[i]
		bytes += s.bytes
		for key, value := range s.values {
			counted += entrySize(len(key), len(value))
		}
	}
	if bytes != counted || bytes > limit || bytes < limit/2 {
		t.Errorf("%d bytes are counted, %d are there, %d are allowed", bytes, counted, limit)
	}
}

// TestFindSaysHowDeep looks for keys in a delta, in Badger, and in the cache, to which
// the second look brings them.
func TestFindSaysHowDeep(t *testing.T) {
	e := onDisk(t)
	commit(t, e, "flushed", "1")
	checkpoint(t, e)
	commit(t, e, "fresh", "2")
	for _, tt := range []struct {
		key  string
		deep [2]bool
		err  error
	}{
		{"fresh", [2]bool{}, nil},
		{"flushed", [2]bool{true, false}, nil},
		{"nowhere", [2]bool{true, false}, ErrNotFound},
	} {
		for n, want := range tt.deep {
			value, deep, err := e.Find([]byte(tt.key))
			if deep != want || !errors.Is(err, tt.err) || err == nil && len(value) == 0 {
				t.Errorf("%s, look %d: %q, deep: %t, %v", tt.key, n+1, value, deep, err)
			}
		}
	}
}
