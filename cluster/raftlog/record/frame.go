package record

import (
	"bytes"
	"encoding/binary"
)

const (
	// SegmentHeaderSize is the size of what precedes a segment's frames.
	SegmentHeaderSize = 24
	// FrameHeaderSize is the size of what precedes a frame's records.
	FrameHeaderSize = 24
	identitySize    = 24

	formatVersion = 1
	identityMagic = "Roundlog"
	segmentMagic  = "Roundseg"
	frameMagic    = "RTfr"
)

// AppendSegmentHeader appends the header of a segment.
func AppendSegmentHeader(b []byte, s Seed, number uint32) []byte {
	start := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = binary.LittleEndian.AppendUint32(b, s.sum(b[start:]))
	return append(b, 0, 0, 0, 0)
}

// ValidSegmentHeader says whether b begins with the header of the segment.
func ValidSegmentHeader(b []byte, s Seed, number uint32) bool {
	return len(b) >= SegmentHeaderSize &&
		bytes.Equal(b[:SegmentHeaderSize], AppendSegmentHeader(nil, s, number))
}

// AppendIdentity appends the content of the identity file.
func AppendIdentity(b []byte, salt uint64) []byte {
	b = append(b, identityMagic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	rest := binary.LittleEndian.AppendUint64(nil, salt)
	sum := Seed(Seed(0).sum(b)).sum(rest)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, rest...)
}

// ParseIdentity returns the salt that an identity file holds.
func ParseIdentity(b []byte) (salt uint64, ok bool) {
	if len(b) != identitySize {
		return 0, false
	}
	salt = binary.LittleEndian.Uint64(b[16:])
	return salt, bytes.Equal(b, AppendIdentity(nil, salt))
}

// SealFrame fills in the header of the frame that b is.
func SealFrame(b []byte, s Seed, number uint64) {
	copy(b, frameMagic)
	binary.LittleEndian.PutUint64(b[8:], number)
	binary.LittleEndian.PutUint32(b[16:], uint32(len(b)-FrameHeaderSize))
	binary.LittleEndian.PutUint32(b[20:], s.sum(b[FrameHeaderSize:]))
	binary.LittleEndian.PutUint32(b[4:], s.sum(b[8:FrameHeaderSize]))
}

// frameNumber returns the number of the frame that b begins with, judged by
// its header alone.
func frameNumber(b []byte, s Seed) (number uint64, ok bool) {
	if len(b) < FrameHeaderSize || string(b[:4]) != frameMagic ||
		s.sum(b[8:FrameHeaderSize]) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[8:]), true
}

// ParseFrame returns the number and the records of the frame that b begins
// with.
func ParseFrame(b []byte, s Seed) (number uint64, records []byte, ok bool) {
	number, ok = frameNumber(b, s)
	if !ok {
		return 0, nil, false
	}
	end := FrameHeaderSize + int64(binary.LittleEndian.Uint32(b[16:]))
	if end > int64(len(b)) {
		return 0, nil, false
	}
	records = b[FrameHeaderSize:end]
	return number, records, s.sum(records) == binary.LittleEndian.Uint32(b[20:])
}

// LaterFrame looks anywhere in b for the header of a frame with at least the
// given number, and returns where it is.
func LaterFrame(b []byte, s Seed, least uint64) (at int, ok bool) {
	magic := []byte(frameMagic)
	for {
		i := bytes.Index(b[at:], magic)
		if i < 0 {
			return 0, false
		}
		at += i
		if number, ok := frameNumber(b[at:], s); ok && number >= least {
			return at, true
		}
		at++
	}
}
