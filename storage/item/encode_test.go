package item_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/item/itemtest"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sample has every type, and numbers of every form.
func sample() item.Item {
	num := func(s string) item.Value { return item.Num(must(item.ParseNumber(s))) }
	return item.NewItem(
		item.Attribute{Name: "s", Value: item.String("héllo\x00")},
		item.Attribute{Name: "empty", Value: item.String("")},
		item.Attribute{Name: "n", Value: num("-1234.5")},
		item.Attribute{Name: "zero", Value: num("0")},
		item.Attribute{Name: "hundred", Value: num("100")},
		item.Attribute{Name: "tiny", Value: num("1e-130")},
		item.Attribute{Name: "long", Value: num("12345678901234567890123456789012345678")},
		item.Attribute{Name: "b", Value: item.Binary([]byte{0, 0xff})},
		item.Attribute{Name: "t", Value: item.Bool(true)},
		item.Attribute{Name: "f", Value: item.Bool(false)},
		item.Attribute{Name: "null", Value: item.Null()},
		item.Attribute{Name: "ss", Value: must(item.StringSet([]string{"b", "a", ""}))},
		item.Attribute{Name: "ns", Value: must(item.NumberSet([]item.Number{item.NumberFromInt(10), item.NumberFromInt(-2)}))},
		item.Attribute{Name: "bs", Value: must(item.BinarySet([][]byte{{2}, {1, 0}}))},
		item.Attribute{Name: "l", Value: item.List([]item.Value{num("1"), item.List(nil), item.Null()})},
		item.Attribute{Name: "m", Value: item.Map(item.NewItem(
			item.Attribute{Name: "y", Value: item.Map(item.Item{})},
			item.Attribute{Name: "x", Value: item.String("1")},
		))},
	)
}

// golden compares lines with a file, which UPDATE_GOLDEN=1 writes. The files
// are formats on disk: they may grow, but no line of them may ever change.
func golden(t *testing.T, file string, got []string) {
	t.Helper()
	path := "testdata/" + file
	text := strings.Join(got, "\n") + "\n"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s:\n%s\ngot:\n%s", path, want, text)
	}
}

func TestEncodingGolden(t *testing.T) {
	lines := []string{"item " + hex.EncodeToString(item.Encode(sample()))}
	for _, a := range sample().All() {
		lines = append(lines, a.Name+" "+hex.EncodeToString(item.AppendValue(nil, a.Value)))
	}
	golden(t, "encoding.golden", lines)
}

func TestEncodingRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it := itemtest.Item().Draw(t, "item")
		e := item.Encode(it)
		back, err := e.Decode()
		if err != nil || !back.Equal(it) {
			t.Fatalf("%x decodes to %v, %v; want %v", e, back, err, it)
		}
		if again := item.Encode(back); !bytes.Equal(again, e) {
			t.Fatalf("%x is encoded again as %x", e, again)
		}
		if size, err := e.Size(); err != nil || size != it.Size() {
			t.Fatalf("size %d, %v; want %d", size, err, it.Size())
		}
		for _, a := range it.All() {
			v, ok, err := e.Attribute(a.Name)
			if err != nil || !ok || !v.Equal(a.Value) {
				t.Fatalf("attribute %q is %v, %v, %v; want %v", a.Name, v, ok, err, a.Value)
			}
			if _, ok, err := e.Attribute(a.Name + "\x00!"); ok || err != nil {
				t.Fatalf("an absent attribute is there: %v", err)
			}
		}
	})
}

func TestEqualValuesHaveEqualEncodings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, w := itemtest.Value().Draw(t, "v"), itemtest.Value().Draw(t, "w")
		same := bytes.Equal(item.AppendValue(nil, v), item.AppendValue(nil, w))
		if same != v.Equal(w) {
			t.Fatalf("%v and %v: equal encodings %v, equal values %v", v, w, same, v.Equal(w))
		}
	})
}

func TestValuesDelimitThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := itemtest.Value().Draw(t, "v")
		rest := itemtest.Bytes().Draw(t, "rest")
		got, left, err := item.DecodeValue(append(item.AppendValue(nil, v), rest...))
		if err != nil || !got.Equal(v) || !bytes.Equal(left, rest) {
			t.Fatalf("%v, %x, %v; want %v, %x", got, left, err, v, rest)
		}
	})
}

