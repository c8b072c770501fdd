package expr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

func TestKeyConditionMeansWhatTheReferenceSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGrammar(rt)
		s := g.keySchema()
		terms := g.keyTerms(s)
		src := g.keyCondition(terms)
		var partition item.Value
		var sort *KeyTerm
		k, err := ParseKeyCondition(src, g.bindings)
		if err == nil {
			sameKeyCondition(rt, k)
			partition, sort, err = k.Split(s.partition, s.sort, nil)
		}
		if got, want := message(err), s.refuses(terms); got != want {
			rt.Fatalf("%s\nwith the keys %v\nfails with %q, want %q", src, s, got, want)
		}
		if err != nil {
			return
		}
		for range 4 {
			it := g.keys(s, terms)
			want := true
			for _, t := range terms {
				want = want && t.holds(it)
			}
			got := same(it[s.partition.Name], model(partition)) && (sort == nil || refTermOf(sort).holds(it))
			if got != want {
				rt.Fatalf("%s of %v is %v, want %v: %v, %v", src, it, got, want, show(partition), sort)
			}
		}
	})
}

// TestKeyConditionsAndExpressionsAgree checks that the legacy parameter and an
// expression with the same terms are the same key condition.
func TestKeyConditionsAndExpressionsAgree(t *testing.T) {
	operators := map[string]string{
		"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE", "BETWEEN": "BETWEEN", "begins_with": "BEGINS_WITH",
	}
	rapid.Check(t, func(rt *rapid.T) {
		g := newGrammar(rt)
		s := g.keySchema()
		var comparisons []Comparison
		terms := g.keyTerms(s)
		for _, t := range terms {
			comparisons = append(comparisons, Comparison{Attribute: t.name, Operator: operators[t.op], Values: t.values})
		}
		if s.repeated(terms) || len(terms) > 2 {
			rt.Skip("each attribute has one entry, of two at most")
		}
		src := g.keyCondition(terms)
		parsed, err := ParseKeyCondition(src, g.bindings)
		made, legacyErr := KeyConditionOf(comparisons)
		if err != nil || legacyErr != nil {
			rt.Fatalf("%s: %v, %v", src, err, legacyErr)
		}
		if diff := cmp.Diff(parsed, made, cmp.Comparer(item.Value.Equal)); diff != "" {
			rt.Fatalf("%s (-expression +legacy):\n%s", src, diff)
		}
		sameKeyCondition(rt, made)
	})
}

func sameKeyCondition(t failer, k *KeyCondition) {
	t.Helper()
	src, b := k.Source()
	if len(src) > syntax.MaxBytes {
		return
	}
	again, err := ParseKeyCondition(src, b)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	if diff := cmp.Diff(k, again, cmp.Comparer(item.Value.Equal)); diff != "" {
		t.Fatalf("%s is another key condition (-want +got):\n%s", src, diff)
	}
}

// refTerm is a term of a key condition: an operator of the language, and one
// value, or two.
type refTerm struct {
	name, op string
	values   []item.Value
}

func refTermOf(t *KeyTerm) refTerm {
	ops := map[KeyOp]string{
		KeyEQ: "=", KeyLT: "<", KeyLE: "<=", KeyGT: ">", KeyGE: ">=", KeyBetween: "BETWEEN", KeyBeginsWith: "begins_with",
	}
	r := refTerm{name: t.Name, op: ops[t.Op], values: []item.Value{t.Value}}
	if t.Op == KeyBetween {
		r.values = append(r.values, t.High)
	}
	return r
}

func (t refTerm) holds(it map[string]any) bool {
	a, b := it[t.name], model(t.values[0])
	switch t.op {
	case "=":
		return same(a, b)
	case "begins_with":
		return begins(a, b)
	case "BETWEEN":
		return inOrder(">=", a, b) && inOrder("<=", a, model(t.values[1]))
	}
	return inOrder(t.op, a, b)
}

// refSchema is a key schema. The sort key has no name when there is none.
type refSchema struct{ partition, sort KeyName }

func (g *grammar) keySchema() refSchema {
	names := rapid.Permutation(attributes).Draw(g.T, "keys")
	s := refSchema{partition: KeyName{Name: names[0], Kind: rapid.SampledFrom(scalars).Draw(g.T, "kind")}}
	if g.choose("sort", 4) > 0 {
		s.sort = KeyName{Name: names[1], Kind: rapid.SampledFrom(scalars).Draw(g.T, "kind")}
	}
	return s
}

