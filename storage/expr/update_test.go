package expr

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/storage/item"
)

func TestUpdateApplies(t *testing.T) {
	bindings := doc{
		":1": 1, ":2": 2, ":9": 9, ":s": "new", ":l": list{"x", 7}, ":none": list{}, ":m": doc{"k": 1},
		":red": ss{"red"}, ":rg": ss{"red", "green"}, ":n14": ns{1, 4}, ":b": bs{"p"}, ":tenth": num("0.1"), ":fifth": num("0.2"),
		"#d": "a.b", "#c": "c", "#status": "status",
	}
	for _, test := range []struct {
		src        string
		item, want doc
	}{
		// SET
		{"SET a = :1", doc{}, doc{"a": 1}},
		{"SET a = :1", doc{"a": "old", "b": 2}, doc{"a": 1, "b": 2}},
		{"set a=:1,b=:2 , c = :s", doc{"c": nil}, doc{"a": 1, "b": 2, "c": "new"}},
		{"SET b = a", doc{"a": list{1}}, doc{"a": list{1}, "b": list{1}}},
		{"SET a = a", doc{"a": 1}, doc{"a": 1}},
		{"SET a = b, b = a", doc{"a": 1, "b": 2}, doc{"a": 2, "b": 1}},
		{"REMOVE a SET b = a", doc{"a": "x"}, doc{"b": "x"}},
		{"SET c = b REMOVE b", doc{"b": "x"}, doc{"c": "x"}},
		{"SET a = a + :1", doc{"a": 2}, doc{"a": 3}},
		{"SET a = :9 - a", doc{"a": 2}, doc{"a": 7}},
		{"SET a = a - :9", doc{"a": 2}, doc{"a": -7}},
		{"SET a = b + c", doc{"b": 2, "c": 3}, doc{"a": 5, "b": 2, "c": 3}},
		{"SET a = :tenth + :fifth", doc{}, doc{"a": num("0.3")}},
		{"SET a = (a + :1)", doc{"a": 2}, doc{"a": 3}},
		{"SET a = ((m.b.c)+(d))", doc{"m": doc{"b": doc{"c": 1}}, "d": 2}, doc{"m": doc{"b": doc{"c": 1}}, "d": 2, "a": 3}},
		{"SET a = (:1)", doc{}, doc{"a": 1}},
		{"SET a = if_not_exists(a, :1)", doc{}, doc{"a": 1}},
		{"SET a = if_not_exists(a, :1)", doc{"a": 5}, doc{"a": 5}},
		{"SET b = if_not_exists(a, :1)", doc{"a": 5, "b": 6}, doc{"a": 5, "b": 5}},
		{"SET a = if_not_exists(b, if_not_exists(c, :1))", doc{}, doc{"a": 1}},
		{"SET a = if_not_exists(a, :1) + :2", doc{}, doc{"a": 3}},
		{"SET a = :2 + if_not_exists(a, :1)", doc{"a": 5}, doc{"a": 7}},
		{"SET a = list_append(a, :l)", doc{"a": list{1}}, doc{"a": list{1, "x", 7}}},
		{"SET a = list_append(:l, a)", doc{"a": list{1}}, doc{"a": list{"x", 7, 1}}},
		{"SET a = list_append(if_not_exists(a, :none), :l)", doc{}, doc{"a": list{"x", 7}}},
		{"SET #status = :s, #d = :1", doc{"a": doc{}}, doc{"a": doc{}, "status": "new", "a.b": 1}},

		// SET within documents
		{"SET m.a = :1", doc{"m": doc{"b": 2}}, doc{"m": doc{"a": 1, "b": 2}}},
		{"SET m.a.b = :1, m.c = :2", doc{"m": doc{"a": doc{}}}, doc{"m": doc{"a": doc{"b": 1}, "c": 2}}},
		{"SET l[1] = :s", doc{"l": list{1, 2, 3}}, doc{"l": list{1, "new", 3}}},
		{"SET l[0] = :s", doc{"l": list{}}, doc{"l": list{"new"}}},
		{"SET l[7] = :s", doc{"l": list{1, 2}}, doc{"l": list{1, 2, "new"}}},
		{"SET l[84] = :1, l[37] = :2, l[17] = :9, l[50] = :s", doc{"l": list{0}}, doc{"l": list{0, 9, 2, "new", 1}}},
		{"SET l[0].a = :1", doc{"l": list{doc{}}}, doc{"l": list{doc{"a": 1}}}},
		{"SET a.#c[1].x.y[1] = :9", doc{"a": doc{"c": list{"hi", doc{"x": doc{"y": list{3, 5, 7}}}}}},
			doc{"a": doc{"c": list{"hi", doc{"x": doc{"y": list{3, 9, 7}}}}}}},
		{"SET a.z = a.c[1]", doc{"a": doc{"c": list{3, 5}}}, doc{"a": doc{"c": list{3, 5}, "z": 5}}},
		{"SET m.c = :1", doc{"m": doc{"c": doc{"one": 1}}}, doc{"m": doc{"c": 1}}},

		// REMOVE
		{"REMOVE a", doc{"a": 1, "b": 2}, doc{"b": 2}},
		{"REMOVE a, b, c", doc{"a": 1, "b": 2}, doc{}},
		{"REMOVE a", doc{"b": 2}, doc{"b": 2}},
		{"REMOVE m.a", doc{"m": doc{"a": 1}}, doc{"m": doc{}}},
		{"REMOVE m.b", doc{"m": doc{"a": 1}}, doc{"m": doc{"a": 1}}},
		{"REMOVE l[1]", doc{"l": list{1, 2, 3}}, doc{"l": list{1, 3}}},
		{"REMOVE l[0]", doc{"l": list{1}}, doc{"l": list{}}},
		{"REMOVE l[17]", doc{"l": list{1}}, doc{"l": list{1}}},
		{"REMOVE l[0], l[1], l[2]", doc{"l": list{1, 2, 3, 4}}, doc{"l": list{4}}},
		{"REMOVE l[2], l[0]", doc{"l": list{1, 2, 3, 4}}, doc{"l": list{2, 4}}},
		{"REMOVE l[1].x, l[0]", doc{"l": list{1, doc{"x": 1, "y": 2}}}, doc{"l": list{doc{"y": 2}}}},
		{"REMOVE a.c[1].x.y[1], a.c[1].q", doc{"a": doc{"c": list{"hi", doc{"x": doc{"y": list{3, 5, 7}}, "q": 2}}}},
			doc{"a": doc{"c": list{"hi", doc{"x": doc{"y": list{3, 7}}}}}}},

		// Indexes mean the list as it was, whatever the order of the clauses.
		{"REMOVE l[1] SET l[3] = :9", doc{"l": list{2, 3, 4, 5, 6, 7}}, doc{"l": list{2, 4, 9, 6, 7}}},
		{"SET l[3] = :9 REMOVE l[1]", doc{"l": list{2, 3, 4, 5, 6, 7}}, doc{"l": list{2, 4, 9, 6, 7}}},
		{"SET l[9] = :9, l[8] = :2 REMOVE l[2], l[0]", doc{"l": list{1, 2}}, doc{"l": list{2, 2, 9}}},
		{"SET l[0] = l[1], l[1] = l[0] REMOVE m", doc{"l": list{1, 2}, "m": 1}, doc{"l": list{2, 1}}},

		// ADD
		{"ADD a :1", doc{}, doc{"a": 1}},
		{"add a :1", doc{"a": 2}, doc{"a": 3}},
		{"ADD a :red", doc{}, doc{"a": ss{"red"}}},
		{"ADD a :rg", doc{"a": ss{"red", "blue"}}, doc{"a": ss{"blue", "green", "red"}}},
		{"ADD a :n14, b :b", doc{"a": ns{1, 2}, "b": bs{"p"}}, doc{"a": ns{1, 2, 4}, "b": bs{"p"}}},
		{"ADD m.a :1, l[0] :2, l[5] :9", doc{"m": doc{}, "l": list{1}}, doc{"m": doc{"a": 1}, "l": list{3, 9}}},

		// DELETE
		{"DELETE a :red", doc{"a": ss{"red", "blue"}}, doc{"a": ss{"blue"}}},
		{"DELETE a :rg", doc{"a": ss{"red", "green"}, "b": 1}, doc{"b": 1}},
		{"DELETE a :red", doc{"a": ss{"blue"}}, doc{"a": ss{"blue"}}},
		{"DELETE a :red", doc{"b": 1}, doc{"b": 1}},
		{"DELETE m.a :n14", doc{"m": doc{"a": ns{1, 2}}}, doc{"m": doc{"a": ns{2}}}},
		{"DELETE l[0] :red", doc{"l": list{ss{"red"}, 1}}, doc{"l": list{1}}},

		{"SET a = :1 REMOVE b ADD c :2 DELETE d :red", doc{"b": 1, "c": 2, "d": ss{"red"}}, doc{"a": 1, "c": 4}},
	} {
		t.Run(test.src, func(t *testing.T) {
			u, err := ParseUpdate(test.src, bind(bindings))
			if err != nil {
				t.Fatal(err)
			}
			before := itm(test.item)
			got, err := u.Apply(before)
			if err != nil {
				t.Fatal(err)
			}
			equalItems(t, got, itm(test.want))
			equalItems(t, before, itm(test.item))
		})
	}
}

