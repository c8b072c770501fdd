package item_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/item/itemtest"
)

// path reads a.b[3].c.
func path(s string) item.Path {
	var p item.Path
	for _, name := range strings.Split(s, ".") {
		name, indexes, _ := strings.Cut(name, "[")
		p = append(p, item.Step{Name: name, Index: -1})
		for _, i := range strings.Split(strings.TrimSuffix(indexes, "]"), "][") {
			if n, ok := must(item.ParseNumber("0" + i)).Int64(); ok && i != "" {
				p = append(p, item.Step{Index: int(n)})
			}
		}
	}
	return p
}

// doc is {a: {b: [s0, s1, {c: s2}]}, d: s3}.
func doc() item.Item {
	return item.NewItem(
		item.Attribute{Name: "a", Value: item.Map(item.NewItem(item.Attribute{Name: "b", Value: item.List([]item.Value{
			item.String("s0"), item.String("s1"),
			item.Map(item.NewItem(item.Attribute{Name: "c", Value: item.String("s2")})),
		})}))},
		item.Attribute{Name: "d", Value: item.String("s3")},
	)
}

func TestPathStrings(t *testing.T) {
	for _, s := range []string{"a", "a.b", "a.b[3].c", "a[0][1].b"} {
		if got := path(s).String(); got != s {
			t.Errorf("%s became %s", s, got)
		}
	}
	if got := path("a.b[3].c").Steps(); got != "[a, b, [3], c]" {
		t.Errorf("steps are %s", got)
	}
}

func TestPathsOverlapAndConflict(t *testing.T) {
	for _, c := range []struct {
		p, q                string
		overlaps, conflicts bool
	}{
		{"a", "a", true, false}, {"a", "a.b", true, false}, {"a[1]", "a[1].b", true, false},
		{"a", "b", false, false}, {"a.b", "a.c", false, false}, {"a[1]", "a[2]", false, false},
		{"a.b", "a[1]", false, true}, {"a.b.c", "a[1].c", false, true}, {"a.b[1]", "a.c.d", false, false},
	} {
		p, q := path(c.p), path(c.q)
		if p.Overlaps(q) != c.overlaps || q.Overlaps(p) != c.overlaps {
			t.Errorf("%s and %s: overlap is not %v", p, q, c.overlaps)
		}
		if p.Conflicts(q) != c.conflicts || q.Conflicts(p) != c.conflicts {
			t.Errorf("%s and %s: conflict is not %v", p, q, c.conflicts)
		}
	}
}

func TestAt(t *testing.T) {
	for p, want := range map[string]string{
		"d": "s3", "a.b[0]": "s0", "a.b[2].c": "s2",
		"x": "", "a.x": "", "a.b[3]": "", "a[0]": "", "a.b.c": "", "d.x": "", "a.b[0].c": "", "a.b[0][0]": "",
	} {
		v, ok := doc().At(path(p))
		if ok != (want != "") || v.Str() != want {
			t.Errorf("%s is %v, %v; want %q", p, v, ok, want)
		}
	}
	if _, ok := doc().At(nil); ok {
		t.Error("the empty path leads somewhere")
	}
}

