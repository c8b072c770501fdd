package expr

import (
	"math/big"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/item"
)

// The reference is what expressions mean, said again as simply as possible: on
// a model of items made of Go maps and slices, without trees. A generator makes
// each piece of an expression as text and meaning together, and a property
// checks that the package finds the same meaning in the text.
//
// In the model string is S, refB is B, refN is N as a fraction, bool is BOOL,
// refNull is NULL, map[string]any is M, []any is L, and a refSet its kind and
// its members.
type (
	refB    string
	refN    string
	refNull struct{}
	refSet  struct {
		kind    item.Kind
		members map[any]bool
	}
)

func model(v item.Value) any {
	switch v.Kind() {
	case item.S:
		return v.Str()
	case item.B:
		return refB(v.Str())
	case item.N:
		r, _ := new(big.Rat).SetString(v.Number().String())
		return refN(r.RatString())
	case item.BOOL:
		return v.Bool()
	case item.NULL:
		return refNull{}
	case item.M:
		m := map[string]any{}
		for _, a := range v.Doc().All() {
			m[a.Name] = model(a.Value)
		}
		return m
	case item.L:
		l := []any{}
		for _, e := range v.Elems() {
			l = append(l, model(e))
		}
		return l
	case item.SS, item.NS, item.BS:
		s := refSet{kind: v.Kind(), members: map[any]bool{}}
		for _, e := range v.Elems() {
			s.members[model(e)] = true
		}
		return s
	}
	return nil
}

func (n refN) rat() *big.Rat {
	r, _ := new(big.Rat).SetString(string(n))
	return r
}

// walk is what a path leads to; nil when there is nothing.
func walk(x any, path item.Path) any {
	for _, s := range path {
		switch c := x.(type) {
		case map[string]any:
			x = nil
			if s.IsName() {
				x = c[s.Name]
			}
		case []any:
			x = nil
			if !s.IsName() && s.Index < len(c) {
				x = c[s.Index]
			}
		default:
			return nil
		}
	}
	return x
}

// piece is a part of an expression: its text, and for an item what it is worth
// (a model, nil when nothing) or whether it holds.
type piece[T any] struct {
	text string
	of   func(it map[string]any) T
	path item.Path // of a document path
}

// grammar draws pieces. Placeholders go into bindings.
type grammar struct {
	*rapid.T
	bindings *Bindings
	space    string              // what stands between words
	keyword  func(string) string // a keyword in some case
	grouping bool                // paths may begin with a parenthesis
	drawn    []item.Value
}

func newGrammar(t *rapid.T) *grammar {
	cases := []func(string) string{strings.ToUpper, strings.ToLower, func(s string) string { return s[:1] + strings.ToLower(s[1:]) }}
	return &grammar{
		T:        t,
		bindings: &Bindings{Names: map[string]string{"#n": "b.c", "#m": "name"}, Values: map[string]item.Value{}},
		space:    rapid.SampledFrom([]string{" ", "\n\t", "\r\n  "}).Draw(t, "space"),
		keyword:  rapid.SampledFrom(cases).Draw(t, "case"),
	}
}

// phrase joins the words of a piece. Keywords among them come in any case.
func (g *grammar) phrase(words ...string) string {
	for i, w := range words {
		switch w {
		case "AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE":
			words[i] = g.keyword(w)
		}
	}
	return strings.Join(words, g.space)
}

// attributes are the names that items and expressions draw from.
var attributes = []string{"a", "b", "c", "b.c", "name"}

func (g *grammar) choose(label string, n int) int { return rapid.IntRange(0, n-1).Draw(g.T, label) }

// numbers are the numbers of items and expressions, some at the limits.
var numbers = []string{"-1.5", "0", "1", "2", "3", "1e20", "9.9e125", "-9.9e125", "1e-130", strings.Repeat("9", 38)}

