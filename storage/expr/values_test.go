package expr

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// Tests write items as Go literals: string is S, int is N, num is a long N,
// []byte is B, bool is BOOL, nil is NULL, list is L, doc is M.
type (
	num  string
	list []any
	doc  map[string]any
	ss   []string
	ns   []int
	bs   []string
)

// val makes a value of a Go literal.
func val(x any) item.Value {
	switch x := x.(type) {
	case item.Value:
		return x
	case string:
		return item.String(x)
	case int:
		return item.Num(item.NumberFromInt(int64(x)))
	case num:
		return item.Num(must(item.ParseNumber(string(x))))
	case []byte:
		return item.Binary(x)
	case bool:
		return item.Bool(x)
	case nil:
		return item.Null()
	case list:
		elems := make([]item.Value, len(x))
		for i := range x {
			elems[i] = val(x[i])
		}
		return item.List(elems)
	case doc:
		return item.Map(itm(x))
	case ss:
		return must(item.StringSet(x))
	case ns:
		members := make([]item.Number, len(x))
		for i := range x {
			members[i] = item.NumberFromInt(int64(x[i]))
		}
		return must(item.NumberSet(members))
	case bs:
		members := make([][]byte, len(x))
		for i := range x {
			members[i] = []byte(x[i])
		}
		return must(item.BinarySet(members))
	}
	panic("not a literal of a value")
}

// itm makes an item of a Go literal.
func itm(d doc) item.Item {
	var attrs []item.Attribute
	for name, x := range d {
		attrs = append(attrs, item.Attribute{Name: name, Value: val(x)})
	}
	return item.NewItem(attrs...)
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// bind makes bindings of literals: names by "#name", values by ":value".
func bind(d doc) *Bindings {
	b := &Bindings{}
	for key, x := range d {
		if key[0] == '#' {
			if b.Names == nil {
				b.Names = map[string]string{}
			}
			b.Names[key] = x.(string)
			continue
		}
		if b.Values == nil {
			b.Values = map[string]item.Value{}
		}
		b.Values[key] = val(x)
	}
	return b
}

// wantError checks that err is a Validation error with a text; empty: no error.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	var e *storage.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want %q", err, want)
	}
	if e.Kind != storage.Validation {
		t.Errorf("kind of error is %v, want validation", e.Kind)
	}
	if e.Message != want {
		t.Errorf("message differs\n got: %s\nwant: %s", e.Message, want)
	}
}

// equalItems compares items by value, and shows how they differ.
func equalItems(t *testing.T, got, want item.Item) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("item differs (-want +got):\n%s", cmp.Diff(show(item.Map(want)), show(item.Map(got))))
	}
}

// show makes a literal of a value, for messages.
func show(v item.Value) any {
	switch v.Kind() {
	case item.S:
		return v.Str()
	case item.N:
		return num(v.Number().String())
	case item.B:
		return []byte(v.Str())
	case item.BOOL:
		return v.Bool()
	case item.NULL:
		return nil
	case item.M:
		d := doc{}
		for _, a := range v.Doc().All() {
			d[a.Name] = show(a.Value)
		}
		return d
	}
	l := list{v.Kind().String()}
	for _, e := range v.Elems() {
		l = append(l, show(e))
	}
	return l
}
