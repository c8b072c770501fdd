package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// processorTime returns a function that reports the processor time by operation
// of the whole process, flushes and compactions included. On a machine that does
// other work as well it says more than the time on the clock.
func processorTime(b *testing.B) (report func()) {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// typical fills a batch as a partition does for a Raft entry of eight puts: the
// items, the outcomes, the deletion of outcomes that are forgotten, and Meta.
func typical(b *Batch, n int, items int, chance *rand.Rand) {
	var value [300]byte
	b.Reset()
	for range 8 {
		b.Put(benchKey(0, chance.IntN(items)), value[:])
	}
	b.Put(benchKey(1, n), value[:160])
	if n >= 8 {
		b.Delete(benchKey(1, n-8))
	}
	b.Put(benchKey(2, 0), value[:120])
}

// benchKey is long enough, and begins long enough alike, to cost what a
// partition's keys do.
func benchKey(section byte, n int) []byte {
	key := append(make([]byte, 0, 33), 0, 0, 0, 0, 0, 0, 0, 7, section)
	key = binary.BigEndian.AppendUint64(key, uint64(n)*0x9e3779b97f4a7c15)
	if section == 1 {
		key = binary.BigEndian.AppendUint64(key[:9], uint64(n))
	}
	return fmt.Appendf(key, "user%012d", n)
}

// filled is a store that holds items, flushed as far as a checkpoint does.
func filled(b *testing.B, items int) *Engine {
	e := open(b, Options{Dir: b.TempDir(), MemoryBudget: 256 << 20})
	var batch Batch
	for i := range items {
		batch.Put(benchKey(0, i), make([]byte, 300))
		if batch.Len() == 1000 || i == items-1 {
			if err := e.Commit(&batch); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := e.Checkpoint(); err != nil {
		b.Fatal(err)
	}
	return e
}

// BenchmarkCommit8 is a Raft entry of eight puts, to few items, to many, and
// while somebody follows it with views. Flushes are part of it.
func BenchmarkCommit8(b *testing.B) {
	for _, c := range []struct {
		name  string
		items int
		views bool
	}{{"few", 10_000, false}, {"many", 200_000, false}, {"views", 10_000, true}} {
		b.Run(c.name, func(b *testing.B) {
			e := filled(b, c.items)
			chance := rand.New(rand.NewPCG(1, 2))
			var batch Batch
			b.ReportAllocs()
			defer processorTime(b)()
			for n := 0; b.Loop(); n++ {
				if c.views {
					e.View().Close()
				}
				typical(&batch, n, c.items, chance)
				if err := e.Commit(&batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPut8 is the same with what a partition reads before.
func BenchmarkPut8(b *testing.B) {
	const items = 200_000
	e := filled(b, items)
	chance := rand.New(rand.NewPCG(1, 2))
	var batch Batch
	b.ReportAllocs()
	defer processorTime(b)()
	for n := 0; b.Loop(); n++ {
		typical(&batch, n, items, chance)
		for i := range 8 {
			if _, err := e.Get(batch.key(batch.ops[i])); err != nil {
				b.Fatal(err)
			}
		}
		if err := e.Commit(&batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetHot(b *testing.B)  { benchGet(b, 1000) }
func BenchmarkGetCold(b *testing.B) { benchGet(b, 200_000) }

// benchGet reads random ones of so many items, of which a third was
// committed since the flush.
func benchGet(b *testing.B, items int) {
	e := filled(b, items)
	for i := 0; i < items; i += 3 {
		var batch Batch
		batch.Put(benchKey(0, i), make([]byte, 300))
		if err := e.Commit(&batch); err != nil {
			b.Fatal(err)
		}
	}
	keys := make([][]byte, 50_000)
	for i := range keys {
		keys[i] = benchKey(0, rand.IntN(items))
	}
	b.ReportAllocs()
	defer processorTime(b)()
	for n := 0; b.Loop(); n++ {
		if _, err := e.Get(keys[n%len(keys)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIterate reads 100 items in a view of its own, as a Query does, while
// the delta has nothing, something elsewhere, or some of them.
func BenchmarkIterate(b *testing.B) {
	const items = 200_000
	for _, c := range []struct {
		name    string
		section byte
		every   int
	}{{"flushed", 0, 0}, {"elsewhere", 1, 2}, {"merged", 0, 2}} {
		b.Run(c.name, func(b *testing.B) {
			e := filled(b, items)
			if c.every > 0 {
				var batch Batch
				for i := 0; i < items; i += c.every {
					batch.Put(benchKey(c.section, i), make([]byte, 100))
				}
				if err := e.Commit(&batch); err != nil {
					b.Fatal(err)
				}
			}
			chance := rand.New(rand.NewPCG(1, 2))
			hi := []byte{0, 0, 0, 0, 0, 0, 0, 7, 1}
			b.ReportAllocs()
			defer processorTime(b)()
			for b.Loop() {
				v := e.View()
				it := v.Iterate(benchKey(0, chance.IntN(items)), hi, false)
				for n := 0; n < 100 && it.Next(); n++ {
					if _, err := it.Value(); err != nil {
						b.Fatal(err)
					}
				}
				it.Close()
				v.Close()
			}
		})
	}
}
