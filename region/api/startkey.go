package api

import (
	"strings"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/query"
	"github.com/roundtabledb/roundtable/region/request"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// This file reads the ExclusiveStartKey of Query and Scan: where a page goes on.
// The two say in different words what is wrong with it.

const invalidStart = "The provided starting key is invalid"

// checkStartValues refuses a starting key with values that are not acceptable.
// DynamoDB says whose they are, but not of what fails while it converts
// numbers and the members of sets.
func (in *pageRequest) checkStartValues() error {
	err := in.startKey.Invalid
	if err == nil {
		return nil
	}
	text := awsjson.ExceptionOf(err).Message
	for _, checked := range []string{
		"Supplied AttributeValue ",
		"One or more parameter values were invalid: Null attribute value ",
		"One or more parameter values were invalid: An string set  may not be empty",
		"One or more parameter values were invalid: Binary sets should not be empty",
	} {
		if strings.HasPrefix(text, checked) {
			return awsjson.Validationf("%s: %s", invalidStart, text)
		}
	}
	return err
}

// queryRange is the keys that a Query has still to look at.
func (in *pageRequest) queryRange(t *schema.Table, condition *expr.KeyCondition) (query.Range, error) {
	partition, sort := expr.KeyName(t.Partition), expr.KeyName{}
	if t.Sort != nil {
		sort = expr.KeyName(*t.Sort)
	}
	start, err := in.queryStart(t)
	if err != nil {
		return query.Range{}, err
	}
	value, term, err := condition.Split(partition, sort, start.check)
	if err != nil {
		return query.Range{}, err
	}
	keys, err := query.Keys(t, value, term)
	if err != nil || start == nil {
		return keys, err
	}
	if err := start.within(t, keys, value, term); err != nil {
		return query.Range{}, err
	}
	key, err := t.EncodeKey(start.key)
	if err != nil {
		return query.Range{}, awsjson.Validationf(invalidStart)
	}
	return keys.After(key, in.forward.Set && !in.forward.Value), nil
}

// queryStart is the starting key of a Query; a nil one is none.
type queryStart struct{ key item.Item }

// queryStart is the starting key of a Query, as far as that is clear from the
// number of its attributes.
func (in *pageRequest) queryStart(t *schema.Table) (*queryStart, error) {
	if !in.startKey.Set {
		return nil, nil
	}
	key, err := in.startKey.Item.Decode()
	if err != nil {
		return nil, err
	}
	parts := 1
	if t.Sort != nil {
		parts = 2
	}
	if key.Len() != parts {
		return nil, awsjson.Validationf(invalidStart)
	}
	return &queryStart{key}, nil
}

// check checks one attribute of s.
func (s *queryStart) check(k expr.KeyName) error {
	if s == nil {
		return nil
	}
	switch v := s.key.Get(k.Name); {
	case v.IsZero():
		return awsjson.Validationf(invalidStart)
	case v.Kind() != k.Kind:
		return awsjson.Validationf("The provided key element does not match the schema")
	}
	return nil
}

// within refuses a starting key that lies outside of the keys of a Query, which
// have the partition key value and satisfy term, if that is not nil.
func (s *queryStart) within(t *schema.Table, keys query.Range, value item.Value, term *expr.KeyTerm) error {
	same := s.key.Get(t.Partition.Name).Equal(value)
	if term == nil {
		if !same {
			return awsjson.Validationf("The provided starting key is outside query boundaries based on provided conditions")
		}
		return nil
	}
	attributes := []item.Attribute{{Name: t.Partition.Name, Value: value}, {Name: t.Sort.Name, Value: s.key.Get(t.Sort.Name)}}
	beside, err := t.EncodeKey(item.NewItem(attributes...))
	switch {
	case err != nil:
		return awsjson.Validationf(invalidStart)
	case !keys.Contains(beside):
		return awsjson.Validationf("The provided starting key does not match the range key predicate")
	case !same:
		// These words, wherever the condition of the sort key leads.
		return awsjson.Validationf("The query can return at most one row and cannot be restarted")
	}
	return nil
}

// scanRange is the keys that a Scan has still to look at.
func (in *pageRequest) scanRange(t *schema.Table) (query.Range, error) {
	var keys query.Range
	if in.total.Set {
		keys = query.Segment(int(in.segment.Value), int(in.total.Value))
	}
	if !in.startKey.Set {
		return keys, nil
	}
	start, err := request.Key(t, in.startKey.Item)
	switch {
	case storage.KindOf(err) == storage.Validation:
		return keys, awsjson.Validationf("%s: %s", invalidStart, awsjson.ExceptionOf(err).Message)
	case err != nil:
		return keys, err
	case !keys.Contains(start):
		return keys, awsjson.Validationf("%s: Invalid ExclusiveStartKey. "+
			"Please use ExclusiveStartKey with correct Segment. TotalSegments: %d Segment: %d", invalidStart, in.total.Value, in.segment.Value)
	}
	return keys.After(start, false), nil
}
