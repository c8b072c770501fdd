// Package query turns the key conditions, segments and starting keys of Query
// and Scan into ranges of encoded keys.
//
// It knows how a table's keys are ordered, and that the items of one partition
// key are neighbours. It reads nothing.
package query

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// Range is the encoded keys from Lo, inclusive, to Hi, exclusive. An empty Lo
// is the beginning and an empty Hi the end of all keys.
type Range struct{ Lo, Hi []byte }

// Empty reports whether no key lies in r.
func (r Range) Empty() bool {
	return len(r.Hi) > 0 && bytes.Compare(r.Lo, r.Hi) >= 0
}

// Contains reports whether key lies in r.
func (r Range) Contains(key []byte) bool {
	return bytes.Compare(r.Lo, key) <= 0 && (len(r.Hi) == 0 || bytes.Compare(key, r.Hi) < 0)
}

// After is what is left of r behind key, in the direction of reading.
func (r Range) After(key []byte, reverse bool) Range {
	if reverse {
		return Range{Lo: r.Lo, Hi: key}
	}
	return Range{Lo: successor(key), Hi: r.Hi}
}

// successor is the smallest byte string after key. Encoded keys delimit
// themselves, so no other key lies before it.
func successor(key []byte) []byte {
	return append(bytes.Clone(key), 0)
}

// Keys is the keys of t with a partition key and, if sort is not nil, a sort
// key that satisfies it.
func Keys(t *schema.Table, partition item.Value, sort *expr.KeyTerm) (Range, error) {
	prefix, err := t.PartitionPrefix(partition)
	if err != nil {
		return Range{}, err
	}
	all := Range{Lo: prefix, Hi: schema.PrefixEnd(prefix)}
	if sort == nil {
		return all, nil
	}
	at := func(v item.Value) []byte { return item.AppendKey(bytes.Clone(prefix), v) }
	switch key := at(sort.Value); sort.Op {
	case expr.KeyEQ:
		return Range{Lo: key, Hi: successor(key)}, nil
	case expr.KeyLT:
		return Range{Lo: all.Lo, Hi: key}, nil
	case expr.KeyLE:
		return Range{Lo: all.Lo, Hi: successor(key)}, nil
	case expr.KeyGT:
		return Range{Lo: successor(key), Hi: all.Hi}, nil
	case expr.KeyGE:
		return Range{Lo: key, Hi: all.Hi}, nil
	case expr.KeyBetween:
		return Range{Lo: key, Hi: successor(at(sort.High))}, nil
	case expr.KeyBeginsWith:
		end, ok := afterAllWith(sort.Value)
		if !ok {
			return Range{Lo: key, Hi: all.Hi}, nil
		}
		return Range{Lo: key, Hi: at(end)}, nil
	default:
		return Range{}, storage.Errorf(storage.Internal, "key condition has the unknown operator %d", sort.Op)
	}
}

// afterAllWith is the smallest value after all those that begin with v, false
// when there is none.
func afterAllWith(v item.Value) (item.Value, bool) {
	end := schema.PrefixEnd([]byte(v.Str()))
	switch {
	case end == nil:
		return item.Value{}, false
	case v.Kind() == item.B:
		return item.Binary(end), true
	default:
		// No UTF-8, perhaps, but only a bound.
		return item.String(string(end)), true
	}
}

// MaxSegments is how many segments a parallel scan may have.
const MaxSegments = 1_000_000

// Segment is the keys of one segment of a parallel scan. The segments divide
// the space of hashes, with which keys begin, evenly; so they do not depend on
// where a table's partitions are.
func Segment(segment, total int) Range {
	var r Range
	if segment > 0 {
		r.Lo = hashBound(segment, total)
	}
	if segment < total-1 {
		r.Hi = hashBound(segment+1, total)
	}
	return r
}

// hashBound is the first hash of a segment: 2^64 · segment / total.
func hashBound(segment, total int) []byte {
	q, _ := bits.Div64(uint64(segment), 0, uint64(total))
	return binary.BigEndian.AppendUint64(nil, q)
}
