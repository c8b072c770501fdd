package expr

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/item"
)

func TestLegacyFilterMeansWhatTheReferenceSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGrammar(rt)
		var comparisons []Comparison
		var tests []func(it map[string]any) bool
		for range 1 + g.choose("comparisons", 4) {
			c, of := g.comparison()
			comparisons, tests = append(comparisons, c), append(tests, of)
		}
		or := rapid.Bool().Draw(rt, "or")
		c, err := FilterOf(comparisons, or)
		if err != nil {
			rt.Fatalf("%v: %v", comparisons, err)
		}
		sameCondition(rt, c)
		g.matches(c, together(tests, or))
	})
}

func TestExpectedMeansWhatTheReferenceSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGrammar(rt)
		var expectations []Expectation
		var tests []func(it map[string]any) bool
		for range 1 + g.choose("expectations", 4) {
			e, of := g.expectation()
			expectations, tests = append(expectations, e), append(tests, of)
		}
		or := rapid.Bool().Draw(rt, "or")
		c, err := ExpectedOf(expectations, or)
		if err != nil {
			rt.Fatalf("%v: %v", expectations, err)
		}
		sameCondition(rt, c)
		g.matches(c, together(tests, or))
	})
}

func TestAttributeUpdatesDoWhatTheReferenceSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGrammar(rt)
		var assignments []Assignment
		var actions []refAction
		for _, name := range rapid.Permutation(attributes).Draw(rt, "attributes")[:1+g.choose("assignments", 4)] {
			a, of := g.assignment(name)
			assignments = append(assignments, a)
			actions = append(actions, refAction{verb: a.Action, path: item.AttributePath(name), of: of})
		}
		u, err := UpdateOf(assignments)
		if err != nil {
			rt.Fatalf("%v: %v", assignments, err)
		}
		// ADD comes before DELETE, which decides between their errors.
		slices.SortStableFunc(actions, func(a, b refAction) int { return int(a.verb[0]) - int(b.verb[0]) })
		for range 4 {
			g.applies(u, actions)
		}
		decoded, rest, err := DecodeUpdate(u.Append(nil))
		if len(rest) > 0 {
			rt.Fatalf("decoding leaves %x", rest)
		}
		sameTree(rt, u.String(), u.Append(nil), decoded, err)
	})
}

func TestAttributesToGetKeepWhatTheReferenceSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGrammar(rt)
		names := rapid.Permutation(attributes).Draw(rt, "names")[:1+g.choose("many", 5)]
		p, err := ProjectionOf(names)
		if err != nil {
			rt.Fatal(err)
		}
		sameProjection(rt, p)
		it := g.item(3)
		want := map[string]any{}
		for name, v := range model(item.Map(it)).(map[string]any) {
			if slices.Contains(names, name) {
				want[name] = v
			}
		}
		if diff := cmp.Diff(want, model(item.Map(project(it, p.Paths()))), cmp.AllowUnexported(refSet{})); diff != "" {
			rt.Fatalf("%v of %v (-want +got):\n%s", names, show(item.Map(it)), diff)
		}
	})
}

func together(tests []func(map[string]any) bool, or bool) func(map[string]any) bool {
	return func(it map[string]any) bool {
		if or {
			return slices.ContainsFunc(tests, func(of func(map[string]any) bool) bool { return of(it) })
		}
		return !slices.ContainsFunc(tests, func(of func(map[string]any) bool) bool { return !of(it) })
	}
}

// comparison draws an entry of a legacy filter, and says what it means.
func (g *grammar) comparison() (Comparison, func(map[string]any) bool) {
	c := Comparison{
		Attribute: rapid.SampledFrom(attributes).Draw(g.T, "attribute"),
		Operator: rapid.SampledFrom([]string{"EQ", "NE", "LT", "LE", "GT", "GE", "NULL", "NOT_NULL",
			"CONTAINS", "NOT_CONTAINS", "BEGINS_WITH", "IN", "BETWEEN"}).Draw(g.T, "operator"),
	}
	k := rapid.SampledFrom(scalars).Draw(g.T, "kind")
	switch c.Operator {
	case "NULL", "NOT_NULL":
	case "EQ", "NE":
		c.Values = []item.Value{g.value(2, kindsAt(2)...)}
	case "BEGINS_WITH":
		c.Values = []item.Value{g.value(0, item.S, item.B)}
	case "BETWEEN":
		low, high := g.ascending(k)
		c.Values = []item.Value{low, high}
	case "IN":
		for range 1 + g.choose("among", 5) {
			c.Values = append(c.Values, g.value(0, k))
		}
	default:
		c.Values = []item.Value{g.value(0, k)}
	}
	return c, func(it map[string]any) bool { return refComparison(c, it[c.Attribute]) }
}

