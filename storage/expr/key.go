package expr

import (
	"slices"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

// KeyOp is a comparison that a key condition makes.
type KeyOp uint8

// The comparisons of key conditions. A partition key allows KeyEQ alone.
const (
	KeyEQ KeyOp = iota + 1
	KeyLT
	KeyLE
	KeyGT
	KeyGE
	KeyBetween
	KeyBeginsWith
)

// KeyTerm is one comparison of a key attribute: with Value, and for KeyBetween
// also with High. A zero Op is one that no index can answer: see Split.
type KeyTerm struct {
	Name  string
	Op    KeyOp
	Value item.Value
	High  item.Value
}

// KeyCondition is a parsed key condition: comparisons joined by AND, each
// attribute compared once. Which attribute is the partition key only a schema
// knows: see Split.
type KeyCondition struct{ Terms []KeyTerm }

// KeyName is a key attribute as a schema defines it.
type KeyName struct {
	Name string
	Kind item.Kind
}

// Split checks k against a key schema and returns the value of the partition
// key and the comparison of the sort key, nil when there is none. A zero sort
// says that the schema has no sort key. Ahead of what k says of a key attribute
// it calls before, if that is not nil: DynamoDB goes through a starting key and
// its condition together.
func (k *KeyCondition) Split(partition, sort KeyName, before func(KeyName) error) (item.Value, *KeyTerm, error) {
	keys := []KeyName{partition}
	if sort.Name != "" {
		keys = append(keys, sort)
	}
	if len(k.Terms) > 2 {
		return item.Value{}, nil, storage.Validationf("The number of query conditions (%d) exceeds the number of key attributes "+
			"defined in the schema (%d)", len(k.Terms), len(keys))
	}
	for i, key := range keys {
		if before != nil {
			if err := before(key); err != nil {
				return item.Value{}, nil, err
			}
		}
		if err := k.check(key, i == 0, len(keys)); err != nil {
			return item.Value{}, nil, err
		}
	}
	hash, other := k.term(partition.Name)
	return hash.Value, other, nil
}

// check checks what k says of one key attribute of a schema that has keys of
// them.
func (k *KeyCondition) check(key KeyName, isPartition bool, keys int) error {
	if keys == 1 && len(k.Terms) > 1 {
		return storage.Validationf("Query key condition not supported")
	}
	t, _ := k.term(key.Name)
	switch {
	case t == nil && (isPartition || len(k.Terms) > 1):
		return storage.Validationf("Query condition missed key schema element: %s", key.Name)
	case t == nil:
		return nil
	case t.Op == 0:
		return storage.Validationf("Attempted conditional constraint is not an indexable operation")
	}
	if err := t.check(key); err != nil {
		return err
	}
	if isPartition && t.Op != KeyEQ {
		return storage.Validationf("Query key condition not supported")
	}
	return nil
}

// term is the term of an attribute, and of what remains one that is not.
func (k *KeyCondition) term(name string) (t, other *KeyTerm) {
	for i := range k.Terms {
		if k.Terms[i].Name == name {
			t = &k.Terms[i]
		} else {
			other = &k.Terms[i]
		}
	}
	return t, other
}

// check checks the values of t against what the schema says of the attribute.
func (t *KeyTerm) check(key KeyName) error {
	for _, v := range []item.Value{t.Value, t.High} {
		switch {
		case v.IsZero():
		case v.Kind() != key.Kind:
			return storage.Validationf("One or more parameter values were invalid: " +
				"Condition parameter type does not match schema type")
		case v.Kind() == item.S && v.Str() == "":
			return storage.Validationf("One or more parameter values are not valid. "+
				"The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", key.Name)
		case v.Kind() == item.B && v.Str() == "":
			return storage.Validationf("One or more parameter values are not valid. "+
				"The AttributeValue for a key attribute cannot contain an empty binary value. Key: %s", key.Name)
		}
	}
	return nil
}

// ParseKeyCondition parses a KeyConditionExpression. It is a condition in which
// only comparisons of top-level attributes with values are allowed.
func ParseKeyCondition(src string, b *Bindings) (*KeyCondition, error) {
	c, err := ParseKeyExpression(src, b)
	if err != nil {
		return nil, err
	}
	return c.KeyCondition()
}

// ParseKeyExpression parses a KeyConditionExpression as a condition of any
// kind. Whether it is a key condition DynamoDB asks later: see KeyCondition.
func ParseKeyExpression(src string, b *Bindings) (*Condition, error) {
	return parseCondition(syntax.KeyConditionExpression, src, b)
}

// KeyCondition is c as a key condition.
func (c *Condition) KeyCondition() (*KeyCondition, error) {
	k := new(KeyCondition)
	if err := k.collect(&c.root); err != nil {
		return nil, err
	}
	return k, nil
}

// collect adds the terms of p.
func (k *KeyCondition) collect(p *predicate) error {
	switch p.op {
	case opAnd:
		for i := range p.kids {
			if err := k.collect(&p.kids[i]); err != nil {
				return err
			}
		}
		return nil
	case opOr, opNot, opIn, opNE, opExists, opNotExists, opType, opContains:
		return storage.Validationf("Invalid operator used in KeyConditionExpression: %s", p.op)
	case opBetween, opBeginsWith:
		if p.args[0].kind == operandValue {
			return invalidKeyTerm("%s operator must have the key attribute as its first operand", p.op)
		}
	}
	t, err := keyTerm(p)
	if err != nil {
		return err
	}
	if seen, _ := k.term(t.Name); seen != nil {
		return storage.Validationf("Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key")
	}
	k.Terms = append(k.Terms, t)
	return nil
}

func invalidKeyTerm(format string, args ...any) error {
	return storage.Validationf("Invalid condition in KeyConditionExpression: "+format, args...)
}

// keyTerm makes a term of a comparison: the attribute may stand on either side.
func keyTerm(p *predicate) (KeyTerm, error) {
	t := KeyTerm{Op: keyOps[p.op]}
	for i := range p.args {
		switch o := &p.args[i]; {
		case o.kind == operandSize:
			return t, storage.Validationf("Invalid KeyConditionExpression: KeyConditionExpressions cannot contain nested operations")
		case o.kind == operandPath && t.Name != "":
			return t, invalidKeyTerm("Multiple attribute names used in one condition")
		case o.kind == operandPath && len(o.path) > 1:
			return t, storage.Validationf("Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes")
		case o.kind == operandPath:
			t.Name = o.path[0].Name
			if i == 1 {
				t.Op = t.Op.mirrored()
			}
		case t.Value.IsZero():
			t.Value = o.value
		default:
			t.High = o.value
		}
	}
	if t.Name == "" {
		return t, invalidKeyTerm("No key attribute specified")
	}
	return t, nil
}

var keyOps = [...]KeyOp{
	opEQ:         KeyEQ,
	opLT:         KeyLT,
	opLE:         KeyLE,
	opGT:         KeyGT,
	opGE:         KeyGE,
	opBetween:    KeyBetween,
	opBeginsWith: KeyBeginsWith,
	opContains:   0,
}

// operator is the operator of conditions that o is.
func (o KeyOp) operator() operator {
	return operator(slices.Index(keyOps[:], o))
}

// mirrored is the comparison with its sides exchanged.
func (o KeyOp) mirrored() KeyOp {
	switch o {
	case KeyLT:
		return KeyGT
	case KeyLE:
		return KeyGE
	case KeyGT:
		return KeyLT
	case KeyGE:
		return KeyLE
	}
	return o
}
