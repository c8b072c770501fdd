package expr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// everything is an item with an attribute of each type.
var everything = doc{
	"s": "hello", "n": 5, "b": []byte("hi there"), "t": true, "z": nil,
	"l": list{2, "dog", list{3, 4}, ss{"x"}}, "m": doc{"x": 1, "y": doc{"w": "deep"}},
	"ss": ss{"a", "b"}, "ns": ns{2, 4, 7}, "bs": bs{"p", "q"},
	"one": 1, "two": 2, "three": 3, "blank": "", "dotted.name": "yes", "wide": "a😀ü",
}

func TestConditionHolds(t *testing.T) {
	bindings := doc{
		":0": 0, ":1": 1, ":2": 2, ":3": 3, ":4": 4, ":5": 5, ":8": 8, ":big": num("1e100"), ":neg": -1,
		":hello": "hello", ":ell": "ell", ":hel": "hel", ":a": "a", ":zebra": "zebra", ":empty": "", ":dog": "dog",
		":bin": []byte("here"), ":hi": []byte("hi"), ":p": []byte("p"), ":true": true, ":null": nil,
		":ss": ss{"b", "a"}, ":l": list{3, 4}, ":m": doc{"w": "deep"}, ":x": ss{"x"},
		":S": "S", ":SS": "SS", ":N": "N", ":NULL": "NULL", ":BOOL": "BOOL", ":L": "L", ":M": "M",
		"#s": "s", "#d": "dotted.name", "#x": "x",
	}
	for _, test := range []struct {
		src  string
		want bool
	}{
		// Equality is of type and value; nothing equals what is not there.
		{"s = :hello", true},
		{":hello = s", true},
		{"#s = :hello", true},
		{"s = :a", false},
		{"n = :5", true},
		{"n = :hello", false},
		{"t = :true", true},
		{"z = :null", true},
		{"ss = :ss", true},
		{"l[2] = :l", true},
		{"m.y = :m", true},
		{"absent = :1", false},
		{"absent = gone", false},
		{"s <> :a", true},
		{"s <> :hello", false},
		{"s <> :1", true},
		{"absent <> :1", true},
		{"absent <> gone", true},

		// Order is within a type that has one.
		{"n < :8", true},
		{"n < :5", false},
		{"n <= :5", true},
		{"n > :neg", true},
		{"n >= :5", true},
		{"n >= :8", false},
		{"n < :big", true},
		{"s > :a", true},
		{"s < :zebra", true},
		{"blank < :a", true},
		{"b > :hi", true},
		{"n < :zebra", false},
		{"n > :a", false},
		{"absent < :5", false},
		{":5 > absent", false},
		{"absent < gone", false},
		{"l < :5", false},
		{"t >= :5", false},
		{"one < two", true},
		{"wide > :zebra", false},

		{"n BETWEEN :1 AND :8", true},
		{"n BETWEEN :5 AND :5", true},
		{"n BETWEEN :0 AND :4", false},
		{"n between one and :8", true},
		{"n between three and two", false},
		{"n between :hello and :zebra", false},
		{"absent between :1 and :8", false},
		{"two between one and three and n = :5", true},
		{"n IN (:1, :hello, :5)", true},
		{"n IN (:1, :2)", false},
		{"n in (two, five)", false},
		{"absent IN (:1)", false},
		{"absent in (gone)", false},

		{"attribute_exists(s)", true},
		{"attribute_exists (z)", true},
		{"attribute_exists(absent)", false},
		{"attribute_exists(m.y.w)", true},
		{"attribute_exists(l[3])", true},
		{"attribute_exists(l[4])", false},
		{"attribute_not_exists(m.q)", true},
		{"attribute_not_exists(s.q)", true},
		{"attribute_not_exists(m[0])", true},
		{"attribute_not_exists(l.x)", true},
		{"attribute_type(s, :S)", true},
		{"attribute_type(s, :N)", false},
		{"attribute_type(ss, :SS)", true},
		{"attribute_type(z, :NULL)", true},
		{"attribute_type(m, :M) AND attribute_type(l, :L) AND attribute_type(t, :BOOL)", true},
		{"attribute_type(absent, :S)", false},
		{"attribute_type(:1, :N)", true},
		{"begins_with(s, :hel)", true},
		{"begins_with(s, :ell)", false},
		{"begins_with(s, :empty)", true},
		{"begins_with(b, :hi)", true},
		{"begins_with(b, :hel)", false},
		{"begins_with(n, :hel)", false},
		{"begins_with(:hello, s)", true},
		{"begins_with(absent, :hel)", false},
		{"contains(s, :ell)", true},
		{"contains(s, :dog)", false},
		{"contains(s, :1)", false},
		{"contains(b, :bin)", true},
		{"contains(ss, :a)", true},
		{"contains(ss, :ell)", false},
		{"contains(ns, :4)", true},
		{"contains(ns, :5)", false},
		{"contains(ns, :a)", false},
		{"contains(bs, :p)", true},
		{"contains(l, :dog)", true},
		{"contains(l, :l)", true},
		{"contains(l, :x)", true},
		{"contains(l, :3)", false},
		{"contains(m, :a)", false},
		{"contains(absent, :a)", false},
		{"contains(:hello, s)", true},
		{"size(s) = :5", true},
		{"size(b) = :8", true},
		{"size(l) = :4", true},
		{"size(m) = :2", true},
		{"size(ns) = :3", true},
		{"size(s) > size(ns)", true},
		{"size(n) = :1", false},
		{"size(n) <> :1", true},
		{"size(t) = :1", false},
		{"size(absent) < :5", false},
		{"size(s) = n", true},
		{"size(s) = :hello", false},
		{"size(wide) = :4", true}, // in UTF-16 code units
		{":1 < size(l[2])", true},
		{"size(s) BETWEEN :1 AND :8", true},
		{"size(s) IN (:1, :5)", true},
		{"contains(ns, size(m))", true},

		// NOT binds tighter than AND, AND tighter than OR.
		{"one = :1 OR one = :2 AND one = :3", true},
		{"(one = :1 OR one = :2) AND one = :3", false},
		{"NOT one = :2 AND one = :1", true},
		{"NOT (one = :2 AND one = :1)", true},
		{"NOT one = :1 OR one = :1", true},
		{"not not one = :1", true},
		{"NOT NOT NOT one = :1", false},
		{"NOT attribute_exists(absent)", true},
		{"(one = :1)", true},
		{"(one) = (:1)", true},
		{"((one) = :1) aNd (attribute_exists((s)))", true},
		{"(size(s)) > (:1)", true},
		{"(one)between(:0)and(:1)", true},
		{"(one)in((:1))", true},
		{"(m).x = :1", true},
		{"(m.y).w = :hello or (l[2])[0] = :3", true},
		{"one = :1 and two = :2 and three = :3", true},
		{"one = :1 and two = :2 and three = :2", false},
		{"one = :2 or two = :1 or three = :3", true},

		{"#d = :hello", false},
		{"m.#x = :1", true},
		{" one\t=\n:1\r", true},
		{"one=:1", true},
		{"one<>:1", false},
		{"one<=:1", true},
	} {
		t.Run(test.src, func(t *testing.T) {
			b := bind(bindings)
			c, err := ParseCondition(test.src, b)
			if err != nil {
				t.Fatal(err)
			}
			it := itm(everything)
			got, err := matchTree(c, it)
			if err != nil || got != test.want {
				t.Errorf("of the tree Match is %v, %v; want %v", got, err, test.want)
			}
			got, err = c.Match(item.Encode(it))
			if err != nil || got != test.want {
				t.Errorf("Match is %v, %v; want %v", got, err, test.want)
			}
		})
	}
}

