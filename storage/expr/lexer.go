package expr

import "unicode/utf8"

// kind is what a token is.
type kind uint8

const (
	eof     kind = iota
	bad          // a character that has no place in the language
	ident        // a name as it is written
	name         // #name
	value        // :value
	integer      // the index of a list element
	keyAnd
	keyOr
	keyNot
	keyBetween
	keyIn
	keySet
	keyRemove
	keyAdd
	keyDelete
	symEQ
	symNE
	symLT
	symLE
	symGT
	symGE
	symOpen
	symClose
	symOpenIndex
	symCloseIndex
	symComma
	symDot
	symPlus
	symMinus
)

// token is a piece of an expression: src[start:end].
type token struct {
	kind       kind
	start, end int
}

// lex appends the tokens of src to dst, with eof as the last.
func lex(dst []token, src string) []token {
	for at := 0; ; {
		for at < len(src) && isSpace(src[at]) {
			at++
		}
		t := scan(src, at)
		dst = append(dst, t)
		if t.kind == eof {
			return dst
		}
		at = t.end
	}
}

// scan is the token that begins at src[at:].
func scan(src string, at int) token {
	if at == len(src) {
		return token{kind: eof, start: at, end: at}
	}
	c := src[at]
	switch {
	case isLetter(c):
		end := wordEnd(src, at+1)
		return token{kind: keyword(src[at:end]), start: at, end: end}
	case c == '0':
		return token{kind: integer, start: at, end: at + 1}
	case isDigit(c):
		end := at + 1
		for end < len(src) && isDigit(src[end]) {
			end++
		}
		return token{kind: integer, start: at, end: end}
	case c == '#' || c == ':':
		end := wordEnd(src, at+1)
		switch {
		case end == at+1:
			return token{kind: bad, start: at, end: end}
		case c == '#':
			return token{kind: name, start: at, end: end}
		}
		return token{kind: value, start: at, end: end}
	}
	if k, width := symbol(src[at:]); width > 0 {
		return token{kind: k, start: at, end: at + width}
	}
	_, width := utf8.DecodeRuneInString(src[at:])
	return token{kind: bad, start: at, end: at + width}
}

// symbol is the operator or punctuation that s begins with, if it does.
func symbol(s string) (k kind, width int) {
	if len(s) > 1 {
		switch s[:2] {
		case "<>":
			return symNE, 2
		case "<=":
			return symLE, 2
		case ">=":
			return symGE, 2
		}
	}
	switch s[0] {
	case '=':
		return symEQ, 1
	case '<':
		return symLT, 1
	case '>':
		return symGT, 1
	case '(':
		return symOpen, 1
	case ')':
		return symClose, 1
	case '[':
		return symOpenIndex, 1
	case ']':
		return symCloseIndex, 1
	case ',':
		return symComma, 1
	case '.':
		return symDot, 1
	case '+':
		return symPlus, 1
	case '-':
		return symMinus, 1
	}
	return bad, 0
}

// keyword is the kind of a word: a keyword whatever its case, or ident.
func keyword(word string) kind {
	var upper [len("BETWEEN")]byte
	if len(word) > len(upper) {
		return ident
	}
	for i := range len(word) {
		upper[i] = word[i]
		if 'a' <= word[i] && word[i] <= 'z' {
			upper[i] -= 'a' - 'A'
		}
	}
	switch string(upper[:len(word)]) {
	case "AND":
		return keyAnd
	case "OR":
		return keyOr
	case "NOT":
		return keyNot
	case "BETWEEN":
		return keyBetween
	case "IN":
		return keyIn
	case "SET":
		return keySet
	case "REMOVE":
		return keyRemove
	case "ADD":
		return keyAdd
	case "DELETE":
		return keyDelete
	}
	return ident
}

// wordEnd is where the letters, digits and underscores from src[at:] on end.
func wordEnd(src string, at int) int {
	for at < len(src) && isWord(src[at]) {
		at++
	}
	return at
}

func isSpace(c byte) bool  { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '_' }
