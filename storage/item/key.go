package item

import (
	"bytes"
	"encoding/binary"

	"github.com/roundtabledb/roundtable/storage"
)

// Keys are encoded so that the order of the bytes is DynamoDB's order of the
// values: S and B by their bytes, N by what it is worth.
//
//	S, B   the bytes, each 00 as 00 FF, then 00 01
//	N      rank, digits
//
//	rank   two bytes, big-endian: 8000 for zero, 8000+r above it and 8000-r
//	       below it, where r is the power of ten of the leading digit + 131
//	digits two to a byte, as 1 to 100, the last odd one with a zero behind it;
//	       then 00. Below zero all these bytes are inverted. Zero has none.
//
// An encoding is never the beginning of another of its kind, so that several
// can stand in a row.
const (
	keyEscape     = 0x00
	keyEscaped    = 0xff // after keyEscape: a zero byte
	keyTerminator = 0x01 // after keyEscape: the end
	keyZero       = 0x8000
	keyRank       = 1 - minExponent
)

// AppendKey appends the order-preserving encoding of v, which is an S, N or B.
func AppendKey(dst []byte, v Value) []byte {
	switch v.kind {
	case S, B:
		return appendKeyText(dst, v.text)
	case N:
		return appendKeyNumber(dst, v.num)
	}
	panic("item: key of kind " + v.kind.String())
}

// DecodeKey is the value of kind k whose encoding b begins with, and what
// follows it. The value does not refer to b.
func DecodeKey(b []byte, k Kind) (v Value, rest []byte, err error) {
	switch k {
	case S, B:
		v.kind = k
		v.text, rest, err = decodeKeyText(b)
	case N:
		v.kind = k
		v.num, rest, err = decodeKeyNumber(b)
	default:
		err = corruptKey()
	}
	if err != nil {
		return Value{}, nil, err
	}
	return v, rest, nil
}

func appendKeyText[T ~string | ~[]byte](dst []byte, s T) []byte {
	for i := range len(s) {
		dst = append(dst, s[i])
		if s[i] == keyEscape {
			dst = append(dst, keyEscaped)
		}
	}
	return append(dst, keyEscape, keyTerminator)
}

func decodeKeyText(b []byte) (string, []byte, error) {
	var text []byte
	for {
		i := bytes.IndexByte(b, keyEscape)
		if i < 0 || i+1 >= len(b) {
			return "", nil, corruptKey()
		}
		switch b[i+1] {
		case keyTerminator:
			if text == nil {
				return string(b[:i]), b[i+2:], nil
			}
			return string(append(text, b[:i]...)), b[i+2:], nil
		case keyEscaped:
			text = append(text, b[:i+1]...)
			b = b[i+2:]
		default:
			return "", nil, corruptKey()
		}
	}
}

func appendKeyNumber(dst []byte, n Number) []byte {
	if n.IsZero() {
		return binary.BigEndian.AppendUint16(dst, keyZero)
	}
	rank, invert := n.magnitude()+keyRank, byte(0)
	if n.negative {
		rank, invert = -rank, 0xff
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(keyZero+rank))
	var buf [maxDigits + 1]byte
	digits := n.coef.appendDigits(buf[:0])
	if len(digits)%2 == 1 {
		digits = append(digits, '0')
	}
	for i := 0; i < len(digits); i += 2 {
		pair := 10*(digits[i]-'0') + digits[i+1] - '0'
		dst = append(dst, (pair+1)^invert)
	}
	return append(dst, invert)
}

func decodeKeyNumber(b []byte) (Number, []byte, error) {
	if len(b) < 2 {
		return Number{}, nil, corruptKey()
	}
	rank := int(binary.BigEndian.Uint16(b)) - keyZero
	b = b[2:]
	if rank == 0 {
		return Number{}, b, nil
	}
	invert, negative := byte(0), rank < 0
	if negative {
		rank, invert = -rank, 0xff
	}
	end := bytes.IndexByte(b, invert)
	if end < 1 || end > maxDigits/2 {
		return Number{}, nil, corruptKey()
	}
	var coef uint128
	for i, c := range b[:end] {
		pair := (c ^ invert) - 1
		if pair > 99 || (i == 0 && pair < 10) || (i == end-1 && pair == 0) {
			return Number{}, nil, corruptKey()
		}
		coef = coef.mulAdd(100, uint64(pair))
	}
	n := canonical(coef, rank-keyRank-(2*end-1), negative)
	if !n.valid() {
		return Number{}, nil, corruptKey()
	}
	return n, b[end+1:], nil
}

func corruptKey() error { return storage.Errorf(storage.Corrupt, "key encoding is damaged") }
