package expr

import (
	"fmt"
	"strings"

	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

// Source is an expression that parses back to c, and the bindings to parse it
// with. Names stand in it as they are where the language allows it, values
// always as placeholders.
func (c *Condition) Source() (string, *Bindings) {
	p := newPrinter()
	p.predicate(&c.root)
	return p.source()
}

// Source is an expression that parses back to u, and the bindings to parse it
// with.
func (u *Update) Source() (string, *Bindings) {
	p := newPrinter()
	for i := range u.actions {
		a := &u.actions[i]
		switch {
		case i > 0 && u.actions[i-1].verb == a.verb:
			p.text.WriteString(", ")
		case i > 0:
			p.text.WriteByte(' ')
			fallthrough
		default:
			p.text.WriteString(a.verb.String() + " ")
		}
		p.path(a.path)
		switch a.verb {
		case verbSet:
			p.text.WriteString(" = ")
			p.operand(&a.value)
		case verbAdd, verbDelete:
			p.text.WriteByte(' ')
			p.operand(&a.value)
		}
	}
	return p.source()
}

// Source is an expression that parses back to p, and the bindings to parse it
// with.
func (p *Projection) Source() (string, *Bindings) {
	printer := newPrinter()
	for i, path := range p.paths {
		if i > 0 {
			printer.text.WriteString(", ")
		}
		printer.path(path)
	}
	return printer.source()
}

// Source is an expression that parses back to k, and the bindings to parse it
// with. A key condition has one or more terms.
func (k *KeyCondition) Source() (string, *Bindings) {
	p := newPrinter()
	for i := range k.Terms {
		if i > 0 {
			p.text.WriteString(" AND ")
		}
		t := &k.Terms[i]
		made := predicate{op: t.Op.operator(), args: []operand{
			{kind: operandPath, path: item.AttributePath(t.Name)},
			{kind: operandValue, value: t.Value},
		}}
		if t.Op == KeyBetween {
			made.args = append(made.args, operand{kind: operandValue, value: t.High})
		}
		p.predicate(&made)
	}
	return p.source()
}

// String is the text of Source, for logs.
func (k *KeyCondition) String() string { return text(k.Source()) }

// String is the text of Source, for logs.
func (c *Condition) String() string { return text(c.Source()) }

// String is the text of Source, for logs.
func (u *Update) String() string { return text(u.Source()) }

// String is the text of Source, for logs.
func (p *Projection) String() string { return text(p.Source()) }

func text(src string, _ *Bindings) string { return src }

// printer writes expressions and gives out placeholders.
type printer struct {
	text   strings.Builder
	names  map[string]string // placeholders by name
	values map[string]item.Value
}

func newPrinter() *printer {
	return &printer{names: map[string]string{}, values: map[string]item.Value{}}
}

func (p *printer) source() (string, *Bindings) {
	b := &Bindings{}
	if len(p.values) > 0 {
		b.Values = p.values
	}
	if len(p.names) > 0 {
		b.Names = make(map[string]string, len(p.names))
		for name, placeholder := range p.names {
			b.Names[placeholder] = name
		}
	}
	return p.text.String(), b
}

func (p *printer) predicate(c *predicate) {
	switch c.op {
	case opAnd, opOr:
		for i := range c.kids {
			if i > 0 {
				p.text.WriteString(" " + c.op.String() + " ")
			}
			p.kid(c, &c.kids[i])
		}
	case opNot:
		p.text.WriteString("NOT ")
		p.kid(c, &c.kids[0])
	case opBetween:
		p.operand(&c.args[0])
		p.text.WriteString(" BETWEEN ")
		p.operand(&c.args[1])
		p.text.WriteString(" AND ")
		p.operand(&c.args[2])
	case opIn:
		p.operand(&c.args[0])
		p.text.WriteString(" IN ")
		p.list(c.args[1:])
	case opType:
		p.text.WriteString(c.op.String())
		p.list([]operand{c.args[0], {kind: operandValue, value: item.String(c.typ.String())}})
	case opExists, opNotExists, opBeginsWith, opContains:
		p.text.WriteString(c.op.String())
		p.list(c.args)
	default:
		p.operand(&c.args[0])
		p.text.WriteString(" " + c.op.String() + " ")
		p.operand(&c.args[1])
	}
}

// kid writes a part of c, in parentheses where it binds no tighter than c.
func (p *printer) kid(c, kid *predicate) {
	loose := kid.op == opOr || kid.op == opAnd && c.op != opOr
	if loose {
		p.text.WriteByte('(')
	}
	p.predicate(kid)
	if loose {
		p.text.WriteByte(')')
	}
}

func (p *printer) operand(o *operand) {
	switch o.kind {
	case operandPath:
		p.path(o.path)
	case operandValue:
		placeholder := fmt.Sprintf(":v%d", len(p.values))
		p.values[placeholder] = o.value
		p.text.WriteString(placeholder)
	case operandPlus, operandMinus:
		p.operand(&o.args[0])
		p.text.WriteString(" " + o.kind.name() + " ")
		p.operand(&o.args[1])
	default:
		p.text.WriteString(o.kind.name())
		p.list(o.args)
	}
}

func (p *printer) list(args []operand) {
	p.text.WriteByte('(')
	for i := range args {
		if i > 0 {
			p.text.WriteString(", ")
		}
		p.operand(&args[i])
	}
	p.text.WriteByte(')')
}

func (p *printer) path(path item.Path) {
	for i, step := range path {
		switch {
		case !step.IsName():
			p.text.WriteString(step.String())
			continue
		case i > 0:
			p.text.WriteByte('.')
		}
		p.text.WriteString(p.name(step.Name))
	}
}

// name is an attribute name as an expression can have it.
func (p *printer) name(s string) string {
	if syntax.IsName(s) {
		return s
	}
	placeholder, ok := p.names[s]
	if !ok {
		placeholder = fmt.Sprintf("#n%d", len(p.names))
		p.names[s] = placeholder
	}
	return placeholder
}
