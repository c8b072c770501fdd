package raftlog

import (
	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
)

// WithSalt fixes the salt of a new log.
func (o Options) WithSalt(salt uint64) Options {
	o.salt = salt
	return o
}

// Next returns the index that an empty log must begin with; 0 means any.
func (g *GroupLog) Next() uint64 {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if !g.mu.empty() || len(g.mu.ahead) > 0 {
		return 0
	}
	return g.mu.next
}

// PlainRecord is a record as SealSegment takes it.
type PlainRecord struct {
	Slot    byte
	Kind    byte
	Index   byte
	Payload string
}

// EncodeRecords encodes records as SealSegment takes them.
func EncodeRecords(records []PlainRecord) []byte {
	var b []byte
	for _, r := range records {
		b = append(b, r.Slot, r.Kind, r.Index, byte(len(r.Payload)))
		b = append(b, r.Payload...)
	}
	return b
}

// SealSegment makes the first segment of a log, with the records in one frame
// and all checksums right.
func SealSegment(salt uint64, records []byte) []byte {
	s := record.NewSeed(salt, 1)
	b := record.AppendSegmentHeader(nil, s, 1)
	b = append(b, make([]byte, record.FrameHeaderSize)...)
	for len(records) >= 4 {
		slot, k, index, n := records[0], records[1], records[2], int(records[3])
		records = records[4:]
		n = min(n, len(records))
		b = record.Append(b, s, uint32(slot), record.Kind(k), uint64(index), records[:n])
		records = records[n:]
	}
	record.SealFrame(b[record.SegmentHeaderSize:], s, 1)
	return b
}
