package expr

import (
	"maps"
	"math/big"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/item"
)

const (
	refMissing = "The provided expression refers to an attribute that does not exist in the item"
	refType    = "An operand in the update expression has an incorrect data type"
	refPath    = "The document path provided in the update expression is invalid for update"
	refRange   = "Number overflow. Attempting to store a number with magnitude larger than supported range"
)

// outcome is what an operand of an update is worth, or the error it gives.
type outcome struct {
	value any
	err   string
}

// removal stands in a list for an element that an update removes.
type removal struct{}

// refAction is an action of an update: its text, where it writes, and what.
// An outcome of removal removes, one of nothing leaves all as it is.
type refAction struct {
	verb, text string
	path       item.Path
	of         func(it map[string]any) outcome
}

// update draws an update of paths that neither overlap nor conflict.
func (g *grammar) update() []refAction {
	var actions []refAction
	for range 1 + g.choose("actions", 5) {
		p := g.path()
		if slices.ContainsFunc(actions, func(a refAction) bool { return a.path.Overlaps(p.path) || a.path.Conflicts(p.path) }) {
			continue
		}
		actions = append(actions, g.action(p))
	}
	clauses := rapid.Permutation([]string{"SET", "REMOVE", "ADD", "DELETE"}).Draw(g.T, "clauses")
	slices.SortStableFunc(actions, func(a, b refAction) int {
		return slices.Index(clauses, a.verb) - slices.Index(clauses, b.verb)
	})
	return actions
}

// source is the text of an update.
func (g *grammar) source(actions []refAction) string {
	var words []string
	for i, a := range actions {
		if i == 0 || actions[i-1].verb != a.verb {
			words = append(words, a.verb)
		} else {
			words = append(words, ",")
		}
		words = append(words, a.text)
	}
	return g.phrase(words...)
}

func (g *grammar) action(p piece[any]) refAction {
	switch g.choose("verb", 5) {
	case 0:
		return refAction{verb: "REMOVE", text: p.text, path: p.path, of: func(map[string]any) outcome { return outcome{value: removal{}} }}
	case 1:
		v := g.literal(item.N, item.SS, item.NS, item.BS)
		return refAction{verb: "ADD", text: p.text + " " + v.text, path: p.path,
			of: func(it map[string]any) outcome { return refAdd(p.of(it), v.of(it)) }}
	case 2:
		v := g.literal(item.SS, item.NS, item.BS)
		return refAction{verb: "DELETE", text: p.text + " " + v.text, path: p.path,
			of: func(it map[string]any) outcome { return refDelete(p.of(it), v.of(it).(refSet)) }}
	}
	v := g.assigned()
	return refAction{verb: "SET", text: p.text + " = " + v.text, path: p.path, of: v.of}
}

func refAdd(old, v any) outcome {
	switch {
	case old == nil:
		return outcome{value: v}
	case kindOf(old) != kindOf(v):
		return outcome{err: refType}
	case kindOf(v) == item.N:
		return refSum(old, v, 1)
	}
	members := maps.Clone(old.(refSet).members)
	maps.Copy(members, v.(refSet).members)
	return outcome{value: refSet{kind: kindOf(v), members: members}}
}

func refDelete(old any, v refSet) outcome {
	if old == nil {
		return outcome{}
	}
	if kindOf(old) != v.kind {
		return outcome{err: refType}
	}
	members := maps.Clone(old.(refSet).members)
	maps.DeleteFunc(members, func(e any, _ bool) bool { return v.members[e] })
	if len(members) == 0 {
		return outcome{value: removal{}}
	}
	return outcome{value: refSet{kind: v.kind, members: members}}
}

func refSum(a, b any, sign int64) outcome {
	x, ok := a.(refN)
	y, also := b.(refN)
	if !ok || !also {
		return outcome{err: refType}
	}
	r := new(big.Rat).Mul(y.rat(), big.NewRat(sign, 1))
	if r.Add(r, x.rat()); !isNumber(r) {
		return outcome{err: refRange}
	}
	return outcome{value: refN(r.RatString())}
}

// isNumber reports whether r has at most 38 digits, and 126 before the point.
func isNumber(r *big.Rat) bool {
	whole, fraction, _ := strings.Cut(new(big.Rat).Abs(r).FloatString(200), ".")
	return len(whole) <= 126 && len(strings.Trim(whole+fraction, "0")) <= 38
}

// assigned draws the right side of a SET action.
func (g *grammar) assigned() piece[outcome] {
	switch g.choose("assigned", 4) {
	case 0:
		return g.sum("+", 1)
	case 1:
		return g.sum("-", -1)
	case 2:
		a, b := g.worth(2, item.L), g.worth(2, item.L)
		return piece[outcome]{text: "list_append(" + a.text + "," + g.space + b.text + ")", of: func(it map[string]any) outcome {
			return both(a.of(it), b.of(it), func(x, y any) outcome {
				l, ok := x.([]any)
				m, also := y.([]any)
				if !ok || !also {
					return outcome{err: refType}
				}
				return outcome{value: append(append([]any{}, l...), m...)}
			})
		}}
	}
	return g.worth(2, kindsAt(2)...)
}

