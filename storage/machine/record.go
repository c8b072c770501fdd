package machine

import (
	"encoding/binary"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/version"
)

// The sections of a keyspace.
const (
	sectionChanges   = 'c'
	sectionConsumers = 'f'
	sectionItems     = 'i'
	sectionMeta      = 'm'
	sectionSessions  = 's'
)

const (
	keyspaceSize = 8
	// sectionSize is the length of a keyspace and a section.
	sectionSize = keyspaceSize + 1
)

func appendSection(dst []byte, ks Keyspace, section byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(ks))
	return append(dst, section)
}

func itemKey(ks Keyspace, key []byte) []byte {
	return append(appendSection(make([]byte, 0, sectionSize+len(key)), ks, sectionItems), key...)
}

// groupKey is the beginning of a group's keys in a section.
func groupKey(ks Keyspace, section byte, group uint64) []byte {
	k := appendSection(make([]byte, 0, sectionSize+8+10), ks, section)
	return binary.BigEndian.AppendUint64(k, group)
}

func metaKey(ks Keyspace, group uint64) []byte { return groupKey(ks, sectionMeta, group) }

func changeKey(ks Keyspace, group, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(groupKey(ks, sectionChanges, group), seq)
}

func consumerKey(ks Keyspace, group uint64, name string) []byte {
	return append(groupKey(ks, sectionConsumers, group), name...)
}

func outcomeKey(ks Keyspace, group, index uint64, part uint16) []byte {
	k := binary.BigEndian.AppendUint64(groupKey(ks, sectionSessions, group), index)
	return binary.BigEndian.AppendUint16(k, part)
}

// after is the end of all keys that begin with prefix. A group or keyspace
// number is never all ones, so there is one.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
}

const (
	recordFormat    = 1
	recordTombstone = 1
)

// appendRecord appends what precedes the item in an item record, all there is
// for a tombstone.
func appendRecord(dst []byte, v version.Version, tombstone bool, size int) []byte {
	if tombstone {
		return v.Append(append(dst, recordFormat, recordTombstone))
	}
	dst = v.Append(append(dst, recordFormat, 0))
	return binary.AppendUvarint(dst, uint64(size))
}

// decodeRecord reads an item record. The result shares memory with b, except
// for the region's name. home is the name that is most likely, so that it need
// not be copied.
func decodeRecord(b []byte, home string) (Stored, error) {
	r := reader{rest: b}
	format, flags := r.byte(), r.byte()
	if format != recordFormat || flags&^byte(recordTombstone) != 0 {
		return Stored{}, storage.Errorf(storage.Corrupt, "item record: unknown format")
	}
	var s Stored
	s.Version.Time = version.Timestamp(r.uint64())
	if region := r.bytes(); string(region) == home {
		s.Version.Region = home
	} else {
		s.Version.Region = string(region)
	}
	if flags&recordTombstone != 0 {
		s.Tombstone = true
	} else {
		s.Exists = true
		s.Size = int(r.uvarint())
		s.Item = r.rest
		r.rest = nil
	}
	if r.bad || len(r.rest) != 0 {
		return Stored{}, storage.Errorf(storage.Corrupt, "item record: %d bytes are not one", len(b))
	}
	return s, nil
}
