// Package schema describes tables: the key attributes by which their items are
// found, and the settings that clients gave them. It turns the key attributes
// of an item into the bytes under which a partition stores it, and back. It
// knows nothing of where partitions are or who holds them.
package schema

import (
	"encoding/binary"

	"github.com/dchest/siphash"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// KeyAttribute is a named attribute and its type, S, N or B: one of a table's
// AttributeDefinitions.
type KeyAttribute struct {
	Name string    `json:"name"`
	Kind item.Kind `json:"kind"`
}

// Table is what a region's catalog knows of a table besides where its items
// are. It is stored as JSON: members may be added, none renamed or given
// another meaning. A Table is shared and not changed once it is in use.
type Table struct {
	Name string `json:"name"`
	// ID is DynamoDB's TableId, unique among all tables that ever were.
	ID string `json:"id"`
	// HashSeed keys the hash that spreads partition keys, so that nobody can
	// choose keys that meet in one partition.
	HashSeed [16]byte `json:"hashSeed"`

	Partition KeyAttribute  `json:"partition"`
	Sort      *KeyAttribute `json:"sort,omitempty"`
	// Attributes is AttributeDefinitions, as given.
	Attributes []KeyAttribute `json:"attributes"`

	// BillingMode is Provisioned or PayPerRequest. ReadUnits and WriteUnits are
	// 0 with the latter.
	BillingMode string `json:"billingMode"`
	ReadUnits   int64  `json:"readUnits,omitempty"`
	WriteUnits  int64  `json:"writeUnits,omitempty"`
	// TableClass is STANDARD or STANDARD_INFREQUENT_ACCESS; empty means the
	// former, never set.
	TableClass string `json:"tableClass,omitempty"`
	// TableClassMillis is when TableClass was last changed, 0 if it never was.
	TableClassMillis   int64             `json:"tableClassMillis,omitempty"`
	DeletionProtection bool              `json:"deletionProtection,omitempty"`
	CreatedMillis      int64             `json:"createdMillis"`
	Tags               map[string]string `json:"tags,omitempty"`

	// MaxReadUnits and MaxWriteUnits are OnDemandThroughput, 0 for no maximum.
	MaxReadUnits  int64 `json:"maxReadUnits,omitempty"`
	MaxWriteUnits int64 `json:"maxWriteUnits,omitempty"`
	// WarmReadUnits and WarmWriteUnits are WarmThroughput, which only grows. 0
	// is what the billing mode alone makes of it.
	WarmReadUnits  int64 `json:"warmReadUnits,omitempty"`
	WarmWriteUnits int64 `json:"warmWriteUnits,omitempty"`
	// Billing is how the billing of the table has changed.
	Billing BillingHistory `json:"billing,omitzero"`
}

// BillingHistory is what clients see of a table's past settings of throughput.
type BillingHistory struct {
	// PayPerRequestMillis is when BillingMode last became PayPerRequest, 0 if it
	// never did. It may be 0 while a table is what it was made.
	PayPerRequestMillis int64 `json:"payPerRequestMillis,omitempty"`
	// IncreaseMillis and DecreaseMillis are when provisioned units were last
	// raised and lowered. Decreases is how often they were lowered on the day,
	// in UTC, of DecreaseMillis.
	IncreaseMillis int64 `json:"increaseMillis,omitempty"`
	DecreaseMillis int64 `json:"decreaseMillis,omitempty"`
	Decreases      int64 `json:"decreases,omitempty"`
}

// hashSize is the width of the hash that begins an encoded key.
const hashSize = 8

// Key is the key attributes of it, which is an item to be stored. Errors have
// the texts that DynamoDB has for items; for keys in requests see CheckKey.
func (t *Table) Key(it item.Item) (item.Item, error) {
	pk, sk, err := t.keyValues(it)
	if err != nil {
		return item.Item{}, err
	}
	return t.keyItem(pk, sk), nil
}

// EncodeKey is the bytes under which it is stored: the hash of the encoded
// partition key, the encoded partition key, the encoded sort key. So the items
// of one partition key are neighbours, in order of their sort keys.
func (t *Table) EncodeKey(it item.Item) ([]byte, error) {
	pk, sk, err := t.keyValues(it)
	if err != nil {
		return nil, err
	}
	return t.encode(pk, sk), nil
}

// EncodeKeyOf is EncodeKey of an item that is already encoded.
func (t *Table) EncodeKeyOf(e item.Encoded) ([]byte, error) {
	var attrs []item.Attribute
	for _, name := range t.keyNames() {
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

func (t *Table) keyNames() []string {
	if t.Sort == nil {
		return []string{t.Partition.Name}
	}
	return []string{t.Partition.Name, t.Sort.Name}
}

// PartitionPrefix is what the encoded keys of all items with partition key pk
// begin with.
func (t *Table) PartitionPrefix(pk item.Value) ([]byte, error) {
	if err := t.checkPartition(pk); err != nil {
		return nil, err
	}
	return t.encode(pk, item.Value{}), nil
}

// DecodeKey is the key attributes that EncodeKey encoded.
func (t *Table) DecodeKey(key []byte) (item.Item, error) {
	if len(key) < hashSize {
		return item.Item{}, corruptKey(t.Name)
	}
	pk, rest, err := item.DecodeKey(key[hashSize:], t.Partition.Kind)
	if err != nil {
		return item.Item{}, err
	}
	var sk item.Value
	if t.Sort != nil {
		if sk, rest, err = item.DecodeKey(rest, t.Sort.Kind); err != nil {
			return item.Item{}, err
		}
	}
	if len(rest) > 0 {
		return item.Item{}, corruptKey(t.Name)
	}
	return t.keyItem(pk, sk), nil
}

func (t *Table) keyItem(pk, sk item.Value) item.Item {
	if t.Sort == nil {
		return item.NewItem(item.Attribute{Name: t.Partition.Name, Value: pk})
	}
	return item.NewItem(
		item.Attribute{Name: t.Partition.Name, Value: pk},
		item.Attribute{Name: t.Sort.Name, Value: sk},
	)
}

// encode is the encoded key of pk and sk, or of pk alone when sk is absent.
func (t *Table) encode(pk, sk item.Value) []byte {
	key := make([]byte, hashSize, hashSize+len(pk.Str())+len(sk.Str())+48)
	key = item.AppendKey(key, pk)
	seed0, seed1 := binary.LittleEndian.Uint64(t.HashSeed[:8]), binary.LittleEndian.Uint64(t.HashSeed[8:])
	binary.BigEndian.PutUint64(key, siphash.Hash(seed0, seed1, key[hashSize:]))
	if !sk.IsZero() {
		key = item.AppendKey(key, sk)
	}
	return key
}

// PrefixEnd is the smallest key after all that begin with prefix; nil when
// there is none.
func PrefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

func corruptKey(table string) error {
	return storage.Errorf(storage.Corrupt, "key of table %s is damaged", table)
}