func TestConditionOfNoItem(t *testing.T) {
	for src, want := range map[string]bool{"attribute_not_exists(pk)": true, "attribute_exists(pk)": false, "pk <> :v": true} {
		c := must(ParseCondition(src, bind(doc{":v": 1})))
		if got := must(c.Match(nil)); got != want {
			t.Errorf("%s of no item is %v, want %v", src, got, want)
		}
	}
}

func TestConditionRefused(t *testing.T) {
	many := "a IN (" + strings.Repeat(":v, ", 100) + ":v)"
	bindings := doc{
		":v": 1, ":s": "a", ":t": "b", ":b": []byte("ab"), ":l": list{}, ":m": doc{}, ":ss": ss{"a"}, ":ns": ns{1},
		":bs": bs{"a"}, ":true": true, ":null": nil, ":DOG": "DOG", ":S": "S", "#a": "a", "#b": "b",
	}
	const (
		distinct = "The first operand must be distinct from the remaining operands for this operator or function; operator: "
		wrong    = "Incorrect operand type for operator or function; operator or function: "
		count    = "Incorrect number of operands for operator or function; operator or function: "
		misused  = "The function is not allowed to be used this way in an expression; function: "
	)
	for _, test := range []struct{ src, want string }{
		{"", "The expression can not be empty;"},
		{strings.Repeat("a", 4097), "Expression size has exceeded the maximum allowed size; expression size: 4097"},

		// Syntax: the token, and the text from the one before to the one after.
		{"a", `Syntax error; token: "<EOF>", near: "a"`},
		{":v", `Syntax error; token: "<EOF>", near: ":v"`},
		{"a = ", `Syntax error; token: "<EOF>", near: "= "`},
		{"a = = :v", `Syntax error; token: "=", near: "= = :v"`},
		{"things are not gonna be ok", `Syntax error; token: "are", near: "things are not"`},
		{"a > 4", `Syntax error; token: "4", near: "> 4"`},
		{"a != :v", `Syntax error; token: "!", near: "a !="`},
		{"a + :v = :v", `Syntax error; token: "+", near: "a + :v"`},
		{"_hidden = :v", `Syntax error; token: "_", near: "_hidden"`},
		{"ü > a", `Syntax error; token: "ü", near: "ü >"`},
		{`attribute_exists("a.b")`, `Syntax error; token: """, near: "("a"`},
		{"attribute_exists(a-b)", `Syntax error; token: "-", near: "a-b"`},
		{"attribute_exists(a..b)", `Syntax error; token: ".", near: "..b"`},
		{"attribute_exists(Pi#ctures)", `Syntax error; token: "#ctures", near: "Pi#ctures)"`},
		{"attribute_exists(a[b])", `Syntax error; token: "b", near: "[b]"`},
		{"attribute_exists(a[])", `Syntax error; token: "]", near: "[])"`},
		{"attribute_exists([1])", `Syntax error; token: "[", near: "([1"`},
		{"attribute_exists(", `Syntax error; token: "<EOF>", near: "("`},
		{"contains(a, :v", `Syntax error; token: "<EOF>", near: ":v"`},
		{"attribute_exists()", `Syntax error; token: ")", near: "()"`},
		{"a[007] = :v", `Syntax error; token: "0", near: "007"`},
		{"a in b, c", `Syntax error; token: "b", near: "in b,"`},
		{"a in ()", `Syntax error; token: ")", near: "()"`},
		{"a in (b,c,)", `Syntax error; token: ")", near: ",)"`},
		{"a > between", `Syntax error; token: "between", near: "> between"`},
		{"a between :v", `Syntax error; token: "<EOF>", near: ":v"`},
		{"(a)between(b.(c.d))and(c)", `Syntax error; token: "(", near: ".(c"`},
		{"(a)between(b.c.d)and((c)", `Syntax error; token: "<EOF>", near: ")"`},
		{"#$.b > a", `Syntax error; token: "#", near: "#$"`},
		{"a > :things.stuff", `Syntax error; token: ".", near: ":things.stuff"`},
		{"b[:a] > a", `Syntax error; token: ":a", near: "[:a]"`},
		{"b[#_] > a", `Syntax error; token: "#_", near: "[#_]"`},
		{"b[4.5] > a", `Syntax error; token: ".", near: "4.5"`},
		{"size(a).b > a", `Syntax error; token: ".", near: ").b"`},
		{"(size(a)).b > a", `Syntax error; token: ".", near: ").b"`},
		{"(size(a))[0] > a", `Syntax error; token: "[", near: ")[0"`},
		{"NOT (#a)", `Syntax error; token: "<EOF>", near: ")"`},
		{"(a = :v) = :v", `Syntax error; token: "=", near: ") = :v"`},
		{"a = (b = :v)", `Syntax error; token: "=", near: "b = :v"`},
		{"a AND b = :v", `Syntax error; token: "AND", near: "a AND b"`},
		{"b = :v AND (a)", `Syntax error; token: "<EOF>", near: ")"`},
		{"a = :v b = :v", `Syntax error; token: "b", near: ":v b ="`},
		{"set = :v", `Syntax error; token: "set", near: "set ="`},
		{"remove = :v", `Syntax error; token: "remove", near: "remove ="`},
		{"!!bad", `Syntax error; token: "!", near: "!!"`},

		{"((a = :v))", "The expression has redundant parentheses;"},
		{"b=:v and a > ((views))", "The expression has redundant parentheses;"},
		{"(a)between(((b.c)).d)and(c)", "The expression has redundant parentheses;"},
		{"a > whatever((:things), ((a)))", "The expression has redundant parentheses;"},
		{"b=:v AND ((a=:v AND (b=:v AND c=:v)))", "The expression has redundant parentheses;"},
		{"((a = :v)) nonsense (", "The expression has redundant parentheses;"},

		{strings.Repeat("a<b or ", 151) + "a<b", "The expression contains too many operators; operator count: 301"},
		{strings.Repeat("a<b or (", 151) + "a<b" + strings.Repeat(")", 151), "The expression contains too many operators; operator count: 301"},
		{strings.Repeat("NOT ", 300) + "a<b", "The expression contains too many operators; operator count: 301"},
		{strings.Repeat("NOT ", 1000) + "a<b", "The expression contains too many operators; operator count: 301"},
		{strings.Repeat("size(", 700) + "a", "The expression contains too many operators; operator count: 301"},
		{strings.Repeat("(", 4000), `Syntax error; token: "(", near: "((("`},

		// Words: reserved words, indexes, functions and their places.
		{"b=:v and whatever((:things)) > a", "Invalid function name; function: whatever"},
		{"attRIbute_exIsts((views), #a)", "Invalid function name; function: attRIbute_exIsts"},
		{"if_not_exists(a, b) = :v", "The function is not allowed in a condition expression; function: if_not_exists"},
		{"list_append(a, b) = :v", "The function is not allowed in a condition expression; function: list_append"},
		{"a=:v and attribute_exists((views), (#a)) > b", misused + "attribute_exists"},
		{"begins_with(things, a) > b", misused + "begins_with"},
		{"size(contains(a, b)) > a", misused + "contains"},
		{"size(things)", misused + "size"},
		{"NOT (size(things))", misused + "size"},
		{"a between b and attribute_exists(things)", misused + "attribute_exists"},
		{"a in (b, attribute_exists(things))", misused + "attribute_exists"},
		{"(attribute_exists(a)) = :v", misused + "attribute_exists"},
		{"attribute_exists(views, #a)", "Attribute name is a reserved keyword; reserved keyword: views"},
		{":a < abOrT", "Attribute name is a reserved keyword; reserved keyword: abOrT"},
		{"a.b.status = :v", "Attribute name is a reserved keyword; reserved keyword: status"},
		{"size = :v", "Attribute name is a reserved keyword; reserved keyword: size"},
		{"a[2147483648] = :v", "List index is not within the allowable range; index: [2147483648]"},
		{"a[99999999999999999999] = :v", "List index is not within the allowable range; index: [99999999999999999999]"},

		// Placeholders, condition by condition.
		{"attribute_exists(#Pictures.RearView, :v) and a=a", "An expression attribute name used in the document path is not defined; attribute name: #Pictures"},
		{"begins_with(a.#RearView)", "An expression attribute name used in the document path is not defined; attribute name: #RearView"},
		{"begins_with(:hello, #x, #y)", "An expression attribute value used in expression is not defined; attribute value: :hello"},
		{":x < :y", "An expression attribute value used in expression is not defined; attribute value: :x"},
		{"a = a and b = :undefined", distinct + "=, first operand: [a]"},
		{strings.Repeat("a.", 32) + "a = :v", "The document path has too many nesting levels; nesting levels: 33"},

		{"attribute_exists(things, a) and a=a", count + "attribute_exists, number of operands: 2"},
		{"attribute_type(things)", count + "attribute_type, number of operands: 1"},
		{"begins_with(things, size(a), b)", count + "begins_with, number of operands: 3"},
		{"contains(things)", count + "contains, number of operands: 1"},
		{"size(things, a) > b", count + "size, number of operands: 2"},
		{many, "The IN operator is provided with too many operands; number of operands: 101"},

		{"a = #a", distinct + "=, first operand: [a]"},
		{"#a <> a", distinct + "<>, first operand: [a]"},
		{"a > #a", distinct + ">, first operand: [a]"},
		{"((a=a) OR (a=a))", distinct + "=, first operand: [a]"},
		{"contains(ab.bc[1].a, ab.bc[1].#a)", distinct + "contains, first operand: [ab, bc, [1], a]"},
		{"attribute_type(ab.bc[1].#a, ab.bc[1].a)", distinct + "attribute_type, first operand: [ab, bc, [1], a]"},
		{"begins_with(a, #a)", distinct + "begins_with, first operand: [a]"},
		{"a BETWEEN b AND a", distinct + "BETWEEN, first operand: [a]"},
		{"a IN (b, a)", distinct + "IN, first operand: [a]"},

		{"attribute_exists(:v) and a=a", "Operator or function requires a document path; operator or function: attribute_exists"},
		{"attribute_not_exists(size(:s))", "Operator or function requires a document path; operator or function: attribute_not_exists"},
		{"attribute_not_exists(size(:v))", wrong + "size, operand type: N"},
		{"size(size(a)) > :v", wrong + "size, operand type: N"},
		{"size(:true) > a", wrong + "size, operand type: BOOL"},
		{"size(:null) > a", wrong + "size, operand type: NULL"},
		{"a < :l", wrong + "<, operand type: L"},
		{":m >= a", wrong + ">=, operand type: M"},
		{"a > :true", wrong + ">, operand type: BOOL"},
		{"a <= :ns", wrong + "<=, operand type: NS"},
		{"a BETWEEN :ss AND :ss", wrong + "BETWEEN, operand type: SS"},
		{"begins_with(a, :v)", wrong + "begins_with, operand type: N"},
		{"begins_with(:bs, a)", wrong + "begins_with, operand type: BS"},
		{"begins_with(a, size(a))", wrong + "begins_with, operand type: N"},
		{"attribute_type(a, :v)", wrong + "attribute_type, operand type: N"},
		{"attribute_type(a, size(a))", wrong + "attribute_type, operand type: N"},
		{"attribute_type(a, b)", wrong + "attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}"},
		{"attribute_type(a, :DOG)", "Invalid attribute type name found; type: DOG, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"},
		{"a between :v and :s", "The BETWEEN operator requires same data type for lower and upper bounds; " +
			"lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}"},
		{"a between :t and :s", "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; " +
			"lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {S:a}"},
	} {
		t.Run(test.src[:min(len(test.src), 60)], func(t *testing.T) {
			_, err := ParseCondition(test.src, bind(bindings))
			wantError(t, err, "Invalid ConditionExpression: "+test.want)
			_, err = ParseFilter(test.src, bind(bindings))
			wantError(t, err, "Invalid FilterExpression: "+test.want)
		})
	}
}