// keyTerms draws terms, mostly such as a table with the keys s takes.
func (g *grammar) keyTerms(s refSchema) []refTerm {
	terms := []refTerm{g.keyTerm(s.partition, "=")}
	if g.choose("sorted", 4) > 0 && s.sort.Name != "" {
		op := rapid.SampledFrom([]string{"=", "<", "<=", ">", ">=", "BETWEEN", "begins_with"}).Draw(g.T, "op")
		terms = append(terms, g.keyTerm(s.sort, op))
	}
	switch g.choose("wrong", 8) {
	case 0:
		terms[0] = g.keyTerm(s.partition, "<")
	case 1:
		name := rapid.SampledFrom(attributes).Draw(g.T, "attribute")
		terms = append(terms, g.keyTerm(KeyName{Name: name, Kind: item.S}, "="))
	case 2:
		terms = terms[1:]
	}
	if len(terms) == 0 {
		terms = append(terms, g.keyTerm(KeyName{Name: "a", Kind: item.N}, ">"))
	}
	return rapid.Permutation(terms).Draw(g.T, "terms")
}

func (g *grammar) keyTerm(key KeyName, op string) refTerm {
	if g.choose("kind", 8) == 0 {
		key.Kind = rapid.SampledFrom(scalars).Draw(g.T, "kind")
	}
	if op == "begins_with" && key.Kind == item.N {
		key.Kind = item.S
	}
	t := refTerm{name: key.Name, op: op, values: []item.Value{g.value(0, key.Kind)}}
	if op == "BETWEEN" {
		low, high := g.ascending(key.Kind)
		t.values = []item.Value{low, high}
	}
	return t
}

// keyCondition is the text of a condition of terms.
func (g *grammar) keyCondition(terms []refTerm) string {
	var words []string
	for i, t := range terms {
		if i > 0 {
			words = append(words, "AND")
		}
		text := g.keyTermText(t)
		if g.choose("parentheses", 3) == 0 {
			text = "(" + text + ")"
		}
		words = append(words, text)
	}
	src := g.phrase(words...)
	if len(terms) > 1 && g.choose("all", 4) == 0 {
		src = "(" + src + ")"
	}
	return src
}

// keyTermText is the text of t, with the attribute on either side.
func (g *grammar) keyTermText(t refTerm) string {
	name, v := word(t.name), g.bind(t.values[0]).text
	switch t.op {
	case "begins_with":
		return fmt.Sprintf("begins_with(%s, %s)", name, v)
	case "BETWEEN":
		return g.phrase(name, "BETWEEN", v, "AND", g.bind(t.values[1]).text)
	}
	if g.choose("side", 3) == 0 {
		return v + strings.NewReplacer("<", ">", ">", "<").Replace(t.op) + name
	}
	return name + t.op + v
}

// keys draws the key attributes of an item, often with the values of terms.
func (g *grammar) keys(s refSchema, terms []refTerm) map[string]any {
	it := map[string]any{}
	for _, key := range []KeyName{s.partition, s.sort} {
		if key.Name != "" {
			it[key.Name] = model(g.value(0, key.Kind))
		}
	}
	for _, t := range terms {
		if g.choose("equal", 2) == 0 {
			it[t.name] = model(t.values[0])
		}
	}
	return it
}

func (s refSchema) repeated(terms []refTerm) bool {
	seen := map[string]bool{}
	for _, t := range terms {
		seen[t.name] = true
	}
	return len(seen) < len(terms)
}

// refuses is the error of a query of a table with the keys s; empty when there
// is none.
func (s refSchema) refuses(terms []refTerm) string {
	byName := map[string]refTerm{}
	for _, t := range terms {
		byName[t.name] = t
	}
	partition, found := byName[s.partition.Name]
	sort, sorted := byName[s.sort.Name]
	switch {
	case s.repeated(terms):
		return "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key"
	case len(terms) > 2 && s.sort.Name == "":
		return "The number of query conditions (3) exceeds the number of key attributes defined in the schema (1)"
	case len(terms) > 2:
		return "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)"
	case len(terms) == 2 && s.sort.Name == "":
		return "Query key condition not supported"
	case !found:
		return "Query condition missed key schema element: " + s.partition.Name
	}
	text := partition.refuses(s.partition)
	switch {
	case text != "":
		return text
	case partition.op != "=":
		return "Query key condition not supported"
	case len(terms) == 2 && !sorted:
		return "Query condition missed key schema element: " + s.sort.Name
	case !sorted:
		return ""
	}
	return sort.refuses(s.sort)
}

func (t refTerm) refuses(key KeyName) string {
	for _, v := range t.values {
		switch x := model(v); {
		case kindOf(x) != key.Kind:
			return "One or more parameter values were invalid: Condition parameter type does not match schema type"
		case x == "":
			return "One or more parameter values are not valid. " +
				"The AttributeValue for a key attribute cannot contain an empty string value. Key: " + key.Name
		case x == refB(""):
			return "One or more parameter values are not valid. " +
				"The AttributeValue for a key attribute cannot contain an empty binary value. Key: " + key.Name
		}
	}
	return ""
}
