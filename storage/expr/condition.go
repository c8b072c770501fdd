package expr

import (
	"strings"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// operator is what a predicate does. Operators are stored on disk: they never
// change.
type operator uint8

const (
	opAnd operator = iota + 1
	opOr
	opNot
	opEQ
	opNE
	opLT
	opLE
	opGT
	opGE
	opBetween
	opIn
	opExists
	opNotExists
	opType
	opBeginsWith
	opContains
)

var operatorNames = [...]string{
	opAnd:        "AND",
	opOr:         "OR",
	opNot:        "NOT",
	opEQ:         "=",
	opNE:         "<>",
	opLT:         "<",
	opLE:         "<=",
	opGT:         ">",
	opGE:         ">=",
	opBetween:    "BETWEEN",
	opIn:         "IN",
	opExists:     "attribute_exists",
	opNotExists:  "attribute_not_exists",
	opType:       "attribute_type",
	opBeginsWith: "begins_with",
	opContains:   "contains",
}

// String is the operator as expressions and errors name it.
func (o operator) String() string { return operatorNames[o] }

// arity is how many operands o has; -1 when any number from two on.
func (o operator) arity() int {
	switch o {
	case opExists, opNotExists, opType:
		return 1
	case opBetween:
		return 3
	case opIn:
		return -1
	}
	return 2
}

// predicate is a condition or a part of one.
type predicate struct {
	op   operator
	kids []predicate // of opAnd, opOr, opNot
	args []operand   // of the others
	typ  item.Kind   // of opType: the type asked for
}

// Condition is a parsed condition or filter expression.
type Condition struct{ root predicate }

// Match reports whether e satisfies c. An absent item, nil, is taken for the empty
// one. Of an item only what c looks at is decoded, and where that is damaged the
// error is of kind Corrupt; any other error is a broken invariant, as no item makes
// a condition fail.
func (c *Condition) Match(e item.Encoded) (bool, error) {
	s := subject{encoded: e}
	ok, err := c.root.match(&s)
	if err == nil {
		err = s.err
	}
	return ok && err == nil, err
}

// Paths is the document paths that c looks at, in the order of the expression.
func (c *Condition) Paths() []item.Path {
	if c == nil {
		return nil
	}
	return c.root.paths(nil)
}

func (p *predicate) match(s *subject) (bool, error) {
	switch p.op {
	case opAnd, opOr:
		for i := range p.kids {
			if ok, err := p.kids[i].match(s); err != nil || ok == (p.op == opOr) {
				return ok, err
			}
		}
		return p.op == opAnd, nil
	case opNot:
		ok, err := p.kids[0].match(s)
		return !ok, err
	case opIn:
		return p.in(s), nil
	}
	a := p.args[0].of(s)
	switch p.op {
	case opExists:
		return !a.IsZero(), nil
	case opNotExists:
		return a.IsZero(), nil
	case opType:
		return a.Kind() == p.typ, nil
	}
	b := p.args[1].of(s)
	switch p.op {
	case opEQ:
		return equal(a, b), nil
	case opNE:
		return !equal(a, b), nil
	case opLT, opLE, opGT, opGE:
		return p.op.holds(a, b), nil
	case opBetween:
		return opGE.holds(a, b) && opLE.holds(a, p.args[2].of(s)), nil
	case opBeginsWith:
		return beginsWith(a, b), nil
	case opContains:
		return contains(a, b), nil
	}
	return false, storage.Errorf(storage.Internal, "expr: operator %d in a condition", p.op)
}

func (p *predicate) in(s *subject) bool {
	a := p.args[0].of(s)
	for i := range p.args[1:] {
		if equal(a, p.args[1+i].of(s)) {
			return true
		}
	}
	return false
}

// equal reports whether a and b are there and the same.
func equal(a, b item.Value) bool { return !a.IsZero() && a.Equal(b) }

// holds reports whether a and b are in the order that o asks for. Values of
// different types, or of one without an order, are in none.
func (o operator) holds(a, b item.Value) bool {
	c, ok := compare(a, b)
	if !ok {
		return false
	}
	switch o {
	case opLT:
		return c < 0
	case opLE:
		return c <= 0
	case opGT:
		return c > 0
	default:
		return c >= 0
	}
}

// compare orders two strings or two binaries by their bytes, and two numbers.
func compare(a, b item.Value) (c int, ok bool) {
	if a.Kind() != b.Kind() {
		return 0, false
	}
	switch a.Kind() {
	case item.S, item.B:
		return strings.Compare(a.Str(), b.Str()), true
	case item.N:
		return a.Number().Cmp(b.Number()), true
	}
	return 0, false
}

func beginsWith(a, b item.Value) bool {
	return a.Kind() == b.Kind() && (a.Kind() == item.S || a.Kind() == item.B) && strings.HasPrefix(a.Str(), b.Str())
}

// contains reports whether a holds b: a string or a binary as a part, a set as
// a member, a list as an element.
func contains(a, b item.Value) bool {
	switch a.Kind() {
	case item.S, item.B:
		return a.Kind() == b.Kind() && strings.Contains(a.Str(), b.Str())
	case item.SS, item.NS, item.BS:
		return a.Has(b)
	case item.L:
		for _, e := range a.Elems() {
			if equal(e, b) {
				return true
			}
		}
	}
	return false
}

func (p *predicate) paths(dst []item.Path) []item.Path {
	for i := range p.kids {
		dst = p.kids[i].paths(dst)
	}
	for i := range p.args {
		dst = p.args[i].paths(dst)
	}
	return dst
}

func (o *operand) paths(dst []item.Path) []item.Path {
	if o.kind == operandPath {
		dst = append(dst, o.path)
	}
	for i := range o.args {
		dst = o.args[i].paths(dst)
	}
	return dst
}
