package expr

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/item"
)

// scalars are the types that have an order.
var scalars = []item.Kind{item.S, item.N, item.B}

// operand draws a path, a value of kinds or a size, other than the path not.
func (g *grammar) operand(not item.Path, kinds ...item.Kind) piece[any] {
	if g.choose("literal", 4) == 0 {
		return g.parenthesised(g.literal(kinds...))
	}
	return g.located(not, kinds...)
}

// located draws an operand that only an item gives a value: a path, or a size
// where kinds allow a number. In place of the path not it is a size too.
func (g *grammar) located(not item.Path, kinds ...item.Kind) piece[any] {
	p := g.path()
	sized := len(kinds) == 0 || slices.Contains(kinds, item.N)
	switch {
	case sized && g.choose("size", 4) == 0, sized && p.path.Equal(not):
		p = g.size()
	case p.path.Equal(not):
		return g.literal(kinds...)
	}
	return g.parenthesised(p)
}

func (g *grammar) parenthesised(p piece[any]) piece[any] {
	if g.choose("parentheses", 4) == 0 {
		p.text = "(" + g.space + p.text + ")"
	}
	return p
}

func (g *grammar) size() piece[any] {
	p := g.path()
	if g.choose("of", 6) == 0 {
		p = g.literal(item.S, item.B, item.SS, item.NS, item.BS, item.L, item.M)
	}
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
	g.grouping = true
	if depth == 0 {
		return g.test()
	}
	a, b := g.condition(depth-1), g.condition(depth-1)
	switch g.choose("connective", 4) {
	case 0:
		return piece[bool]{text: g.phrase("("+a.text+")", "AND", "("+b.text+")"),
			of: func(it map[string]any) bool { return a.of(it) && b.of(it) }}
	case 1:
		return piece[bool]{text: g.phrase("("+a.text+")", "OR", "("+b.text+")"),
			of: func(it map[string]any) bool { return a.of(it) || b.of(it) }}
	case 2:
		return piece[bool]{text: g.phrase("NOT", "("+a.text+")"), of: func(it map[string]any) bool { return !a.of(it) }}
	}
	// NOT before AND before OR, without parentheses.
	c, d := g.test(), g.test()
	e, f := g.test(), g.test()
	return piece[bool]{text: g.phrase("NOT", c.text, "AND", d.text, "OR", e.text, "AND", "NOT", f.text),
		of: func(it map[string]any) bool { return !c.of(it) && d.of(it) || e.of(it) && !f.of(it) }}
}

// test draws a condition without AND, OR and NOT.
func (g *grammar) test() piece[bool] {
	switch g.choose("test", 10) {
	case 0:
		p := g.path()
		return piece[bool]{text: "attribute_exists(" + p.text + ")",
			of: func(it map[string]any) bool { return p.of(it) != nil }}
	case 1:
		p := g.path()
		return piece[bool]{text: "attribute_not_exists(" + p.text + ")",
			of: func(it map[string]any) bool { return p.of(it) == nil }}
	case 2:
		a, b := g.pair()
		return piece[bool]{text: a.text + " = " + b.text,
			of: func(it map[string]any) bool { return same(a.of(it), b.of(it)) }}
	case 3:
		a, b := g.pair()
		return piece[bool]{text: a.text + "<>" + b.text,
			of: func(it map[string]any) bool { return !same(a.of(it), b.of(it)) }}
	case 4:
		return g.order()
	case 5:
		return g.between()
	case 6:
		return g.in()
	case 7:
		a, b := g.pair(item.S, item.B)
		return piece[bool]{text: "begins_with(" + a.text + "," + g.space + b.text + ")",
			of: func(it map[string]any) bool { return begins(a.of(it), b.of(it)) }}
	case 8:
		a, k := g.operand(nil), rapid.SampledFrom(kindsAt(1)).Draw(g.T, "type")
		name := g.bind(item.String(k.String()))
		return piece[bool]{text: "attribute_type(" + a.text + ", " + name.text + ")",
			of: func(it map[string]any) bool { return kindOf(a.of(it)) == k }}
	}
	a, b := g.pair()
	return piece[bool]{text: "contains(" + a.text + ", " + b.text + ")",
		of: func(it map[string]any) bool { return holds(a.of(it), b.of(it)) }}
}

// pair draws two operands that are not the same path.
func (g *grammar) pair(kinds ...item.Kind) (a, b piece[any]) {
	a = g.operand(nil, kinds...)
	return a, g.operand(a.path, kinds...)
}

func (g *grammar) order() piece[bool] {
	a, b := g.pair(scalars...)
	op := rapid.SampledFrom([]string{"<", "<=", ">", ">="}).Draw(g.T, "order")
	return piece[bool]{text: a.text + g.space + op + b.text, of: func(it map[string]any) bool {
		return inOrder(op, a.of(it), b.of(it))
	}}
}

// inOrder reports whether a and b compare as op says.
func inOrder(op string, a, b any) bool {
	c, ok := ordered(a, b)
	return ok && (c < 0 && op[0] == '<' || c > 0 && op[0] == '>' || c == 0 && len(op) == 2)
}

func (g *grammar) between() piece[bool] {
	a := g.operand(nil, scalars...)
	var low, high piece[any]
	switch g.choose("bounds", 4) {
	case 0:
		a, b := g.ascending(rapid.SampledFrom(scalars).Draw(g.T, "kind"))
		low, high = g.bind(a), g.bind(b)
	case 1:
		low, high = g.literal(scalars...), g.located(a.path, item.N)
	case 2:
		low, high = g.located(a.path, item.N), g.literal(scalars...)
	default:
		low, high = g.located(a.path, item.N), g.located(a.path, item.N)
	}
	return piece[bool]{text: g.phrase(a.text, "BETWEEN", low.text, "AND", high.text), of: func(it map[string]any) bool {
		return inOrder(">=", a.of(it), low.of(it)) && inOrder("<=", a.of(it), high.of(it))
	}}
}

// ascending draws two values of a type, the lower one first.
func (g *grammar) ascending(k item.Kind) (low, high item.Value) {
	low, high = g.value(0, k), g.value(0, k)
	if c, _ := ordered(model(low), model(high)); c > 0 {
		return high, low
	}
	return low, high
}

func (g *grammar) in() piece[bool] {
	a := g.operand(nil)
	var texts []string
	var among []piece[any]
	for range 1 + g.choose("among", 5) {
		b := g.operand(a.path)
		texts, among = append(texts, b.text), append(among, b)
	}
	return piece[bool]{text: g.phrase(a.text, "IN", "("+strings.Join(texts, ", ")+")"), of: func(it map[string]any) bool {
		return slices.ContainsFunc(among, func(b piece[any]) bool { return same(a.of(it), b.of(it)) })
	}}
}

func same(a, b any) bool {
	return a != nil && b != nil && reflect.DeepEqual(a, b)
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

// begins reports whether a begins with b, both strings or both binaries.
func begins(a, b any) bool {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok && strings.HasPrefix(a, b)
	case refB:
		b, ok := b.(refB)
		return ok && strings.HasPrefix(string(a), string(b))
	}
	return false
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