func TestUpdateFails(t *testing.T) {
	const (
		missing = "The provided expression refers to an attribute that does not exist in the item"
		typ     = "An operand in the update expression has an incorrect data type"
		path    = "The document path provided in the update expression is invalid for update"
		deep    = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
	)
	bindings := doc{":1": 1, ":s": "x", ":l": list{1}, ":red": ss{"red"}, ":n": ns{1}, ":tiny": num("1e-130"), ":huge": num("9e125"), ":deep": nested(32)}
	it := doc{"n": 1, "s": "x", "l": list{1, doc{}}, "m": doc{"a": 1}, "ss": ss{"a"}, "big": num("9e125")}
	for _, test := range []struct{ src, want string }{
		{"SET a = b", missing},
		{"SET a = a", missing},
		{"SET a = m.b", missing},
		{"SET a = l[2]", missing},
		{"SET a = :1, b = a", missing},
		{"SET a = a + :1", missing},
		{"SET a = list_append(a, :l)", missing},
		{"SET a = if_not_exists(b, c)", missing},
		{"SET a = s + :1", typ},
		{"SET a = :1 - l", typ},
		{"SET a = if_not_exists(s, :1) + :1", typ},
		{"SET a = list_append(s, :l)", typ},
		{"SET a = list_append(:l, m)", typ},
		{"ADD s :1", typ},
		{"ADD n :red", typ},
		{"ADD ss :n", typ},
		{"ADD l :n", typ},
		{"DELETE n :red", typ},
		{"DELETE ss :n", typ},
		{"SET a.b = :1", path},
		{"SET s.b = :1", path},
		{"SET l.b = :1", path},
		{"SET m[0] = :1", path},
		{"SET l[2].a = :1", path},
		{"SET a[0] = :1", path},
		{"REMOVE a.b", path},
		{"REMOVE s.b", path},
		{"REMOVE m[0]", path},
		{"REMOVE a[0]", path},
		{"ADD a.b :1", path},
		{"DELETE a.b :red", path},
		{"SET big = big + :huge", "Number overflow. Attempting to store a number with magnitude larger than supported range"},
		{"SET m.a = :deep", deep},
		{"SET l[5] = :deep", deep},
	} {
		t.Run(test.src, func(t *testing.T) {
			u, err := ParseUpdate(test.src, bind(bindings))
			if err != nil {
				t.Fatal(err)
			}
			_, err = u.Apply(itm(it))
			wantError(t, err, test.want)
		})
	}
	must(must(ParseUpdate("SET a = :deep", bind(bindings))).Apply(itm(it)))
}

