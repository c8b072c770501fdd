package command

import (
	"encoding/binary"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/version"
)

// batchVersion is the codec version of a batch and of the commands in it. It
// is raised when older peers could not read a batch, or would apply it
// differently.
const batchVersion = 1

// A Batch is the content of one entry of a group's log:
//
//	version  u8      1
//	time     u64     big-endian, the version.Timestamp that the leader proposes
//	commands         each behind its length as a uvarint
//
// A leader puts commands together as they came, without decoding them.
type Batch struct {
	Time version.Timestamp
	// Commands are the encoded commands, in memory of the batch.
	Commands [][]byte
}

// AppendBatch appends the encoding of a batch.
func AppendBatch(dst []byte, t version.Timestamp, cmds [][]byte) []byte {
	dst = append(dst, batchVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(t))
	for _, c := range cmds {
		dst = appendBytes(dst, c)
	}
	return dst
}

// DecodeBatch reads what AppendBatch wrote, but not the commands in it: a
// command that cannot be read is refused alone.
func DecodeBatch(b []byte) (Batch, error) {
	if len(b) < 9 || b[0] != batchVersion {
		return Batch{}, storage.Errorf(storage.Corrupt, "batch: unknown codec version")
	}
	batch := Batch{Time: version.Timestamp(binary.BigEndian.Uint64(b[1:]))}
	r := reader{rest: b[9:]}
	for len(r.rest) > 0 {
		batch.Commands = append(batch.Commands, r.bytes())
	}
	return batch, r.end("batch")
}