func (g *grammar) sum(symbol string, sign int64) piece[outcome] {
	a, b := g.worth(2, item.N), g.worth(2, item.N)
	text := a.text + symbol + b.text
	if g.choose("parentheses", 3) == 0 {
		text = "( " + text + " )"
	}
	return piece[outcome]{text: text, of: func(it map[string]any) outcome {
		return both(a.of(it), b.of(it), func(x, y any) outcome { return refSum(x, y, sign) })
	}}
}

func both(a, b outcome, f func(x, y any) outcome) outcome {
	switch {
	case a.err != "":
		return a
	case b.err != "":
		return b
	}
	return f(a.value, b.value)
}

// worth draws a path, a value of kinds, or if_not_exists with up to depth more
// of them within it.
func (g *grammar) worth(depth int, kinds ...item.Kind) piece[outcome] {
	p := g.path()
	made := piece[outcome]{text: p.text, path: p.path, of: func(it map[string]any) outcome {
		if v := p.of(it); v != nil {
			return outcome{value: v}
		}
		return outcome{err: refMissing}
	}}
	switch g.choose("worth", 5) {
	case 0, 1:
		v := g.literal(kinds...)
		made = piece[outcome]{text: v.text, of: func(it map[string]any) outcome { return outcome{value: v.of(it)} }}
	case 2:
		if depth > 0 {
			made = g.ifNotExists(p, g.worth(depth-1, kinds...))
		}
	}
	if g.choose("parentheses", 4) == 0 && made.text[0] != '(' {
		made.text = "(" + made.text + ")"
	}
	return made
}

// ifNotExists is what p leads to, or else other, unless that is the same path.
func (g *grammar) ifNotExists(p piece[any], other piece[outcome]) piece[outcome] {
	if p.path.Equal(other.path) {
		return other
	}
	return piece[outcome]{text: "if_not_exists(" + p.text + ", " + other.text + ")", of: func(it map[string]any) outcome {
		if old := p.of(it); old != nil {
			return outcome{value: old}
		}
		return other.of(it)
	}}
}

// apply is the item after an update, or the error. It works on a copy in which
// lists are refLists, so that indexes keep their meaning until the end.
func apply(it map[string]any, actions []refAction) (map[string]any, string) {
	result := thaw(it).(map[string]any)
	for _, a := range actions {
		last := len(a.path) - 1
		switch parent := walk(it, a.path[:last]).(type) {
		case map[string]any:
			if !a.path[last].IsName() {
				return nil, refPath
			}
		case []any:
			if a.path[last].IsName() {
				return nil, refPath
			}
		default:
			_ = parent
			return nil, refPath
		}
		o := a.of(it)
		switch {
		case o.err != "":
			return nil, o.err
		case o.value != nil:
			write(result, a.path, o.value)
		}
	}
	return freeze(result).(map[string]any), ""
}

type refList struct {
	elems []any
	more  map[int]any // by index, at or after the end
}

func thaw(x any) any {
	switch x := x.(type) {
	case map[string]any:
		m := map[string]any{}
		for name, v := range x {
			m[name] = thaw(v)
		}
		return m
	case []any:
		l := &refList{more: map[int]any{}}
		for _, e := range x {
			l.elems = append(l.elems, thaw(e))
		}
		return l
	}
	return x
}

func write(x any, path item.Path, v any) {
	for _, s := range path[:len(path)-1] {
		switch c := x.(type) {
		case map[string]any:
			x = c[s.Name]
		case *refList:
			x = c.elems[s.Index]
		}
	}
	s := path[len(path)-1]
	switch c := x.(type) {
	case map[string]any:
		c[s.Name] = v
	case *refList:
		if s.Index < len(c.elems) {
			c.elems[s.Index] = v
		} else {
			c.more[s.Index] = v
		}
	}
}

func freeze(x any) any {
	switch x := x.(type) {
	case map[string]any:
		m := map[string]any{}
		for name, v := range x {
			if v != (removal{}) {
				m[name] = freeze(v)
			}
		}
		return m
	case *refList:
		l := []any{}
		for _, e := range x.elems {
			if e != (removal{}) {
				l = append(l, freeze(e))
			}
		}
		for _, i := range slices.Sorted(maps.Keys(x.more)) {
			if x.more[i] != (removal{}) {
				l = append(l, freeze(x.more[i]))
			}
		}
		return l
	}
	return x
}

// keep is the parts of x that paths name, x being at a path; nil when none are.
func keep(x any, at item.Path, paths []item.Path) any {
	if slices.ContainsFunc(paths, at.Equal) {
		return x
	}
	switch x := x.(type) {
	case map[string]any:
		m := map[string]any{}
		for name, v := range x {
			if v = keep(v, append(slices.Clip(at), item.Step{Name: name, Index: -1}), paths); v != nil {
				m[name] = v
			}
		}
		if len(m) > 0 || len(at) == 0 {
			return m
		}
	case []any:
		var l []any
		for i, e := range x {
			if e = keep(e, append(slices.Clip(at), item.Step{Index: i}), paths); e != nil {
				l = append(l, e)
			}
		}
		if len(l) > 0 {
			return l
		}
	}
	return nil
}
