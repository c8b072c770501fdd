// Package machine is a partition's replicated state machine: it turns commands
// into items and an ordered change log. The same entries give the same bytes on
// every peer, however they are cut into calls of Apply.
//
// It knows keys, versions, sessions and consumers; it does not know Raft, other
// partitions, tables' schemas, a clock or randomness. All time in it comes from
// the entries.
//
// # Layout
//
// All of a partition's keys begin with a keyspace number, which is the node's
// own: the same partition has another one on another node, and a new one when a
// snapshot replaced its state. What follows is the same on every peer:
//
//	keyspace u64 | 'i' | encoded key                  → item record
//	keyspace u64 | 'c' | group u64 | sequence u64     → package change
//	keyspace u64 | 'f' | group u64 | consumer's name  → sequence u64 | state
//	keyspace u64 | 's' | group u64 | index u64 | u16  → outcomes of an entry
//	keyspace u64 | 'm' | group u64                    → Meta
//
// Numbers are big-endian. Items stand outside the group so that two groups can
// divide one keyspace by key range. An item record is
//
//	format   u8      1
//	flags    u8      bit 0: tombstone
//	version  as package version writes it
//	size     uvarint the item's size as DynamoDB counts; not for a tombstone
//	item     item.Encoded; not for a tombstone
//
// Keyspace 0 is the node's Registry, which says which keyspace is whose.
//
// # Rules
//
//   - The applied index moves in the same engine commit as the data, and a
//     commit holds whole entries only.
//   - A version is fixed when a command is applied: the greatest of the time
//     that the leader proposed, the item's own version plus one, and GCFloor
//     plus one.
//   - A Put or Update that changes nothing keeps the version and is no change.
//   - A Merge replaces the state if and only if its version is greater.
//   - Changes are recorded while a consumer is registered, and kept until all
//     consumers are done with them.
//   - A delete leaves a tombstone while a consumer named "region:…" is
//     registered. Otherwise it removes the record and raises GCFloor, so that
//     the key's next version is still greater than every earlier one.
//   - A command that fails changes nothing but its session.
//   - What a leader found before it proposed an entry stands in for a look at the
//     item if no other entry came between, and makes no other difference.
package machine

import (
	"errors"

	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/version"
)

// RegionPrefix begins the names of consumers that are other regions.
const RegionPrefix = "region:"

// ErrTrimmed says that changes asked for are no longer in the log.
var ErrTrimmed = errors.New("machine: these changes are no longer kept")

// Keyspace is the number that begins all keys of a partition on one node.
type Keyspace uint64

// Entry is one committed entry of the group's log. Entries that mean nothing to
// the machine (Raft's own no-ops) are not given to it: indexes may have gaps.
type Entry struct {
	Index, Term uint64
	// Configuration says that Data is the group's membership, encoded; it is
	// kept in Meta unread. Otherwise Data is a command.Batch.
	Configuration bool
	Data          []byte
}

// Stored is the state of one key.
type Stored struct {
	// Key is set in a Page only.
	Key []byte
	// Exists says that there is an item.
	Exists bool
	// Tombstone says that there was one, of which the deletion is remembered.
	Tombstone bool
	Item      item.Encoded
	// Size is the item's as DynamoDB counts.
	Size int
	// Version is zero when there is neither item nor tombstone.
	Version version.Version
}

// ConsumerState is how far a consumer of the change log has come.
type ConsumerState struct {
	// Seq is the last change that the consumer is done with.
	Seq   uint64
	State []byte
}

// PageRequest asks for items in a range of keys.
type PageRequest struct {
	// Lo and Hi bound the keys: Lo ≤ key < Hi. nil means the partition's bound.
	Lo, Hi []byte
	// Reverse begins at the greatest key.
	Reverse bool
	// Limit is how many items may be examined, 0 for any number.
	Limit int
	// MaxBytes is how many bytes of items, as DynamoDB counts, may be examined;
	// the item that reaches it is the last. 0 means DynamoDB's 1 MiB.
	MaxBytes int
	// Filter decides which of the examined items are returned, nil all.
	Filter *expr.Condition
	// Projection cuts the returned items, nil not at all.
	Projection *expr.Projection
	// CountOnly returns no items.
	CountOnly bool
	// WithTombstones returns Stored in place of Items, tombstones among them.
	// Filter, Projection and CountOnly do not apply.
	WithTombstones bool
}

// Page is the answer to a PageRequest.
type Page struct {
	Items  []item.Encoded
	Stored []Stored
	// Count is how many items matched, Scanned how many were examined, and
	// ScannedBytes their size.
	Count, Scanned, ScannedBytes int
	// Last is the last key examined, nil if there was none. To go on, take the
	// key after it as Lo (Last with a zero byte appended), or in reverse Last
	// as Hi.
	Last []byte
	// More says that a limit ended the page. There may be nothing after it.
	More bool
}

// Faults makes the machine wrong on purpose, so that the simulator can prove
// that its checkers notice. All are off outside tests.
type Faults struct {
	// MergeBlindly applies a Merge whatever its version is.
	MergeBlindly bool
	// SkipAppliedCheck applies entries again that were applied before.
	SkipAppliedCheck bool
	// BelievePriors takes the prior of a key for true although the entry itself has
	// written the key.
	BelievePriors bool
}
