// Package change is what a command did to one item, as a partition's change
// log records it. The log is what everything beside the foreground follows:
// replication, indexes, streams, backups. The package owns the record's bytes;
// who keeps and trims the log is package machine.
//
// A record is
//
//	format   u8      1
//	flags    u8      bit 0: tombstone; the other bits are 0
//	time     uvarint milliseconds since the Unix epoch
//	version  u64 big-endian time, then the region behind its uvarint length
//	key      uvarint length, bytes
//
// The sequence number is not in it: it is the log's key. A later format may
// append images of the item; a reader of format 1 refuses what it cannot read.
package change

import (
	"encoding/binary"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/version"
)

const (
	format        = 1
	flagTombstone = 1
)

// Change says that the item at Key reached a new Version. It carries no image:
// a follower that needs the item reads the partition, and finds this state or
// a newer one.
type Change struct {
	// Seq numbers the changes of a partition without gaps, from 1.
	Seq uint64
	// Key is the encoded primary key.
	Key []byte
	// Version is the state that the change made. Its Region says where the
	// change was made first.
	Version version.Version
	// Tombstone says that the change deleted the item.
	Tombstone bool
	// TimeMillis is the leader's clock when it proposed the change here. For a
	// change that came from another region it is the time of arrival.
	TimeMillis int64
}

// Append appends the encoding of c without its Seq.
func (c *Change) Append(dst []byte) []byte {
	var flags byte
	if c.Tombstone {
		flags |= flagTombstone
	}
	dst = append(dst, format, flags)
	dst = binary.AppendUvarint(dst, uint64(c.TimeMillis))
	dst = c.Version.Append(dst)
	dst = binary.AppendUvarint(dst, uint64(len(c.Key)))
	return append(dst, c.Key...)
}

// Decode reads what Append wrote. The result shares memory with b.
func Decode(seq uint64, b []byte) (Change, error) {
	bad := func(what string) (Change, error) {
		return Change{}, storage.Errorf(storage.Corrupt, "change %d: %s", seq, what)
	}
	if len(b) < 2 || b[0] != format || b[1]&^byte(flagTombstone) != 0 {
		return bad("unknown format")
	}
	c := Change{Seq: seq, Tombstone: b[1]&flagTombstone != 0}
	millis, n := binary.Uvarint(b[2:])
	if n <= 0 {
		return bad("no time")
	}
	c.TimeMillis = int64(millis)
	v, rest, err := version.Decode(b[2+n:])
	if err != nil {
		return bad(err.Error())
	}
	c.Version = v
	size, n := binary.Uvarint(rest)
	if n <= 0 || size != uint64(len(rest)-n) {
		return bad("the key has not the length given")
	}
	c.Key = rest[n:]
	return c, nil
}
