package machine

import (
	"encoding/binary"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Meta is what a partition knows of itself. It is the same on every peer that
// has applied the same entries. A Meta that Partition.Meta returned must not be
// changed: it shares memory.
type Meta struct {
	// Group is the partition's group; Table the ID of its table.
	Group uint64
	Table string
	// Lo and Hi bound the keys of the partition: Lo ≤ key < Hi; an empty Hi is no
	// bound.
	Lo, Hi []byte

	// AppliedIndex and AppliedTerm are the last entry applied.
	AppliedIndex, AppliedTerm uint64
	// Config is the group's membership as of the entry at ConfigIndex, opaque.
	ConfigIndex uint64
	Config      []byte

	// MaxTime is the greatest time in any version seen here. A leader's clock
	// starts after it.
	MaxTime version.Timestamp
	// GCFloor is at or after the version of every deletion that is no longer
	// remembered.
	GCFloor version.Timestamp

	// FirstSeq is the oldest change kept and NextSeq the number of the next
	// one; equal when the log is empty.
	FirstSeq, NextSeq uint64
	// NextSession numbers the lives of sessions, so that outcomes of a session
	// that was forgotten are not taken for those of its next life.
	NextSession uint64

	// Items is the number of items, Bytes their size as DynamoDB counts, and
	// Tombstones the number of tombstones.
	Items, Bytes, Tombstones int64
}

const metaFormat = 1

// Append appends the encoding of m: a format byte and the fields in the order
// of their declaration, numbers as uvarints, bytes behind their length. Hi is
// preceded by a byte, 0 for no bound.
func (m *Meta) Append(dst []byte) []byte {
	dst = append(dst, metaFormat)
	dst = binary.AppendUvarint(dst, m.Group)
	dst = appendBytes(dst, []byte(m.Table))
	dst = appendBytes(dst, m.Lo)
	if len(m.Hi) == 0 {
		dst = append(dst, 0)
	} else {
		dst = appendBytes(append(dst, 1), m.Hi)
	}
	dst = binary.AppendUvarint(dst, m.AppliedIndex)
	dst = binary.AppendUvarint(dst, m.AppliedTerm)
	dst = binary.AppendUvarint(dst, m.ConfigIndex)
	dst = appendBytes(dst, m.Config)
	for _, n := range []uint64{
		uint64(m.MaxTime), uint64(m.GCFloor), m.FirstSeq, m.NextSeq, m.NextSession,
		uint64(m.Items), uint64(m.Bytes), uint64(m.Tombstones),
	} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

// DecodeMeta reads what Append wrote. The result shares memory with b.
func DecodeMeta(b []byte) (Meta, error) {
	r := reader{rest: b}
	if r.byte() != metaFormat {
		return Meta{}, storage.Errorf(storage.Corrupt, "meta: unknown format")
	}
	m := Meta{Group: r.uvarint(), Table: string(r.bytes()), Lo: r.bytes()}
	if r.byte() != 0 {
		m.Hi = r.bytes()
	}
	m.AppliedIndex, m.AppliedTerm, m.ConfigIndex = r.uvarint(), r.uvarint(), r.uvarint()
	m.Config = r.bytes()
	m.MaxTime, m.GCFloor = version.Timestamp(r.uvarint()), version.Timestamp(r.uvarint())
	m.FirstSeq, m.NextSeq, m.NextSession = r.uvarint(), r.uvarint(), r.uvarint()
	m.Items, m.Bytes, m.Tombstones = int64(r.uvarint()), int64(r.uvarint()), int64(r.uvarint())
	if r.bad || len(r.rest) != 0 {
		return Meta{}, storage.Errorf(storage.Corrupt, "meta: %d bytes are not a meta record", len(b))
	}
	return m, nil
}

// Contains reports whether key is in the partition's range.
func (m *Meta) Contains(key []byte) bool {
	return string(key) >= string(m.Lo) && (len(m.Hi) == 0 || string(key) < string(m.Hi))
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// reader reads an encoding from the front. After the first thing that is not
// there, bad is set and everything is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	n, w := binary.Uvarint(r.rest)
	if w <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[w:]
	return n
}

// bytes reads a length and as many bytes, nil for none.
func (r *reader) bytes() []byte {
	if b := r.take(r.uvarint()); len(b) > 0 {
		return b
	}
	return nil
}
