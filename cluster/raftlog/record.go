package raftlog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
)

// The numbers of the format; the package comment draws them.
const (
	formatVersion = 1

	identitySize      = 24
	segmentHeaderSize = 24
	frameHeaderSize   = 24
	recordHeaderSize  = 32
	entryPrefixSize   = 12 // time of append and length of extensions

	identityMagic = "Roundlog"
	segmentMagic  = "Roundseg"
	frameMagic    = "RTfr"
)

// kind says what a record does.
type kind uint8

const (
	kindGroup kind = 1 + iota
	kindState
	kindDestroy
	kindEntry
	kindMoved
	kindTruncate
	kindCompact
	kindReset
	kindStable
	kindClosed
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seed begins a checksum: with the salt of the log and the number of a
// segment, or 0 outside segments.
type seed uint32

func newSeed(salt uint64, segment uint32) seed {
	b := binary.LittleEndian.AppendUint64(nil, salt)
	b = binary.LittleEndian.AppendUint32(b, segment)
	return seed(crc32.Checksum(b, castagnoli))
}

func (s seed) sum(b []byte) uint32 { return crc32.Update(uint32(s), castagnoli, b) }

// pair is one stable value.
type pair struct {
	key   string
	value []byte
}

// record is a record as parsed. Its payload aliases what it was parsed from.
type record struct {
	slot    uint32
	kind    kind
	logType raft.LogType
	index   uint64
	term    uint64
	payload []byte
}

var (
	errShort    = errors.New("it is cut short")
	errChecksum = errors.New("its checksum does not match")
	errFormat   = errors.New("it is not of a known form")
)

// beginRecord appends the header of a record; the payload is appended next,
// and endRecord completes the header.
func beginRecord(b []byte, slot uint32, k kind, t raft.LogType, index, term uint64) []byte {
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, slot)
	b = append(b, byte(k), byte(t), 0, 0)
	b = binary.LittleEndian.AppendUint64(b, index)
	return binary.LittleEndian.AppendUint64(b, term)
}

// endRecord fills in length and checksum of the record that begins at start
// and reaches to the end of b.
func endRecord(b []byte, start int, s seed) {
	r := b[start:]
	binary.LittleEndian.PutUint32(r[4:], uint32(len(r)-recordHeaderSize))
	binary.LittleEndian.PutUint32(r, s.sum(r[4:]))
}

// appendRecord appends a record whose payload is at hand.
func appendRecord(b []byte, s seed, slot uint32, k kind, index uint64, payload []byte) []byte {
	start := len(b)
	b = beginRecord(b, slot, k, 0, index, 0)
	b = append(b, payload...)
	endRecord(b, start, s)
	return b
}

// parseRecord reads the record that b begins with and returns its size.
func parseRecord(b []byte, s seed) (record, int, error) {
	if len(b) < recordHeaderSize {
		return record{}, 0, errShort
	}
	size := recordHeaderSize + int64(binary.LittleEndian.Uint32(b[4:]))
	if size > int64(len(b)) {
		return record{}, 0, errShort
	}
	b = b[:size:size]
	if s.sum(b[4:]) != binary.LittleEndian.Uint32(b) {
		return record{}, 0, errChecksum
	}
	return viewRecord(b), int(size), nil
}

// viewRecord reads a record that is known to be whole.
func viewRecord(b []byte) record {
	return record{
		slot:    binary.LittleEndian.Uint32(b[8:]),
		kind:    kind(b[12]),
		logType: raft.LogType(b[13]),
		index:   binary.LittleEndian.Uint64(b[16:]),
		term:    binary.LittleEndian.Uint64(b[24:]),
		payload: b[recordHeaderSize:],
	}
}

// entrySize is the size of an entry's record.
func entrySize(e *raft.Log) int64 {
	return recordHeaderSize + entryPrefixSize + int64(len(e.Extensions)) + int64(len(e.Data))
}

// appendEntry appends the record of an entry.
func appendEntry(b []byte, s seed, slot uint32, e *raft.Log) []byte {
	start := len(b)
	b = beginRecord(b, slot, kindEntry, e.Type, e.Index, e.Term)
	nanos := int64(math.MinInt64)
	if !e.AppendedAt.IsZero() {
		nanos = e.AppendedAt.UnixNano()
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(nanos))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Extensions)))
	b = append(b, e.Extensions...)
	b = append(b, e.Data...)
	endRecord(b, start, s)
	return b
}

// appendMoved appends an entry's record again, for another place.
func appendMoved(b []byte, s seed, raw []byte) []byte {
	start := len(b)
	b = append(b, raw...)
	b[start+12] = byte(kindMoved)
	endRecord(b, start, s)
	return b
}

// entry reads the record of an entry into e, whose data alias the record.
func (r record) entry(e *raft.Log) error {
	if r.kind != kindEntry && r.kind != kindMoved || len(r.payload) < entryPrefixSize {
		return errFormat
	}
	nanos := int64(binary.LittleEndian.Uint64(r.payload))
	extensions := uint64(binary.LittleEndian.Uint32(r.payload[8:]))
	rest := r.payload[entryPrefixSize:]
	if extensions > uint64(len(rest)) {
		return errFormat
	}
	*e = raft.Log{Index: r.index, Term: r.term, Type: r.logType}
	if extensions > 0 {
		e.Extensions = rest[:extensions:extensions]
	}
	if data := rest[extensions:]; len(data) > 0 {
		e.Data = data[:len(data):len(data)]
	}
	if nanos != math.MinInt64 {
		e.AppendedAt = time.Unix(0, nanos)
	}
	return nil
}

// appendPeer appends which peer of which group a record is about.
func appendPeer(b []byte, id cluster.GroupID, peer cluster.PeerID) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(id))
	b = binary.LittleEndian.AppendUint64(b, peer.Replica)
	return appendBytes(b, string(peer.Node))
}

// appendPairs appends stable values.
func appendPairs(b []byte, pairs []pair) []byte {
	for _, p := range pairs {
		b = appendBytes(b, p.key)
		b = appendBytes(b, string(p.value))
	}
	return b
}

func appendBytes(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads a payload. After its first failure it reads zeros.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) uint64() uint64 {
	if len(d.b) < 8 {
		d.b, d.failed = nil, true
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

func (d *decoder) bytes() []byte {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > uint64(len(d.b)-size) {
		d.b, d.failed = nil, true
		return nil
	}
	v := d.b[size : size+int(n)]
	d.b = d.b[size+int(n):]
	return v
}

func (d *decoder) peer() (cluster.GroupID, cluster.PeerID) {
	id, replica := d.uint64(), d.uint64()
	node := string(d.bytes())
	return cluster.GroupID(id), cluster.PeerID{Node: cluster.NodeID(node), Replica: replica}
}

// pairs reads pairs to the end of the payload. They alias nothing.
func (d *decoder) pairs() []pair {
	var pairs []pair
	for len(d.b) > 0 {
		p := pair{key: string(d.bytes())}
		p.value = append([]byte{}, d.bytes()...)
		pairs = append(pairs, p)
	}
	return pairs
}

// end returns an error unless exactly the whole payload was read.
func (d *decoder) end() error {
	if d.failed || len(d.b) > 0 {
		return errFormat
	}
	return nil
}
