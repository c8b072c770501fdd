package expr

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/storage/item"
)

var (
	stringKey = KeyName{Name: "pk", Kind: item.S}
	numberKey = KeyName{Name: "sk", Kind: item.N}
)

func TestKeyCondition(t *testing.T) {
	for _, test := range []struct {
		src  string
		op   KeyOp // of the sort key; 0: none
		args list
	}{
		{"pk = :p", 0, nil},
		{":p = pk", 0, nil},
		{"(pk = :p)", 0, nil},
		{"pk = :p AND sk = :1", KeyEQ, list{1}},
		{"sk = :1 and pk = :p", KeyEQ, list{1}},
		{"pk = :p AND sk < :1", KeyLT, list{1}},
		{"pk = :p AND :1 < sk", KeyGT, list{1}},
		{"pk = :p AND sk <= :1", KeyLE, list{1}},
		{"pk = :p AND :1 <= sk", KeyGE, list{1}},
		{"pk = :p AND sk > :1", KeyGT, list{1}},
		{"pk = :p AND :1 > sk", KeyLT, list{1}},
		{"pk = :p AND sk >= :1", KeyGE, list{1}},
		{":1 >= sk AND :p = pk", KeyLE, list{1}},
		{"pk = :p AnD sk BeTwEeN :1 aNd :2", KeyBetween, list{1, 2}},
		{"(#pk = :p) AND (#sk = :1)", KeyEQ, list{1}},
		{"((sk = :1) AND (pk = :p))", KeyEQ, list{1}},
	} {
		t.Run(test.src, func(t *testing.T) {
			k, err := ParseKeyCondition(test.src, bind(doc{":p": "key", ":1": 1, ":2": 2, "#pk": "pk", "#sk": "sk"}))
			if err != nil {
				t.Fatal(err)
			}
			partition, sort, err := k.Split(stringKey, numberKey, nil)
			if err != nil || !partition.Equal(val("key")) {
				t.Fatalf("Split is %v, %v", show(partition), err)
			}
			switch {
			case test.op == 0:
				if sort != nil {
					t.Errorf("there is a sort key comparison %v", sort)
				}
			case sort == nil || sort.Op != test.op || !sort.Value.Equal(val(test.args[0])):
				t.Errorf("sort key comparison is %v", sort)
			case len(test.args) == 2 && !sort.High.Equal(val(test.args[1])):
				t.Errorf("upper bound is %v", show(sort.High))
			}
		})
	}
	k := must(ParseKeyCondition("pk = :p AND begins_with(s, :s)", bind(doc{":p": "key", ":s": "x"})))
	if _, sort, err := k.Split(stringKey, KeyName{Name: "s", Kind: item.S}, nil); err != nil || sort.Op != KeyBeginsWith {
		t.Errorf("begins_with is %v, %v", sort, err)
	}
}

