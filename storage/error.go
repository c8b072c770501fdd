// Package storage is the vocabulary that every layer of Roundtable shares:
// the one error type of the system. The packages below it hold what one peer
// of a partition stores and how a command changes it. Nothing under storage
// knows of a network, a wall clock, Raft or randomness: the same commands give
// the same bytes on every peer.
package storage

import (
	"errors"
	"fmt"
)

// Kind says what class of failure an Error is. Kinds cross the wire between
// nodes, so they are append-only.
type Kind uint8

// The kinds. The first group is the caller's doing and reaches DynamoDB
// clients as the exception of the same name; the second group is the
// environment's; the last is a bug or a damaged disk.
const (
	// Other is the zero Kind: an error of which nothing more is known.
	Other Kind = iota

	// Validation is DynamoDB's ValidationException.
	Validation
	// ConditionalCheckFailed is DynamoDB's ConditionalCheckFailedException.
	ConditionalCheckFailed
	// TransactionCanceled is DynamoDB's TransactionCanceledException.
	TransactionCanceled
	// TransactionConflict is DynamoDB's TransactionConflictException.
	TransactionConflict
	// ResourceNotFound is DynamoDB's ResourceNotFoundException.
	ResourceNotFound
	// ResourceInUse is DynamoDB's ResourceInUseException.
	ResourceInUse
	// LimitExceeded is DynamoDB's LimitExceededException.
	LimitExceeded
	// Throttled is DynamoDB's ProvisionedThroughputExceededException.
	Throttled

	// NotLeader says that the peer asked does not lead its group. The command
	// was certainly not proposed: it is safe to ask another peer.
	NotLeader
	// WrongPartition says that the key lies outside the partition asked. The
	// command changed nothing.
	WrongPartition
	// Ambiguous says that a command may or may not have been applied. Only a
	// retry with the same request id is safe.
	Ambiguous
	// Unavailable says that nothing was attempted, or that nothing was changed,
	// and that the same call may succeed later.
	Unavailable
	// StaleRequest says that a request id is older than what its session has
	// declared finished. It can only be a delayed duplicate.
	StaleRequest

	// Corrupt says that stored bytes are not what was written.
	Corrupt
	// Internal is a broken invariant.
	Internal
)

var kindNames = [...]string{
	Other:                  "error",
	Validation:             "validation",
	ConditionalCheckFailed: "conditional check failed",
	TransactionCanceled:    "transaction canceled",
	TransactionConflict:    "transaction conflict",
	ResourceNotFound:       "resource not found",
	ResourceInUse:          "resource in use",
	LimitExceeded:          "limit exceeded",
	Throttled:              "throttled",
	NotLeader:              "not leader",
	WrongPartition:         "wrong partition",
	Ambiguous:              "ambiguous",
	Unavailable:            "unavailable",
	StaleRequest:           "stale request",
	Corrupt:                "corrupt",
	Internal:               "internal",
}

// String names the kind for logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Error is the error type of Roundtable. It says what was being done, what
// class of failure it was, and in words for the caller what went wrong.
type Error struct {
	// Kind is the class of the failure.
	Kind Kind
	// Op is the operation that failed, for logs: "raftlog.Append". It never
	// reaches a client.
	Op string
	// Message is for the caller. For the kinds that DynamoDB knows it is the
	// exact text that the client sees.
	Message string
	// Item is the encoded item that a failed condition was evaluated on, where
	// the caller asked for it (ReturnValuesOnConditionCheckFailure).
	Item []byte
	// Err is the cause, if there is one.
	Err error
}

// Error describes the failure with its operation and cause.
func (e *Error) Error() string {
	s := e.Message
	if s == "" {
		s = e.Kind.String()
	}
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind. A %w verb records the cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Validationf makes a Validation error: the caller's request is wrong.
func Validationf(format string, args ...any) *Error { return Errorf(Validation, format, args...) }

// KindOf returns the kind of the first Error in err's chain, and Other when
// there is none.
func KindOf(err error) Kind {
	// Unlike errors.As, this costs no memory: most errors asked about are nil.
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Other
}
