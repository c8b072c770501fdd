package expr

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
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

func same(a, b any) bool {
	return a != nil && b != nil && fmt.Sprintf("%T%#v", a, a) == fmt.Sprintf("%T%#v", b, b)
}

// ordered compares two strings, two binaries or two numbers.
func ordered(a, b any) (int, bool) {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b), true
		}
	case refB:
		if b, ok := b.(refB); ok {
			return strings.Compare(string(a), string(b)), true
		}
	case refN:
		if b, ok := b.(refN); ok {
			return a.rat().Cmp(b.rat()), true
		}
	}
	return 0, false
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
}

func newGrammar(t *rapid.T) *grammar {
	return &grammar{T: t, bindings: &Bindings{Names: map[string]string{"#n": "b.c", "#m": "name"}, Values: map[string]item.Value{}}}
}

// attributes are the names that items and expressions draw from.
var attributes = []string{"a", "b", "c", "b.c", "name"}

func (g *grammar) choose(label string, n int) int { return rapid.IntRange(0, n-1).Draw(g.T, label) }

// value draws a value of one of kinds.
func (g *grammar) value(depth int, kinds ...item.Kind) item.Value {
	switch k := rapid.SampledFrom(kinds).Draw(g.T, "kind"); k {
	case item.S:
		return item.String(rapid.SampledFrom([]string{"", "a", "ab", "abc", "b", "é", "😀"}).Draw(g.T, "S"))
	case item.B:
		return item.Binary([]byte(rapid.SampledFrom([]string{"", "a", "ab", "\xff"}).Draw(g.T, "B")))
	case item.N:
		return val(num(rapid.SampledFrom([]string{"-1.5", "0", "1", "2", "3", "1e20"}).Draw(g.T, "N")))
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
	var text strings.Builder
	for i := range 1 + g.choose("steps", 3) {
		if i > 0 && g.choose("index", 2) == 0 {
			s := item.Step{Index: g.choose("element", 4)}
			path = append(path, s)
			text.WriteString(s.String())
			continue
		}
		if i > 0 {
			text.WriteByte('.')
		}
		name := rapid.SampledFrom(attributes).Draw(g.T, "attribute")
		path = append(path, item.Step{Name: name, Index: -1})
		switch name {
		case "b.c":
			name = "#n"
		case "name":
			name = "#m"
		}
		text.WriteString(name)
	}
	return piece[any]{text: text.String(), path: path, of: func(it map[string]any) any { return walk(it, path) }}
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

// operand draws a path, a value of kinds or a size, other than the path not.
func (g *grammar) operand(not item.Path, kinds ...item.Kind) piece[any] {
	var p piece[any]
	switch g.choose("operand", 5) {
	case 0:
		p = g.literal(kinds...)
	case 1:
		if len(kinds) > 0 && !slices.Contains(kinds, item.N) {
			return g.literal(kinds...)
		}
		p = g.size()
	default:
		if p = g.path(); p.path.Equal(not) {
			p = g.literal(kinds...)
		}
	}
	if g.choose("parentheses", 4) == 0 {
		p.text = "( " + p.text + ")"
	}
	return p
}

func (g *grammar) size() piece[any] {
	p := g.path()
	return piece[any]{text: "size(" + p.text + ")", of: func(it map[string]any) any {
		n := 0
		switch x := p.of(it).(type) {
		case string:
			for _, r := range x {
				n += len(string(r)) / 4 // a second code unit beyond U+FFFF
				n++
			}
		case refB:
			n = len(x)
		case map[string]any:
			n = len(x)
		case []any:
			n = len(x)
		case refSet:
			n = len(x.members)
		default:
			return nil
		}
		return refN(strconv.Itoa(n))
	}}
}

// condition draws a condition with up to depth levels of AND, OR and NOT.
func (g *grammar) condition(depth int) piece[bool] {
	if depth == 0 {
		return g.test()
	}
	a, b := g.condition(depth-1), g.condition(depth-1)
	switch g.choose("connective", 4) {
	case 0:
		return piece[bool]{text: "(" + a.text + ") AND (" + b.text + ")",
			of: func(it map[string]any) bool { return a.of(it) && b.of(it) }}
	case 1:
		return piece[bool]{text: "(" + a.text + ") or (" + b.text + ")",
			of: func(it map[string]any) bool { return a.of(it) || b.of(it) }}
	case 2:
		return piece[bool]{text: "NOT (" + a.text + ")", of: func(it map[string]any) bool { return !a.of(it) }}
	}
	// NOT before AND before OR, without parentheses.
	c, d := g.test(), g.test()
	e := g.test()
	return piece[bool]{text: "NOT " + c.text + " AND " + d.text + " OR " + e.text,
		of: func(it map[string]any) bool { return !c.of(it) && d.of(it) || e.of(it) }}
}

// test draws a condition without AND, OR and NOT.
func (g *grammar) test() piece[bool] {
	scalars := []item.Kind{item.S, item.N, item.B}
	p := g.path()
	switch g.choose("test", 10) {
	case 0:
		return piece[bool]{text: "attribute_exists(" + p.text + ")",
			of: func(it map[string]any) bool { return p.of(it) != nil }}
	case 1:
		return piece[bool]{text: "attribute_not_exists(" + p.text + ")",
			of: func(it map[string]any) bool { return p.of(it) == nil }}
	case 2:
		a := g.operand(nil)
		b := g.operand(a.path)
		return piece[bool]{text: a.text + " = " + b.text,
			of: func(it map[string]any) bool { return same(a.of(it), b.of(it)) }}
	case 3:
		a := g.operand(nil)
		b := g.operand(a.path)
		return piece[bool]{text: a.text + "<>" + b.text,
			of: func(it map[string]any) bool { return !same(a.of(it), b.of(it)) }}
	case 4:
		return g.order(scalars)
	case 5:
		a, low, high := g.operand(nil, scalars...), g.size(), g.literal(scalars...)
		return piece[bool]{text: a.text + " BETWEEN " + low.text + " AND " + high.text, of: func(it map[string]any) bool {
			x, ok := ordered(low.of(it), a.of(it))
			y, also := ordered(a.of(it), high.of(it))
			return ok && also && x <= 0 && y <= 0
		}}
	case 6:
		a := g.operand(nil)
		b, c := g.operand(a.path), g.operand(a.path)
		return piece[bool]{text: a.text + " in (" + b.text + ", " + c.text + ")",
			of: func(it map[string]any) bool { return same(a.of(it), b.of(it)) || same(a.of(it), c.of(it)) }}
	case 7:
		return g.beginsWith()
	case 8:
		k := rapid.SampledFrom(kindsAt(1)).Draw(g.T, "type")
		name := g.bind(item.String(k.String()))
		return piece[bool]{text: "attribute_type(" + p.text + ", " + name.text + ")",
			of: func(it map[string]any) bool { return kindOf(p.of(it)) == k }}
	}
	b := g.operand(p.path)
	return piece[bool]{text: "contains(" + p.text + ", " + b.text + ")",
		of: func(it map[string]any) bool { return holds(p.of(it), b.of(it)) }}
}

func (g *grammar) order(scalars []item.Kind) piece[bool] {
	a := g.operand(nil, scalars...)
	b := g.operand(a.path, scalars...)
	op := rapid.SampledFrom([]string{"<", "<=", ">", ">="}).Draw(g.T, "order")
	return piece[bool]{text: a.text + " " + op + " " + b.text, of: func(it map[string]any) bool {
		c, ok := ordered(a.of(it), b.of(it))
		return ok && (c < 0 && op[0] == '<' || c > 0 && op[0] == '>' || c == 0 && len(op) == 2)
	}}
}

func (g *grammar) beginsWith() piece[bool] {
	a := g.operand(nil, item.S, item.B)
	b := g.operand(a.path, item.S, item.B)
	return piece[bool]{text: "begins_with(" + a.text + ", " + b.text + ")", of: func(it map[string]any) bool {
		switch x := a.of(it).(type) {
		case string:
			y, ok := b.of(it).(string)
			return ok && strings.HasPrefix(x, y)
		case refB:
			y, ok := b.of(it).(refB)
			return ok && strings.HasPrefix(string(x), string(y))
		}
		return false
	}}
}

func kindOf(x any) item.Kind {
	switch x := x.(type) {
	case string:
		return item.S
	case refB:
		return item.B
	case refN:
		return item.N
	case bool:
		return item.BOOL
	case refNull:
		return item.NULL
	case map[string]any:
		return item.M
	case []any:
		return item.L
	case refSet:
		return x.kind
	}
	return item.Invalid
}

func holds(a, b any) bool {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok && strings.Contains(a, b)
	case refB:
		b, ok := b.(refB)
		return ok && strings.Contains(string(a), string(b))
	case []any:
		return slices.ContainsFunc(a, func(e any) bool { return same(e, b) })
	case refSet:
		return slices.ContainsFunc(slices.Collect(maps.Keys(a.members)), func(e any) bool { return same(e, b) })
	}
	return false
}
