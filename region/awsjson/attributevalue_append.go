package awsjson

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/roundtabledb/roundtable/storage/item"
)

// AppendItem appends an item as DynamoDB's JSON. The item is one that this
// process encoded or checked: a damaged one is a broken invariant, and panics.
func AppendItem(dst []byte, e item.Encoded) []byte {
	fields, err := e.Fields()
	if err == nil {
		dst, err = appendAttributes(dst, &fields)
	}
	if err != nil {
		panic(fmt.Sprintf("awsjson: %v", err))
	}
	return dst
}

// AppendItems appends items as an array of DynamoDB's JSON, to an answer that an
// operation is writing. They are as AppendItem expects them.
func AppendItems(dst []byte, items []item.Encoded) []byte {
	// The first few items tell how long all will be, so that a page of 1 MB is
	// not moved again and again while it grows.
	const sample = 2 << 10
	rest := 0
	for _, e := range items {
		rest += len(e)
	}
	dst = append(dst, '[')
	start, taken := len(dst), 0
	for i, e := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendItem(dst, e)
		before := taken
		taken += len(e)
		rest -= len(e)
		if before < sample && taken >= sample {
			expected := rest * (len(dst) - start) / taken
			dst = Grow(dst, min(expected+expected/16+sample, maxExpansion*rest+sample))
		}
	}
	return append(dst, ']')
}

// maxExpansion is how much longer than its encoding an item as JSON is expected
// to be at most. Lists of nothing but NULL are longer.
const maxExpansion = 3

// AppendItemValue appends an attribute value as DynamoDB's JSON.
func AppendItemValue(dst []byte, v item.Value) []byte {
	dst, err := appendRaw(dst, item.AppendValue(nil, v))
	if err != nil {
		panic(fmt.Sprintf("awsjson: %v", err))
	}
	return dst
}

func appendAttributes(dst []byte, fields *item.Fields) ([]byte, error) {
	dst = append(dst, '{')
	for first := true; fields.Next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		dst = appendStringBytes(dst, fields.Name)
		dst = append(dst, ':')
		var err error
		if dst, err = appendRaw(dst, fields.Value); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), fields.Err()
}

func appendRaw(dst []byte, v item.Raw) ([]byte, error) {
	kind := v.Kind()
	dst = append(dst, '{', '"')
	dst = append(dst, kind.String()...)
	dst = append(dst, '"', ':')
	var err error
	switch kind {
	case item.S:
		dst = appendStringBytes(dst, v.Bytes())
	case item.N:
		var n item.Number
		n, err = v.Number()
		dst = appendNumber(dst, n)
	case item.B:
		dst = appendBase64(dst, v.Bytes())
	case item.BOOL:
		if v.Bool() {
			dst = append(dst, "true"...)
		} else {
			dst = append(dst, "false"...)
		}
	case item.NULL:
		dst = append(dst, "true"...)
	case item.M:
		fields := v.Fields()
		dst, err = appendAttributes(dst, &fields)
	default:
		dst, err = appendElements(dst, v)
	}
	return append(dst, '}'), err
}

func appendElements(dst []byte, v item.Raw) ([]byte, error) {
	elements := v.Elements()
	dst = append(dst, '[')
	for first := true; elements.Next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		var err error
		switch v.Kind() {
		case item.SS:
			dst = appendStringBytes(dst, elements.Value)
		case item.BS:
			dst = appendBase64(dst, elements.Value)
		case item.NS:
			var n item.Number
			n, err = elements.Number()
			dst = appendNumber(dst, n)
		default:
			dst, err = appendRaw(dst, elements.Value)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), elements.Err()
}

func appendNumber(dst []byte, n item.Number) []byte {
	return append(n.Append(append(dst, '"')), '"')
}

func appendBase64(dst, p []byte) []byte {
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), p)
	return append(dst, '"')
}

// appendStringBytes is AppendString of bytes. Most strings need no escapes.
func appendStringBytes(dst, s []byte) []byte {
	if !isPlain(s) && !isPlainUnicode(s) {
		return AppendString(dst, string(s))
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}

// isPlain reports whether s is ASCII that JSON has as it is. It looks at eight
// bytes at a time: a page has a million.
func isPlain(s []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		w := binary.LittleEndian.Uint64(s)
		quote, backslash := w^ones*'"', w^ones*'\\'
		// The top bit of a byte is set where that byte, or one before it, is
		// below a blank, is one of the two, or no ASCII.
		if ((w-ones*' ')&^w|(quote-ones)&^quote|(backslash-ones)&^backslash|w)&tops != 0 {
			return false
		}
	}
	for _, c := range s {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isPlainUnicode is isPlain of UTF-8.
func isPlainUnicode(s []byte) bool {
	for _, c := range s {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.Valid(s)
}
