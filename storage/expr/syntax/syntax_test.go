package syntax

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLex(t *testing.T) {
	for _, test := range []struct{ src, want string }{
		{"", ""},
		{" \t\r\n", ""},
		{"a=:v", "Ident:a =:= Value::v"},
		{"#n1.Sort_Key[10]", "Name:#n1 .:. Ident:Sort_Key [:[ Integer:10 ]:]"},
		{"007", "Integer:0 Integer:0 Integer:7"},
		{"123a", "Integer:123 Ident:a"},
		{"a<>b<=c>=d<e>f", "Ident:a <>:<> Ident:b <=:<= Ident:c >=:>= Ident:d <:< Ident:e >:> Ident:f"},
		{"AND Or nOt between IN", "AND:AND OR:Or NOT:nOt BETWEEN:between IN:IN"},
		{"set remove Add DELETE betweens", "SET:set REMOVE:remove ADD:Add DELETE:DELETE Ident:betweens"},
		{"(a, b)+c-d", "(:( Ident:a ,:, Ident:b ):) +:+ Ident:c -:- Ident:d"},
		{"_a", "Bad:_ Ident:a"},
		{"a#b", "Ident:a Name:#b"},
		{"# : #$", "Bad:# Bad:: Bad:# Bad:$"},
		{"ü\"\xff", "Bad:ü Bad:\" Bad:\xff"},
	} {
		names := [...]string{"EOF", "Bad", "Ident", "Name", "Value", "Integer", "AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE",
			"ADD", "DELETE", "=", "<>", "<", "<=", ">", ">=", "(", ")", "[", "]", ",", ".", "+", "-"}
		var got []string
		for _, token := range lex(nil, test.src) {
			if token.kind != EOF {
				got = append(got, names[token.kind]+":"+test.src[token.start:token.end])
			}
		}
		if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("tokens of %q (-want +got):\n%s", test.src, diff)
		}
	}
}

// TestTrees shows what binds to what.
func TestTrees(t *testing.T) {
	for _, test := range []struct{ src, want string }{
		{"a = :v", "(= a :v)"},
		{"a=b or c=d and e=f", "(or (= a b) (and (= c d) (= e f)))"},
		{"not a=b and c=d", "(and (not (= a b)) (= c d))"},
		{"a=b and c=d and e=f", "(and (= a b) (= c d) (= e f))"},
		{"(a=b and c=d) and e=f", "(and [(and (= a b) (= c d))] (= e f))"},
		{"a between b and c and d=e", "(and (between a b c) (= d e))"},
		{"(a) in ((b), c)", "(in [a] [b] c)"},
		{"NOT NOT contains(a, (size(b)))", "(NOT (NOT (contains a [(size b)])))"},
		{"(a.b).c[1] <> (d)", "(<> (a.b).c[1] [d])"},
	} {
		tree, err := Condition(ConditionExpression, test.src)
		if err != nil {
			t.Fatalf("%s: %v", test.src, err)
		}
		if got := outline(tree, tree.Root); got != test.want {
			t.Errorf("%s is %s, want %s", test.src, got, test.want)
		}
	}
	const src = "SET a = (b + c), d.e = f REMOVE g ADD h :i"
	const want = "((SET a [(+ b c)]) (SET d.e f) (REMOVE g) (ADD h :i))"
	tree, err := Update(src)
	if err != nil {
		t.Fatal(err)
	}
	if got := outline(tree, tree.Root); got != want {
		t.Errorf("%s is %s, want %s", src, got, want)
	}
}

// outline is a tree with its operators first.
func outline(t *Tree, n int) string {
	node := t.Node(n)
	var parts []string
	if node.Kind != NodeList && node.Kind != NodeParen {
		parts = append(parts, t.Text(node.Token))
	}
	for child := range t.Children(n) {
		parts = append(parts, outline(t, child))
	}
	switch node.Kind {
	case NodePath:
		var text strings.Builder
		for token := node.Token; token < node.End; token++ {
			text.WriteString(t.Text(token))
		}
		if strings.Count(text.String(), ")") > strings.Count(text.String(), "(") {
			return "(" + text.String()
		}
		return text.String()
	case NodeValue:
		return parts[0]
	case NodeParen:
		return "[" + parts[0] + "]"
	}
	return "(" + strings.Join(parts, " ") + ")"
}

func TestReservedWords(t *testing.T) {
	if len(reserved) != 573 {
		t.Errorf("%d reserved words, AWS publishes 573", len(reserved))
	}
	for i, word := range reserved {
		if i > 0 && reserved[i-1] >= word {
			t.Errorf("%s is out of order", word)
		}
		for _, w := range []string{word, strings.ToLower(word), word[:1] + strings.ToLower(word[1:])} {
			if !IsReserved(w) || IsName(w) {
				t.Errorf("%s is not reserved", w)
			}
			if _, err := Projection(w); (err == nil) != (keyword(w) == Ident) {
				t.Errorf("%s alone: %v", w, err)
			}
		}
	}
	for _, free := range []string{"pk", "id", "userId", "abortion", "a1", "Sort_Key", "LOCALTIMESTAMPS", ""} {
		if IsReserved(free) {
			t.Errorf("%s is reserved", free)
		}
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[string][2]bool{ // IsName, IsWord
		"a": {true, true}, "a_1": {true, true}, "1a": {false, true}, "_": {false, true}, "": {false, false},
		"a.b": {false, false}, "a b": {false, false}, "ü": {false, false}, "status": {false, true}, "and": {false, true},
	} {
		if got := [2]bool{IsName(s), IsWord(s)}; got != want {
			t.Errorf("IsName and IsWord of %q are %v, want %v", s, got, want)
		}
	}
}

func TestLimits(t *testing.T) {
	for what, src := range map[string]string{
		"bytes":       "a = " + strings.Repeat(" ", MaxBytes-5) + "b",
		"operators":   strings.Repeat("a=b or ", 149) + "NOT a=b",
		"parentheses": strings.Repeat("NOT (", 299) + "a=b" + strings.Repeat(")", 299),
		"calls":       strings.Repeat("size(", 299) + "a" + strings.Repeat(")", 299) + " = b",
	} {
		if _, err := Condition(FilterExpression, src); err != nil {
			t.Errorf("%s at the limit: %v", what, err)
		}
	}
	for _, src := range []string{strings.Repeat("(", MaxBytes), strings.Repeat("NOT(", 1000), strings.Repeat("a(", 2000), strings.Repeat("NOT ", 1000)} {
		if _, err := Condition(FilterExpression, src); err == nil {
			t.Errorf("%s… is read", src[:10])
		}
	}
	if _, err := Update("SET a = " + strings.Repeat("(", 4000)); err == nil {
		t.Error("an update without end is read")
	}
	want := fmt.Sprintf("Invalid FilterExpression: The expression contains too many operators; operator count: %d", MaxOperators+1)
	if _, err := Condition(FilterExpression, strings.Repeat("NOT ", 1000)+"a=b"); err == nil || err.Error() != want {
		t.Errorf("a thousand operators: %v", err)
	}
}
