package expr

import (
	"maps"
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

// Limits of placeholders, from the Amazon DynamoDB Developer Guide ("Quotas",
// expression parameters).
const (
	maxPlaceholderBytes = 255
	maxBindingsBytes    = 2 << 20
)

// Bindings is what the placeholders of a request's expressions stand for:
// ExpressionAttributeNames and ExpressionAttributeValues. It serves one
// request: the parsers note in it which placeholders were used. A request whose
// expressions have none may give nil.
type Bindings struct {
	// Names maps "#name" to an attribute name. nil: not in the request.
	Names map[string]string
	// Values maps ":value" to a value. nil: not in the request.
	Values map[string]item.Value

	used map[string]struct{}
}

// Validate checks the placeholders as such, before any expression is parsed.
// Where several are wrong it is the first in order of name that is reported.
func (b *Bindings) Validate() error {
	if b == nil {
		return nil
	}
	if b.Names != nil && len(b.Names) == 0 {
		return storage.Validationf("ExpressionAttributeNames must not be empty")
	}
	names, values := 0, 0
	for _, key := range slices.Sorted(maps.Keys(b.Names)) {
		if err := validPlaceholder("ExpressionAttributeNames", '#', key); err != nil {
			return err
		}
		if err := item.CheckName(len(b.Names[key])); err != nil {
			return storage.Validationf("ExpressionAttributeNames contains invalid value: %w for key %s", err, key)
		}
		names += len(key) + len(b.Names[key])
	}
	if names > maxBindingsBytes {
		return storage.Validationf("ExpressionAttributeNames exceeds max size")
	}
	if b.Values != nil && len(b.Values) == 0 {
		return storage.Validationf("ExpressionAttributeValues must not be empty")
	}
	for _, key := range slices.Sorted(maps.Keys(b.Values)) {
		if err := validPlaceholder("ExpressionAttributeValues", ':', key); err != nil {
			return err
		}
		if err := checkDepth(b.Values[key], 1); err != nil {
			return storage.Validationf("ExpressionAttributeValues contains invalid value: %w for key %s", err, key)
		}
		values += len(key) + b.Values[key].Size()
	}
	switch {
	case values > maxBindingsBytes:
		return storage.Validationf("ExpressionAttributeValues exceeds max size")
	case names+values > maxBindingsBytes:
		return storage.Validationf("Combined size of ExpressionAttributeNames and ExpressionAttributeValues exceeds max size")
	}
	return nil
}

func validPlaceholder(parameter string, sigil byte, key string) error {
	switch {
	case len(key) <= maxPlaceholderBytes:
	case sigil == '#':
		return storage.Validationf("%s contains invalid key: The expression attribute map contains a key "+
			"that is too long; size of key: %d", parameter, len(key))
	default: // the service says the size of names alone
		return storage.Validationf("%s contains invalid key: The expression attribute map contains a key "+
			"that is too long;", parameter)
	}
	if key == "" || key[0] != sigil || !syntax.IsWord(key[1:]) {
		return storage.Validationf(`%s contains invalid key: Syntax error; key: "%s"`, parameter, key)
	}
	return nil
}

// Unused is DynamoDB's error for placeholders that no parsed expression used,
// nil when there are none. The values are reported when all names were used.
func (b *Bindings) Unused() error {
	if b == nil {
		return nil
	}
	if keys := unused(b.Names, b.used); len(keys) > 0 {
		return storage.Validationf("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}",
			strings.Join(keys, ", "))
	}
	if keys := unused(b.Values, b.used); len(keys) > 0 {
		return storage.Validationf("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}",
			strings.Join(keys, ", "))
	}
	return nil
}

func unused[V any](bound map[string]V, used map[string]struct{}) []string {
	var keys []string
	for key := range bound {
		if _, ok := used[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// name is the attribute name that a "#name" stands for.
func (b *Bindings) name(placeholder string) (string, bool) {
	if b == nil {
		return "", false
	}
	name, ok := b.Names[placeholder]
	if ok {
		b.use(placeholder)
	}
	return name, ok
}

// value is the value that a ":value" stands for.
func (b *Bindings) value(placeholder string) (item.Value, bool) {
	if b == nil {
		return item.Value{}, false
	}
	v, ok := b.Values[placeholder]
	if ok {
		b.use(placeholder)
	}
	return v, ok
}

func (b *Bindings) use(placeholder string) {
	if b.used == nil {
		b.used = make(map[string]struct{}, len(b.Names)+len(b.Values))
	}
	b.used[placeholder] = struct{}{}
}
