// Package itemtest generates values and items for property tests. It draws all
// types, the edges of numbers, names and texts that need escapes, and empty
// ones. Only tests may import it.
package itemtest

import (
	"strconv"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/item"
)

// Number generates numbers over the whole range, often small integers and
// often numbers of full length.
func Number() *rapid.Generator[item.Number] {
	return rapid.Custom(func(t *rapid.T) item.Number {
		n, err := item.ParseNumber(NumberText().Draw(t, "number"))
		if err != nil {
			t.Skipf("number: %v", err)
		}
		return n
	})
}

// NumberText generates texts of numbers, nearly all of them within the limits.
func NumberText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Map(rapid.Int64Range(-1000, 1000), func(n int64) string { return strconv.FormatInt(n, 10) }),
		rapid.StringMatching(`[+-]?[0-9]{1,12}(\.[0-9]{1,12})?`),
		rapid.StringMatching(`-?[1-9]\.[0-9]{0,37}E-?[1-9][0-9]?`),
		rapid.StringMatching(`-?[1-9]{1,38}`),
		rapid.StringMatching(`-?(0|9\.9{37}|1)[eE](\+12[0-5]|-12[0-9])`),
	)
}

// Text generates strings: often short and similar to each other, sometimes of
// any characters.
func Text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 'a', 'b', '"', '\\', 'é', 0xff, '\U0001F600'}), 0, 6, -1),
		rapid.String(),
	)
}

// Bytes generates byte strings, often such that begin alike.
func Bytes() *rapid.Generator[[]byte] {
	return rapid.OneOf(
		rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 0xfe, 0xff}), 0, 6),
		rapid.SliceOfN(rapid.Byte(), 0, 40),
	)
}

// Key generates values of a kind that a key attribute can have: S, N or B,
// never empty.
func Key(kind item.Kind) *rapid.Generator[item.Value] {
	switch kind {
	case item.S:
		return rapid.Map(Text().Filter(func(s string) bool { return s != "" }), item.String)
	case item.N:
		return rapid.Map(Number(), item.Num)
	}
	return rapid.Map(Bytes().Filter(func(b []byte) bool { return len(b) > 0 }), item.Binary)
}

// Value generates values of all types, nested up to a few levels.
func Value() *rapid.Generator[item.Value] { return value(3) }

func value(depth int) *rapid.Generator[item.Value] {
	kinds := []*rapid.Generator[item.Value]{
		rapid.Map(Text(), item.String),
		rapid.Map(Number(), item.Num),
		rapid.Map(Bytes(), item.Binary),
		rapid.Map(rapid.Bool(), item.Bool),
		rapid.Just(item.Null()),
		Set(item.SS), Set(item.NS), Set(item.BS),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(items(depth-1), item.Map),
			rapid.Map(rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[item.Value] { return value(depth - 1) }), 0, 4), item.List),
		)
	}
	return rapid.OneOf(kinds...)
}

// Set generates sets of a kind.
func Set(kind item.Kind) *rapid.Generator[item.Value] {
	member := map[item.Kind]*rapid.Generator[item.Value]{
		item.SS: rapid.Map(Text(), item.String),
		item.NS: rapid.Map(Number(), item.Num),
		item.BS: rapid.Map(Bytes(), item.Binary),
	}[kind]
	return rapid.Custom(func(t *rapid.T) item.Value {
		members := rapid.SliceOfNDistinct(member, 1, 5, func(v item.Value) string {
			return string(item.AppendValue(nil, v))
		}).Draw(t, "members")
		set, err := item.Set(kind, members)
		if err != nil {
			t.Fatalf("set of distinct members: %v", err)
		}
		return set
	})
}

// Item generates items, the empty one included.
func Item() *rapid.Generator[item.Item] { return items(3) }

func items(depth int) *rapid.Generator[item.Item] {
	name := Text().Filter(func(s string) bool { return s != "" })
	return rapid.Custom(func(t *rapid.T) item.Item {
		var attrs []item.Attribute
		for _, n := range rapid.SliceOfN(name, 0, 5).Draw(t, "names") {
			attrs = append(attrs, item.Attribute{Name: n, Value: value(depth).Draw(t, "value")})
		}
		return item.NewItem(attrs...)
	})
}
