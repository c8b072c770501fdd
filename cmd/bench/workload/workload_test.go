package workload

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func parse(t *testing.T, s string) Mix {
	t.Helper()
	m, err := ParseMix(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseMix(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		text string
		want map[Operation]float64
	}{
		{"get-eventual=90,put=10", map[Operation]float64{GetEventual: .9, Put: .1}},
		{"put=1,get-strong=3", map[Operation]float64{Put: .25, GetStrong: .75}},
		{"batch-get", map[Operation]float64{BatchGet: 1}},
		{"ycsb-a", map[Operation]float64{GetStrong: .5, Update: .5}},
		{"ycsb-b", map[Operation]float64{GetStrong: .95, Update: .05}},
		{"ycsb-c", map[Operation]float64{GetStrong: 1}},
		{"ycsb-d", map[Operation]float64{GetStrong: .95, Insert: .05}},
		{"ycsb-e", map[Operation]float64{Query: .95, Insert: .05}},
		{"ycsb-f", map[Operation]float64{GetStrong: .5, ReadModifyWrite: .5}},
	} {
		m := parse(t, c.text)
		const draws = 20_000
		var n [Operations]int
		for range draws {
			n[m.next(r)]++
		}
		for op := range Operations {
			if got := float64(n[op]) / draws; math.Abs(got-c.want[op]) > .02 || m.Has(op) != (c.want[op] > 0) {
				t.Errorf("%s: %v came %.3f of the time, not %.3f", c.text, op, got, c.want[op])
			}
		}
		if m.Sorted() != (c.text == "ycsb-e") {
			t.Errorf("%s: sorted %v", c.text, m.Sorted())
		}
	}
	for _, bad := range []string{"", "gets", "put=x", "put=-1", "put=0", "put=NaN", "put=Inf", "put,,put"} {
		if _, err := ParseMix(bad); err == nil {
			t.Errorf("%q is a workload", bad)
		}
	}
}

func TestParseSizes(t *testing.T) {
	s, err := ParseSizes("256=95,100000=4,400000=1")
	if err != nil {
		t.Fatal(err)
	}
	// Not only in the whole, but in every thousand keys the shares are right.
	for first := uint64(0); first < 100_000; first += 1000 {
		var n [3]int
		for key := first; key < first+1000; key++ {
			n[s.class(key)]++
		}
		if math.Abs(float64(n[0])-950) > 5 || math.Abs(float64(n[1])-40) > 5 || math.Abs(float64(n[2])-10) > 5 {
			t.Errorf("95, 4 and 1 percent of 1000 keys from %d on came out as %v", first, n)
		}
	}
	for _, bad := range []string{"", "x", "33", "409601", "256=x", "256=0", "256=-1", "256,"} {
		if _, err := ParseSizes(bad); err == nil {
			t.Errorf("%q is an item size", bad)
		}
	}
	for _, good := range []string{"34", "409600"} {
		if _, err := ParseSizes(good); err != nil {
			t.Error(err)
		}
	}
}

func TestZipfian(t *testing.T) {
	const n = 1000
	z := newZipfian(n)
	r := rand.New(rand.NewPCG(1, 1))
	var seen [n]int
	const draws = 200_000
	for range draws {
		seen[z.next(r)]++
	}
	for _, rank := range []int{0, 1, 9, 99} {
		want := draws / z.zetan / math.Pow(float64(rank+1), theta)
		if got := float64(seen[rank]); got < want*0.75 || got > want*1.25 {
			t.Errorf("rank %d was drawn %v times of %v expected", rank, got, want)
		}
	}
}

// One and two keys are no special case for a user.
func TestZipfianOfFew(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := uint64(1); n <= 4; n++ {
		z, seen := newZipfian(n), map[uint64]bool{}
		for range 10_000 {
			seen[z.next(r)] = true
		}
		for rank := range seen {
			if rank >= n {
				t.Errorf("rank %d of %d", rank, n)
			}
		}
		if uint64(len(seen)) != n {
			t.Errorf("%d of %d ranks were drawn", len(seen), n)
		}
	}
}

func TestZetaOfMany(t *testing.T) {
	const n = 3 * zetaExact
	var want float64
	for i := n; i >= 1; i-- { // the small ones first, to lose least
		want += math.Pow(float64(i), -theta)
	}
	if got := zeta(n); math.Abs(got-want)/want > 1e-12 {
		t.Errorf("zeta(%d) = %.15g, not %.15g", n, got, want)
	}
	newZipfian(MaxKeys) // takes no time
}

// A spread is a permutation, or some keys would never be asked for and others
// share their popularity.
func TestSpreadIsAPermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 5000).Draw(t, "n")
		s, seen := newSpread(n), make([]bool, n)
		for i := range n {
			at := s.of(i)
			if at >= n || seen[at] {
				t.Fatalf("%d of %d goes to %d, as another does or out of range", i, n, at)
			}
			seen[at] = true
		}
	})
}

func TestSpreadPutsNeighboursApart(t *testing.T) {
	const n = 10_000
	s := newSpread(n)
	first := make([]uint64, 10)
	for i := range first {
		first[i] = s.of(uint64(i))
	}
	slices.Sort(first)
	for i := 1; i < len(first); i++ {
		if first[i]-first[i-1] < n/30 {
			t.Errorf("the ten most popular of %d keys are %v", n, first)
		}
	}
}

