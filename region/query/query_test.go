package query_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/region/query"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// values draws sort keys of a kind that are close to each other, so that
// conditions have hits and near misses.
func values(kind item.Kind) *rapid.Generator[item.Value] {
	return rapid.Custom(func(t *rapid.T) item.Value {
		switch kind {
		case item.N:
			return item.Num(item.NumberFromInt(rapid.Int64Range(-3, 3).Draw(t, "n")))
		case item.B:
			return item.Binary(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xfe, 0xff}), 1, 3).Draw(t, "b"))
		default:
			return item.String(rapid.StringOfN(rapid.SampledFrom([]rune{0, 'a', 'b', 0x7f, 'é', 0x10ffff}), 1, 3, -1).Draw(t, "s"))
		}
	})
}

func compare(a, b item.Value) int {
	if a.Kind() == item.N {
		return a.Number().Cmp(b.Number())
	}
	return strings.Compare(a.Str(), b.Str())
}

func holds(term *expr.KeyTerm, v item.Value) bool {
	c := compare(v, term.Value)
	switch term.Op {
	case expr.KeyEQ:
		return c == 0
	case expr.KeyLT:
		return c < 0
	case expr.KeyLE:
		return c <= 0
	case expr.KeyGT:
		return c > 0
	case expr.KeyGE:
		return c >= 0
	case expr.KeyBetween:
		return c >= 0 && compare(v, term.High) <= 0
	default:
		return strings.HasPrefix(v.Str(), term.Value.Str())
	}
}

// TestKeys: a key lies in the range of a condition if and only if the condition
// holds, and what is left behind a key is what follows it.
func TestKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]item.Kind{item.S, item.N, item.B}).Draw(t, "kind")
		table := &schema.Table{
			Name:      "t",
			Partition: schema.KeyAttribute{Name: "p", Kind: item.S},
			Sort:      &schema.KeyAttribute{Name: "s", Kind: kind},
		}
		encode := func(p, s item.Value) []byte {
			key, err := table.EncodeKey(item.NewItem(item.Attribute{Name: "p", Value: p}, item.Attribute{Name: "s", Value: s}))
			if err != nil {
				t.Fatal(err)
			}
			return key
		}
		ops := []expr.KeyOp{expr.KeyEQ, expr.KeyLT, expr.KeyLE, expr.KeyGT, expr.KeyGE, expr.KeyBetween}
		if kind != item.N {
			ops = append(ops, expr.KeyBeginsWith)
		}
		partition := item.String("p")
		term := &expr.KeyTerm{Name: "s", Op: rapid.SampledFrom(ops).Draw(t, "op"), Value: values(kind).Draw(t, "value")}
		if term.Op == expr.KeyBetween {
			term.High = values(kind).Draw(t, "high")
		}
		r, err := query.Keys(table, partition, term)
		if err != nil {
			t.Fatal(err)
		}
		candidates := rapid.SliceOfN(values(kind), 1, 8).Draw(t, "candidates")
		for _, v := range candidates {
			if got, want := r.Contains(encode(partition, v)), holds(term, v); got != want {
				t.Errorf("%v in the range is %v, the condition %v", v, got, want)
			}
			if r.Contains(encode(item.String("q"), v)) {
				t.Errorf("%v of another partition key is in the range", v)
			}
		}
		at := encode(partition, candidates[0])
		reverse := rapid.Bool().Draw(t, "reverse")
		for _, v := range candidates {
			key := encode(partition, v)
			behind := bytes.Compare(key, at) > 0
			if reverse {
				behind = bytes.Compare(key, at) < 0
			}
			if got, want := r.After(at, reverse).Contains(key), behind && r.Contains(key); got != want && r.Contains(at) {
				t.Errorf("%v behind %v is %v, want %v", v, candidates[0], got, want)
			}
		}
	})
}

// TestSegments: the segments of a scan have all keys, each once.
func TestSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, query.MaxSegments).Draw(t, "total")
		if rapid.Bool().Draw(t, "few") {
			total = total%16 + 1
		}
		at := rapid.IntRange(0, total-1).Draw(t, "segment")
		r := query.Segment(at, total)
		if at == 0 != (r.Lo == nil) || at == total-1 != (r.Hi == nil) {
			t.Errorf("segment %d of %d has the bounds %x %x", at, total, r.Lo, r.Hi)
		}
		if at > 0 && !slices.Equal(query.Segment(at-1, total).Hi, r.Lo) {
			t.Errorf("segment %d of %d does not begin where its neighbour ends", at, total)
		}
		if r.Empty() {
			t.Errorf("segment %d of %d is empty", at, total)
		}
	})
}

func TestEmpty(t *testing.T) {
	for _, tc := range []struct {
		lo, hi string
		want   bool
	}{{"", "", false}, {"a", "", false}, {"", "a", false}, {"a", "b", false}, {"a", "a", true}, {"b", "a", true}} {
		if got := (query.Range{Lo: []byte(tc.lo), Hi: []byte(tc.hi)}).Empty(); got != tc.want {
			t.Errorf("%q to %q is empty: %v", tc.lo, tc.hi, got)
		}
	}
}
