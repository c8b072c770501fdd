package command

import (
	"encoding/binary"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/version"
)

// The codec versions of a batch and of the commands in it. There is a new one
// when older peers could not read a batch, or would apply it differently.
const (
	plainBatch  = 1
	priorsBatch = 2
)

// A Batch is the content of one entry of a group's log:
//
//	version  u8      1, or 2 with Priors
//	time     u64     big-endian, the version.Timestamp that the leader proposes
//	base     u64     big-endian, Priors.Base; version 2 only
//	commands         each behind its length as a uvarint, and in version 2
//	                 followed by its prior in the same way
//
// A leader puts commands together as they came.
type Batch struct {
	Time version.Timestamp
	// Commands are the encoded commands, in memory of the batch.
	Commands [][]byte
	Priors   Priors
}

// Priors spare peers from looking up what a leader has looked up: what it found
// of the keys of a batch's commands before it proposed the batch. The zero Priors
// say nothing.
type Priors struct {
	// Base is the index up to which entries had been applied when the leader
	// looked. What it found is true for a peer that is to apply the batch next
	// after that very entry, and must not be used by any other.
	Base uint64
	// Of is, for each command, what was found, or empty. Package machine writes and
	// reads it.
	Of [][]byte
}

// AppendBatch appends the encoding of a batch without Priors.
func AppendBatch(dst []byte, t version.Timestamp, cmds [][]byte) []byte {
	b := Batch{Time: t, Commands: cmds}
	return b.Append(dst)
}

// Append appends the encoding of b.
func (b *Batch) Append(dst []byte) []byte {
	if b.Priors.Of == nil {
		dst = append(dst, plainBatch)
		dst = binary.BigEndian.AppendUint64(dst, uint64(b.Time))
		for _, c := range b.Commands {
			dst = appendBytes(dst, c)
		}
		return dst
	}
	dst = append(dst, priorsBatch)
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.Time))
	dst = binary.BigEndian.AppendUint64(dst, b.Priors.Base)
	for i, c := range b.Commands {
		dst = appendBytes(appendBytes(dst, c), b.Priors.Of[i])
	}
	return dst
}

// DecodeBatch reads what Append wrote, but not the commands in it: a command
// that cannot be read is refused alone.
func DecodeBatch(b []byte) (Batch, error) {
	r := reader{rest: b}
	codec := r.byte()
	if codec != plainBatch && codec != priorsBatch {
		return Batch{}, storage.Errorf(storage.Corrupt, "batch: unknown codec version")
	}
	batch := Batch{Time: version.Timestamp(r.uint64())}
	if codec == priorsBatch {
		batch.Priors = Priors{Base: r.uint64(), Of: [][]byte{}}
	}
	for len(r.rest) > 0 {
		batch.Commands = append(batch.Commands, r.bytes())
		if codec == priorsBatch {
			batch.Priors.Of = append(batch.Priors.Of, r.bytes())
		}
	}
	return batch, r.end("batch")
}
