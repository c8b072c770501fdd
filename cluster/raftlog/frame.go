package raftlog

import (
	"bytes"
	"encoding/binary"
)

// appendSegmentHeader appends the header of a segment.
func appendSegmentHeader(b []byte, s seed, number uint32) []byte {
	start := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = binary.LittleEndian.AppendUint32(b, s.sum(b[start:]))
	return append(b, 0, 0, 0, 0)
}

// validSegmentHeader says whether b begins with the header of the segment.
func validSegmentHeader(b []byte, s seed, number uint32) bool {
	return len(b) >= segmentHeaderSize &&
		bytes.Equal(b[:segmentHeaderSize], appendSegmentHeader(nil, s, number))
}

// appendIdentity appends the content of the identity file.
func appendIdentity(b []byte, salt uint64) []byte {
	b = append(b, identityMagic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	rest := binary.LittleEndian.AppendUint64(nil, salt)
	sum := seed(seed(0).sum(b)).sum(rest)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, rest...)
}

// parseIdentity returns the salt that an identity file holds.
func parseIdentity(b []byte) (salt uint64, ok bool) {
	if len(b) != identitySize {
		return 0, false
	}
	salt = binary.LittleEndian.Uint64(b[16:])
	return salt, bytes.Equal(b, appendIdentity(nil, salt))
}

// sealFrame fills in the header of the frame that b is.
func sealFrame(b []byte, s seed, number uint64) {
	copy(b, frameMagic)
	binary.LittleEndian.PutUint64(b[8:], number)
	binary.LittleEndian.PutUint32(b[16:], uint32(len(b)-frameHeaderSize))
	binary.LittleEndian.PutUint32(b[20:], s.sum(b[frameHeaderSize:]))
	binary.LittleEndian.PutUint32(b[4:], s.sum(b[8:frameHeaderSize]))
}

// frameNumber returns the number of the frame that b begins with, judged by
// its header alone.
func frameNumber(b []byte, s seed) (number uint64, ok bool) {
	if len(b) < frameHeaderSize || string(b[:4]) != frameMagic ||
		s.sum(b[8:frameHeaderSize]) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[8:]), true
}

// parseFrame returns the number and the records of the frame that b begins
// with.
func parseFrame(b []byte, s seed) (number uint64, records []byte, ok bool) {
	number, ok = frameNumber(b, s)
	if !ok {
		return 0, nil, false
	}
	end := frameHeaderSize + int64(binary.LittleEndian.Uint32(b[16:]))
	if end > int64(len(b)) {
		return 0, nil, false
	}
	records = b[frameHeaderSize:end]
	return number, records, s.sum(records) == binary.LittleEndian.Uint32(b[20:])
}

// laterFrame looks anywhere in b for the header of a frame with at least the
// given number, and returns where it is.
func laterFrame(b []byte, s seed, least uint64) (at int, ok bool) {
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
