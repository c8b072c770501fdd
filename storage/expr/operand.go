package expr

import (
	"unicode/utf8"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// operandKind is what an operand is. Kinds are stored on disk: they never
// change.
type operandKind uint8

const (
	operandPath operandKind = iota + 1
	operandValue
	operandSize        // size(arg)
	operandPlus        // arg + arg
	operandMinus       // arg - arg
	operandIfNotExists // if_not_exists(path, arg)
	operandListAppend  // list_append(arg, arg)
)

// operand is what an expression compares, tests or assigns.
type operand struct {
	kind  operandKind
	path  item.Path  // of operandPath
	value item.Value // of operandValue
	args  []operand  // of the others
}

// arity is how many arguments an operand of kind k has.
func (k operandKind) arity() int {
	switch k {
	case operandSize:
		return 1
	case operandPlus, operandMinus, operandIfNotExists, operandListAppend:
		return 2
	}
	return 0
}

// name is what k is called in an expression and in errors.
func (k operandKind) name() string {
	switch k {
	case operandSize:
		return "size"
	case operandPlus:
		return "+"
	case operandMinus:
		return "-"
	case operandIfNotExists:
		return "if_not_exists"
	case operandListAppend:
		return "list_append"
	}
	return ""
}

// staticKind is the type that o has whatever the item; Invalid when only an
// item can tell.
func (o *operand) staticKind() item.Kind {
	switch o.kind {
	case operandValue:
		return o.value.Kind()
	case operandSize, operandPlus, operandMinus:
		return item.N
	case operandListAppend:
		return item.L
	}
	return item.Invalid
}

// subject is the item that a condition is evaluated on, as a tree or encoded.
type subject struct {
	doc     item.Item
	encoded item.Encoded
	looks   int   // how many attributes of encoded were looked for
	err     error // the encoding is damaged
}

// maxLooks is how many attributes are looked for in an encoding, each from the
// beginning, before it is decoded.
const maxLooks = 16

// at is the value that p leads to; the zero Value when there is none.
func (s *subject) at(p item.Path) item.Value {
	if s.looks++; s.looks > maxLooks && s.encoded != nil {
		s.doc, s.err = s.encoded.Decode()
		s.encoded = nil
	}
	if s.encoded == nil {
		v, _ := s.doc.At(p)
		return v
	}
	v, _, err := s.encoded.Attribute(p[0].Name)
	if err != nil {
		s.err = err
		return item.Value{}
	}
	for _, step := range p[1:] {
		if v = follow(v, step); v.IsZero() {
			break
		}
	}
	return v
}

// follow is what step leads to from v; the zero Value when there is nothing.
func follow(v item.Value, step item.Step) item.Value {
	switch {
	case step.IsName():
		return v.Doc().Get(step.Name)
	case v.Kind() == item.L && step.Index < len(v.Elems()):
		return v.Elems()[step.Index]
	}
	return item.Value{}
}

// of is the value of an operand of a condition for an item; the zero Value when
// it has none.
func (o *operand) of(s *subject) item.Value {
	switch o.kind {
	case operandPath:
		return s.at(o.path)
	case operandValue:
		return o.value
	case operandSize:
		if n, ok := sizeOf(o.args[0].of(s)); ok {
			return item.Num(item.NumberFromInt(int64(n)))
		}
	}
	return item.Value{}
}

// sizeOf is what the size function says of v: the length of a string in UTF-16
// code units, the bytes of a binary, the members of everything else.
func sizeOf(v item.Value) (int, bool) {
	switch v.Kind() {
	case item.S:
		n := 0
		for _, r := range v.Str() {
			n++
			if r > 0xffff && r <= utf8.MaxRune {
				n++
			}
		}
		return n, true
	case item.B:
		return len(v.Str()), true
	case item.M:
		return v.Doc().Len(), true
	case item.L, item.SS, item.NS, item.BS:
		return len(v.Elems()), true
	}
	return 0, false
}

// eval is the value of an operand of an update for an item.
func (o *operand) eval(it item.Item) (item.Value, error) {
	switch o.kind {
	case operandValue:
		return o.value, nil
	case operandPath:
		v, ok := it.At(o.path)
		if !ok {
			return item.Value{}, storage.Validationf(
				"The provided expression refers to an attribute that does not exist in the item")
		}
		return v, nil
	case operandIfNotExists:
		if v, ok := it.At(o.args[0].path); ok {
			return v, nil
		}
		return o.args[1].eval(it)
	}
	a, err := o.args[0].eval(it)
	if err != nil {
		return item.Value{}, err
	}
	b, err := o.args[1].eval(it)
	if err != nil {
		return item.Value{}, err
	}
	switch {
	case o.kind == operandListAppend && a.Kind() == item.L && b.Kind() == item.L:
		list := make([]item.Value, 0, len(a.Elems())+len(b.Elems()))
		return item.List(append(append(list, a.Elems()...), b.Elems()...)), nil
	case o.kind == operandPlus && a.Kind() == item.N && b.Kind() == item.N:
		return number(a.Number().Add(b.Number()))
	case o.kind == operandMinus && a.Kind() == item.N && b.Kind() == item.N:
		return number(a.Number().Sub(b.Number()))
	}
	return item.Value{}, wrongType()
}

func number(n item.Number, err error) (item.Value, error) {
	if err != nil {
		return item.Value{}, err
	}
	return item.Num(n), nil
}

func wrongType() error {
	return storage.Validationf("An operand in the update expression has an incorrect data type")
}
