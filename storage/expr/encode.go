package expr

import (
	"encoding/binary"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

// The binary encoding of trees. It is in the Raft log: a change of it is a new
// version, and old versions stay readable. Equal trees have equal encodings.
//
//	condition  version (1), predicate
//	update     version (1), legacy (0 or 1), count, action*
//	projection version (1), count, path*
//
//	predicate  operator, and then for
//	  AND, OR         count, predicate*
//	  NOT             predicate
//	  IN              count, operand*               the first is what is looked for
//	  attribute_type  operand, kind of value
//	  the others      operand*                      as many as the operator has
//	operand    kind, and then for
//	  path            path
//	  value           value, as package item encodes it
//	  the others      operand*                      as many as the function has
//	action     verb, path, and but for REMOVE operand
//	path       count, step*                         at least one; the first by name
//	step       name: length·2, bytes; index: index·2 + 1
//
// Operators, kinds and verbs are the constants of this package, one byte each.
// Counts, lengths and indexes are unsigned varints of minimal length.
const treeVersion = 1

// maxDepth bounds the depth of a tree that is decoded. A parsed tree has an
// operator at each level.
const maxDepth = syntax.MaxOperators + 1

// Append appends the encoding of c to dst.
func (c *Condition) Append(dst []byte) []byte { return c.root.append(append(dst, treeVersion)) }

// Append appends the encoding of u to dst.
func (u *Update) Append(dst []byte) []byte {
	dst = append(dst, treeVersion, 0)
	if u.legacy {
		dst[len(dst)-1] = 1
	}
	dst = appendCount(dst, len(u.actions))
	for i := range u.actions {
		a := &u.actions[i]
		dst = appendPath(append(dst, byte(a.verb)), a.path)
		if a.verb != verbRemove {
			dst = a.value.append(dst)
		}
	}
	return dst
}

// Append appends the encoding of p to dst.
func (p *Projection) Append(dst []byte) []byte {
	dst = appendCount(append(dst, treeVersion), len(p.paths))
	for _, path := range p.paths {
		dst = appendPath(dst, path)
	}
	return dst
}

func (p *predicate) append(dst []byte) []byte {
	dst = append(dst, byte(p.op))
	switch p.op {
	case opAnd, opOr:
		dst = appendCount(dst, len(p.kids))
	case opIn:
		dst = appendCount(dst, len(p.args))
	}
	for i := range p.kids {
		dst = p.kids[i].append(dst)
	}
	for i := range p.args {
		dst = p.args[i].append(dst)
	}
	if p.op == opType {
		dst = append(dst, byte(p.typ))
	}
	return dst
}

func (o *operand) append(dst []byte) []byte {
	dst = append(dst, byte(o.kind))
	switch o.kind {
	case operandPath:
		return appendPath(dst, o.path)
	case operandValue:
		return item.AppendValue(dst, o.value)
	}
	for i := range o.args {
		dst = o.args[i].append(dst)
	}
	return dst
}

func appendPath(dst []byte, path item.Path) []byte {
	dst = appendCount(dst, len(path))
	for _, step := range path {
		if step.IsName() {
			dst = append(appendCount(dst, len(step.Name)*2), step.Name...)
		} else {
			dst = appendCount(dst, step.Index*2+1)
		}
	}
	return dst
}

func appendCount(dst []byte, n int) []byte { return binary.AppendUvarint(dst, uint64(n)) }

// DecodeCondition decodes what Append wrote and returns what follows it. What
// it returns does not refer to b.
func DecodeCondition(b []byte) (c *Condition, rest []byte, err error) {
	d := decoder{b: b}
	d.version()
	c = &Condition{root: d.predicate(0)}
	if d.err != nil {
		return nil, nil, d.err
	}
	return c, d.b, nil
}

// DecodeUpdate decodes what Append wrote and returns what follows it. What it
// returns does not refer to b.
func DecodeUpdate(b []byte) (u *Update, rest []byte, err error) {
	d := decoder{b: b}
	d.version()
	u = &Update{legacy: d.byte(1) == 1}
	for range d.count(minAction) {
		u.actions = append(u.actions, d.action())
	}
	if d.err != nil {
		return nil, nil, d.err
	}
	return u, d.b, nil
}

// DecodeProjection decodes what Append wrote and returns what follows it. What
// it returns does not refer to b.
func DecodeProjection(b []byte) (p *Projection, rest []byte, err error) {
	d := decoder{b: b}
	d.version()
	var paths []item.Path
	for range d.count(minPath) {
		paths = append(paths, d.path())
	}
	if d.err != nil {
		return nil, nil, d.err
	}
	return newProjection(paths), d.b, nil
}

// The least bytes that the encodings of things have, which bound how many of
// them can follow.
const (
	minStep      = 1
	minPath      = 1 + minStep
	minOperand   = 2
	minPredicate = 2
	minAction    = 1 + minPath
)

// decoder reads an encoding. After the first error it has nothing left, and
// what it returns is worthless.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = storage.Errorf(storage.Corrupt, "expression encoding: bad %s", what)
	}
	d.b = nil
}

