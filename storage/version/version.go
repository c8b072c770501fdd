// Package version orders the states of an item across regions.
//
// Every state of an item, its deletion included, has a Version: a hybrid
// timestamp and the region that made the change. Versions of one item are
// unique and totally ordered, so "the last writer wins" has one answer
// everywhere. The package reads no clock: whoever proposes a change passes the
// physical time in.
package version

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// LogicalBits is how many low bits of a Timestamp count events within one
// millisecond.
const LogicalBits = 16

// Timestamp is a hybrid logical time: 48 bits of milliseconds since the Unix
// epoch, then 16 bits of logical counter.
type Timestamp uint64

// FromMillis is the first Timestamp of a millisecond.
func FromMillis(ms int64) Timestamp {
	if ms < 0 {
		return 0
	}
	return Timestamp(ms) << LogicalBits
}

// Millis is the physical part of t.
func (t Timestamp) Millis() int64 { return int64(t >> LogicalBits) }

// Logical is the counter part of t.
func (t Timestamp) Logical() uint16 { return uint16(t) }

// Next is the smallest Timestamp after t. The counter overflows into the
// milliseconds.
func (t Timestamp) Next() Timestamp { return t + 1 }

// String prints milliseconds and counter.
func (t Timestamp) String() string { return fmt.Sprintf("%d.%d", t.Millis(), t.Logical()) }

// Version identifies one state of one item.
type Version struct {
	// Time is when the change was made, by the hybrid clock of its origin.
	Time Timestamp
	// Region is the name of the region where the change was made. It breaks
	// ties between equal times.
	Region string
}

// IsZero reports whether v is the version of an item that never existed.
func (v Version) IsZero() bool { return v.Time == 0 && v.Region == "" }

// Compare orders versions: by time, then by region name, byte-wise.
func (v Version) Compare(w Version) int {
	switch {
	case v.Time < w.Time:
		return -1
	case v.Time > w.Time:
		return 1
	default:
		return strings.Compare(v.Region, w.Region)
	}
}

// Newer reports whether v replaces w.
func (v Version) Newer(w Version) bool { return v.Compare(w) > 0 }

// String prints time and region.
func (v Version) String() string { return v.Time.String() + "@" + v.Region }

// Append appends the encoding of v: eight bytes of time, big-endian, then the
// region's name behind its length as an unsigned varint.
func (v Version) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.Time))
	dst = binary.AppendUvarint(dst, uint64(len(v.Region)))
	return append(dst, v.Region...)
}

// Decode reads a Version from the front of b and returns the rest.
func Decode(b []byte) (Version, []byte, error) {
	if len(b) < 9 {
		return Version{}, nil, fmt.Errorf("version: %d bytes are too few", len(b))
	}
	t := Timestamp(binary.BigEndian.Uint64(b))
	n, w := binary.Uvarint(b[8:])
	rest := b[8:]
	if w <= 0 || n > uint64(len(rest)-w) {
		return Version{}, nil, fmt.Errorf("version: region name is cut short")
	}
	rest = rest[w:]
	return Version{Time: t, Region: string(rest[:n])}, rest[n:], nil
}

// Clock is a hybrid logical clock. It is not safe for concurrent use: its
// owner serialises access. The zero value is ready.
type Clock struct {
	last Timestamp
}

// Now returns a Timestamp greater than every one returned or observed before,
// and not before the physical time given.
func (c *Clock) Now(physicalMillis int64) Timestamp {
	c.last = max(c.last.Next(), FromMillis(physicalMillis))
	return c.last
}

// Observe makes every later Now greater than t.
func (c *Clock) Observe(t Timestamp) { c.last = max(c.last, t) }
