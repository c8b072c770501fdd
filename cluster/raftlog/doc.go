// Package raftlog is the write-ahead log of a node, shared by all its Raft
// groups: what Raft must not forget is in it before Raft goes on.
//
// It owns one folder. Each group's peer on this node has a GroupLog there,
// which is a raft.LogStore and a raft.StableStore. One goroutine, the
// committer, takes whatever all groups wait for and makes it durable with one
// write and one sync. Where each entry lies is held in memory, and so is the
// tail of the log itself, so that entries of late are read without the disk.
// It knows nothing of what the entries mean.
//
// # Promises
//
//   - A call that changes the log returns when the change is durable, and a
//     reader sees no change before.
//   - A change is durable whole or not at all. The two halves of a Raft vote,
//     LastVoteTerm and LastVoteCand, become durable together: a term with the
//     candidate of an older vote would be taken for a vote given.
//   - A write that was not finished when the power went is cut off when the log
//     is opened. Any other damage is refused: Open fails, and says what to do.
//   - After an error of the disk, or a commit that takes longer than
//     Options.StuckAfter, Options.Fatal is called, once, and every call fails.
//   - One flipped bit in a log that was closed is found, or harmless.
//
// # Duties of the caller
//
// An error of any method that changes the log means that the process must end,
// unless the log was closed or the group destroyed first: Raft goes on with a
// wrong idea of its last entry. Entries are appended without gaps and without
// overlap; anything else is a broken invariant and fails the log. A group is
// destroyed after its Raft instance has been shut down.
//
// # Files
//
// The folder holds these files; all numbers are little endian.
//
//	identity         magic, version, salt: made last when a log is made
//	identity.new     the same, while a log is being made
//	lock             held by the process that has the log open
//	0000000007.log   segments: the log, in order of their numbers, no gaps
//	spare-…          old segments that will be written over, to save allocation
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
//	2 state    -              peer, first 8, next 8, pairs: its log, restated (see below)
//	3 destroy  -              peer. Its log has ended, and never begins again.
//	4 entry    of the entry   time of append (ns) 8, length of extensions 4, extensions, data
//	5 moved    of the entry   the same: an entry written again, see below
//	6 truncate of first gone  -  Entries at and after index are gone.
//	7 compact  of first left  -  Entries before index are gone.
//	8 reset    of next, or 0  -  All entries are gone; 0: the next may have any index.
//	9 stable   -              pairs: stable values (uvarint and bytes of key, then of value)
//	10 closed  -              -  The log was closed.
//
// Checksums are CRC-32C, begun with the salt and, in a segment, its number.
// So neither what an old segment left behind nor what a client stored can look
// like a record.
//
// # Opening
//
// Frames are read until one is not valid. If a later frame can be found, in the
// same segment or the next, then the invalid one had been synced, and is
// damaged: Open fails. If not, it is the write that was interrupted: the log
// ends before it. The last valid frame is then written and synced again,
// because after a failed sync the memory of the operating system may hold
// what the disk does not.
//
// # Freeing space
//
// The first frame of a segment begins with the state of every group and with
// the peers destroyed, so that a segment can be read without those before it,
// but for their entries. The oldest segment is freed as soon as no entry in it
// is live. When what is dead exceeds what is live (see overdue), the
// entries of laggards in the oldest segment are written again at the end, as
// moved entries, so that no idle group holds a segment for ever.
package raftlog