// refComparison reports whether an attribute that is a, nil if there is none,
// compares as c says.
func refComparison(c Comparison, a any) bool {
	var values []any
	for _, v := range c.Values {
		values = append(values, model(v))
	}
	switch c.Operator {
	case "EQ":
		return same(a, values[0])
	case "NE":
		return !same(a, values[0])
	case "LT":
		return inOrder("<", a, values[0])
	case "LE":
		return inOrder("<=", a, values[0])
	case "GT":
		return inOrder(">", a, values[0])
	case "GE":
		return inOrder(">=", a, values[0])
	case "NULL":
		return a == nil
	case "NOT_NULL":
		return a != nil
	case "CONTAINS":
		return holds(a, values[0])
	case "NOT_CONTAINS":
		return a != nil && !holds(a, values[0])
	case "BEGINS_WITH":
		return begins(a, values[0])
	case "IN":
		return slices.ContainsFunc(values, func(v any) bool { return same(a, v) })
	}
	return inOrder(">=", a, values[0]) && inOrder("<=", a, values[1])
}

// expectation draws an entry of Expected, and says what it means.
func (g *grammar) expectation() (Expectation, func(map[string]any) bool) {
	yes, no := true, false
	c, of := g.comparison()
	v := g.value(2, kindsAt(2)...)
	equal := func(it map[string]any) bool { return same(it[c.Attribute], model(v)) }
	switch g.choose("expectation", 5) {
	case 0:
		return Expectation{Comparison: Comparison{Attribute: c.Attribute}, Value: v}, equal
	case 1:
		return Expectation{Comparison: Comparison{Attribute: c.Attribute}, Value: v, Exists: &yes}, equal
	case 2:
		return Expectation{Comparison: Comparison{Attribute: c.Attribute}, Exists: &no},
			func(it map[string]any) bool { return it[c.Attribute] == nil }
	case 3: // one value may stand outside the list
		if len(c.Values) == 1 {
			return Expectation{Comparison: Comparison{Attribute: c.Attribute, Operator: c.Operator}, Value: c.Values[0]}, of
		}
	}
	return Expectation{Comparison: c}, of
}

// assignment draws the entry of AttributeUpdates of an attribute, and says what
// it does.
func (g *grammar) assignment(name string) (Assignment, func(map[string]any) outcome) {
	const mismatch = "Type mismatch for attribute to update"
	reworded := func(o outcome) outcome {
		if o.err == refType {
			o.err = mismatch
		}
		return o
	}
	switch g.choose("action", 4) {
	case 0:
		v := g.value(2, item.N, item.L, item.SS, item.NS, item.BS)
		return Assignment{name, "ADD", v}, func(it map[string]any) outcome {
			if l, ok := it[name].([]any); ok && v.Kind() == item.L {
				return outcome{value: append(append([]any{}, l...), model(v).([]any)...)}
			}
			return reworded(refAdd(it[name], model(v)))
		}
	case 1:
		v := g.value(2, item.SS, item.NS, item.BS)
		return Assignment{name, "DELETE", v}, func(it map[string]any) outcome {
			return reworded(refDelete(it[name], model(v).(refSet)))
		}
	case 2:
		return Assignment{Attribute: name, Action: "DELETE"}, func(map[string]any) outcome { return outcome{value: removal{}} }
	}
	v := g.value(2, kindsAt(2)...)
	return Assignment{name, "PUT", v}, func(map[string]any) outcome { return outcome{value: model(v)} }
}
