package expr

import (
	"fmt"

	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

// ParseCondition parses a ConditionExpression.
func ParseCondition(src string, b *Bindings) (*Condition, error) {
	return parseCondition(syntax.ConditionExpression, src, b)
}

// ParseFilter parses a FilterExpression.
func ParseFilter(src string, b *Bindings) (*Condition, error) {
	return parseCondition(syntax.FilterExpression, src, b)
}

func parseCondition(field, src string, b *Bindings) (*Condition, error) {
	tree, err := syntax.Condition(field, src)
	if err != nil {
		return nil, err
	}
	r := resolver{Tree: tree, bindings: b}
	if err := r.words(r.Root, true); err != nil {
		return nil, err
	}
	c := new(Condition)
	c.root, err = r.predicate(r.Root)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// predicate makes the predicate of a node.
func (r *resolver) predicate(n int) (predicate, error) {
	n = r.Unwrap(n)
	p := predicate{op: r.operator(n)}
	var err error
	switch p.op {
	case opAnd, opOr, opNot:
		for child := range r.Children(n) {
			kid, err := r.predicate(child)
			if err != nil {
				return p, err
			}
			p.kids = append(p.kids, kid)
		}
		return p, nil
	}
	if p.args, err = r.operands(n); err != nil {
		return p, err
	}
	return p, r.check(&p)
}

// operator is what a node's predicate does.
func (r *resolver) operator(n int) operator {
	node := r.Node(n)
	switch node.Kind {
	case syntax.NodeOr:
		return opOr
	case syntax.NodeAnd:
		return opAnd
	case syntax.NodeNot:
		return opNot
	case syntax.NodeBetween:
		return opBetween
	case syntax.NodeIn:
		return opIn
	case syntax.NodeCall:
		f, _ := functionNamed(r.Text(node.Token)) // place has seen it
		return f.op
	}
	switch r.Token(node.Token) {
	case syntax.SymEQ:
		return opEQ
	case syntax.SymNE:
		return opNE
	case syntax.SymLT:
		return opLT
	case syntax.SymLE:
		return opLE
	case syntax.SymGT:
		return opGT
	default:
		return opGE
	}
}

// check checks the operands of p, and those of what they consist of before.
func (r *resolver) check(p *predicate) error {
	want := p.op.arity()
	if p.op == opType {
		want = 2 // the second becomes p.typ
	}
	if err := r.operandCount(p.op.String(), p.args, want); err != nil {
		return err
	}
	if p.op == opIn && len(p.args)-1 > maxOperandsIn {
		return r.Invalid("The IN operator is provided with too many operands; number of operands: %d", len(p.args)-1)
	}
	if err := r.distinct(p.op.String(), p.args); err != nil {
		return err
	}
	for i := range p.args {
		if err := r.sizes(&p.args[i]); err != nil {
			return err
		}
	}
	switch p.op {
	case opExists, opNotExists:
		return r.requirePath(p.op.String(), &p.args[0])
	case opLT, opLE, opGT, opGE:
		return r.types(p.op.String(), p.args, item.S, item.N, item.B)
	case opBetween:
		if err := r.types(p.op.String(), p.args, item.S, item.N, item.B); err != nil {
			return err
		}
		return r.bounds(&p.args[1], &p.args[2])
	case opBeginsWith:
		return r.types(p.op.String(), p.args, item.S, item.B)
	case opType:
		return r.typeName(p)
	}
	return nil
}

// sizes checks the types of what size is asked of.
func (r *resolver) sizes(o *operand) error {
	if o.kind != operandSize {
		return nil
	}
	if err := r.sizes(&o.args[0]); err != nil {
		return err
	}
	return r.types(o.kind.name(), o.args, item.S, item.B, item.SS, item.NS, item.BS, item.L, item.M)
}

// bounds checks the bounds of BETWEEN where both are values.
func (r *resolver) bounds(low, high *operand) error {
	if low.kind != operandValue || high.kind != operandValue {
		return nil
	}
	must := "same data type for lower and upper bounds"
	if c, ok := compare(low.value, high.value); ok && c <= 0 {
		return nil
	} else if ok {
		must = "upper bound to be greater than or equal to lower bound"
	}
	return r.Invalid("The BETWEEN operator requires %s; "+
		"lower bound operand: AttributeValue: {%s}, upper bound operand: AttributeValue: {%s}",
		must, bound(low.value), bound(high.value))
}

func bound(v item.Value) string {
	switch v.Kind() {
	case item.N:
		return "N:" + v.Number().String()
	case item.B:
		return fmt.Sprintf("B:java.nio.HeapByteBuffer[pos=0 lim=%d cap=%[1]d]", len(v.Str()))
	}
	return "S:" + v.Str()
}

// typeName turns the second operand of attribute_type into p.typ.
func (r *resolver) typeName(p *predicate) error {
	name := &p.args[1]
	switch k := name.staticKind(); {
	case k == item.Invalid:
		return r.operandType(p.op.String(), "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
	case k != item.S:
		return r.operandType(p.op.String(), k.String())
	}
	p.typ = item.ParseKind(name.value.Str())
	if p.typ == item.Invalid {
		return r.Invalid("Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
			name.value.Str())
	}
	p.args = p.args[:1:1]
	return nil
}
