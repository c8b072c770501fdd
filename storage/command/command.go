// Package command is what a log entry asks of a partition, and what the
// partition answered: the types, and their bytes on the wire, in the log and
// in the session table. A command is evaluated when it is applied, on every
// peer, so it holds everything the evaluation needs: parsed expressions, not
// text, and no reference to a clock.
//
// The package knows how commands are written down. What they do is the
// business of package machine.
package command

import (
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Limits that hold for every command, whoever sends it.
const (
	// MaxItemSize is DynamoDB's limit of an item, in its own way of counting.
	MaxItemSize = 409_600
	// MaxTransactSize is DynamoDB's limit for all items of one transaction.
	MaxTransactSize = 4 << 20
	// MaxTransactOps is how many operations one transaction may have. The 100
	// of DynamoDB's API are its own business: the catalog writes more at once.
	MaxTransactOps = 10_000
	// MaxKeySize bounds an encoded key. DynamoDB's longest keys, 2,048 and
	// 1,024 bytes, stay below it however they are escaped.
	MaxKeySize = 8 << 10
	// MaxConsumerState bounds the opaque state of a consumer.
	MaxConsumerState = 64 << 10
	// MaxBatchSize is how big an encoded batch, one Raft entry, should get. A
	// proposer stays below it; one command never exceeds it.
	MaxBatchSize = 5 << 20
)

// Kind says what a command does. Kinds are stored in logs: they are append-only.
type Kind uint8

// The kinds of command.
const (
	// Put replaces an item.
	Put Kind = iota + 1
	// Update changes attributes of an item, which it creates if need be.
	Update
	// Delete removes an item.
	Delete
	// Check evaluates a condition and changes nothing. It exists only within
	// Transact.
	Check
	// Merge takes over the state of an item from another region if its version
	// is newer.
	Merge
	// Transact does all of its Ops or none.
	Transact
	// Consumer registers, advances or removes a follower of the change log.
	Consumer
)

// RequestID makes a command exactly-once: a partition remembers the outcome
// for a (Session, Seq) and answers a duplicate with it.
type RequestID struct {
	// Session names the proposer for one of its lives. Zero means that the
	// command is not deduplicated.
	Session uint64
	// Seq numbers the commands of a session, from 1.
	Seq uint64
	// Low is the smallest Seq whose outcome the session still waits for. What
	// is below it may be forgotten, and is refused.
	Low uint64
}

// Return says which image of the item the Result carries.
type Return uint8

// DynamoDB's ReturnValues.
const (
	ReturnNone Return = iota
	ReturnAllOld
	ReturnUpdatedOld
	ReturnAllNew
	ReturnUpdatedNew
)

// ConsumerOp is what a Consumer command does.
type ConsumerOp uint8

// The operations on a consumer.
const (
	// Register begins to keep changes for a consumer, all that follow. It does
	// nothing when the consumer is there already.
	Register ConsumerOp = iota + 1
	// Advance says that the consumer has no need of changes up to Seq, and
	// replaces its State. It is refused when Seq would go backwards.
	Advance
	// Remove ends a consumer. It does nothing when there is none.
	Remove
)

// ConsumerChange is the argument of a Consumer command.
type ConsumerChange struct {
	// Name is the consumer's. A name that begins with "region:" is another
	// region's: while one is registered, deletes leave tombstones.
	Name string
	Op   ConsumerOp
	// Seq is the last change that the consumer is done with. Register ignores it.
	Seq uint64
	// State is the consumer's own, for Register and Advance.
	State []byte
}

// Command is one request to a partition. Which fields matter depends on Kind.
type Command struct {
	Request RequestID
	Kind    Kind
	// Key is the encoded primary key. Transact and Consumer have none.
	Key []byte
	// Item is for Put the whole item, for Update the key attributes, and for
	// Merge the state to take over, nil for a tombstone.
	Item item.Encoded
	// Condition must hold on the stored item, or on an empty one where there is
	// none. nil holds.
	Condition *expr.Condition
	// Update is what an Update does. nil just makes sure that the item exists.
	Update *expr.Update
	Return Return
	// ReturnOnFailure asks for the item that a condition failed on.
	ReturnOnFailure bool
	// Version is the state's, for Merge.
	Version version.Version
	// Ops are the parts of a Transact: Put, Update, Delete or Check, each on
	// another key of this partition.
	Ops      []Command
	Consumer ConsumerChange
}

// Result is what a partition answered to a command.
type Result struct {
	// Err says why nothing was changed. nil means success.
	Err *storage.Error
	// Item is the image that Return asked for, nil when there is none.
	Item item.Encoded
	// Existed says that there was an item before.
	Existed bool
	// OldSize and NewSize are the item's size before and after, as DynamoDB
	// counts; 0 where there is no item.
	OldSize, NewSize int
	// Version is the item's after the command. It is the old one when the
	// command made no difference.
	Version version.Version
	// Applied says that a Merge replaced the state, that a Consumer command
	// changed something, or that any other command changed the item.
	Applied bool
	// Seq is where the consumer of a Consumer command stands afterwards.
	Seq uint64
	// Results is the answer to each of the Ops of a Transact, also when it was
	// canceled: then the ops that caused it carry an Err.
	Results []Result
}