// nested is a map within n-1 maps.
func nested(n int) doc {
	if n == 1 {
		return doc{}
	}
	return doc{"m": nested(n - 1)}
}

func TestUpdateRefused(t *testing.T) {
	bindings := doc{
		":s": "a", ":n": 1, ":b": []byte("a"), ":true": true, ":null": nil, ":ss": ss{"a"}, ":ns": ns{1}, ":bs": bs{"a"},
		":m": doc{}, ":l": list{}, "#c": "c", "#i": "[3]",
	}
	const (
		overlap  = "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: "
		conflict = "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: "
		wrong    = "Incorrect operand type for operator or function; operator or function: "
		operator = "Incorrect operand type for operator or function; operator: "
		count    = "Incorrect number of operands for operator or function; operator or function: "
		noName   = "An expression attribute name used in the document path is not defined; attribute name: "
		noValue  = "An expression attribute value used in expression is not defined; attribute value: "
	)
	for _, test := range []struct{ src, want string }{
		{"", "The expression can not be empty;"},
		{strings.Repeat("a", 4097), "Expression size has exceeded the maximum allowed size;"},

		{"INVALID SYNTAX HERE", `Syntax error; token: "INVALID", near: "INVALID SYNTAX"`},
		{"SET", `Syntax error; token: "<EOF>", near: "SET"`},
		{"SET a", `Syntax error; token: "<EOF>", near: "a"`},
		{"SET _123 = :n", `Syntax error; token: "_", near: "SET _123"`},
		{"SET 123a = :n", `Syntax error; token: "123", near: "SET 123a"`},
		{"SET a = :n,", `Syntax error; token: "<EOF>", near: ","`},
		{"SET a = if_not_exists(a, 0)", `Syntax error; token: "0", near: ", 0)"`},
		{"SET a = set", `Syntax error; token: "set", near: "= set"`},
		{"SET if_not_exists(a, b) = a", `Syntax error; token: "(", near: "if_not_exists(a"`},
		{"SET :a = b", `Syntax error; token: ":a", near: "SET :a ="`},
		{"SET a b", `Syntax error; token: "b", near: "a b"`},
		{"SET a = b / c", `Syntax error; token: "/", near: "b / c"`},
		{"SET a[1] = 1", `Syntax error; token: "1", near: "= 1"`},
		{"SET a = b + c + d", `Syntax error; token: "+", near: "c + d"`},
		{"SET a = (b + c) + d", `Syntax error; token: "+", near: ") + d"`},
		{"SET (a = (b + c))", `Syntax error; token: "(", near: "SET (a"`},
		{"SET a = (b.c).d + e", `Syntax error; token: ".", near: ").d"`},
		{"SET a = (b.c)[0] + e", `Syntax error; token: "[", near: ")[0"`},
		{"SET a = if_not_exists(a, b + c)", `Syntax error; token: "+", near: "b + c"`},
		{"SET a = ((b + c))", "The expression has redundant parentheses;"},
		{"SET a = ((b))", "The expression has redundant parentheses;"},
		{"REMOVE a = b", `Syntax error; token: "=", near: "a = b"`},
		{"REMOVE a b", `Syntax error; token: "b", near: "a b"`},
		{"REMOVE :a", `Syntax error; token: ":a", near: "REMOVE :a"`},
		{"ADD a", `Syntax error; token: "<EOF>", near: "a"`},
		{"ADD a b", `Syntax error; token: "b", near: "a b"`},
		{"ADD a = b", `Syntax error; token: "=", near: "a = b"`},
		{"ADD abort b", `Syntax error; token: "b", near: "abort b"`},
		{"ADD a if_not_exists(b)", `Syntax error; token: "if_not_exists", near: "a if_not_exists("`},
		{"DELETE :a b", `Syntax error; token: ":a", near: "DELETE :a b"`},
		{"SET a = :n, REMOVE b", `Syntax error; token: "REMOVE", near: ", REMOVE b"`},
		{strings.Repeat("SET ", 1000), `Syntax error; token: "SET", near: "SET SET SET"`},
		{"SET a = " + strings.Repeat("(", 4000), `Syntax error; token: "(", near: "((("`},

		{" set #c = :c set abOrt = true ", "Attribute name is a reserved keyword; reserved keyword: abOrt"},
		{" remove Absolute ", "Attribute name is a reserved keyword; reserved keyword: Absolute"},
		{"SET a = b.status", "Attribute name is a reserved keyword; reserved keyword: status"},
		{"REMOVE a[4294967295]", "List index is not within the allowable range; index: [4294967295]"},
		{"set #c = if_not_exist(:c) set c = d", "Invalid function name; function: if_not_exist"},
		{"SET a = IF_NOT_EXISTS(a, :n)", "Invalid function name; function: IF_NOT_EXISTS"},
		{"SET a = size(b)", "The function is not allowed in an update expression; function: size"},
		{"SET a = attribute_exists(b)", "The function is not allowed in an update expression; function: attribute_exists"},
		{"SET a = list_append(list_append(:l, :l), :l)",
			"The function is not allowed to be used this way in an expression; function: list_append"},

		{"SET a = #x set c = :d", `The "SET" section can only be used once in an update expression;`},
		{"REMOVE #d SET a = b REMOVE e", `The "REMOVE" section can only be used once in an update expression;`},
		{"ADD #d :e SET a = b ADD e :f", `The "ADD" section can only be used once in an update expression;`},
		{"delete #d :e set a = b delete #e :f", `The "DELETE" section can only be used once in an update expression;`},

		{"SET #x = if_not_exists(:x)", noName + "#x"},
		{"SET a = :x, #x = :n", noName + "#x"},
		{"SET #c = if_not_exists(:x)", noValue + ":x"},
		{"SET a = :n + :y", noValue + ":y"},
		{"REMOVE " + strings.Repeat("a.", 32) + "a", "The document path has too many nesting levels; nesting levels: 33"},

		{"set d[1] = a, d.b = a, c[1].a = a, #c = if_not_exists(a)", overlap + "[c, [1], a], path two: [c]"},
		{"set c.b.#c = a, c = a, #i = a", overlap + "[c, b, c], path two: [c]"},
		{"set a = b remove a, #c, #i", overlap + "[a], path two: [a]"},
		{"set #c[3].#i = a, #c[3] = a", overlap + "[c, [3], [3]], path two: [c, [3]]"},
		{"remove c, #c.a, #i", overlap + "[c], path two: [c, a]"},
		{"remove a, #c, a, #i", overlap + "[a], path two: [a]"},
		{"set #c[3].#i = a, #c.#i[3] = if_not_exists(a)", conflict + "[c, [3], [3]], path two: [c, [3], [3]]"},
		{"remove a.#c set a[1] = #i", conflict + "[a, c], path two: [a, [1]]"},

		{"set b = list_append(:s, a), c = if_not_exists(a) add a.b :s", operator + "ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"},
		{"ADD a :null", operator + "ADD, operand type: NULL, typeSet: ALLOWED_FOR_ADD_OPERAND"},
		{"ADD a :true", operator + "ADD, operand type: BOOLEAN, typeSet: ALLOWED_FOR_ADD_OPERAND"},
		{"ADD a :b", operator + "ADD, operand type: BINARY, typeSet: ALLOWED_FOR_ADD_OPERAND"},
		{"ADD a :m", operator + "ADD, operand type: MAP, typeSet: ALLOWED_FOR_ADD_OPERAND"},
		{"ADD a :l", operator + "ADD, operand type: LIST, typeSet: ALLOWED_FOR_ADD_OPERAND"},
		{"DELETE a :n", operator + "DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"},
		{"DELETE a :l", operator + "DELETE, operand type: LIST, typeSet: ALLOWED_FOR_DELETE_OPERAND"},

		{"set a = if_not_exists(c)", count + "if_not_exists, number of operands: 1"},
		{"set a = list_append(c)", count + "list_append, number of operands: 1"},
		{"set a = list_append(:l, :l, :l)", count + "list_append, number of operands: 3"},
		{"set a = if_not_exists(:s, c)", "Operator or function requires a document path; operator or function: if_not_exists"},
		{"set a = if_not_exists(if_not_exists(a, b), c)", "Operator or function requires a document path; operator or function: if_not_exists"},
		{"set a = list_append(:s, a)", wrong + "list_append, operand type: S"},
		{"set a = list_append(a, :n)", wrong + "list_append, operand type: N"},
		{"set a = list_append(:ss, a)", wrong + "list_append, operand type: SS"},
		{"set a = list_append(a, :m)", wrong + "list_append, operand type: M"},
		{"set a = a + :s", wrong + "+, operand type: S"},
		{"set a = :s + :b", wrong + "+, operand type: S"},
		{"set a = :b + a", wrong + "+, operand type: B"},
		{"set a = a + list_append(:l, b)", wrong + "+, operand type: L"},
		{"set a = a - :true", wrong + "-, operand type: BOOL"},
		{"set a = a - :null", wrong + "-, operand type: NULL"},
		{"set a = a - :bs", wrong + "-, operand type: BS"},
	} {
		t.Run(test.src[:min(len(test.src), 60)], func(t *testing.T) {
			_, err := ParseUpdate(test.src, bind(bindings))
			wantError(t, err, "Invalid UpdateExpression: "+test.want)
		})
	}
}

