// Package expr is DynamoDB's expression language: condition, filter, key
// condition, projection and update expressions.
//
// It owns the text of the language (a lexer and a recursive descent parser),
// its trees with names and values substituted, their evaluation on items, and
// their binary encoding, in which they travel in the Raft log. Errors are
// storage.Validation with DynamoDB's own texts. Trees are immutable and
// evaluation is deterministic, so that every peer comes to the same result.
//
// It must not know of tables, keys on disk, requests or JSON.
package expr

import "github.com/roundtabledb/roundtable/storage/item"

// Condition is a parsed condition or filter expression.
type Condition struct{ root predicate }

// Match reports whether it satisfies c. An absent item is the empty one.
func (c *Condition) Match(it item.Item) (bool, error) { return false, nil }

// String is an expression that parses back to c with the bindings that
// Source returns.
func (c *Condition) String() string { return "" }

// Append appends the encoding of c to dst.
func (c *Condition) Append(dst []byte) []byte { return dst }

// DecodeCondition decodes what Append wrote and returns what follows it.
func DecodeCondition(b []byte) (c *Condition, rest []byte, err error) { return nil, nil, nil }

// Update is a parsed update expression.
type Update struct{}

// Apply returns it as changed by u. All operands are evaluated on it as given.
func (u *Update) Apply(it item.Item) (item.Item, error) { return it, nil }

// Updated returns the parts of it that u names: for UPDATED_OLD of the item
// before, for UPDATED_NEW of the item after.
func (u *Update) Updated(it item.Item) item.Item { return it }

// String is an expression that parses back to u.
func (u *Update) String() string { return "" }

// Append appends the encoding of u to dst.
func (u *Update) Append(dst []byte) []byte { return dst }

// DecodeUpdate decodes what Append wrote and returns what follows it.
func DecodeUpdate(b []byte) (u *Update, rest []byte, err error) { return nil, nil, nil }

// Projection is a parsed projection expression.
type Projection struct{}

// Apply returns the parts of it that p names.
func (p *Projection) Apply(it item.Item) item.Item { return it }

// String is an expression that parses back to p.
func (p *Projection) String() string { return "" }

// Append appends the encoding of p to dst.
func (p *Projection) Append(dst []byte) []byte { return dst }

// DecodeProjection decodes what Append wrote and returns what follows it.
func DecodeProjection(b []byte) (p *Projection, rest []byte, err error) { return nil, nil, nil }

// ParseCondition parses a ConditionExpression.
func ParseCondition(src string, b *Bindings) (*Condition, error) { return nil, nil }

// ParseFilter parses a FilterExpression.
func ParseFilter(src string, b *Bindings) (*Condition, error) { return nil, nil }

// ParseUpdate parses an UpdateExpression.
func ParseUpdate(src string, b *Bindings) (*Update, error) { return nil, nil }

// ParseProjection parses a ProjectionExpression.
func ParseProjection(src string, b *Bindings) (*Projection, error) { return nil, nil }

// ParseKeyCondition parses a KeyConditionExpression.
func ParseKeyCondition(src string, b *Bindings) (*KeyCondition, error) { return nil, nil }

type predicate struct{}
