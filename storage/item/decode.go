package item

import (
	"bytes"
	"encoding/binary"

	"github.com/roundtabledb/roundtable/storage"
)

// maxEncodedDepth bounds the recursion that damaged bytes can cause. What is
// encoded is far below it.
const maxEncodedDepth = 1000

// Decode is the item that e encodes. Whatever is not exactly what AppendItem
// writes is refused as corrupt. The item's texts share one copy of e and do not
// refer to e itself.
func (e Encoded) Decode() (Item, error) {
	if len(e) == 0 || e[0] != encodingVersion {
		return Item{}, corrupt("version of item")
	}
	d := decoder{s: string(e[1:])}
	it, err := d.attributes(len(d.s), 0)
	if err != nil {
		return Item{}, err
	}
	return it, nil
}

// DecodeValue is the value that b begins with, and what follows it. The value
// does not refer to b.
func DecodeValue(b []byte) (v Value, rest []byte, err error) {
	n, err := valueLength(b)
	if err != nil {
		return Value{}, nil, err
	}
	d := decoder{s: string(b[:n])}
	v, err = d.value(0)
	if err == nil && d.at != n {
		err = corrupt("length of value")
	}
	if err != nil {
		return Value{}, nil, err
	}
	return v, b[n:], nil
}

// Attribute is one attribute of the item, found without decoding the others.
func (e Encoded) Attribute(name string) (Value, bool, error) {
	fields, err := e.Fields()
	if err != nil {
		return Value{}, false, err
	}
	for fields.Next() {
		if string(fields.Name) < name {
			continue
		}
		if string(fields.Name) > name {
			return Value{}, false, nil
		}
		v, _, err := DecodeValue(fields.Value)
		return v, err == nil, err
	}
	return Value{}, false, fields.Err()
}

// decoder reads an encoding that was made a string, so that texts are parts of
// it and need no memory of their own.
type decoder struct {
	s  string
	at int
}

func (d *decoder) attributes(end, depth int) (Item, error) {
	if d.at == end {
		return Item{}, nil
	}
	attrs := make([]Attribute, 0, d.count(end, true))
	for d.at < end {
		name, err := d.text(end)
		if err != nil {
			return Item{}, err
		}
		if len(attrs) > 0 && attrs[len(attrs)-1].Name >= name {
			return Item{}, corrupt("order of attributes")
		}
		v, err := d.valueWithin(end, depth)
		if err != nil {
			return Item{}, err
		}
		attrs = append(attrs, Attribute{Name: name, Value: v})
	}
	return Item{attrs: attrs}, nil
}

// count is how many values there are from here to end, each behind its name if
// they are named. Where the encoding is damaged it stops counting.
func (d *decoder) count(end int, named bool) int {
	n, at := 0, d.at
	for at < end {
		if named {
			length, width := uvarint(d.s[at:end])
			if width <= 0 || length > uint64(end-at-width) {
				return n
			}
			at += width + int(length)
		}
		length, err := valueLength(d.s[at:end])
		if err != nil {
			return n
		}
		at += length
		n++
	}
	return n
}

func (d *decoder) valueWithin(end, depth int) (Value, error) {
	v, err := d.value(depth)
	if err == nil && d.at > end {
		err = corrupt("length of value")
	}
	return v, err
}

func (d *decoder) value(depth int) (Value, error) {
	if d.at >= len(d.s) {
		return Value{}, corrupt("value")
	}
	kind := Kind(d.s[d.at])
	d.at++
	switch kind {
	case S, B:
		text, err := d.text(len(d.s))
		return Value{kind: kind, text: text}, err
	case N:
		n, err := d.number(len(d.s))
		return Num(n), err
	case BOOL:
		if d.at >= len(d.s) || d.s[d.at] > 1 {
			return Value{}, corrupt("BOOL")
		}
		d.at++
		return Bool(d.s[d.at-1] == 1), nil
	case NULL:
		return Null(), nil
	}
	if d.at+sizeBytes > len(d.s) || depth >= maxEncodedDepth {
		return Value{}, corrupt("container")
	}
	size := readSize(d.s[d.at:])
	d.at += sizeBytes
	if size > len(d.s)-d.at {
		return Value{}, corrupt("size of container")
	}
	return d.container(kind, d.at+size, depth+1)
}