// write writes v with b, attributes in any order and some of them twice.
func write(t *rapid.T, b *item.Builder, v item.Value) {
	switch v.Kind() {
	case item.S:
		b.String([]byte(v.Str()))
	case item.B:
		b.Binary([]byte(v.Str()))
	case item.N:
		b.Number(v.Number())
	case item.BOOL:
		b.Bool(v.Bool())
	case item.NULL:
		b.Null()
	case item.L:
		b.OpenList()
		for _, e := range v.Elems() {
			write(t, b, e)
		}
		b.Close()
	case item.M:
		b.OpenMap()
		writeAttributes(t, b, v.Doc())
		b.Close()
	default:
		b.Value(v)
	}
}

func writeAttributes(t *rapid.T, b *item.Builder, it item.Item) {
	for _, a := range rapid.Permutation(it.All()).Draw(t, "order") {
		if rapid.IntRange(0, 4).Draw(t, "twice") == 0 {
			b.Name([]byte(a.Name))
			write(t, b, itemtest.Value().Draw(t, "replaced"))
		}
		b.Name([]byte(a.Name))
		write(t, b, a.Value)
	}
}

func TestBuilderWritesWhatEncodeDoes(t *testing.T) {
	var b item.Builder
	rapid.Check(t, func(t *rapid.T) {
		it := itemtest.Item().Draw(t, "item")
		b.Reset()
		b.OpenItem()
		writeAttributes(t, &b, it)
		b.Close()
		if want := item.Encode(it); !bytes.Equal(b.Bytes(), want) {
			t.Fatalf("built %x, want %x", b.Bytes(), want)
		}
	})
}

// size adds up what the doc comment of Value.Size says, walking the encoding.
func TestSizes(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, c := range []struct {
		v    item.Value
		want int
	}{
		{item.String("héllo"), 6}, {item.Binary([]byte{1, 2}), 2}, {item.Bool(false), 1}, {item.Null(), 1},
		{must(item.StringSet([]string{"a", "bc"})), 3},
		{must(item.NumberSet([]item.Number{item.NumberFromInt(1), item.NumberFromInt(-1)})), 5},
		{item.List(nil), 3}, {item.Map(item.Item{}), 3},
		{item.List([]item.Value{item.String("abc"), item.Null()}), 3 + 1 + 3 + 1 + 1},
		{item.Map(item.NewItem(item.Attribute{Name: "ab", Value: item.String(long)})), 3 + 1 + 2 + 1000},
	} {
		if got := c.v.Size(); got != c.want {
			t.Errorf("size of %v is %d, want %d", c.v, got, c.want)
		}
	}
}

func TestDepth(t *testing.T) {
	v := item.String("leaf")
	for want := 1; want <= 40; want++ {
		if got := v.Depth(); got != want {
			t.Fatalf("depth %d, want %d", got, want)
		}
		if want%2 == 0 {
			v = item.List([]item.Value{item.Null(), v})
		} else {
			v = item.Map(item.NewItem(item.Attribute{Name: "n", Value: v}))
		}
	}
	if d := item.List(nil).Depth(); d != 1 {
		t.Errorf("an empty list has depth %d", d)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"nothing":                   "",
		"another version":           "02",
		"name cut short":            "010561",
		"name without value":        "010161",
		"unknown kind":              "0101610b",
		"kind 0":                    "01016100",
		"order of attributes":       "010162050101610501"[:18],
		"an attribute twice":        "0101610501610500",
		"BOOL of 2":                 "0101610402",
		"length not minimal":        "01016101800061",
		"text beyond the end":       "0101610105",
		"trailing bytes":            "01016105ff",
		"number with trailing zero": "01016102010a",
		"number not minimal":        "01016102020001",
		"negative zero":             "0101610280",
		"zero with an exponent":     "010161024002",
		"exponent 0 given":          "01016102410001",
		"number out of range":       "0101610241fe0101",
		"unknown bits of a number":  "010161022101",
		"map cut short":             "010161060000000a0161",
		"list beyond its size":      "01016107000000010102",
		"empty set":                 "0101610800000000",
		"order of set":              "01016108000000040162" + "0161",
		"member twice":              "01016108000000040161" + "0161",
	} {
		e := item.Encoded(must(hex.DecodeString(s)))
		if it, err := e.Decode(); storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: %v, %v", name, it, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(item.Encode(sample())))
	f.Add([]byte(item.Encode(item.Item{})))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := item.Encoded(b)
		it, err := e.Decode()
		// Walking in place must not panic, whatever the bytes are.
		size, sizeErr := e.Size()
		_, _, _ = e.Attribute("n")
		if err != nil {
			return
		}
		if again := item.Encode(it); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes, but is encoded as %x", b, again)
		}
		if sizeErr != nil || size != it.Size() {
			t.Fatalf("%x has size %d, %v; the item has %d", b, size, sizeErr, it.Size())
		}
	})
}
