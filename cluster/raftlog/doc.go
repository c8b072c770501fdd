// Package raftlog is the write-ahead log of a node, shared by all its Raft
// groups: what Raft must not forget is in it before Raft goes on.
//
// It owns one folder. Each group's peer on this node has a GroupLog there,
// which is a raft.LogStore and a raft.StableStore. The committer, which one
// goroutine holds at a time, takes whatever all groups wait for and makes it
// durable with one write and one sync. Where each entry lies is held in memory,
// and so is the tail of the log itself, so that entries of late are read
// without the disk. The package knows nothing of what the entries mean.
//
// # Promises
//
//   - A call that changes the log returns when the change is durable, and a
//     reader sees no change before. StoreLogsAhead is the exception: what it
//     appends can be read at once, and Durable says when it is durable.
//   - Changes become durable in the order of the calls.
//   - A change is durable whole or not at all. The two halves of a Raft vote,
//     LastVoteTerm and LastVoteCand, become durable together: a term with the
//     candidate of an older vote would be taken for a vote given.
//   - A write that was not finished when the power went is cut off when the log
//     is opened. Any other damage is refused: Open fails, and says what to do.
//   - After an error of the disk, or a commit that takes longer than
//     Options.StuckAfter (not counting pauses of the process), Options.Fatal is
//     called, once, and every call fails.
//   - One flipped bit in a log that was closed is found, or harmless. In a log
//     that was not, damage to the very last commit reads like an interrupted
//     write.
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
// The folder holds these files. Package record draws what is in them.
//
//	identity         magic, version, salt: made last when a log is made
//	identity.new     the same, while a log is being made
//	lock             held by the process that has the log open
//	0000000007.log   segments: the log, in order of their numbers, no gaps
//	spare-…          old segments that will be written over, to save allocation
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
// is live. When there is far more dead than live (see overdue), the entries of
// laggards in the oldest segment are written again at the end, as moved
// entries, so that no idle group holds a segment for ever.
package raftlog