// value draws a value of one of kinds: often one that was drawn before, so that
// what expressions compare is the same now and then.
func (g *grammar) value(depth int, kinds ...item.Kind) item.Value {
	k := rapid.SampledFrom(kinds).Draw(g.T, "kind")
	var drawn []item.Value
	for _, v := range g.drawn {
		if v.Kind() == k && v.Depth() <= depth+1 {
			drawn = append(drawn, v)
		}
	}
	if len(drawn) > 0 && g.choose("again", 2) == 0 {
		return rapid.SampledFrom(drawn).Draw(g.T, "drawn")
	}
	v := g.fresh(k, depth)
	g.drawn = append(g.drawn, v)
	return v
}

// fresh draws a value of kind k.
func (g *grammar) fresh(k item.Kind, depth int) item.Value {
	switch k {
	case item.S:
		return item.String(rapid.SampledFrom([]string{"", "a", "ab", "abc", "b", "é", "😀"}).Draw(g.T, "S"))
	case item.B:
		return item.Binary([]byte(rapid.SampledFrom([]string{"", "a", "ab", "\xff"}).Draw(g.T, "B")))
	case item.N:
		return val(num(rapid.SampledFrom(numbers).Draw(g.T, "N")))
	case item.BOOL:
		return item.Bool(rapid.Bool().Draw(g.T, "BOOL"))
	case item.NULL:
		return item.Null()
	case item.L:
		var elems []item.Value
		for range g.choose("elements", 4) {
			elems = append(elems, g.value(depth-1, kindsAt(depth-1)...))
		}
		return item.List(elems)
	case item.M:
		return item.Map(g.item(depth - 1))
	default:
		members := rapid.SampledFrom([]ss{{"a"}, {"a", "b"}, {"1", "2"}, {"b", "c", "d"}}).Draw(g.T, "set")
		switch k {
		case item.SS:
			return val(members)
		case item.BS:
			return val(bs(members))
		}
		return val(ns{1, 2 + len(members)})
	}
}

func kindsAt(depth int) []item.Kind {
	kinds := []item.Kind{item.S, item.N, item.B, item.BOOL, item.NULL, item.SS, item.NS, item.BS}
	if depth > 0 {
		kinds = append(kinds, item.L, item.M, item.L, item.M)
	}
	return kinds
}

func (g *grammar) item(depth int) item.Item {
	var attrs []item.Attribute
	for _, name := range attributes {
		if g.choose("has", 4) > 0 {
			attrs = append(attrs, item.Attribute{Name: name, Value: g.value(depth, kindsAt(depth)...)})
		}
	}
	return item.NewItem(attrs...)
}

// path draws a document path of up to three steps.
func (g *grammar) path() piece[any] {
	var path item.Path
	var steps []string
	for i := range 1 + g.choose("steps", 3) {
		if i > 0 && g.choose("index", 2) == 0 {
			s := item.Step{Index: g.choose("element", 4)}
			path, steps = append(path, s), append(steps, s.String())
			continue
		}
		name := rapid.SampledFrom(attributes).Draw(g.T, "attribute")
		path, steps = append(path, item.Step{Name: name, Index: -1}), append(steps, dot(i)+word(name))
	}
	text := strings.Join(steps, "")
	if g.grouping && len(steps) > 1 && g.choose("grouping", 4) == 0 {
		at := 1 + g.choose("group", len(steps)-1)
		text = "(" + strings.Join(steps[:at], "") + ")" + strings.Join(steps[at:], "")
	}
	return piece[any]{text: text, path: path, of: func(it map[string]any) any { return walk(it, path) }}
}

// dot is what stands before the step i of a path when it is a name.
func dot(i int) string {
	if i == 0 {
		return ""
	}
	return "."
}

// word is an attribute name as it stands in an expression.
func word(name string) string {
	switch name {
	case "b.c":
		return "#n"
	case "name":
		return "#m"
	}
	return name
}

// literal draws a value as an operand.
func (g *grammar) literal(kinds ...item.Kind) piece[any] {
	if len(kinds) == 0 {
		kinds = kindsAt(2)
	}
	return g.bind(g.value(2, kinds...))
}

func (g *grammar) bind(v item.Value) piece[any] {
	placeholder := ":v" + strconv.Itoa(len(g.bindings.Values))
	g.bindings.Values[placeholder] = v
	m := model(v)
	return piece[any]{text: placeholder, of: func(map[string]any) any { return m }}
}
