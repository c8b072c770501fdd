// Package record is the format of the write-ahead log: the bytes of its files,
// in both directions. It does no I/O and knows nothing of what a log does with
// its records.
//
// All numbers are little endian. Checksums are CRC-32C, begun with the salt of
// the log and, in a segment, with its number: neither what an old segment left
// behind nor what a client stored can look like a record.
//
// The identity file:
//
//	 0  8  magic "Roundlog"
//	 8  4  version of the format, 1
//	12  4  checksum of the other bytes
//	16  8  salt, random
//
// A segment begins with a header, and then has frames. It is allocated and
// filled with zeros before it is used, or is an old segment under a new name,
// so what follows its last frame is of no meaning.
//
//	 0  8  magic "Roundseg"
//	 8  4  version of the format, 1
//	12  4  number of the segment
//	16  4  checksum of the other bytes
//	20  4  zero
//	24     frames
//
// A frame is one commit: written by one call, and synced before the next frame
// is written. It counts as a whole or not at all.
//
//	 0  4  magic "RTfr"
//	 4  4  checksum of the next 16 bytes
//	 8  8  number of the frame; each frame of the log has the next number
//	16  4  length of the records
//	20  4  checksum of the records
//	24     records
//
// A record belongs to a group, which it names by a slot: a small number that
// is never used for two groups.
//
//	 0  4  checksum of the rest of the record
//	 4  4  length of the payload
//	 8  4  slot
//	12  1  kind
//	13  1  Raft's log type, of an entry
//	14  2  zero
//	16  8  index
//	24  8  term
//	32     payload
//
//	kind       index          payload
//	1 group    -              peer: group 8, replica 8, node (uvarint, bytes). Its log begins.
//	2 state    -              peer, first 8, next 8, pairs: its log, restated at the head of each segment
//	3 destroy  -              peer. Its log has ended, and never begins again.
//	4 entry    of the entry   time of append (ns) 8, length of extensions 4, extensions, data
//	5 moved    of the entry   the same: an entry written again
//	6 truncate of first gone  -  Entries at and after index are gone.
//	7 compact  of first left  -  Entries before index are gone.
//	8 reset    of next, or 0  -  All entries are gone; 0: the next may have any index.
//	9 stable   -              pairs: stable values (uvarint and bytes of key, then of value)
//	10 closed  -              -  The log was closed.
package record