func (d *decoder) container(kind Kind, end, depth int) (Value, error) {
	v := Value{kind: kind}
	var err error
	switch kind {
	case M:
		v.doc, err = d.attributes(end, depth)
		return v, err
	case L:
		if d.at < end {
			v.list = make([]Value, 0, d.count(end, false))
		}
		for d.at < end {
			e, err := d.valueWithin(end, depth)
			if err != nil {
				return Value{}, err
			}
			v.list = append(v.list, e)
		}
		return v, nil
	case SS, NS, BS:
		return d.set(kind, end)
	}
	return Value{}, corrupt("kind")
}

func (d *decoder) set(kind Kind, end int) (Value, error) {
	v := Value{kind: kind}
	for d.at < end {
		m := Value{kind: kind.MemberKind()}
		var err error
		if kind == NS {
			m.num, err = d.number(end)
		} else {
			m.text, err = d.text(end)
		}
		if err != nil {
			return Value{}, err
		}
		if n := len(v.list); n > 0 && compareMembers(v.list[n-1], m) >= 0 {
			return Value{}, corrupt("order of set")
		}
		v.list = append(v.list, m)
	}
	if len(v.list) == 0 {
		return Value{}, corrupt("empty set")
	}
	return v, nil
}

func (d *decoder) text(end int) (string, error) {
	n, width := uvarint(d.s[d.at:end])
	if width <= 0 || n > uint64(end-d.at-width) {
		return "", corrupt("length of text")
	}
	from := d.at + width
	d.at = from + int(n)
	return d.s[from:d.at], nil
}

func (d *decoder) number(end int) (Number, error) {
	n, width, ok := readNumber(d.s[d.at:end])
	if !ok {
		return Number{}, corrupt("number")
	}
	d.at += width
	return n, nil
}

// readNumber is the number that s begins with and how many bytes it takes.
func readNumber[T ~string | ~[]byte](s T) (n Number, width int, ok bool) {
	if len(s) == 0 {
		return n, 0, false
	}
	header, at := s[0], 1
	n.negative = header&numberNegative != 0
	if header&numberExponent != 0 {
		u, width := uvarint(s[at:])
		exp := int64(u>>1) ^ -int64(u&1)
		if width <= 0 || exp == 0 || exp < -1000 || exp > 1000 {
			return n, 0, false
		}
		n.exp = int16(exp)
		at += width
	}
	end := at + int(header&numberLength)
	if header&^(numberNegative|numberExponent|numberLength) != 0 || end-at > 16 || end > len(s) {
		return n, 0, false
	}
	if end == at { // zero has no exponent and no sign
		return n, at, header == 0
	}
	if s[at] == 0 {
		return n, 0, false
	}
	for ; at < end; at++ {
		n.coef.hi = n.coef.hi<<8 | n.coef.lo>>56
		n.coef.lo = n.coef.lo<<8 | uint64(s[at])
	}
	return n, at, n.valid()
}

// valid reports whether n is one that ParseNumber could have made.
func (n Number) valid() bool {
	if _, r := n.coef.divSmall(10); r == 0 {
		return false
	}
	_, err := bounded(n)
	return err == nil
}

// uvarint is binary.Uvarint of a string or a slice. Its width is 0 when s does
// not begin with a varint of minimal length.
func uvarint[T ~string | ~[]byte](s T) (x uint64, width int) {
	for i := range min(len(s), binary.MaxVarintLen64) {
		b := s[i]
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if (b == 0 && i > 0) || (i == binary.MaxVarintLen64-1 && b > 1) {
				return 0, 0
			}
			return x, i + 1
		}
	}
	return 0, 0
}

func corrupt(what string) error {
	return storage.Errorf(storage.Corrupt, "item encoding: bad %s", what)
}

// Equal reports whether e and f encode the same item.
func (e Encoded) Equal(f Encoded) bool { return bytes.Equal(e, f) }
