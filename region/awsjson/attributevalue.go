package awsjson

import (
	"bytes"
	"encoding/base64"
	"sync"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// This file reads DynamoDB's JSON of attribute values, {"S":"x"}, straight into
// the encoding of items.
//
// A value can be wrong in two ways. JSON of another shape than an attribute
// value has ends the reading with a SerializationException, as everywhere. A
// value of the right shape that is not acceptable, such as an empty set, does
// not: the service looks at values only after the whole request was read. So
// the methods here return that error, for the caller to report in its turn, and
// the reading goes on.

// Item reads a map of attribute values as an item; nil where it is absent.
func (r *Reader) Item() (item.Encoded, error) {
	if r.absent() {
		return nil, nil
	}
	v := newValueReader(r)
	defer v.release()
	v.b.OpenItem()
	v.attributes(1)
	v.b.Close()
	if err := v.result(); err != nil {
		return nil, err
	}
	return bytes.Clone(v.b.Bytes()), nil
}

// Value reads an attribute value; the zero Value where it is absent.
func (r *Reader) Value() (item.Value, error) {
	if r.absent() {
		return item.Value{}, nil
	}
	v := newValueReader(r)
	defer v.release()
	return v.tree()
}

// Values reads a map of attribute values, such as ExpressionAttributeValues;
// nil where it is absent.
func (r *Reader) Values() (map[string]item.Value, error) {
	if r.absent() {
		return nil, nil
	}
	v := newValueReader(r)
	defer v.release()
	values := map[string]item.Value{}
	var first error
	for r.Map(valueClass) {
		name := string(r.Name())
		value, err := v.tree()
		if err != nil && first == nil {
			first = err
		}
		values[name] = value
	}
	return values, first
}

// ValueList reads a list of attribute values; nil where it is absent.
func (r *Reader) ValueList() ([]item.Value, error) {
	if r.absent() {
		return nil, nil
	}
	v := newValueReader(r)
	defer v.release()
	values := []item.Value{}
	var first error
	for r.List() {
		value, err := v.tree()
		if err != nil && first == nil {
			first = err
		}
		values = append(values, value)
	}
	return values, first
}

// DecodeItem reads a document that is a map of attribute values.
func DecodeItem(b []byte) (item.Item, error) {
	e, err := EncodeItem(b)
	if err != nil {
		return item.Item{}, err
	}
	return e.Decode()
}

// EncodeItem reads a document that is a map of attribute values into the
// encoding of an item.
func EncodeItem(b []byte) (item.Encoded, error) {
	r := NewReader(b)
	e, invalid := r.Item()
	if err := r.End(); err != nil {
		return nil, err
	}
	if e == nil && invalid == nil {
		return nil, Serializationf("")
	}
	return e, invalid
}

// absent reads a null, if one comes next.
func (r *Reader) absent() bool {
	if r.peek() != 'n' {
		return false
	}
	r.literal("null")
	return true
}

const valueClass = "AttributeValue"

// valueReader reads attribute values from r into b.
type valueReader struct {
	r       *Reader
	b       item.Builder
	invalid error
	scratch []byte
}

var valueReaders = sync.Pool{New: func() any { return new(valueReader) }}

func newValueReader(r *Reader) *valueReader {
	v := valueReaders.Get().(*valueReader)
	v.r = r
	v.reset()
	return v
}

func (v *valueReader) release() {
	v.r = nil
	if cap(v.b.Bytes()) <= maxPooled {
		valueReaders.Put(v)
	}
}

func (v *valueReader) reset() {
	v.b.Reset()
	v.invalid = nil
}

// result is why there is no value, if there is none.
func (v *valueReader) result() error {
	if v.r.err != nil {
		return v.r.err
	}
	return v.invalid
}

func (v *valueReader) refuse(err error) {
	if v.invalid == nil {
		v.invalid = err
	}
}

// tree reads an attribute value as an item.Value.
func (v *valueReader) tree() (item.Value, error) {
	v.reset()
	v.value(1)
	if err := v.result(); err != nil {
		return item.Value{}, err
	}
	value, _, err := item.DecodeValue(v.b.Bytes())
	return value, err
}

// attributes reads a map of attribute values into the map or item that is open
// in b.
func (v *valueReader) attributes(depth int) {
	for v.r.Map(valueClass) {
		if err := item.CheckName(len(v.r.name)); err != nil {
			v.refuse(err)
		}
		v.b.Name(v.r.name)
		v.value(depth)
	}
}

// value reads one attribute value. It is of the depth-th level within its
// attribute.
func (v *valueReader) value(depth int) {
	if depth > item.MaxDepth {
		v.refuse(item.TooDeep())
		v.r.Skip()
		return
	}
	types := 0
	for v.r.Struct(valueClass) {
		if v.datum(depth) {
			types++
		}
	}
	switch {
	case types == 0:
		v.refuse(storage.Validationf("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"))
	case types > 1:
		v.refuse(storage.Validationf("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"))
	}
}

// datum reads the member of an attribute value that has its type for a name. It
// is false where there is no value after all.
func (v *valueReader) datum(depth int) bool {
	kind := item.ParseKind(string(v.r.name))
	if kind == item.Invalid {
		v.r.Skip()
		return false
	}
	if v.r.absent() {
		return false
	}
	switch kind {
	case item.S:
		v.b.String(v.text())
	case item.N:
		v.b.Number(v.number())
	case item.B:
		v.b.Binary(v.binary())
	case item.BOOL:
		v.b.Bool(v.r.Flag().Value)
	case item.NULL:
		if !v.r.Flag().Value {
			v.refuse(storage.Validationf("One or more parameter values were invalid: Null attribute value types must have the value of true"))
		}
		v.b.Null()
	case item.M:
		v.b.OpenMap()
		v.attributes(depth + 1)
		v.b.Close()
	case item.L:
		v.b.OpenList()
		for v.r.List() {
			v.value(depth + 1)
		}
		v.b.Close()
	default:
		v.set(kind)
	}
	return true
}

// text reads a string. The bytes may be part of the document.
func (v *valueReader) text() []byte {
	if v.r.peek() != '"' {
		v.r.scalar("String")
		return nil
	}
	v.r.atValue = false
	return v.r.stringBytes()
}

func (v *valueReader) number() item.Number {
	text := v.text()
	if v.r.err != nil {
		return item.Number{}
	}
	n, err := item.ParseNumberBytes(text)
	if err != nil {
		if v.r.older {
			err = olderNumberError(string(text), err)
		}
		v.refuse(err)
	}
	return n
}

// binary reads a string in base64. The bytes are valid until the next call.
func (v *valueReader) binary() []byte {
	switch v.r.peek() {
	case '"':
	case '[':
		v.r.Fail(Serializationf("Unrecognized collection type class java.nio.ByteBuffer"))
		return nil
	case '{':
		v.r.Fail(Serializationf(unexpectedStruct))
		return nil
	default:
		v.r.Fail(Serializationf("only base-64-encoded strings are convertible to bytes"))
		return nil
	}
	text := v.text()
	if len(text)%4 != 0 {
		v.r.Fail(Serializationf("Base64 encoded length is expected a multiple of 4 bytes but found: %d", len(text)))
		return nil
	}
	if bytes.ContainsAny(text, "\r\n") { // which the decoder would skip
		v.r.Fail(Serializationf("Unexpected value type in payload"))
		return nil
	}
	var err error
	v.scratch, err = strictBase64.AppendDecode(v.scratch[:0], text)
	if err != nil {
		// The spelling is the service's own.
		v.r.Fail(Serializationf("Invalid last non-pad Base64 character dectected"))
		return nil
	}
	return v.scratch
}

var strictBase64 = base64.StdEncoding.Strict()

func (v *valueReader) set(kind item.Kind) {
	var members []item.Value
	for v.r.List() {
		switch {
		case v.r.absent():
			v.refuse(storage.Validationf("One or more parameter values were invalid: An %s as a member", nullMember(kind)))
		case kind == item.SS:
			members = append(members, item.String(string(v.text())))
		case kind == item.NS:
			members = append(members, item.Num(v.number()))
		default:
			members = append(members, item.Binary(v.binary()))
		}
	}
	if v.result() != nil {
		return
	}
	set, err := item.Set(kind, members)
	if err != nil {
		if v.r.older && len(members) > 0 {
			err = olderDuplicate(kind, members)
		}
		v.refuse(err)
		return
	}
	v.b.Value(set)
}

// nullMember is how the service says what a set with a null in it has.
func nullMember(kind item.Kind) string {
	switch kind {
	case item.SS:
		return "string set may not have a null string"
	case item.NS:
		return "number set may not have a null"
	}
	return "binary set may not have a null"
}
