package expr

import "github.com/roundtabledb/roundtable/storage/item"

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

// KeyTerm is one comparison of a key attribute: with Value, and for
// KeyBetween also with High.
type KeyTerm struct {
	Name  string
	Op    KeyOp
	Value item.Value
	High  item.Value
}

// KeyCondition is a parsed key condition: comparisons joined by AND, each
// attribute compared once. Which attribute is the partition key, only the
// caller's schema knows: see Split.
type KeyCondition struct{ Terms []KeyTerm }

// KeyName is a key attribute as a schema defines it.
type KeyName struct {
	Name string
	Kind item.Kind
}

// Split checks k against a key schema and returns the value of the partition
// key and the comparison of the sort key, nil when there is none. A zero sort
// says that the schema has no sort key.
func (k *KeyCondition) Split(partition, sort KeyName) (item.Value, *KeyTerm, error) {
	return item.Value{}, nil, nil
}