func TestKeyConditionRefused(t *testing.T) {
	bindings := doc{":a": "1", ":b": "2", ":n": 1, ":S": "S"}
	const field = "Invalid KeyConditionExpression: "
	for _, test := range []struct{ src, want string }{
		{"", field + "The expression can not be empty;"},
		{"pk", field + `Syntax error; token: "<EOF>", near: "pk"`},
		{"a > 4", field + `Syntax error; token: "4", near: "> 4"`},
		{"((pk = :a))", field + "The expression has redundant parentheses;"},
		{"((sk=:a) AND ((pk=:b)))", field + "The expression has redundant parentheses;"},
		{"pk = :a AND dog(sk, :b)", field + "Invalid function name; function: dog"},
		{"pk = :a AND BEGINS_WITH(sk, :b)", field + "Invalid function name; function: BEGINS_WITH"},
		{"hash = :a", field + "Attribute name is a reserved keyword; reserved keyword: hash"},
		{"pk = :x", field + "An expression attribute value used in expression is not defined; attribute value: :x"},
		{"attribute_type(a, b)", field + "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}"},
		{"pk = :a AND begins_with(sk, :n)", field + "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"},
		{"a between :n and :a", field + "The BETWEEN operator requires same data type for lower and upper bounds; " +
			"lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:1}"},
		{"a between :b and :a", field + "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; " +
			"lower bound operand: AttributeValue: {S:2}, upper bound operand: AttributeValue: {S:1}"},

		{"a > b and size(b) > c or a > c", "Invalid operator used in KeyConditionExpression: OR"},
		{"a in (b, size(c), d)", "Invalid operator used in KeyConditionExpression: IN"},
		{"attribute_exists(a)", "Invalid operator used in KeyConditionExpression: attribute_exists"},
		{"attribute_not_exists(a)", "Invalid operator used in KeyConditionExpression: attribute_not_exists"},
		{"attribute_type(a, :S)", "Invalid operator used in KeyConditionExpression: attribute_type"},
		{"contains(a.d, b)", "Invalid operator used in KeyConditionExpression: contains"},
		{"not a > b", "Invalid operator used in KeyConditionExpression: NOT"},
		{"a <> b", "Invalid operator used in KeyConditionExpression: <>"},
		{":a between size(b) and size(a) and b > :b",
			"Invalid condition in KeyConditionExpression: BETWEEN operator must have the key attribute as its first operand"},
		{"begins_with(:a, b) and a > :b", "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as its first operand"},
		{":a between b and c", "Invalid condition in KeyConditionExpression: BETWEEN operator must have the key attribute as its first operand"},
		{"size(b) > a AND a.b > b AND b > c", field + "KeyConditionExpressions cannot contain nested operations"},
		{"a > size(b.d)", field + "KeyConditionExpressions cannot contain nested operations"},
		{"a between size(b) and size(c)", field + "KeyConditionExpressions cannot contain nested operations"},
		{"b > a.b", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"},
		{"b between c[1] and d", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"},
		{"a between b and size(c)", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"},
		{"begins_with(a, b)", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"},
		{"b.d > a AND c.d > e.f", field + "KeyConditionExpressions cannot have conditions on nested attributes"},
		{"b[0] > a", field + "KeyConditionExpressions cannot have conditions on nested attributes"},
		{":b > :a AND a < :b", "Invalid condition in KeyConditionExpression: No key attribute specified"},
		{":a > b AND :a < :b", "Invalid condition in KeyConditionExpression: No key attribute specified"},
		{"b > :a AND b < :a and c = :a and d = :a", field + "KeyConditionExpressions must only contain one condition per key"},
		{"(a > :a and b > :a) and (b > :a and c > :a)", field + "KeyConditionExpressions must only contain one condition per key"},
	} {
		t.Run(test.src, func(t *testing.T) {
			_, err := ParseKeyCondition(test.src, bind(bindings))
			wantError(t, err, test.want)
		})
	}
}

func TestSplitRefused(t *testing.T) {
	const typ = "One or more parameter values were invalid: Condition parameter type does not match schema type"
	b := bind(doc{":s": "x", ":n": 1, ":e": "", ":b": []byte("")})
	for _, test := range []struct {
		src  string
		sort KeyName
		want string
	}{
		{"sk = :n", numberKey, "Query condition missed key schema element: pk"},
		{"extra = :s", numberKey, "Query condition missed key schema element: pk"},
		{"pk = :s AND extra < :n", numberKey, "Query condition missed key schema element: sk"},
		{"pk = :s AND extra < :n", KeyName{}, "Query key condition not supported"},
		{"pk < :s", numberKey, "Query key condition not supported"},
		{"begins_with(pk, :s)", numberKey, "Query key condition not supported"},
		{"pk = :s AND sk = :n AND extra = :n", numberKey, "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)"},
		{"pk = :n", numberKey, typ},
		{"pk = :s AND sk > :s", numberKey, typ},
		{"pk = :s AND begins_with(sk, :s)", numberKey, typ},
		{"pk = :e", numberKey, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
		{"pk = :s AND bin = :b", KeyName{Name: "bin", Kind: item.B},
			"One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: bin"},
	} {
		t.Run(test.src, func(t *testing.T) {
			_, _, err := must(ParseKeyCondition(test.src, b)).Split(stringKey, test.sort, nil)
			wantError(t, err, test.want)
		})
	}
}

func TestLegacyKeyConditions(t *testing.T) {
	k, err := KeyConditionOf([]Comparison{
		{Attribute: "pk", Operator: "EQ", Values: []item.Value{val("key")}},
		{Attribute: "sk", Operator: "BETWEEN", Values: []item.Value{val(1), val(2)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	parsed := must(ParseKeyCondition("pk = :p AND sk BETWEEN :1 AND :2", bind(doc{":p": "key", ":1": 1, ":2": 2})))
	same := cmp.Comparer(func(a, b item.Value) bool { return a.Equal(b) })
	if diff := cmp.Diff(parsed, k, same); diff != "" {
		t.Errorf("another key condition than the expression (-expression +legacy):\n%s", diff)
	}
	for _, operator := range []string{"NE", "NULL", "NOT_NULL", "CONTAINS", "NOT_CONTAINS", "IN"} {
		c := Comparison{Attribute: "pk", Operator: operator, Values: []item.Value{val("x")}}
		if operator == "NULL" || operator == "NOT_NULL" {
			c.Values = nil
		}
		k, err := KeyConditionOf([]Comparison{c})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = k.Split(stringKey, numberKey, nil)
		wantError(t, err, "Attempted conditional constraint is not an indexable operation")
	}
}
