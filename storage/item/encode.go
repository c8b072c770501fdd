package item

import (
	"encoding/binary"
	"math/bits"
)

// Encoded is the canonical binary encoding of an item: equal items have equal
// encodings, byte for byte, on every peer and for ever. A nil Encoded is the
// absence of an item.
//
//	item      version (1), attribute*          attributes in order of name
//	attribute length, name, value              length: unsigned varint, minimal
//	value     kind, payload
//
//	kind        payload
//	S, B        length, bytes
//	N           number
//	BOOL        0 or 1
//	NULL        nothing
//	M           size, attribute*               size: four bytes, big-endian, of
//	L           size, value*                         what follows it
//	SS, BS      size, (length, bytes)*         in order of bytes
//	NS          size, number*                  in order of value
//
//	number    header, [exponent], coefficient
//	          header: bit 7 negative, bit 6 exponent follows, bits 0-4 bytes of
//	          coefficient; exponent: signed varint, left out when 0;
//	          coefficient: big-endian, minimal, no trailing decimal zero
//
// Nothing says where an item ends but the end of the slice.
type Encoded []byte

// encodingVersion is the first byte of every Encoded.
const encodingVersion = 1

const (
	numberNegative = 0x80
	numberExponent = 0x40
	numberLength   = 0x1f
)

// sizeBytes is the width of the size of a container.
const sizeBytes = 4

// Encode is the encoding of it.
func Encode(it Item) Encoded { return AppendItem(nil, it) }

// AppendItem appends the encoding of it.
func AppendItem(dst []byte, it Item) []byte {
	return appendAttributes(append(dst, encodingVersion), it)
}

// AppendValue appends the encoding of v, which is not the zero Value. It says
// itself where it ends.
func AppendValue(dst []byte, v Value) []byte {
	dst = append(dst, byte(v.kind))
	switch v.kind {
	case S, B:
		return appendText(dst, v.text)
	case N:
		return appendNumber(dst, v.num)
	case BOOL:
		if v.flag {
			return append(dst, 1)
		}
		return append(dst, 0)
	case NULL:
		return dst
	case Invalid:
		panic("item: encoding of the zero Value")
	}
	dst, at := beginSized(dst)
	switch v.kind {
	case M:
		dst = appendAttributes(dst, v.doc)
	case L:
		for _, e := range v.list {
			dst = AppendValue(dst, e)
		}
	case NS:
		for _, m := range v.list {
			dst = appendNumber(dst, m.num)
		}
	default:
		for _, m := range v.list {
			dst = appendText(dst, m.text)
		}
	}
	endSized(dst, at)
	return dst
}

func appendAttributes(dst []byte, it Item) []byte {
	for _, a := range it.attrs {
		dst = AppendValue(appendText(dst, a.Name), a.Value)
	}
	return dst
}

// AppendField appends an attribute to an Encoded whose attributes all have smaller
// names.
func AppendField(dst Encoded, name []byte, value Raw) Encoded {
	return append(appendText(dst, name), value...)
}

func appendText[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// beginSized leaves room for a container's size; endSized fills it in.
func beginSized(dst []byte) (_ []byte, at int) {
	return append(dst, 0, 0, 0, 0), len(dst)
}

func endSized(dst []byte, at int) {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-sizeBytes))
}

func appendNumber(dst []byte, n Number) []byte {
	length := n.coef.bytes()
	header := byte(length)
	if n.negative {
		header |= numberNegative
	}
	if n.exp != 0 {
		header |= numberExponent
	}
	dst = append(dst, header)
	if n.exp != 0 {
		dst = binary.AppendVarint(dst, int64(n.exp))
	}
	for i := length - 1; i >= 0; i-- {
		dst = append(dst, n.coef.byteAt(i))
	}
	return dst
}

// bytes is how many bytes u needs.
func (u uint128) bytes() int {
	if u.hi != 0 {
		return 8 + (bits.Len64(u.hi)+7)/8
	}
	return (bits.Len64(u.lo) + 7) / 8
}

// byteAt is byte i of u, the least significant being byte 0.
func (u uint128) byteAt(i int) byte {
	if i >= 8 {
		return byte(u.hi >> (8 * (i - 8)))
	}
	return byte(u.lo >> (8 * i))
}
