package expr

import (
	"testing"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// FuzzParse checks that the parsers end, with a tree that survives printing and
// encoding and can be evaluated, or with a Validation error.
func FuzzParse(f *testing.F) {
	for _, src := range []string{
		"", "a", "a = :n", "((a = :n))", "NOT (a < :n OR b[3].#c <> :s) AND c IN (:n, :l)", "attribute_type(a, :s)",
		"size(a) BETWEEN :n AND b AND (contains((a).b, :s))", "SET a = a + :n, b[0] = list_append(if_not_exists(b, :l), :l)",
		"REMOVE a, b[1] ADD c :n DELETE d :ss", "a, b[1].c, #c", "ü > a", "a = (((((((", "NOT NOT NOT", "a[99999999999]",
	} {
		f.Add(src)
	}
	bindings := doc{":n": 5, ":s": "S", ":l": list{1}, ":ss": ss{"x"}, ":b": []byte("b"), ":m": doc{}, "#c": "c d", "#a": "a"}
	it := itm(everything)
	f.Fuzz(func(t *testing.T, src string) {
		for _, parse := range []func(string, *Bindings) (*Condition, error){ParseCondition, ParseFilter} {
			c, err := parse(src, bind(bindings))
			if refusedOrFail(t, src, err) {
				continue
			}
			sameCondition(t, c)
			plain, err := matchTree(c, it)
			encoded, encodedErr := c.Match(item.Encode(it))
			if err != nil || encodedErr != nil || plain != encoded {
				t.Errorf("%s: of the tree Match is %v, %v; %v, %v", src, plain, err, encoded, encodedErr)
			}
		}
		if u, err := ParseUpdate(src, bind(bindings)); !refusedOrFail(t, src, err) {
			sameUpdate(t, u)
			_, err = u.Apply(it)
			refusedOrFail(t, src, err)
		}
		if p, err := ParseProjection(src, bind(bindings)); !refusedOrFail(t, src, err) {
			sameProjection(t, p)
			must(p.Apply(item.Encode(it)))
		}
		if k, err := ParseKeyCondition(src, bind(bindings)); !refusedOrFail(t, src, err) {
			sameKeyCondition(t, k)
		}
	})
}

// refusedOrFail reports whether there is an error, and fails unless it is a
// Validation error.
func refusedOrFail(t *testing.T, src string, err error) bool {
	if err != nil && storage.KindOf(err) != storage.Validation {
		t.Errorf("%q: %v", src, err)
	}
	return err != nil
}

// FuzzDecode checks that what decodes has that one encoding and can be
// evaluated and printed.
func FuzzDecode(f *testing.F) {
	for _, source := range goldenTrees {
		f.Add(goldenTree(new(testing.T), source).Append(nil))
	}
	it := itm(everything)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, rest, err := DecodeCondition(b); err == nil {
			sameTree(t, c.String(), b[:len(b)-len(rest)], c, nil)
			if _, err := c.Match(item.Encode(it)); err != nil {
				t.Errorf("%v: %v", c, err)
			}
		}
		if u, rest, err := DecodeUpdate(b); err == nil {
			sameTree(t, u.String(), b[:len(b)-len(rest)], u, nil)
			if got, err := u.Apply(it); err == nil {
				u.Updated(got)
			}
		}
		if p, rest, err := DecodeProjection(b); err == nil {
			sameTree(t, p.String(), b[:len(b)-len(rest)], p, nil)
			must(p.Apply(item.Encode(it)))
		}
	})
}
