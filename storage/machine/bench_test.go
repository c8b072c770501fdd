package machine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/version"
)

func benchRig(b *testing.B) *rig {
	e, err := engine.Open(engine.Options{Dir: b.TempDir(), MemoryBudget: 256 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	return createRig(b, e, Meta{Group: 1, Table: "t"})
}

// BenchmarkApply64 applies entries of 64 puts of 1 KiB on 100,000 keys, with
// request ids, as a busy group does.
func BenchmarkApply64(b *testing.B) {
	const batch, keys, variants = 64, 100_000, 256
	r := benchRig(b)
	text := strings.Repeat("x", 1000)
	encoded := make([][][]byte, variants)
	seq := uint64(0)
	for v := range encoded {
		encoded[v] = make([][]byte, batch)
		for i := range batch {
			seq++
			c := put(fmt.Sprintf("key%06d", (v*batch+i)*7919%keys), "v", text, "n", v*batch+i)
			encoded[v][i] = c.Append(nil)
		}
	}
	b.ReportAllocs()
	b.SetBytes(batch * 1000)
	for n := 0; b.Loop(); n++ {
		e := Entry{Index: uint64(n + 1), Term: 1, Data: command.AppendBatch(nil, version.Timestamp(n), encoded[n%variants])}
		if _, err := r.p.Apply([]Entry{e}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "puts/s")
}

// BenchmarkApplyUpdates is counters with request ids and a condition.
func BenchmarkApplyUpdates(b *testing.B) {
	const batch = 64
	r := benchRig(b)
	cmds := make([]command.Command, batch)
	b.ReportAllocs()
	n := uint64(0)
	for i := range cmds {
		cmds[i] = when(update(fmt.Sprint("key", i), "ADD n :one"), "attribute_not_exists(v)")
	}
	for b.Loop() {
		for i := range cmds {
			n++
			cmds[i].Request = command.RequestID{Session: 1, Seq: n, Low: max(n, 100) - 99}
		}
		if _, err := r.p.Apply([]Entry{r.entry(cmds...)}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "updates/s")
}

// BenchmarkApplyConditional is puts of 1 KiB, each on a condition on an item of that
// size.
func BenchmarkApplyConditional(b *testing.B) {
	const batch = 64
	r := benchRig(b)
	text := strings.Repeat("x", 1000)
	cmds := make([]command.Command, batch)
	for n := 0; b.Loop(); n++ {
		for i := range cmds {
			cmds[i] = when(put(fmt.Sprint("key", i), "text", text, "n", n), "attribute_not_exists(pk) OR NOT n = :a")
		}
		if _, err := r.p.Apply([]Entry{r.entry(cmds...)}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "puts/s")
}

func BenchmarkGet(b *testing.B) {
	r := benchRig(b)
	text := strings.Repeat("x", 1000)
	for i := range 20_000 {
		if i%64 == 0 {
			r.do(put(fmt.Sprintf("key%06d", i), "v", text))
			continue
		}
		if _, err := r.p.Apply([]Entry{r.entry(put(fmt.Sprintf("key%06d", i), "v", text))}); err != nil {
			b.Fatal(err)
		}
	}
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key%06d", i*19)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if s, err := r.p.Get(keys[n%len(keys)]); err != nil || !s.Exists {
			b.Fatal(err)
		}
	}
}

// BenchmarkPage reads 100 items of 1 KiB, and looks for one of them.
func BenchmarkPage(b *testing.B) {
	r := benchRig(b)
	text := strings.Repeat("x", 1000)
	for i := range 2000 {
		r.must(put(fmt.Sprintf("key%06d", i), "v", text, "n", i%100))
	}
	for name, want := range map[string]int{"": 100, "n = :one": 1} {
		b.Run(name, func(b *testing.B) {
			page := PageRequest{Limit: 100}
			if name != "" {
				page.Filter = when(command.Command{}, name).Condition
			}
			b.ReportAllocs()
			for b.Loop() {
				if p, err := r.p.Page(page); err != nil || p.Count != want {
					b.Fatal(p.Count, err)
				}
			}
		})
	}
}