// The latest keys are read most, and never one that is not there yet.
func TestLatest(t *testing.T) {
	const n = 1000
	k := NewKeys(n)
	r := rand.New(rand.NewPCG(1, 1))
	newest := func() (hits int) {
		for range 10_000 {
			key := k.latest(r)
			if key >= k.written.Load() {
				t.Fatalf("key %d of %d", key, k.written.Load())
			}
			if key == k.written.Load()-1 {
				hits++
			}
		}
		return hits
	}
	before := newest()
	if want := 10_000 / k.zipfian.zetan; float64(before) < want*.8 || float64(before) > want*1.2 {
		t.Errorf("the newest of %d keys was read %d times of %.0f expected", n, before, want)
	}
	a, b, c := k.insert(), k.insert(), k.insert()
	if a != n || b != n+1 || c != n+2 {
		t.Fatalf("inserted %d, %d, %d", a, b, c)
	}
	k.Inserted(c, true)
	k.Inserted(a, true)
	if got := k.written.Load(); got != n+1 {
		t.Errorf("%d keys can be read while one of three inserts is under way", got)
	}
	k.Inserted(b, false)
	if again := k.insert(); again != b {
		t.Errorf("after a failed insert of %d comes %d", b, again)
	}
	k.Inserted(b, true)
	if got := k.written.Load(); got != n+3 {
		t.Errorf("%d keys can be read", got)
	}
	newest()
}

// Text has the order of the numbers, or ranges would skip.
func TestKeysKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes, _ := ParseSizes("100")
		keys := rapid.IntRange(1, 100_000).Draw(t, "keys")
		items, err := NewItems(sizes, keys)
		if err != nil {
			t.Fatal(err)
		}
		key := rapid.Uint64Range(0, MaxKeys/2).Draw(t, "key")
		next := key + items.collections
		if a, b := items.AppendPartition(nil, key, true), items.AppendPartition(nil, next, true); string(a) != string(b) {
			t.Fatalf("%d in %s, %d in %s", key, a, next, b)
		}
		if a, b := string(items.AppendSort(nil, key)), string(items.AppendSort(nil, next)); a >= b || len(a) != keyDigits {
			t.Fatalf("%s is not before %s", a, b)
		}
		if a, b := string(items.AppendPartition(nil, key, false)), string(items.AppendPartition(nil, key+1, false)); a >= b || !strings.HasPrefix(a, keyPrefix) {
			t.Fatalf("%s is not before %s", a, b)
		}
	})
}

func TestBatchesHaveNoKeyTwice(t *testing.T) {
	for _, n := range []int{1, 3, 25, 26, 1000} {
		sizes, _ := OneSize(100)
		items, err := NewItems(sizes, n)
		if err != nil {
			t.Fatal(err)
		}
		g := NewGenerator(parse(t, "batch-write=1,batch-get=1"), items, NewKeys(n), true, 1, 2)
		for range 200 {
			q := g.Next()
			keys := slices.Clone(q.Keys)
			slices.Sort(keys)
			if len(slices.Compact(keys)) != min(n, BatchItems) || q.Class != -1 {
				t.Fatalf("of %d keys: %v", n, q.Keys)
			}
			if want := map[bool]int{true: len(q.Keys)}[q.Op == BatchWrite]; len(q.Values) != want {
				t.Fatalf("%v has %d values", q.Op, len(q.Values))
			}
		}
	}
}

// A key keeps its size, whichever operation writes it.
func TestKeysKeepTheirSize(t *testing.T) {
	sizes, err := ParseSizes("100=1,1000=1,409600=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, mix := range []string{"put=1,update=1,insert=1,read-modify-write=1,batch-write=1", "put=1,query=1"} {
		items, err := NewItems(sizes, 100)
		if err != nil {
			t.Fatal(err)
		}
		g := NewGenerator(parse(t, mix), items, NewKeys(100), false, 1, 2)
		sizeOf := map[uint64]int{}
		for range 1000 {
			q := g.Next()
			for i, v := range q.Values {
				if before, seen := sizeOf[q.Keys[i]]; seen && before != len(v) {
					t.Fatalf("key %d has had %d and has %d bytes", q.Keys[i], before, len(v))
				}
				sizeOf[q.Keys[i]] = len(v)
			}
		}
	}
}

// A load takes every key once, and no more at once than a batch may have.
func TestLoad(t *testing.T) {
	sizes, err := ParseSizes("100=90,100000=5,409600=5")
	if err != nil {
		t.Fatal(err)
	}
	items, err := NewItems(sizes, 1000)
	if err != nil {
		t.Fatal(err)
	}
	g := NewGenerator(parse(t, "put"), items, NewKeys(1000), false, 1, 2)
	batches := 0
	for key := uint64(0); key < 1000; batches++ {
		q, size := g.Load(key, 1000), 0
		for i, k := range q.Keys {
			if k != key {
				t.Fatalf("key %d comes when it is %d's turn", k, key)
			}
			key++
			size += len(q.Values[i])
		}
		if n := len(q.Keys); n < 1 || n > BatchItems || n > 1 && size > maxLoad || len(q.Values) != n {
			t.Fatalf("a batch of %d items, %d bytes", n, size)
		}
	}
	if batches > 200 {
		t.Errorf("%d batches", batches)
	}
	if q := g.Load(998, 1000); len(q.Keys) != 2 {
		t.Errorf("the end of a load is %v", q.Keys)
	}
}

func BenchmarkNext(b *testing.B) {
	for _, mix := range []string{"put", "ycsb-d", "ycsb-e", "batch-get"} {
		b.Run(mix, func(b *testing.B) {
			m, err := ParseMix(mix)
			if err != nil {
				b.Fatal(err)
			}
			sizes, _ := OneSize(256)
			items, err := NewItems(sizes, 10_000)
			if err != nil {
				b.Fatal(err)
			}
			g := NewGenerator(m, items, NewKeys(10_000), true, 1, 2)
			b.ReportAllocs()
			for b.Loop() {
				g.Done(g.Next(), true)
			}
		})
	}
}