func TestConditionAtItsLimits(t *testing.T) {
	for what, src := range map[string]string{
		"size":      "a = " + strings.Repeat(" ", 4090) + ":v",
		"operators": strings.Repeat("a<b or ", 149) + "NOT a<b", // 149·2 + 2
		"in":        "a IN (" + strings.Repeat(":v, ", 99) + ":v)",
		"path":      strings.Repeat("a.", 31) + "a = :v",
		"index":     "a[2147483647] = :v",
		"nesting":   strings.Repeat("NOT (", 299) + "a<b" + strings.Repeat(")", 299),
		"dive":      strings.Repeat("a<b or (", 149) + "a<b" + strings.Repeat(")", 149),
	} {
		t.Run(what, func(t *testing.T) {
			c, err := ParseCondition(src, bind(doc{":v": 1}))
			if err != nil {
				t.Fatal(err)
			}
			if _, rest, err := DecodeCondition(c.Append(nil)); err != nil || len(rest) > 0 {
				t.Errorf("encoding does not decode: %v, %d bytes left", err, len(rest))
			}
		})
	}
}

func TestBindings(t *testing.T) {
	long := strings.Repeat("x", 255)
	for _, test := range []struct {
		bindings *Bindings
		want     string
	}{
		{nil, ""},
		{&Bindings{}, ""},
		{bind(doc{"#a": "a", ":a": 1, "#0": "b", ":_": 2}), ""},
		{&Bindings{Names: map[string]string{}}, "ExpressionAttributeNames must not be empty"},
		{&Bindings{Values: map[string]item.Value{}}, "ExpressionAttributeValues must not be empty"},
		{&Bindings{Names: map[string]string{"a": "a"}}, `ExpressionAttributeNames contains invalid key: Syntax error; key: "a"`},
		{&Bindings{Names: map[string]string{"#": "a"}}, `ExpressionAttributeNames contains invalid key: Syntax error; key: "#"`},
		{&Bindings{Names: map[string]string{"#a-b": "a"}}, `ExpressionAttributeNames contains invalid key: Syntax error; key: "#a-b"`},
		{&Bindings{Names: map[string]string{"#a": ""}}, "ExpressionAttributeNames contains invalid value: Empty attribute name for key #a"},
		{&Bindings{Names: map[string]string{"#a": strings.Repeat("a", item.MaxNameBytes)}}, ""},
		{&Bindings{Names: map[string]string{"#a": strings.Repeat("a", item.MaxNameBytes+1)}}, "ExpressionAttributeNames contains invalid value: " +
			"Attribute name is too large, must be less than 65536 bytes for key #a"},
		{&Bindings{Values: map[string]item.Value{":" + long: val(1)}}, "ExpressionAttributeValues contains invalid key: " +
			"The expression attribute map contains a key that is too long;"},
		{&Bindings{Names: map[string]string{"#" + long: "a"}}, "ExpressionAttributeNames contains invalid key: " +
			"The expression attribute map contains a key that is too long; size of key: 256"},
		{&Bindings{Values: map[string]item.Value{"a": val(1)}}, `ExpressionAttributeValues contains invalid key: Syntax error; key: "a"`},
		{bind(doc{":a": nested(32)}), ""},
		{bind(doc{":a": nested(33)}), "ExpressionAttributeValues contains invalid value: Nesting Levels have exceeded supported limits: " +
			"Attributes in the item have nested levels beyond supported limit for key :a"},
		{&Bindings{Values: map[string]item.Value{":a": val(strings.Repeat("x", 2<<20))}}, "ExpressionAttributeValues exceeds max size"},
		{&Bindings{Names: map[string]string{"#a": "a"}, Values: map[string]item.Value{":a": val(strings.Repeat("x", 2<<20-4))}},
			"Combined size of ExpressionAttributeNames and ExpressionAttributeValues exceeds max size"},
	} {
		wantError(t, test.bindings.Validate(), test.want)
	}
}

