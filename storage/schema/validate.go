package schema

import (
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// The words for the two parts of a key in DynamoDB's errors.
const (
	hashKey  = "hashkey"
	rangeKey = "rangekey"
)

// Validate says what is wrong with t, in DynamoDB's words.
func (t *Table) Validate() error {
	return nil
}

// CheckKey says what is wrong with key as the Key of a request: it must hold
// the key attributes and nothing else.
func (t *Table) CheckKey(key item.Item) error {
	return nil
}

// keyValues is the values of the key attributes of an item; sk is the zero
// Value when the table has no sort key.
func (t *Table) keyValues(it item.Item) (pk, sk item.Value, err error) {
	pk = it.Get(t.Partition.Name)
	if err := checkKeyValue(t.Partition, pk, maxPartitionKeySize, hashKey); err != nil {
		return pk, sk, err
	}
	if t.Sort == nil {
		return pk, sk, nil
	}
	sk = it.Get(t.Sort.Name)
	return pk, sk, checkKeyValue(*t.Sort, sk, maxSortKeySize, rangeKey)
}

func checkKeyValue(k KeyAttribute, v item.Value, limit int, part string) error {
	switch {
	case v.IsZero():
		return storage.Validationf("One or more parameter values were invalid: Missing the key %s in the item", k.Name)
	case v.Kind() != k.Kind:
		return storage.Validationf("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", k.Name, k.Kind, v.Kind())
	case v.Kind() == item.N:
		return nil
	case v.Str() == "":
		return storage.Validationf("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", k.Name)
	case len(v.Str()) > limit:
		return storage.Validationf("One or more parameter values were invalid: Size of %s has exceeded the maximum size limit of %d bytes", part, limit)
	}
	return nil
}
