package machine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
)

// pageRig has items k00 … k29, of which n is the number; those that 3 divides
// are deleted.
func pageRig(t testing.TB) (*rig, []string) {
	r := newRig(t)
	r.must(consumer(command.Register, "region:us", 0, ""))
	var keys []string
	for i := range 30 {
		key := fmt.Sprintf("k%02d", i)
		r.must(put(key, "n", i))
		if i%3 == 0 {
			r.must(del(key))
		} else {
			keys = append(keys, key)
		}
	}
	return r, keys
}

func (r *rig) page(q PageRequest) Page {
	r.Helper()
	p, err := r.p.Page(q)
	if err != nil {
		r.Fatal(err)
	}
	return p
}

func keysOf(t tester, items []item.Encoded) []string {
	t.Helper()
	var keys []string
	for _, it := range items {
		v, _, err := it.Attribute("pk")
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, v.Str())
	}
	return keys
}

// TestPages walks over random ranges in pages of random size: every item comes
// once and in order, whichever way.
func TestPages(t *testing.T) {
	outer, all := pageRig(t)
	rapid.Check(t, func(t *rapid.T) {
		r := *outer
		r.tester = t
		bound := rapid.SampledFrom([]string{"", "a", "k00", "k07", "k07x", "k15", "k29", "k3", "z"})
		q := PageRequest{
			Lo: []byte(bound.Draw(t, "lo")), Reverse: rapid.Bool().Draw(t, "reverse"),
			Limit: rapid.IntRange(0, 7).Draw(t, "limit"), MaxBytes: rapid.SampledFrom([]int{0, 1, 20, 40}).Draw(t, "bytes"),
		}
		hi := bound.Draw(t, "hi")
		if hi != "" {
			q.Hi = []byte(hi)
		}
		var want []string
		for _, k := range all {
			if k >= string(q.Lo) && (hi == "" || k < hi) {
				want = append(want, k)
			}
		}
		if q.Reverse {
			slices.Reverse(want)
		}
		var got []string
		for pages := 0; ; pages++ {
			p := r.page(q)
			keys := keysOf(t, p.Items)
			if p.Count != len(keys) || p.Scanned != p.Count || q.Limit > 0 && p.Scanned > q.Limit {
				t.Fatalf("page %+v", p)
			}
			got = append(got, keys...)
			if !p.More {
				break
			}
			if q.Reverse {
				q.Hi = p.Last
			} else {
				q.Lo = append(p.Last, 0)
			}
			if pages > len(all) {
				t.Fatal("no end")
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestPageFilters(t *testing.T) {
	r, all := pageRig(t)
	b := &expr.Bindings{Values: map[string]item.Value{":n": item.Num(item.NumberFromInt(20))}}
	filter, err := expr.ParseFilter("n > :n", b)
	if err != nil {
		t.Fatal(err)
	}
	projection, err := expr.ParseProjection("n", b)
	if err != nil {
		t.Fatal(err)
	}
	p := r.page(PageRequest{Filter: filter})
	if p.Scanned != len(all) || p.Count != 6 || !slices.Equal(keysOf(t, p.Items), []string{"k22", "k23", "k25", "k26", "k28", "k29"}) {
		// 21, 24 and 27 were deleted
		t.Errorf("scanned %d, count %d, %v", p.Scanned, p.Count, keysOf(t, p.Items))
	}
	p = r.page(PageRequest{Filter: filter, CountOnly: true, Limit: 16})
	if p.Scanned != 16 || p.Count != 2 || p.Items != nil || !p.More || string(p.Last) != "k23" {
		t.Errorf("%+v", p)
	}
	p = r.page(PageRequest{Projection: projection, Limit: 1})
	if len(p.Items) != 1 || string(p.Items[0]) != string(doc("n", 1)) {
		t.Errorf("%+v", p)
	}
	p = r.page(PageRequest{CountOnly: true})
	if p.Count != len(all) || p.Items != nil || p.More {
		t.Errorf("%+v", p)
	}
	size := 0
	for _, key := range all {
		size += r.get(key).Size
	}
	if p.ScannedBytes != size {
		t.Errorf("scanned %d bytes of %d", p.ScannedBytes, size)
	}
}

func TestPageWithTombstones(t *testing.T) {
	r, all := pageRig(t)
	p := r.page(PageRequest{WithTombstones: true, Limit: 4})
	if len(p.Stored) != 4 || !p.More || string(p.Last) != "k03" {
		t.Fatalf("%+v", p)
	}
	for i, s := range p.Stored {
		want := r.get(fmt.Sprintf("k%02d", i))
		if string(s.Key) != fmt.Sprintf("k%02d", i) || s.Tombstone != (i%3 == 0) || s.Version != want.Version || string(s.Item) != string(want.Item) {
			t.Errorf("%d: %+v", i, s)
		}
	}
	p = r.page(PageRequest{WithTombstones: true})
	if len(p.Stored) != 30 || p.Scanned != len(all) || p.More {
		t.Errorf("%d stored, %d scanned", len(p.Stored), p.Scanned)
	}
}

// DynamoDB's 1 MiB is the default, and what is kept does not move when blocks
// of memory end.
func TestPageBytes(t *testing.T) {
	r := newRig(t)
	for i := range 40 {
		r.must(put(fmt.Sprintf("k%02d", i), "v", strings.Repeat(string(rune('a'+i%26)), 1000*i)))
	}
	var got []string
	q := PageRequest{}
	for {
		p := r.page(q)
		for i, it := range p.Items {
			key := keysOf(t, p.Items[i:i+1])[0]
			if string(it) != string(r.get(key).Item) {
				t.Fatalf("%s is damaged", key)
			}
			got = append(got, key)
		}
		if !p.More {
			break
		}
		if p.ScannedBytes < defaultPageBytes || p.ScannedBytes > defaultPageBytes+41_000 {
			t.Errorf("a page of %d bytes", p.ScannedBytes)
		}
		q.Lo = append(p.Last, 0)
	}
	if len(got) != 40 {
		t.Errorf("got %v", got)
	}
}

func TestPageStaysInThePartition(t *testing.T) {
	e := memory(t)
	r := createRig(t, e, Meta{Group: 1, Lo: []byte("b"), Hi: []byte("d")})
	r.must(put("b"))
	r.must(put("c"))
	for _, q := range []PageRequest{{}, {Lo: []byte("a"), Hi: []byte("z")}, {Lo: []byte("b")}, {Hi: []byte("e"), Reverse: true}} {
		if p := r.page(q); p.Count != 2 {
			t.Errorf("%+v: %d items", q, p.Count)
		}
	}
	for _, q := range []PageRequest{{Hi: []byte("b")}, {Lo: []byte("d")}, {Lo: []byte("c"), Hi: []byte("c")}, {Hi: []byte{}}} {
		if p := r.page(q); p.Count != 0 || p.More || p.Last != nil {
			t.Errorf("%+v: %+v", q, p)
		}
	}
	bad, err := expr.ParseFilter("size(pk) > :n", &expr.Bindings{Values: map[string]item.Value{":n": item.Num(item.NumberFromInt(0))}})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := r.p.Page(PageRequest{Filter: bad}); err != nil && storage.KindOf(err) != storage.Validation {
		t.Errorf("%+v, %v", p, err)
	}
}
