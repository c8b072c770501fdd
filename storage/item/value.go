// Package item is DynamoDB's item model: values of ten types, items, document
// paths, keys and their sizes.
//
// Values are immutable: nothing a caller holds changes under it, and what a
// constructor was given must not be changed afterwards. An Item is a sorted
// list of attributes, so that equal items have equal encodings.
package item

import (
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/storage"
)

// Kind is the type of a Value. Kinds are stored on disk: they never change.
type Kind uint8

// The ten types, in the order in which they are documented by DynamoDB.
const (
	Invalid Kind = iota
	S
	N
	B
	BOOL
	NULL
	M
	L
	SS
	NS
	BS
)

var kindNames = [...]string{"", "S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}

// String is DynamoDB's name of the type.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "?"
}

// ParseKind finds a type by DynamoDB's name; Invalid when there is none.
func ParseKind(name string) Kind {
	i := slices.Index(kindNames[1:], name)
	return Kind(i + 1)
}

// MarshalText is String, for JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is ParseKind, for JSON.
func (k *Kind) UnmarshalText(text []byte) error {
	if *k = ParseKind(string(text)); *k == Invalid && len(text) > 0 {
		return storage.Errorf(storage.Corrupt, "no type has the name %q", text)
	}
	return nil
}

// Value is one attribute value. The zero Value is invalid and means absent.
type Value struct {
	kind Kind
	flag bool    // BOOL
	text string  // S; the bytes of B
	num  Number  // N
	list []Value // L; the members of SS, NS, BS in canonical order
	doc  Item    // M
}

// String makes a value of type S.
func String(s string) Value { return Value{kind: S, text: s} }

// Num makes a value of type N.
func Num(n Number) Value { return Value{kind: N, num: n} }

// Binary makes a value of type B.
func Binary(b []byte) Value { return Value{kind: B, text: string(b)} }

// Bool makes a value of type BOOL.
func Bool(b bool) Value { return Value{kind: BOOL, flag: b} }

// Null makes a value of type NULL.
func Null() Value { return Value{kind: NULL} }

// Map makes a value of type M.
func Map(doc Item) Value { return Value{kind: M, doc: doc} }

// List makes a value of type L. It keeps elems.
func List(elems []Value) Value { return Value{kind: L, list: elems} }

// Kind is the type of v; Invalid for the zero Value.
func (v Value) Kind() Kind { return v.kind }

// IsZero reports whether v is absent.
func (v Value) IsZero() bool { return v.kind == Invalid }

// Str is the content of S, or the bytes of B as a string.
func (v Value) Str() string { return v.text }

// Bool is the content of BOOL.
func (v Value) Bool() bool { return v.flag }

// Number is the content of N.
func (v Value) Number() Number { return v.num }

// Doc is the content of M.
func (v Value) Doc() Item { return v.doc }

// Elems is the elements of L, or the members of a set in canonical order. The
// caller must not change it.
func (v Value) Elems() []Value { return v.list }

// IsSet reports whether v is an SS, NS or BS.
func (v Value) IsSet() bool { return v.kind >= SS }

// Attribute is a named value.
type Attribute struct {
	Name  string
	Value Value
}

// Item is a set of attributes with distinct names. The zero Item is empty.
type Item struct {
	attrs []Attribute // sorted by name, byte-wise
}

// NewItem makes an item of attrs, which it keeps and sorts. Of attributes with
// one name the last given stays.
func NewItem(attrs ...Attribute) Item {
	slices.SortStableFunc(attrs, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	kept := attrs[:0]
	for i, a := range attrs {
		if i+1 < len(attrs) && attrs[i+1].Name == a.Name {
			continue
		}
		kept = append(kept, a)
	}
	return Item{attrs: kept}
}

// Len is the number of attributes.
func (it Item) Len() int { return len(it.attrs) }

// All is the attributes in order of name. The caller must not change it.
func (it Item) All() []Attribute { return it.attrs }

// Get is the value of an attribute, the zero Value when it is absent.
func (it Item) Get(name string) Value {
	if i, ok := it.search(name); ok {
		return it.attrs[i].Value
	}
	return Value{}
}

// With is a copy of it in which name has a value.
func (it Item) With(name string, v Value) Item {
	i, ok := it.search(name)
	if ok {
		attrs := slices.Clone(it.attrs)
		attrs[i].Value = v
		return Item{attrs: attrs}
	}
	attrs := make([]Attribute, 0, len(it.attrs)+1)
	attrs = append(attrs, it.attrs[:i]...)
	attrs = append(attrs, Attribute{Name: name, Value: v})
	return Item{attrs: append(attrs, it.attrs[i:]...)}
}

// Without is a copy of it that lacks name.
func (it Item) Without(name string) Item {
	i, ok := it.search(name)
	if !ok {
		return it
	}
	attrs := make([]Attribute, 0, len(it.attrs)-1)
	attrs = append(attrs, it.attrs[:i]...)
	return Item{attrs: append(attrs, it.attrs[i+1:]...)}
}

func (it Item) search(name string) (int, bool) {
	return slices.BinarySearchFunc(it.attrs, name, func(a Attribute, name string) int {
		return strings.Compare(a.Name, name)
	})
}

// Equal reports whether v and w are the same value: sets by their members,
// numbers by what they are worth, maps whatever the order of their attributes.
func (v Value) Equal(w Value) bool {
	return v.kind == w.kind && v.flag == w.flag && v.text == w.text && v.num == w.num &&
		v.doc.Equal(w.doc) && slices.EqualFunc(v.list, w.list, Value.Equal)
}

// Equal reports whether it and other have the same attributes with the same
// values.
func (it Item) Equal(other Item) bool {
	return slices.EqualFunc(it.attrs, other.attrs, func(a, b Attribute) bool {
		return a.Name == b.Name && a.Value.Equal(b.Value)
	})
}
