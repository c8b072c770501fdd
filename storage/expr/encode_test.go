package expr

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/storage"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// goldenTrees has every operator, operand kind, verb and kind of step.
var goldenTrees = []string{
	"condition a = :n",
	"condition a.b[3].#c <> :s",
	"condition a < :n OR a <= :n OR a > :n OR a >= :n",
	"condition NOT (a BETWEEN :n AND b) AND c IN (:n, :s, d[200])",
	"condition attribute_exists(a) AND attribute_not_exists(b)",
	"condition attribute_type(a, :type)",
	"condition begins_with(a, :s) OR contains(b, :l)",
	"condition size(a) > :n",
	"condition a = :m",
	"update SET a = :n, b[0].c = d",
	"update SET a = a + :n, b = :n - b",
	"update SET a = list_append(if_not_exists(a, :l), :l)",
	"update REMOVE a, b[1] ADD c :n DELETE d :ss",
	"projection a, b[1].c, #c",
}

// TestGolden holds the encoding of trees still: it is in Raft logs.
func TestGolden(t *testing.T) {
	const file = "testdata/trees.golden"
	var now strings.Builder
	for _, source := range goldenTrees {
		fmt.Fprintf(&now, "%s\n  %s\n", source, hex.EncodeToString(goldenTree(t, source).Append(nil)))
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(now.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(golden), now.String()); diff != "" {
		t.Errorf("encoding has changed (-golden +now):\n%s", diff)
	}
	decodeGolden(t, string(golden))
}

// decodeGolden checks that what is in the golden file is still understood.
func decodeGolden(t *testing.T, golden string) {
	lines := bufio.NewScanner(strings.NewReader(golden))
	for lines.Scan() {
		source := lines.Text()
		lines.Scan()
		encoding := must(hex.DecodeString(strings.TrimSpace(lines.Text())))
		var got tree
		var err error
		switch kind, _, _ := strings.Cut(source, " "); kind {
		case "condition":
			got, _, err = DecodeCondition(encoding)
		case "update":
			got, _, err = DecodeUpdate(encoding)
		case "projection":
			got, _, err = DecodeProjection(encoding)
		}
		sameTree(t, source, encoding, got, err)
	}
}

func goldenTree(t *testing.T, source string) tree {
	b := bind(doc{":n": 5, ":s": "str", ":l": list{1, true, nil}, ":m": doc{"k": []byte("v")}, ":ss": ss{"x", "y"}, ":type": "NS", "#c": "c d"})
	kind, src, _ := strings.Cut(source, " ")
	var made tree
	var err error
	switch kind {
	case "condition":
		made, err = ParseCondition(src, b)
	case "update":
		made, err = ParseUpdate(src, b)
	case "projection":
		made, err = ParseProjection(src, b)
	}
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return made
}

func TestDecodeRefuses(t *testing.T) {
	deep := append([]byte{treeVersion}, make([]byte, 1000)...)
	for i := range deep[1:] {
		deep[1+i] = byte(opNot)
	}
	path := []byte{byte(operandPath), 1, 2, 'a'}
	with := func(head ...byte) []byte { return append(head, path...) }
	for what, encoding := range map[string][]byte{
		"nothing":                 {},
		"no predicate":            {treeVersion},
		"another version":         with(treeVersion+1, byte(opExists)),
		"no operator":             with(treeVersion, 0),
		"an unknown operator":     with(treeVersion, byte(opContains)+1),
		"an unknown operand":      {treeVersion, byte(opExists), byte(operandListAppend) + 1},
		"a function of updates":   append(with(treeVersion, byte(opExists), byte(operandPlus)), path...),
		"a path of nothing":       {treeVersion, byte(opExists), byte(operandPath), 0},
		"an index first":          {treeVersion, byte(opExists), byte(operandPath), 1, 1},
		"a longer path":           {treeVersion, byte(opExists), byte(operandPath), 2, 2, 'a'},
		"a longer name":           {treeVersion, byte(opExists), byte(operandPath), 1, 4, 'a'},
		"a number in more bytes":  {treeVersion, byte(opExists), byte(operandPath), 1, 0x82, 0, 'a'},
		"more operands than fit":  with(treeVersion, byte(opIn), 200),
		"a list of nothing":       with(treeVersion, byte(opIn), 1),
		"more conditions":         with(treeVersion, byte(opAnd), 2, byte(opExists)),
		"no type":                 append(with(treeVersion, byte(opType)), 0),
		"an unknown type":         append(with(treeVersion, byte(opType)), 11),
		"a bad value":             {treeVersion, byte(opEQ), byte(operandValue), 99},
		"deeper than any parsed":  deep,
		"half a comparison":       with(treeVersion, byte(opEQ)),
		"a comparison of a value": {treeVersion, byte(opExists), byte(operandSize), byte(operandIfNotExists)},
	} {
		_, _, err := DecodeCondition(encoding)
		if storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: error is %v, want corrupt", what, err)
		}
	}
	for what, encoding := range map[string][]byte{
		"nothing":            {},
		"another flag":       {treeVersion, 2, 0},
		"more actions":       {treeVersion, 0, 9},
		"an unknown verb":    with(treeVersion, 0, 1, byte(verbDelete)+1),
		"no verb":            {treeVersion, 0, 1, 0, 1, 2, 'a'},
		"no path":            {treeVersion, 0, 1, byte(verbRemove), 0, 0},
		"a size":             append([]byte{treeVersion, 0, 1, byte(verbSet), 1, 2, 'a', byte(operandSize)}, path...),
		"a size in a sum":    append([]byte{treeVersion, 0, 1, byte(verbSet), 1, 2, 'a', byte(operandPlus), byte(operandSize)}, append(path, path...)...),
		"an ADD of a path":   append([]byte{treeVersion, 0, 1, byte(verbAdd), 1, 2, 'a'}, path...),
		"if_not_exists of 1": {treeVersion, 0, 1, byte(verbSet), 1, 2, 'a', byte(operandIfNotExists), byte(operandValue), 5, byte(operandValue), 5},
	} {
		_, _, err := DecodeUpdate(encoding)
		if storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: error is %v, want corrupt", what, err)
		}
	}
	for what, encoding := range map[string][]byte{
		"nothing":    {},
		"more paths": {treeVersion, 9},
		"no path":    {treeVersion, 1, 0, 0},
	} {
		_, _, err := DecodeProjection(encoding)
		if storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: error is %v, want corrupt", what, err)
		}
	}
}

