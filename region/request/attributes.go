package request

import (
	"cmp"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// Attributes is a member that is an item or a key.
type Attributes struct {
	Set  bool
	Item item.Encoded
	// Invalid is DynamoDB's error for values that are of the right shape but
	// not acceptable. It is reported in its turn.
	Invalid error
}

// ReadAttributes reads a member that is an item or a key.
func ReadAttributes(r *awsjson.Reader) Attributes {
	it, err := r.Item()
	return Attributes{Set: it != nil || err != nil, Item: it, Invalid: err}
}

// Key checks the Key of a request and encodes it.
func Key(t *schema.Table, e item.Encoded) ([]byte, error) {
	key, err := e.Decode()
	if err != nil {
		return nil, err
	}
	if err := t.CheckKey(key); err != nil {
		return nil, err
	}
	return t.EncodeKey(key)
}

// ItemKey encodes the key of an item that is to be stored.
func ItemKey(t *schema.Table, e item.Encoded) ([]byte, error) {
	names := [2]string{t.Partition.Name}
	count := 1
	if t.Sort != nil {
		names[1] = t.Sort.Name
		count++
	}
	var attrs []item.Attribute
	for _, name := range names[:count] {
		v, ok, err := e.Attribute(name)
		if err != nil {
			return nil, err
		}
		if ok {
			attrs = append(attrs, item.Attribute{Name: name, Value: v})
		}
	}
	return t.EncodeKey(item.NewItem(attrs...))
}

// BatchItemKey is ItemKey for BatchWriteItem, which has other words for a key
// attribute that is of the wrong type.
func BatchItemKey(t *schema.Table, e item.Encoded) ([]byte, error) {
	for _, k := range []*schema.KeyAttribute{&t.Partition, t.Sort} {
		if k == nil {
			continue
		}
		if v, ok, err := e.Attribute(k.Name); err != nil || !ok || v.Kind() != k.Kind {
			return nil, cmp.Or(err, error(awsjson.Validationf("The provided key element does not match the schema")))
		}
	}
	return ItemKey(t, e)
}
