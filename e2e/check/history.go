package check

import (
	"sync"
	"time"
)

// Kind is what an operation does to one item.
type Kind uint8

// The operations. An item's value is a string here, the empty string when
// there is no item.
const (
	// Read is a strongly consistent read.
	Read Kind = iota
	// Write replaces the value.
	Write
	// Delete removes the item.
	Delete
	// Swap replaces the value if it is Expect, or if there is none and Expect
	// is empty.
	Swap
	// Add adds one to a value that is a decimal number; no item counts as 0.
	Add
)

// String names the operation.
func (k Kind) String() string {
	return [...]string{"read", "write", "delete", "swap", "add"}[k]
}

// Outcome is what a client knows of an operation.
type Outcome uint8

// The outcomes.
const (
	// Done says that the operation took effect.
	Done Outcome = iota
	// Refused says that it did not: a condition failed, or it was never begun.
	Refused
	// Unknown says that it may have taken effect, or may yet.
	Unknown
)

// Operation is one operation of one client on one item.
type Operation struct {
	Client int
	Key    string
	Kind   Kind
	Value  string // what Write and Swap write
	Expect string // what Swap expects
	Seen   string // what Read found, or Add returned
	// Refusal says, for a refused operation, whether its condition was
	// evaluated. One that was never begun proves nothing.
	Refusal    bool
	Outcome    Outcome
	Start, End time.Duration // since the beginning of the history
}

// History is what clients did. It is safe for concurrent use.
type History struct {
	begin time.Time

	mu   sync.Mutex
	done []Operation
}

// NewHistory begins a history.
func NewHistory() *History { return &History{begin: time.Now()} }

// Begin notes when an operation starts. The caller runs it, fills in what came
// of it and calls End.
func (h *History) Begin(op Operation) Operation {
	op.Start = time.Since(h.begin)
	return op
}

// End records an operation.
func (h *History) End(op Operation) {
	op.End = time.Since(h.begin)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, op)
}

// Operations returns what was recorded, in order of ending.
func (h *History) Operations() []Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Operation(nil), h.done...)
}
