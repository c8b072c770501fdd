// Package request reads and checks what requests on items have in common: items
// and keys, expressions and their placeholders, and the legacy members that
// expressions have replaced.
//
// What is wrong with a value is kept until its turn comes: DynamoDB first reads
// a whole request, then holds it against its model, then looks at values.
package request

import (
	"maps"
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
)

// Expressions is the members of a request that hold expressions, and what their
// placeholders stand for.
type Expressions struct {
	Condition, Update, Filter, KeyCondition, Projection awsjson.Text

	Names  map[string]string
	Values map[string]item.Value
	// Invalid is what is wrong with a value, reported in its turn.
	Invalid error
	// Words is how that is reported.
	Words Words
}

// Read reads the member that r is at, if it is one of x.
func (x *Expressions) Read(r *awsjson.Reader) bool {
	switch string(r.Name()) {
	case "ConditionExpression":
		x.Condition = r.Text()
	case "UpdateExpression":
		x.Update = r.Text()
	case "FilterExpression":
		x.Filter = r.Text()
	case "KeyConditionExpression":
		x.KeyCondition = r.Text()
	case "ProjectionExpression":
		x.Projection = r.Text()
	case "ExpressionAttributeNames":
		x.Names = r.TextMap()
	case "ExpressionAttributeValues":
		x.Values, x.Invalid = r.Values()
	default:
		return false
	}
	return true
}

// given reports whether the request has an expression, by the member's name.
func (x *Expressions) given(name string) bool {
	switch name {
	case "ConditionExpression":
		return x.Condition.Set
	case "UpdateExpression":
		return x.Update.Set
	case "FilterExpression":
		return x.Filter.Set
	case "KeyConditionExpression":
		return x.KeyCondition.Set
	case ProjectionExpression:
		return x.Projection.Set
	default:
		return false
	}
}

// ProjectionExpression is the expression that takes no values.
const ProjectionExpression = "ProjectionExpression"

// Check refuses a mixture of expressions with the members that they have
// replaced, and placeholders without expressions. exprs and old name those that
// the operation has, in the order in which DynamoDB's errors list them.
func (x *Expressions) Check(l *Legacy, exprs, old []string) error {
	if l.absent() && x.Names == nil && x.Values == nil {
		return nil
	}
	given := named(exprs, x.given)
	if replaced := named(old, l.given); len(given) > 0 && len(replaced) > 0 {
		return awsjson.Validationf("Can not use both expression and non-expression parameters in the same request: "+
			"Non-expression parameters: {%s} Expression parameters: {%s}", strings.Join(replaced, ", "), strings.Join(given, ", "))
	}
	if x.Names != nil && len(given) == 0 {
		return awsjson.Validationf("ExpressionAttributeNames can only be specified when using expressions")
	}
	if x.Values == nil {
		return nil
	}
	var users []string
	for _, name := range exprs {
		if name == ProjectionExpression {
			continue
		}
		if x.given(name) {
			return nil
		}
		users = append(users, name)
	}
	if x.Words != Older {
		return awsjson.Validationf("ExpressionAttributeValues can only be specified when using expressions")
	}
	be := "is"
	if len(users) > 1 {
		be = "are"
	}
	return awsjson.Validationf("ExpressionAttributeValues can only be specified when using expressions: %s %s null",
		strings.Join(users, " and "), be)
}

func named(names []string, given func(string) bool) []string {
	var found []string
	for _, name := range names {
		if given(name) {
			found = append(found, name)
		}
	}
	return found
}

// Bindings is what the placeholders stand for, nil when there are none.
func (x *Expressions) Bindings() (*expr.Bindings, error) {
	if x.Names == nil && x.Values == nil {
		return nil, nil
	}
	if x.Invalid != nil && x.Words != Older {
		return nil, x.Invalid
	}
	b := &expr.Bindings{Names: x.Names, Values: x.Values}
	if err := b.Validate(); err != nil {
		return nil, err
	}
	if x.Invalid != nil {
		return nil, awsjson.Validationf("ExpressionAttributeValues contains invalid value: %s for key %s",
			awsjson.ExceptionOf(x.Invalid).Message, x.invalidKey())
	}
	return b, nil
}

// invalidKey is the placeholder of a value that is not acceptable.
func (x *Expressions) invalidKey() string {
	for _, key := range slices.Sorted(maps.Keys(x.Values)) {
		if x.Values[key].IsZero() {
			return key
		}
	}
	return ""
}
