package api

import (
	"strings"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
)

// expressions is the members of a request that hold expressions, and what their
// placeholders stand for.
type expressions struct {
	condition, update, filter, keyCondition, projection awsjson.Text

	names  map[string]string
	values map[string]item.Value
	// invalid is what is wrong with a value, reported in its turn.
	invalid error
}

// read reads the member that r is at, if it is one of x.
func (x *expressions) read(r *awsjson.Reader) bool {
	switch string(r.Name()) {
	case "ConditionExpression":
		x.condition = r.Text()
	case "UpdateExpression":
		x.update = r.Text()
	case "FilterExpression":
		x.filter = r.Text()
	case "KeyConditionExpression":
		x.keyCondition = r.Text()
	case "ProjectionExpression":
		x.projection = r.Text()
	case "ExpressionAttributeNames":
		x.names = r.TextMap()
	case "ExpressionAttributeValues":
		x.values, x.invalid = r.Values()
	default:
		return false
	}
	return true
}

// parameter is a member that an operation has, with its name.
type parameter struct {
	name string
	set  bool
}

func present(params []parameter) []string {
	var names []string
	for _, p := range params {
		if p.set {
			names = append(names, p.name)
		}
	}
	return names
}

// check refuses a mixture of expressions with the members that they have
// replaced, and placeholders without expressions. projecting says that the last
// of exprs is a projection, which takes no values.
func (x *expressions) check(exprs, legacy []parameter) error {
	given := present(exprs)
	if old := present(legacy); len(given) > 0 && len(old) > 0 {
		return awsjson.Validationf("Can not use both expression and non-expression parameters in the same request: "+
			"Non-expression parameters: {%s} Expression parameters: {%s}", strings.Join(old, ", "), strings.Join(given, ", "))
	}
	if x.names != nil && len(given) == 0 {
		return awsjson.Validationf("ExpressionAttributeNames can only be specified when using expressions")
	}
	if x.values == nil {
		return nil
	}
	var users []string
	for _, p := range exprs {
		if p.name == "ProjectionExpression" {
			continue
		}
		if p.set {
			return nil
		}
		users = append(users, p.name)
	}
	be := "is"
	if len(users) > 1 {
		be = "are"
	}
	return awsjson.Validationf("ExpressionAttributeValues can only be specified when using expressions: %s %s null",
		strings.Join(users, " and "), be)
}

// bindings is what the placeholders stand for, nil when there are none.
func (x *expressions) bindings() (*expr.Bindings, error) {
	if x.names == nil && x.values == nil {
		return nil, nil
	}
	if x.invalid != nil {
		return nil, awsjson.Validationf("ExpressionAttributeValues contains invalid value: %s",
			awsjson.ExceptionOf(x.invalid).Message)
	}
	b := &expr.Bindings{Names: x.names, Values: x.values}
	return b, b.Validate()
}