func TestUpdateReturns(t *testing.T) {
	before := doc{"p": "key", "a": doc{"b": "dog", "c": list{1, 2, 3}}, "d": "cat"}
	for _, test := range []struct {
		src      string
		old, new doc
	}{
		{"SET d = :v", doc{"d": "cat"}, doc{"d": 9}},
		{"SET e = :v", doc{}, doc{"e": 9}},
		{"SET a.b = :v", doc{"a": doc{"b": "dog"}}, doc{"a": doc{"b": 9}}},
		{"SET a.c[1] = :v, a.b = :v", doc{"a": doc{"b": "dog", "c": list{2}}}, doc{"a": doc{"b": 9, "c": list{9}}}},
		{"SET a.x = :v", doc{}, doc{"a": doc{"x": 9}}},
		{"SET a.c[100] = :v", doc{}, doc{}},
		{"REMOVE d SET e = :v", doc{"d": "cat"}, doc{"e": 9}},
		{"REMOVE a.c[1], a.c[3]", doc{"a": doc{"c": list{2}}}, doc{"a": doc{"c": list{3}}}},
		{"REMOVE a.c[1] SET a.c[2] = :v", doc{"a": doc{"c": list{2, 3}}}, doc{"a": doc{"c": list{9}}}},
	} {
		t.Run(test.src, func(t *testing.T) {
			u := must(ParseUpdate(test.src, bind(doc{":v": 9})))
			after := must(u.Apply(itm(before)))
			equalItems(t, u.Updated(itm(before)), itm(test.old))
			equalItems(t, u.Updated(after), itm(test.new))
		})
	}
}

