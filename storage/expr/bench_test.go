package expr

import (
	"testing"

	"github.com/roundtabledb/roundtable/storage/item"
)

func BenchmarkParseCondition(b *testing.B) {
	bindings := bind(doc{":n": 5, ":s": "x", "#st": "status"})
	b.ReportAllocs()
	for b.Loop() {
		must(ParseCondition("attribute_exists(pk) AND #st = :s AND version <= :n", bindings))
	}
}

func BenchmarkParseUpdate(b *testing.B) {
	bindings := bind(doc{":n": 5, ":s": "x", "#st": "status"})
	b.ReportAllocs()
	for b.Loop() {
		must(ParseUpdate("SET #st = :s, version = version + :n REMOVE lease", bindings))
	}
}

func BenchmarkMatch(b *testing.B) {
	c := must(ParseCondition("attribute_exists(s) AND n = :n AND m.y.w <> :s", bind(doc{":n": 5, ":s": "x"})))
	e := item.Encode(itm(everything))
	b.ReportAllocs()
	for b.Loop() {
		must(c.Match(e))
	}
}

func BenchmarkApply(b *testing.B) {
	u := must(ParseUpdate("SET n = n + :n, s = :s", bind(doc{":n": 5, ":s": "x"})))
	it := itm(everything)
	b.ReportAllocs()
	for b.Loop() {
		must(u.Apply(it))
	}
}

func BenchmarkDecodeUpdate(b *testing.B) {
	encoding := must(ParseUpdate("SET n = n + :n, s = :s", bind(doc{":n": 5, ":s": "x"}))).Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := DecodeUpdate(encoding); err != nil {
			b.Fatal(err)
		}
	}
}
