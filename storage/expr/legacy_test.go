package expr

import (
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/storage/item"
)

func vals(xs ...any) []item.Value {
	values := []item.Value{}
	for _, x := range xs {
		values = append(values, val(x))
	}
	return values
}

func TestLegacyComparisonHolds(t *testing.T) {
	it := itm(doc{"s": "hello", "n": 5, "b": []byte("hi there"), "z": nil, "l": list{2, 4}, "m": doc{"x": 1}, "ns": ns{2, 4}})
	for _, test := range []struct {
		attribute, operator string
		values              []item.Value
		want                bool
	}{
		{"n", "EQ", vals(5), true},
		{"n", "EQ", vals("5"), false},
		{"l", "EQ", vals(list{2, 4}), true},
		{"m", "EQ", vals(doc{"x": 1}), true},
		{"absent", "EQ", vals(5), false},
		{"n", "NE", vals(5), false},
		{"absent", "NE", vals(5), true},
		{"n", "LT", vals(6), true},
		{"n", "LT", vals("x"), false},
		{"n", "LE", vals(5), true},
		{"s", "GT", vals("aardvark"), true},
		{"b", "GE", vals([]byte("hi there")), true},
		{"z", "NOT_NULL", nil, true},
		{"absent", "NOT_NULL", nil, false},
		{"z", "NULL", nil, false},
		{"absent", "NULL", nil, true},
		{"s", "CONTAINS", vals("ell"), true},
		{"ns", "CONTAINS", vals(4), true},
		{"l", "CONTAINS", vals(4), true},
		{"b", "CONTAINS", vals([]byte("here")), true},
		{"s", "CONTAINS", vals(1), false},
		{"absent", "CONTAINS", vals(1), false},
		{"s", "NOT_CONTAINS", vals("dog"), true},
		{"s", "NOT_CONTAINS", vals("ell"), false},
		{"s", "NOT_CONTAINS", vals(1), true},
		{"l", "NOT_CONTAINS", vals(4), false},
		{"absent", "NOT_CONTAINS", vals(1), false},
		{"s", "BEGINS_WITH", vals("hel"), true},
		{"n", "BEGINS_WITH", vals("hel"), false},
		{"n", "IN", vals(2, 5, 8), true},
		{"ns", "IN", vals(2), false},
		{"n", "BETWEEN", vals(1, 5), true},
		{"n", "BETWEEN", vals("a", "b"), false},
		{"absent", "BETWEEN", vals(1, 5), false},
		{"m.x", "NULL", nil, true}, // a name, not a path
	} {
		c, err := FilterOf([]Comparison{{test.attribute, test.operator, test.values}}, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := must(c.Match(item.Encode(it))); got != test.want {
			t.Errorf("%s %s %v is %v, want %v", test.attribute, test.operator, test.values, got, test.want)
		}
		sameCondition(t, c)
	}
}

func TestLegacyComparisonsTogether(t *testing.T) {
	it := itm(doc{"a": 1, "b": 2})
	yes, no := Comparison{"a", "EQ", vals(1)}, Comparison{"b", "EQ", vals(1)}
	for _, test := range []struct {
		comparisons []Comparison
		or, want    bool
	}{
		{[]Comparison{yes}, false, true},
		{[]Comparison{no}, true, false},
		{[]Comparison{yes, no}, false, false},
		{[]Comparison{yes, no}, true, true},
		{[]Comparison{yes, yes}, false, true},
		{[]Comparison{no, no}, true, false},
	} {
		if got := must(must(FilterOf(test.comparisons, test.or)).Match(item.Encode(it))); got != test.want {
			t.Errorf("%v with or %v is %v", test.comparisons, test.or, got)
		}
	}
	if c, err := FilterOf(nil, false); c != nil || err != nil {
		t.Errorf("a filter of nothing is %v, %v", c, err)
	}
}

func TestLegacyComparisonRefused(t *testing.T) {
	const invalid = "One or more parameter values were invalid: "
	for _, test := range []struct {
		operator string
		values   []item.Value
		want     string
	}{
		{"EQ", nil, invalid + "Invalid number of argument(s) for the EQ ComparisonOperator"},
		{"LE", vals(1, 2), invalid + "Invalid number of argument(s) for the LE ComparisonOperator"},
		{"NULL", vals(1), invalid + "Invalid number of argument(s) for the NULL ComparisonOperator"},
		{"NOT_NULL", vals(1), invalid + "Invalid number of argument(s) for the NOT_NULL ComparisonOperator"},
		{"IN", nil, invalid + "Invalid number of argument(s) for the IN ComparisonOperator"},
		{"BETWEEN", vals(1), invalid + "Invalid number of argument(s) for the BETWEEN ComparisonOperator"},
		{"BETWEEN", vals(1, 2, 3), invalid + "Invalid number of argument(s) for the BETWEEN ComparisonOperator"},
		{"IN", vals(1, "a"), invalid + "AttributeValues inside AttributeValueList must be of same type"},
		{"LT", vals(ss{"a"}), invalid + "ComparisonOperator LT is not valid for SS AttributeValue type"},
		{"CONTAINS", vals(list{1}), invalid + "ComparisonOperator CONTAINS is not valid for L AttributeValue type"},
		{"BEGINS_WITH", vals(3), invalid + "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type"},
		{"IN", vals(doc{}), invalid + "ComparisonOperator IN is not valid for M AttributeValue type"},
		{"BETWEEN", vals("b", "a"), "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"},
	} {
		_, err := FilterOf([]Comparison{{"a", test.operator, test.values}}, false)
		wantError(t, err, test.want)
	}
}

func TestExpected(t *testing.T) {
	yes, no := true, false
	const invalid = "One or more parameter values were invalid: "
	a := Comparison{Attribute: "a"}
	for _, test := range []struct {
		e       Expectation
		want    bool // of an item in which a is 1
		refused string
	}{
		{Expectation{a, val(1), nil}, true, ""},
		{Expectation{a, val(1), &yes}, true, ""},
		{Expectation{a, val(2), nil}, false, ""},
		{Expectation{a, item.Value{}, &no}, false, ""},
		{Expectation{Comparison{Attribute: "q"}, item.Value{}, &no}, true, ""},
		{Expectation{Comparison{"a", "GT", vals(0)}, item.Value{}, nil}, true, ""},
		{Expectation{Comparison{"a", "LT", nil}, val(2), nil}, true, ""},
		{Expectation{Comparison{"a", "NOT_NULL", nil}, item.Value{}, nil}, true, ""},
		{Expectation{a, item.Value{}, nil}, false, invalid + "Value must be provided when Exists is null for Attribute: a"},
		{Expectation{a, item.Value{}, &yes}, false, invalid + "Value must be provided when Exists is true for Attribute: a"},
		{Expectation{a, val(1), &no}, false, invalid + "Value cannot be used when Exists is false for Attribute: a"},
		{Expectation{Comparison{"a", "EQ", vals(1)}, item.Value{}, &yes}, false,
			invalid + "Exists and ComparisonOperator cannot be used together for Attribute: a"},
		{Expectation{Comparison{"a", "EQ", vals(1)}, val(1), nil}, false,
			invalid + "Value and AttributeValueList cannot be used together for Attribute: a"},
		{Expectation{Comparison{"a", "", vals(1)}, item.Value{}, nil}, false,
			invalid + "AttributeValueList can only be used with a ComparisonOperator for Attribute: a"},
	} {
		c, err := ExpectedOf([]Expectation{test.e}, false)
		wantError(t, err, test.refused)
		if err != nil {
			continue
		}
		if got := must(c.Match(item.Encode(itm(doc{"a": 1})))); got != test.want {
			t.Errorf("%v is %v, want %v", c, got, test.want)
		}
	}
}

func TestAttributeUpdates(t *testing.T) {
	const mismatch = "Type mismatch for attribute to update"
	for _, test := range []struct {
		assignments []Assignment
		item, want  doc
		fails       string
	}{
		{nil, doc{"a": 1}, doc{"a": 1}, ""},
		{[]Assignment{{"a", "PUT", val(2)}}, doc{"a": 1}, doc{"a": 2}, ""},
		{[]Assignment{{"a", "", val(2)}, {"b.c", "PUT", val("x")}}, doc{}, doc{"a": 2, "b.c": "x"}, ""},
		{[]Assignment{{"a", "DELETE", item.Value{}}}, doc{"a": 1, "b": 2}, doc{"b": 2}, ""},
		{[]Assignment{{"a", "DELETE", item.Value{}}}, doc{"b": 2}, doc{"b": 2}, ""},
		{[]Assignment{{"a", "DELETE", val(ss{"x"})}}, doc{"a": ss{"x", "y"}}, doc{"a": ss{"y"}}, ""},
		{[]Assignment{{"a", "DELETE", val(ss{"x"})}}, doc{"a": ss{"x"}}, doc{}, ""},
		{[]Assignment{{"a", "DELETE", val(ss{"x"})}}, doc{"a": ns{1}}, nil, mismatch},
		{[]Assignment{{"a", "ADD", val(2)}}, doc{"a": 1}, doc{"a": 3}, ""},
		{[]Assignment{{"a", "ADD", val(2)}}, doc{}, doc{"a": 2}, ""},
		{[]Assignment{{"a", "ADD", val(2)}}, doc{"a": "x"}, nil, mismatch},
		{[]Assignment{{"a", "ADD", val(ss{"x"})}}, doc{"a": ss{"y"}}, doc{"a": ss{"x", "y"}}, ""},
		{[]Assignment{{"a", "ADD", val(list{2})}}, doc{"a": list{1}}, doc{"a": list{1, 2}}, ""},
		{[]Assignment{{"a", "ADD", val(list{2})}}, doc{}, doc{"a": list{2}}, ""},
	} {
		u, err := UpdateOf(test.assignments)
		if err != nil {
			t.Fatal(err)
		}
		got, err := u.Apply(itm(test.item))
		wantError(t, err, test.fails)
		if err == nil {
			equalItems(t, got, itm(test.want))
		}
		decoded, rest, err := DecodeUpdate(u.Append(nil))
		if len(rest) > 0 {
			t.Errorf("decoding leaves %x", rest)
		}
		sameTree(t, u.String(), u.Append(nil), decoded, err)
	}
}

func TestAttributeUpdatesRefused(t *testing.T) {
	const invalid = "One or more parameter values were invalid: "
	for _, test := range []struct {
		a    Assignment
		want string
	}{
		{Assignment{"a", "PUT", item.Value{}}, invalid + "Only DELETE action is allowed when no attribute value is specified"},
		{Assignment{"a", "", item.Value{}}, invalid + "Only DELETE action is allowed when no attribute value is specified"},
		{Assignment{"a", "ADD", item.Value{}}, invalid + "Only DELETE action is allowed when no attribute value is specified"},
		{Assignment{"a", "DELETE", val("x")}, invalid + "DELETE action with value is not supported for the type S"},
		{Assignment{"a", "ADD", val("x")}, invalid + "ADD action is not supported for the type S"},
		{Assignment{"a", "ADD", val(doc{})}, invalid + "ADD action is not supported for the type M"},
		{Assignment{"", "PUT", val("x")}, "Empty attribute name"},
		{Assignment{strings.Repeat("a", item.MaxNameBytes+1), "PUT", val("x")}, "Attribute name is too large, must be less than 65536 bytes"},
	} {
		_, err := UpdateOf([]Assignment{test.a})
		wantError(t, err, test.want)
	}
}

func TestAttributesToGet(t *testing.T) {
	p := must(ProjectionOf([]string{"b", "a.x", "q"}))
	equalItems(t, project(itm(doc{"a": doc{"x": 1}, "b": 2, "a.x": 3}), p.Paths()), itm(doc{"b": 2, "a.x": 3}))
	sameProjection(t, p)
	_, err := ProjectionOf([]string{"a", "b", "a"})
	wantError(t, err, "One or more parameter values were invalid: Duplicate value in attribute name: a")
	_, err = ProjectionOf([]string{"a", ""})
	wantError(t, err, "Empty attribute name")
}