// TestDecodeRefusesEveryPrefix cuts encodings short at each byte.
func TestDecodeRefusesEveryPrefix(t *testing.T) {
	for _, source := range goldenTrees {
		made := goldenTree(t, source)
		encoding := made.Append(nil)
		for n := range encoding {
			var err error
			switch made.(type) {
			case *Condition:
				_, _, err = DecodeCondition(encoding[:n])
			case *Update:
				_, _, err = DecodeUpdate(encoding[:n])
			case *Projection:
				_, _, err = DecodeProjection(encoding[:n])
			}
			if storage.KindOf(err) != storage.Corrupt {
				t.Errorf("%d bytes of %s: error is %v, want corrupt", n, source, err)
			}
		}
	}
}

func TestSource(t *testing.T) {
	b := bind(doc{":n": 5, ":s": "str", ":t": "S", "#c": "c d", "#s": "status"})
	for src, want := range map[string]string{
		"(a=:n)":                            "a = :v0",
		"a=:n and(b<>:s or not c[1]<:n)":    "a = :v0 AND (b <> :v1 OR NOT c[1] < :v2)",
		"a=:n or b=:n and c=:n":             "a = :v0 OR b = :v1 AND c = :v2",
		"not(a=:n or b=:n)":                 "NOT (a = :v0 OR b = :v1)",
		"(a=:n and b=:n)and c=:n":           "(a = :v0 AND b = :v1) AND c = :v2",
		"not not attribute_exists((#c))":    "NOT NOT attribute_exists(#n0)",
		"#c.#s[0].a between :n and :n":      "#n0.#n1[0].a BETWEEN :v0 AND :v1",
		"size(#s)in(:n,#c)":                 "size(#n0) IN (:v0, #n1)",
		"attribute_type(a, :t)":             "attribute_type(a, :v0)",
		"begins_with(a,:s)or contains(b,a)": "begins_with(a, :v0) OR contains(b, a)",
	} {
		if got := must(ParseCondition(src, b)).String(); got != want {
			t.Errorf("%s prints as %s, want %s", src, got, want)
		}
	}
	const src = "SET a = #c + :n, #s = if_not_exists(a, :s) REMOVE b[1], c ADD d :n"
	const want = "SET a = #n0 + :v0, #n1 = if_not_exists(a, :v1) REMOVE b[1], c ADD d :v2"
	if got := must(ParseUpdate(src, b)).String(); got != want {
		t.Errorf("%s prints as %s, want %s", src, got, want)
	}
	if got := must(ParseProjection("a,#c.#s, #s", b)).String(); got != "a, #n0.#n1, #n1" {
		t.Errorf("projection prints as %s", got)
	}
}