func TestUnused(t *testing.T) {
	b := bind(doc{"#a": "a", "#b": "b", "#c": "c", ":a": 1, ":b": 2, ":c": 3})
	must(ParseUpdate("SET #a = :a", b))
	wantError(t, b.Unused(), "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b, #c}")
	must(ParseCondition("#b = :c OR #c = :c", b))
	wantError(t, b.Unused(), "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}")
	must(ParseFilter("a = :b", b))
	wantError(t, b.Unused(), "")
}

// matchTree is Match of an item that is decoded already.
func matchTree(c *Condition, it item.Item) (bool, error) {
	return c.root.match(&subject{doc: it})
}

// TestLongConditions names more attributes than are looked for one by one.
func TestLongConditions(t *testing.T) {
	whole := itm(everything)
	for name, it := range map[string]item.Item{"something": whole, "nothing": {}} {
		src := "attribute_exists(n)"
		for i := range 3 * maxLooks {
			src += fmt.Sprintf(" AND attribute_not_exists(absent%d)", i)
		}
		for clause, want := range map[string]bool{
			"attribute_exists(s)": it.Len() > 0, "m.y.w = :w": false, "size(l) < :n": it.Len() > 0, "attribute_not_exists(s)": false,
		} {
			c := must(ParseCondition(src+" AND "+clause, bind(doc{":n": 5, ":w": "nowhere"})))
			if got := must(c.Match(item.Encode(it))); got != want {
				t.Errorf("%s, of %s: %v", clause, name, got)
			}
		}
	}
}

// TestMatchOfDamage reads what is damaged only if it looks there.
func TestMatchOfDamage(t *testing.T) {
	e := item.Encode(itm(doc{"a": 1, "b": "text"}))
	e = e[:len(e)-1]
	for src, want := range map[string]storage.Kind{"a = :n": 0, "b = :s": storage.Corrupt, "a = :n OR b = :s": 0} {
		c := must(ParseCondition(src, bind(doc{":n": 1, ":s": "text"})))
		if ok, err := c.Match(e); storage.KindOf(err) != want || ok != (err == nil) {
			t.Errorf("%s: %v, %v", src, ok, err)
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	b := bind(doc{":n": 5, ":s": "hel", ":l": "dog"})
	c := must(ParseCondition("n = :n AND begins_with(s, :s) AND size(l) < :n AND contains(l, :l) AND m.y.w <> :s "+
		"AND attribute_not_exists(absent) AND n BETWEEN one AND :n", b))
	it := itm(everything)
	if n := testing.AllocsPerRun(100, func() {
		if ok, err := matchTree(c, it); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}); n > 0 {
		t.Errorf("Match allocates %v times", n)
	}
}