func (d *decoder) version() {
	if d.byte(treeVersion) != treeVersion {
		d.fail("version")
	}
}

// byte reads a byte that is at most limit.
func (d *decoder) byte(limit byte) byte {
	if len(d.b) == 0 || d.b[0] > limit {
		d.fail("byte")
		return 0
	}
	x := d.b[0]
	d.b = d.b[1:]
	return x
}

// number reads a varint.
func (d *decoder) number() uint64 {
	x, width := binary.Uvarint(d.b)
	if width <= 0 || width > 1 && d.b[width-1] == 0 {
		d.fail("number")
		return 0
	}
	d.b = d.b[width:]
	return x
}

// count reads how many things follow, each of at least size bytes.
func (d *decoder) count(size int) int {
	n := d.number()
	if n > uint64(len(d.b)/size) {
		d.fail("count")
		return 0
	}
	return int(n)
}

func (d *decoder) predicate(depth int) predicate {
	p := predicate{op: operator(d.byte(byte(opContains)))}
	if depth > maxDepth {
		d.fail("depth")
	}
	switch p.op {
	case opAnd, opOr:
		n := d.count(minPredicate)
		p.kids = make([]predicate, 0, n)
		for range n {
			p.kids = append(p.kids, d.predicate(depth+1))
		}
	case opNot:
		p.kids = []predicate{d.predicate(depth + 1)}
	case opIn:
		n := d.count(minOperand)
		if n < 2 {
			d.fail("operand count")
		}
		p.args = d.operands(n, depth)
	case opType:
		p.args = d.operands(1, depth)
		if p.typ = item.Kind(d.byte(byte(item.BS))); p.typ == item.Invalid {
			d.fail("type")
		}
	case 0:
		d.fail("operator")
	default:
		p.args = d.operands(p.op.arity(), depth)
	}
	for i := range p.args {
		if k := p.args[i].kind; k > operandSize {
			d.fail("operand of condition")
		}
	}
	return p
}

func (d *decoder) operands(n, depth int) []operand {
	args := make([]operand, 0, n)
	for range n {
		args = append(args, d.operand(depth+1))
	}
	return args
}

func (d *decoder) operand(depth int) operand {
	o := operand{kind: operandKind(d.byte(byte(operandListAppend)))}
	if depth > maxDepth {
		d.fail("depth")
	}
	switch o.kind {
	case operandPath:
		o.path = d.path()
	case operandValue:
		o.value = d.value()
	case 0:
		d.fail("operand")
	default:
		o.args = d.operands(o.kind.arity(), depth)
	}
	for i := range o.args {
		// size is of conditions, the other functions are of updates.
		if k := o.args[i].kind; o.kind == operandSize && k > operandSize || o.kind > operandSize && k == operandSize {
			d.fail("argument")
		}
	}
	if o.kind == operandIfNotExists && o.args[0].kind != operandPath {
		d.fail("argument")
	}
	return o
}

func (d *decoder) value() item.Value {
	if d.err != nil {
		return item.Value{}
	}
	v, rest, err := item.DecodeValue(d.b)
	if err != nil {
		d.fail("value")
		return item.Value{}
	}
	d.b = rest
	return v
}

func (d *decoder) path() item.Path {
	n := d.count(minStep)
	if n == 0 {
		d.fail("path")
	}
	path := make(item.Path, 0, n)
	for range n {
		x := d.number()
		switch {
		case x%2 == 1 && x/2 <= maxListIndex && len(path) > 0:
			path = append(path, item.Step{Index: int(x / 2)})
		case x%2 == 0 && x/2 <= uint64(len(d.b)):
			path = append(path, item.Step{Name: string(d.b[:x/2]), Index: -1})
			d.b = d.b[x/2:]
		default:
			d.fail("step")
		}
	}
	return path
}

func (d *decoder) action() action {
	a := action{verb: verb(d.byte(byte(verbDelete)))}
	a.path = d.path()
	switch a.verb {
	case verbSet:
		a.value = d.operand(0)
		if a.value.kind == operandSize {
			d.fail("operand of update")
		}
	case verbAdd, verbDelete:
		a.value = d.operand(0)
		if a.value.kind != operandValue {
			d.fail("operand of update")
		}
	case 0:
		d.fail("verb")
	}
	return a
}
