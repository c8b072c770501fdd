package schema

import (
	"regexp"
	"slices"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// The two values of Table.BillingMode.
const (
	Provisioned   = "PROVISIONED"
	PayPerRequest = "PAY_PER_REQUEST"
)

// The longest key values and key names, in bytes.
const (
	maxPartitionKeySize = 2048
	maxSortKeySize      = 1024
	maxKeyNameSize      = 255
)

// CheckKey says what is wrong with key as the Key of a request: it must hold
// the key attributes and nothing else.
func (t *Table) CheckKey(key item.Item) error {
	parts := 1
	if t.Sort != nil {
		parts = 2
	}
	if key.Len() != parts || key.Get(t.Partition.Name).Kind() != t.Partition.Kind ||
		(t.Sort != nil && key.Get(t.Sort.Name).Kind() != t.Sort.Kind) {
		return storage.Validationf("The provided key element does not match the schema")
	}
	_, _, err := t.keyValues(key)
	return err
}

// keyValues is the values of the key attributes of an item; sk is the zero
// Value when the table has no sort key.
func (t *Table) keyValues(it item.Item) (pk, sk item.Value, err error) {
	pk = it.Get(t.Partition.Name)
	if err := t.checkPartition(pk); err != nil {
		return pk, sk, err
	}
	if t.Sort == nil {
		return pk, sk, nil
	}
	sk = it.Get(t.Sort.Name)
	return pk, sk, t.checkSort(sk)
}

func (t *Table) checkPartition(v item.Value) error {
	if err := checkKeyValue(t.Partition, v); err != nil {
		return err
	}
	if len(v.Str()) > maxPartitionKeySize {
		// The service's own text lacks the space.
		return storage.Validationf("One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of%d bytes", maxPartitionKeySize)
	}
	return nil
}

func (t *Table) checkSort(v item.Value) error {
	if err := checkKeyValue(*t.Sort, v); err != nil {
		return err
	}
	if len(v.Str()) > maxSortKeySize {
		return storage.Validationf("One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of %d bytes", maxSortKeySize)
	}
	return nil
}

func checkKeyValue(k KeyAttribute, v item.Value) error {
	switch {
	case v.IsZero():
		return storage.Validationf("One or more parameter values were invalid: Missing the key %s in the item", k.Name)
	case v.Kind() != k.Kind:
		return storage.Validationf("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", k.Name, k.Kind, v.Kind())
	case v.Kind() == item.S && v.Str() == "":
		return storage.Validationf("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", k.Name)
	case v.Kind() == item.B && v.Str() == "":
		return storage.Validationf("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: %s", k.Name)
	}
	return nil
}

var tableName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

// Validate says what is wrong with t as the description of a new table, in
// DynamoDB's words.
func (t *Table) Validate() error {
	if !tableName.MatchString(t.Name) {
		return storage.Validationf("Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'")
	}
	if err := t.validateThroughput(); err != nil {
		return err
	}
	return t.validateAttributes()
}

// validateAttributes checks that AttributeDefinitions define the key attributes
// and no others.
func (t *Table) validateAttributes() error {
	keys := []KeyAttribute{t.Partition}
	if t.Sort != nil {
		keys = append(keys, *t.Sort)
	}
	for i, a := range t.Attributes {
		if slices.ContainsFunc(t.Attributes[:i], a.sameName) {
			return storage.Validationf("Attribute Name is duplicated: %s", a.Name)
		}
	}
	if len(keys) > len(t.Attributes) {
		return storage.Validationf("Invalid KeySchema: Some index key attribute have no definition")
	}
	for _, k := range keys {
		if len(k.Name) == 0 || len(k.Name) > maxKeyNameSize {
			return storage.Validationf("One or more parameter values were invalid: The name of a key attribute must have 1 to %d bytes", maxKeyNameSize)
		}
		if k.Kind != item.S && k.Kind != item.N && k.Kind != item.B {
			return storage.Validationf("One or more parameter values were invalid: Key attribute %s must be of type S, N or B", k.Name)
		}
		if !slices.Contains(t.Attributes, k) {
			return storage.Validationf("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: %s, AttributeDefinitions: %s", names(keys), names(t.Attributes))
		}
	}
	if len(keys) == 2 && keys[0].sameName(keys[1]) {
		return storage.Validationf("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	}
	if len(t.Attributes) != len(keys) {
		return storage.Validationf("One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return nil
}

func (k KeyAttribute) sameName(l KeyAttribute) bool { return k.Name == l.Name }

func (t *Table) validateThroughput() error {
	switch {
	case t.BillingMode == PayPerRequest && (t.ReadUnits != 0 || t.WriteUnits != 0):
		return storage.Validationf("One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case t.BillingMode == Provisioned && (t.ReadUnits < 1 || t.WriteUnits < 1):
		return storage.Validationf("One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	case t.BillingMode != PayPerRequest && t.BillingMode != Provisioned:
		return storage.Validationf("One or more parameter values were invalid: unknown BillingMode %q", t.BillingMode)
	}
	return nil
}

// names is a list of attribute names as DynamoDB's errors print it.
func names(attrs []KeyAttribute) string {
	s := "["
	for i, a := range attrs {
		if i > 0 {
			s += ", "
		}
		s += a.Name
	}
	return s + "]"
}
