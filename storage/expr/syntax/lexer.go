package syntax

import "unicode/utf8"

// TokenKind is what a token is.
type TokenKind uint8

// The kinds of tokens: words, keywords in any case, and symbols.
const (
	EOF     TokenKind = iota
	Bad               // a character that has no place in the language
	Ident             // a name as it is written
	Name              // #name
	Value             // :value
	Integer           // the index of a list element
	KeyAnd
	KeyOr
	KeyNot
	KeyBetween
	KeyIn
	KeySet
	KeyRemove
	KeyAdd
	KeyDelete
	SymEQ
	SymNE
	SymLT
	SymLE
	SymGT
	SymGE
	SymOpen
	SymClose
	SymOpenIndex
	SymCloseIndex
	SymComma
	SymDot
	SymPlus
	SymMinus
)

// token is a piece of an expression: src[start:end].
type token struct {
	kind       TokenKind
	start, end int
}

// lex appends the tokens of src to dst, with EOF as the last.
func lex(dst []token, src string) []token {
	for at := 0; ; {
		for at < len(src) && isSpace(src[at]) {
			at++
		}
		t := scan(src, at)
		dst = append(dst, t)
		if t.kind == EOF {
			return dst
		}
		at = t.end
	}
}

// scan is the token that begins at src[at:].
func scan(src string, at int) token {
	if at == len(src) {
		return token{kind: EOF, start: at, end: at}
	}
	c := src[at]
	switch {
	case isLetter(c):
		end := wordEnd(src, at+1)
		return token{kind: keyword(src[at:end]), start: at, end: end}
	case c == '0':
		return token{kind: Integer, start: at, end: at + 1}
	case isDigit(c):
		end := at + 1
		for end < len(src) && isDigit(src[end]) {
			end++
		}
		return token{kind: Integer, start: at, end: end}
	case c == '#' || c == ':':
		end := wordEnd(src, at+1)
		switch {
		case end == at+1:
			return token{kind: Bad, start: at, end: end}
		case c == '#':
			return token{kind: Name, start: at, end: end}
		}
		return token{kind: Value, start: at, end: end}
	}
	if k, width := symbol(src[at:]); width > 0 {
		return token{kind: k, start: at, end: at + width}
	}
	_, width := utf8.DecodeRuneInString(src[at:])
	return token{kind: Bad, start: at, end: at + width}
}

// symbol is the operator or punctuation that s begins with, if it does.
func symbol(s string) (k TokenKind, width int) {
	if len(s) > 1 {
		switch s[:2] {
		case "<>":
			return SymNE, 2
		case "<=":
			return SymLE, 2
		case ">=":
			return SymGE, 2
		}
	}
	switch s[0] {
	case '=':
		return SymEQ, 1
	case '<':
		return SymLT, 1
	case '>':
		return SymGT, 1
	case '(':
		return SymOpen, 1
	case ')':
		return SymClose, 1
	case '[':
		return SymOpenIndex, 1
	case ']':
		return SymCloseIndex, 1
	case ',':
		return SymComma, 1
	case '.':
		return SymDot, 1
	case '+':
		return SymPlus, 1
	case '-':
		return SymMinus, 1
	}
	return Bad, 0
}

// keyword is the kind of a word: a keyword whatever its case, or Ident.
func keyword(word string) TokenKind {
	var upper [len("BETWEEN")]byte
	if len(word) > len(upper) {
		return Ident
	}
	for i := range len(word) {
		upper[i] = word[i]
		if 'a' <= word[i] && word[i] <= 'z' {
			upper[i] -= 'a' - 'A'
		}
	}
	switch string(upper[:len(word)]) {
	case "AND":
		return KeyAnd
	case "OR":
		return KeyOr
	case "NOT":
		return KeyNot
	case "BETWEEN":
		return KeyBetween
	case "IN":
		return KeyIn
	case "SET":
		return KeySet
	case "REMOVE":
		return KeyRemove
	case "ADD":
		return KeyAdd
	case "DELETE":
		return KeyDelete
	}
	return Ident
}

// IsWord reports whether s is what may follow the # or : of a placeholder.
func IsWord(s string) bool { return s != "" && wordEnd(s, 0) == len(s) }

// IsName reports whether an attribute name may stand in an expression as it is.
func IsName(s string) bool {
	t := scan(s, 0)
	return t.kind == Ident && t.end == len(s) && !IsReserved(s)
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
