package awsjson

import (
	"encoding/base64"
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
	for _, c := range s {
		if c < 0x20 || c == '"' || c == '\\' {
			return AppendString(dst, string(s))
		}
	}
	if !utf8.Valid(s) {
		return AppendString(dst, string(s))
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}
