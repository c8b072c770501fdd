package awsjson

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Skip reads any value and forgets it.
func (r *Reader) Skip() {
	r.atValue = false
	r.skipValue(len(r.levels))
}

func (r *Reader) skipValue(depth int) {
	switch c := r.peek(); c {
	case '"':
		r.scanString()
	case '{', '[':
		if depth >= maxNesting {
			r.malformed()
			return
		}
		r.pos++
		r.deepest = max(r.deepest, depth+1)
		// In ASCII, each closing bracket lies two behind its opening one.
		r.skipMembers(c == '{', c+2, depth+1)
	case 't':
		r.literal("true")
	case 'f':
		r.literal("false")
	case 'n':
		r.literal("null")
	default:
		r.number()
	}
}

func (r *Reader) skipMembers(named bool, closing byte, depth int) {
	for first := true; r.err == nil; first = false {
		if r.peek() == closing {
			r.pos++
			return
		}
		if !first && !r.comma() {
			return
		}
		if named {
			if r.peek() != '"' {
				r.malformed()
				return
			}
			r.scanString()
			if r.peek() != ':' {
				r.malformed()
				return
			}
			r.pos++
		}
		r.skipValue(depth)
	}
}

func (r *Reader) literal(word string) {
	r.atValue = false
	end := r.pos + len(word)
	if end > len(r.data) || string(r.data[r.pos:end]) != word {
		r.malformed()
		return
	}
	r.pos = end
}

// number scans a JSON number and returns its text.
func (r *Reader) number() []byte {
	start, i := r.pos, r.pos
	digits := func() bool {
		from := i
		for i < len(r.data) && r.data[i] >= '0' && r.data[i] <= '9' {
			i++
		}
		return i > from
	}
	at := func(set string) bool {
		for j := 0; j < len(set); j++ {
			if i < len(r.data) && r.data[i] == set[j] {
				i++
				return true
			}
		}
		return false
	}
	at("-")
	ok := at("0") || digits()
	if ok && at(".") {
		ok = digits()
	}
	if ok && at("eE") {
		at("+-")
		ok = digits()
	}
	if !ok {
		r.malformed()
		return nil
	}
	r.pos = i
	return r.data[start:i]
}

// scanString moves behind the string that comes next and reports whether it
// has escapes.
func (r *Reader) scanString() (escaped bool) {
	for i := r.pos + 1; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.pos = i + 1
			return escaped
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			r.malformed()
			return false
		}
	}
	r.malformed()
	return false
}

// stringBytes reads the string that comes next. The bytes alias the document
// where they can.
func (r *Reader) stringBytes() []byte {
	start := r.pos + 1
	escaped := r.scanString()
	if r.err != nil {
		return nil
	}
	b := r.data[start : r.pos-1]
	if escaped {
		var ok bool
		if b, ok = unescape(b); !ok {
			r.malformed()
			return nil
		}
	}
	if !utf8.Valid(b) {
		r.malformed()
		return nil
	}
	return b
}

// unescape resolves the escapes of a JSON string. Surrogates without their
// partner become U+FFFD.
func unescape(s []byte) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i++; i == len(s) {
			return nil, false
		}
		switch s[i] {
		case '"', '\\', '/':
			out = append(out, s[i])
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			c, ok := hex4(s[i+1:])
			if !ok {
				return nil, false
			}
			i += 4
			if utf16.IsSurrogate(c) && len(s) > i+2 && s[i+1] == '\\' && s[i+2] == 'u' {
				if low, ok := hex4(s[i+3:]); ok {
					if pair := utf16.DecodeRune(c, low); pair != utf8.RuneError {
						c = pair
						i += 6
					}
				}
			}
			out = utf8.AppendRune(out, c)
		default:
			return nil, false
		}
	}
	return out, true
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var n rune
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | rune(c)
	}
	return n, true
}