func TestSetAndRemove(t *testing.T) {
	v := item.String("new")
	for _, s := range []string{"d", "x", "a.b[0]", "a.b[2].c", "a.b[2].x", "a.x"} {
		it, err := doc().Set(path(s), v)
		if got, ok := it.At(path(s)); err != nil || !ok || !got.Equal(v) {
			t.Errorf("after Set, %s is %v, %v", s, got, err)
		}
		it, err = it.Remove(path(s))
		if got, ok := it.At(path(s)); err != nil || ok && got.Equal(v) {
			t.Errorf("after Remove, %s is %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"x.y", "a[0]", "d.x", "d[0]", "a.b.c", "a.b[7].c", "a.b[0].c", "a.x[0]"} {
		if _, err := doc().Set(path(s), v); storage.KindOf(err) != storage.Validation {
			t.Errorf("Set of %s: %v", s, err)
		}
		if _, err := doc().Remove(path(s)); storage.KindOf(err) != storage.Validation {
			t.Errorf("Remove of %s: %v", s, err)
		}
	}
	for _, s := range []string{"x", "a.x", "a.b[7]"} {
		if it, err := doc().Remove(path(s)); err != nil || !it.Equal(doc()) {
			t.Errorf("Remove of %s, which is not there: %v, %v", s, it, err)
		}
	}
	list := func(it item.Item, err error) string {
		if err != nil {
			return err.Error()
		}
		v, _ := it.At(path("a.b"))
		var texts []string
		for _, e := range v.Elems() {
			texts = append(texts, e.Kind().String()+e.Str())
		}
		return strings.Join(texts, " ")
	}
	if got := list(doc().Set(path("a.b[9]"), v)); got != "Ss0 Ss1 M Snew" {
		t.Errorf("an index behind the end gives %s", got)
	}
	if got := list(doc().Remove(path("a.b[0]"))); got != "Ss1 M" {
		t.Errorf("removal of an element gives %s", got)
	}
}

// Edits leave the item that they start from as it was: items share their
// parts.
func TestEditsDoNotTouchTheOriginal(t *testing.T) {
	before := doc()
	first, _ := before.Set(path("a.b[3]"), item.String("x"))
	second, _ := before.Set(path("a.b[3]"), item.String("y"))
	third, _ := first.Set(path("a.b[4]"), item.String("z"))
	_, _ = first.Remove(path("a.b[0]"))
	_, _ = first.Set(path("a.b[1]"), item.Null())
	if !before.Equal(doc()) {
		t.Errorf("the original became %v", before)
	}
	for it, want := range map[*item.Item]string{&first: "x", &second: "y", &third: "x"} {
		if v, _ := it.At(path("a.b[3]")); v.Str() != want {
			t.Errorf("a.b[3] is %q, want %q", v.Str(), want)
		}
	}
}

func TestItemsAreMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it, model := item.Item{}, map[string]item.Value{}
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			name := rapid.SampledFrom([]string{"a", "b", "c", "é", "ab"}).Draw(t, "name")
			if rapid.Bool().Draw(t, "remove") {
				it = it.Without(name)
				delete(model, name)
			} else {
				v := itemtest.Value().Draw(t, "value")
				it = it.With(name, v)
				model[name] = v
			}
		}
		attrs := make([]item.Attribute, 0, len(model))
		for name, v := range model {
			attrs = append(attrs, item.Attribute{Name: name, Value: v})
		}
		if want := item.NewItem(attrs...); !it.Equal(want) || it.Len() != len(model) {
			t.Fatalf("%v, want %v", it, want)
		}
	})
}

func TestSets(t *testing.T) {
	s := func(members ...string) item.Value { return must(item.StringSet(members)) }
	ab, bc := s("b", "a"), s("c", "b")
	if !ab.Equal(s("a", "b")) || ab.Equal(bc) {
		t.Error("sets are not equal by their members")
	}
	if !ab.Union(bc).Equal(s("a", "b", "c")) || !ab.Minus(bc).Equal(s("a")) || !ab.Minus(ab).IsZero() {
		t.Error("union or difference is wrong")
	}
	if !ab.Has(item.String("a")) || ab.Has(item.String("c")) || ab.Has(item.Binary([]byte("a"))) || item.String("a").Has(item.String("a")) {
		t.Error("membership is wrong")
	}
	n := func(texts ...string) (item.Value, error) {
		var members []item.Number
		for _, s := range texts {
			members = append(members, must(item.ParseNumber(s)))
		}
		return item.NumberSet(members)
	}
	const invalid = "One or more parameter values were invalid: "
	for want, err := range map[string]error{
		invalid + "An string set  may not be empty":                                        fail(item.StringSet(nil)),
		invalid + "An number set  may not be empty":                                        fail(item.NumberSet(nil)),
		invalid + "Binary sets should not be empty":                                        fail(item.BinarySet(nil)),
		invalid + `Input collection ["a", "b", "b"] contains duplicates.`:                  fail(item.StringSet([]string{"b", "a", "b"})),
		invalid + `Input collection ["a", "b", "b", "0"] contains duplicates.`:             fail(item.StringSet([]string{"b", "a", "b", "0"})),
		invalid + `Input collection ["AA==","/w==","AA=="]of type BS contains duplicates.`: fail(item.BinarySet([][]byte{{0xff}, {0}, {0}})),
		invalid + "Input collection contains duplicates.":                                  fail(n("1", "2", "1.0")),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("refused with %v, want %s", err, want)
		}
	}
}

func fail(_ item.Value, err error) error { return err }

func TestUnionAndMinusAgreeWithMembership(t *testing.T) {
	for _, kind := range []item.Kind{item.SS, item.NS, item.BS} {
		t.Run(kind.String(), rapid.MakeCheck(func(t *rapid.T) {
			v, w := itemtest.Set(kind).Draw(t, "v"), itemtest.Set(kind).Draw(t, "w")
			union, minus := v.Union(w), v.Minus(w)
			for _, m := range append(append([]item.Value{}, v.Elems()...), w.Elems()...) {
				if !union.Has(m) || minus.Has(m) != (v.Has(m) && !w.Has(m)) {
					t.Fatalf("%v: union %v, difference %v", m, union, minus)
				}
			}
			if again := must(item.Set(kind, union.Elems())); !again.Equal(union) {
				t.Fatalf("the union %v is no set", union)
			}
		}))
	}
}
