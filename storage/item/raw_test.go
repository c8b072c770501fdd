package item_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/item/itemtest"
)

// inPlace makes a value of its encoding with nothing but the methods of Raw.
func inPlace(t *rapid.T, r item.Raw) item.Value {
	must := func(n item.Number, err error) item.Value {
		if err != nil {
			t.Fatal(err)
		}
		return item.Num(n)
	}
	switch r.Kind() {
	case item.S:
		return item.String(string(r.Bytes()))
	case item.B:
		return item.Binary(r.Bytes())
	case item.N:
		return must(r.Number())
	case item.BOOL:
		return item.Bool(r.Bool())
	case item.NULL:
		return item.Null()
	case item.M:
		return item.Map(fieldsInPlace(t, r.Fields()))
	}
	var list []item.Value
	elements := r.Elements()
	for elements.Next() {
		switch r.Kind() {
		case item.L:
			list = append(list, inPlace(t, elements.Value))
		case item.SS:
			list = append(list, item.String(string(elements.Value)))
		case item.BS:
			list = append(list, item.Binary(elements.Value))
		case item.NS:
			list = append(list, must(elements.Number()))
		}
	}
	if err := elements.Err(); err != nil {
		t.Fatal(err)
	}
	if r.Kind() == item.L {
		return item.List(list)
	}
	set, err := item.Set(r.Kind(), list)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func fieldsInPlace(t *rapid.T, fields item.Fields) item.Item {
	var it item.Item
	for fields.Next() {
		it = it.With(string(fields.Name), inPlace(t, fields.Value))
		if size, err := fields.Value.Size(); err != nil || size != it.Get(string(fields.Name)).Size() {
			t.Fatalf("size %d, %v", size, err)
		}
		if v, err := fields.Value.Value(); err != nil || !v.Equal(it.Get(string(fields.Name))) {
			t.Fatalf("value %v, %v", v, err)
		}
	}
	if err := fields.Err(); err != nil {
		t.Fatal(err)
	}
	return it
}

func TestReadingInPlaceAgreesWithDecoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it := itemtest.Item().Draw(t, "item")
		fields, err := item.Encode(it).Fields()
		if err != nil {
			t.Fatal(err)
		}
		if got := fieldsInPlace(t, fields); !got.Equal(it) {
			t.Fatalf("%v, want %v", got, it)
		}
	})
}

// Walking stops where an item is cut short, and says so.
func TestReadingInPlaceStopsAtDamage(t *testing.T) {
	e := item.Encode(sample())
	whole := 0
	for cut := range len(e) {
		fields, err := e[:cut].Fields()
		for err == nil && fields.Next() {
		}
		if err == nil && fields.Err() == nil {
			whole++
		}
	}
	// A cut between two attributes leaves an item.
	if whole != sample().Len() {
		t.Errorf("%d of the shortened items were walked to the end, want %d", whole, sample().Len())
	}
}
