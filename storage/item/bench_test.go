package item_test

import (
	"testing"

	"github.com/roundtabledb/roundtable/storage/item"
)

func BenchmarkEncode(b *testing.B) {
	it := sample()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = item.AppendItem(buf[:0], it)
	}
}

func BenchmarkDecode(b *testing.B) {
	e := item.Encode(sample())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Decode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSize(b *testing.B) {
	e := item.Encode(sample())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Size(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAttribute(b *testing.B) {
	e := item.Encode(sample())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := e.Attribute("s"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNumber(b *testing.B) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		n, err := item.ParseNumber("-1732262400.125")
		if err != nil {
			b.Fatal(err)
		}
		buf = n.Append(buf[:0])
	}
}
