package record

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
)

const (
	// HeaderSize is the size of what precedes a record's payload.
	HeaderSize = 32
	// entryPrefixSize is that of an entry's time of append and length of
	// extensions.
	entryPrefixSize = 12
)

// Kind says what a record does.
type Kind uint8

// The kinds; the package comment has their indexes and payloads.
const (
	KindGroup    Kind = 1 + iota // a peer's log begins
	KindState                    // a peer's log, restated
	KindDestroy                  // a peer's log has ended for ever
	KindEntry                    // an entry is appended
	KindMoved                    // an entry is written again
	KindTruncate                 // entries at the end are gone
	KindCompact                  // entries at the beginning are gone
	KindReset                    // all entries are gone
	KindStable                   // stable values are stored
	KindClosed                   // the log was closed
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Seed begins a checksum: with the salt of the log and the number of a
// segment, or 0 outside segments.
type Seed uint32

// NewSeed makes the seed of a segment.
func NewSeed(salt uint64, segment uint32) Seed {
	b := binary.LittleEndian.AppendUint64(nil, salt)
	b = binary.LittleEndian.AppendUint32(b, segment)
	return Seed(crc32.Checksum(b, castagnoli))
}

func (s Seed) sum(b []byte) uint32 { return crc32.Update(uint32(s), castagnoli, b) }

// Pair is one stable value.
type Pair struct {
	Key   string
	Value []byte
}

// Record is a record as parsed. Its payload aliases what it was parsed from.
type Record struct {
	Slot    uint32
	Kind    Kind
	LogType raft.LogType
	Index   uint64
	Term    uint64
	Payload []byte
}

var (
	ErrShort    = errors.New("it is cut short")
	errChecksum = errors.New("its checksum does not match")
	ErrFormat   = errors.New("it is not of a known form")
)

// Begin appends the header of a record; the payload is appended next,
// and End completes the header.
func Begin(b []byte, slot uint32, k Kind, t raft.LogType, index, term uint64) []byte {
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, slot)
	b = append(b, byte(k), byte(t), 0, 0)
	b = binary.LittleEndian.AppendUint64(b, index)
	return binary.LittleEndian.AppendUint64(b, term)
}

// End fills in length and checksum of the record that begins at start
// and reaches to the end of b.
func End(b []byte, start int, s Seed) {
	r := b[start:]
	binary.LittleEndian.PutUint32(r[4:], uint32(len(r)-HeaderSize))
	binary.LittleEndian.PutUint32(r, s.sum(r[4:]))
}

// Append appends a record whose payload is at hand.
func Append(b []byte, s Seed, slot uint32, k Kind, index uint64, payload []byte) []byte {
	start := len(b)
	b = Begin(b, slot, k, 0, index, 0)
	b = append(b, payload...)
	End(b, start, s)
	return b
}

// Parse reads the record that b begins with and returns its size.
func Parse(b []byte, s Seed) (Record, int, error) {
	if len(b) < HeaderSize {
		return Record{}, 0, ErrShort
	}
	size := HeaderSize + int64(binary.LittleEndian.Uint32(b[4:]))
	if size > int64(len(b)) {
		return Record{}, 0, ErrShort
	}
	b = b[:size:size]
	if s.sum(b[4:]) != binary.LittleEndian.Uint32(b) {
		return Record{}, 0, errChecksum
	}
	return View(b), int(size), nil
}

// View reads a record that is known to be whole.
func View(b []byte) Record {
	return Record{
		Slot:    binary.LittleEndian.Uint32(b[8:]),
		Kind:    Kind(b[12]),
		LogType: raft.LogType(b[13]),
		Index:   binary.LittleEndian.Uint64(b[16:]),
		Term:    binary.LittleEndian.Uint64(b[24:]),
		Payload: b[HeaderSize:],
	}
}

// EntrySize is the size of an entry's record.
func EntrySize(e *raft.Log) int64 {
	return HeaderSize + entryPrefixSize + int64(len(e.Extensions)) + int64(len(e.Data))
}

// AppendEntry appends the record of an entry.
func AppendEntry(b []byte, s Seed, slot uint32, e *raft.Log) []byte {
	start := len(b)
	b = Begin(b, slot, KindEntry, e.Type, e.Index, e.Term)
	nanos := int64(math.MinInt64)
	if !e.AppendedAt.IsZero() {
		nanos = e.AppendedAt.UnixNano()
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(nanos))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Extensions)))
	b = append(b, e.Extensions...)
	b = append(b, e.Data...)
	End(b, start, s)
	return b
}

// AppendMoved appends an entry's record again, for another place.
func AppendMoved(b []byte, s Seed, raw []byte) []byte {
	start := len(b)
	b = append(b, raw...)
	b[start+12] = byte(KindMoved)
	End(b, start, s)
	return b
}

// Entry reads the record of an entry into e, whose data alias the record.
func (r Record) Entry(e *raft.Log) error {
	if r.Kind != KindEntry && r.Kind != KindMoved || len(r.Payload) < entryPrefixSize {
		return ErrFormat
	}
	nanos := int64(binary.LittleEndian.Uint64(r.Payload))
	extensions := uint64(binary.LittleEndian.Uint32(r.Payload[8:]))
	rest := r.Payload[entryPrefixSize:]
	if extensions > uint64(len(rest)) {
		return ErrFormat
	}
	*e = raft.Log{Index: r.Index, Term: r.Term, Type: r.LogType}
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

// AppendPeer appends which peer of which group a record is about.
func AppendPeer(b []byte, id cluster.GroupID, peer cluster.PeerID) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(id))
	b = binary.LittleEndian.AppendUint64(b, peer.Replica)
	return appendBytes(b, string(peer.Node))
}

// AppendPairs appends stable values.
func AppendPairs(b []byte, pairs []Pair) []byte {
	for _, p := range pairs {
		b = appendBytes(b, p.Key)
		b = appendBytes(b, string(p.Value))
	}
	return b
}

func appendBytes(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Decoder reads a payload. After its first failure it reads zeros.
type Decoder struct {
	// B is what has not been read.
	B      []byte
	failed bool
}

// Uint64 reads a number of eight bytes.
func (d *Decoder) Uint64() uint64 {
	if len(d.B) < 8 {
		d.B, d.failed = nil, true
		return 0
	}
	v := binary.LittleEndian.Uint64(d.B)
	d.B = d.B[8:]
	return v
}

// bytes reads what appendBytes appended.
func (d *Decoder) bytes() []byte {
	n, size := binary.Uvarint(d.B)
	if size <= 0 || n > uint64(len(d.B)-size) {
		d.B, d.failed = nil, true
		return nil
	}
	v := d.B[size : size+int(n)]
	d.B = d.B[size+int(n):]
	return v
}

// Peer reads what AppendPeer appended.
func (d *Decoder) Peer() (cluster.GroupID, cluster.PeerID) {
	id, replica := d.Uint64(), d.Uint64()
	node := string(d.bytes())
	return cluster.GroupID(id), cluster.PeerID{Node: cluster.NodeID(node), Replica: replica}
}

// Pairs reads pairs to the end of the payload. They alias nothing.
func (d *Decoder) Pairs() []Pair {
	var pairs []Pair
	for len(d.B) > 0 {
		p := Pair{Key: string(d.bytes())}
		p.Value = append([]byte{}, d.bytes()...)
		pairs = append(pairs, p)
	}
	return pairs
}

// End returns an error unless exactly the whole payload was read.
func (d *Decoder) End() error {
	if d.failed || len(d.B) > 0 {
		return ErrFormat
	}
	return nil
}