func TestUpdateCreates(t *testing.T) {
	b := bind(doc{":n": 1, ":s": ss{"a"}})
	for src, want := range map[string]bool{
		"SET a = :n": true, "ADD a :n": true, "REMOVE a": false, "DELETE a :s": false,
		"REMOVE a.b DELETE b :s": false, "REMOVE a ADD b :n": true,
	} {
		if got := must(ParseUpdate(src, b)).Creates(); got != want {
			t.Errorf("%s creates an item: %v, want %v", src, got, want)
		}
	}
	if u := must(UpdateOf(nil)); !u.Creates() {
		t.Error("an update of nothing does not create an item")
	}
}

func TestPaths(t *testing.T) {
	u := must(ParseUpdate("SET a.b = c[1] + if_not_exists(d, :v) REMOVE e", bind(doc{":v": 1})))
	if diff := cmp.Diff("[a.b e]", pathsText(u.Paths())); diff != "" {
		t.Errorf("Paths (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("[c[1] d]", pathsText(u.Reads())); diff != "" {
		t.Errorf("Reads (-want +got):\n%s", diff)
	}
	c := must(ParseCondition("a.b = :v OR NOT (size(c) > d[0] AND attribute_exists(e))", bind(doc{":v": 1})))
	if diff := cmp.Diff("[a.b c d[0] e]", pathsText(c.Paths())); diff != "" {
		t.Errorf("Paths (-want +got):\n%s", diff)
	}
}

func pathsText(paths []item.Path) string {
	texts := make([]string, len(paths))
	for i, p := range paths {
		texts[i] = p.String()
	}
	return "[" + strings.Join(texts, " ") + "]"
}

func TestProjection(t *testing.T) {
	it := doc{
		"p": "key", "a": doc{"b": list{2, 4, doc{"x": "hi", "y": "yo"}}, "c": 5, "e": doc{}}, "b": "hello", "a.b": "dotted",
		"l": list{"l0", "l1", "l2"},
	}
	for _, test := range []struct {
		src  string
		want doc
	}{
		{"b", doc{"b": "hello"}},
		{" b , p ", doc{"b": "hello", "p": "key"}},
		{"absent", doc{}},
		{"absent, b", doc{"b": "hello"}},
		{"#d", doc{"a.b": "dotted"}},
		{"a.b", doc{"a": doc{"b": list{2, 4, doc{"x": "hi", "y": "yo"}}}}},
		{"a.b[0]", doc{"a": doc{"b": list{2}}}},
		{"a.b[2].y", doc{"a": doc{"b": list{doc{"y": "yo"}}}}},
		{"a.b[3]", doc{}},
		{"a.x", doc{}},
		{"a.x.y", doc{}},
		{"a.b[3].x", doc{}},
		{"a.b.x", doc{}},
		{"a[0]", doc{}},
		{"a.b[0].x", doc{}},
		{"a.b[0][0]", doc{}},
		{"a.e", doc{"a": doc{"e": doc{}}}},
		{"a.b[0], a.b[1]", doc{"a": doc{"b": list{2, 4}}}},
		{"a.b[0], a.c", doc{"a": doc{"b": list{2}, "c": 5}}},
		{"a.x, a.b[0], x, a.b[3].x", doc{"a": doc{"b": list{2}}}},
		{"l[2], l[0]", doc{"l": list{"l0", "l2"}}},
		{"a.b[2].x, a.b[2].y, a.b[0]", doc{"a": doc{"b": list{2, doc{"x": "hi", "y": "yo"}}}}},
	} {
		t.Run(test.src, func(t *testing.T) {
			p, err := ParseProjection(test.src, bind(doc{"#d": "a.b"}))
			if err != nil {
				t.Fatal(err)
			}
			equalItems(t, project(itm(it), p.Paths()), itm(test.want))
		})
	}
}

func TestProjectionRefused(t *testing.T) {
	const overlap = "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: "
	for _, test := range []struct{ src, want string }{
		{"", "The expression can not be empty;"},
		{strings.Repeat("a", 4097), "Expression size has exceeded the maximum allowed size;"},
		{"!!", `Syntax error; token: "!", near: "!!"`},
		{"a,", `Syntax error; token: "<EOF>", near: ","`},
		{",a", `Syntax error; token: ",", near: ",a"`},
		{"a,,b", `Syntax error; token: ",", near: ",,b"`},
		{"a b", `Syntax error; token: "b", near: "a b"`},
		{"(a)", `Syntax error; token: "(", near: "(a"`},
		{":a", `Syntax error; token: ":a", near: ":a"`},
		{"size(a)", `Syntax error; token: "(", near: "size(a"`},
		{"l[a]", `Syntax error; token: "a", near: "[a]"`},
		{"l[-1]", `Syntax error; token: "-", near: "[-1"`},
		{"a, status", "Attribute name is a reserved keyword; reserved keyword: status"},
		{"l[999999999999999999999]", "List index is not within the allowable range; index: [999999999999999999999]"},
		{"#x", "An expression attribute name used in the document path is not defined; attribute name: #x"},
		{"a, a", overlap + "[a], path two: [a]"},
		{"#a, #b", overlap + "[a], path two: [a]"},
		{"a, a.b", overlap + "[a], path two: [a, b]"},
		{"a.b[2].c, a", overlap + "[a, b, [2], c], path two: [a]"},
		{"a.b[0],a.b[0]", overlap + "[a, b, [0]], path two: [a, b, [0]]"},
		{"a.b, a[1]", "Two document paths conflict with each other; must remove or rewrite one of these paths; " +
			"path one: [a, b], path two: [a, [1]]"},
	} {
		t.Run(test.src[:min(len(test.src), 40)], func(t *testing.T) {
			_, err := ParseProjection(test.src, bind(doc{"#a": "a", "#b": "a"}))
			wantError(t, err, "Invalid ProjectionExpression: "+test.want)
		})
	}
}
