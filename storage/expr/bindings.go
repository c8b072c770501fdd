package expr

import "github.com/roundtabledb/roundtable/storage/item"

// Bindings is what the placeholders of a request's expressions stand for:
// ExpressionAttributeNames and ExpressionAttributeValues. All expressions of a
// request are parsed with the same Bindings, and then Unused is asked.
type Bindings struct {
	// Names maps "#name" to an attribute name.
	Names map[string]string
	// Values maps ":value" to a value.
	Values map[string]item.Value

	usedNames, usedValues map[string]struct{}
}

// Unused is DynamoDB's error for placeholders that no parsed expression used.
func (b *Bindings) Unused() error { return nil }
