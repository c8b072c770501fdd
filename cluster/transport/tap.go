package transport

import (
	"time"

	"github.com/roundtabledb/roundtable/cluster"
)

// Message describes one request or answer to a Tap.
type Message struct {
	From, To cluster.NodeID
	Lane     Lane
	Method   Method
	Group    cluster.GroupID
	// Reply is set for an answer; From is then the node that answers.
	Reply bool
	// Size is that of the body, in bytes.
	Size int
}

// Verdict is what a Tap wants done with a message. The zero Verdict delivers.
type Verdict struct {
	// Drop loses the message. A request lost this way ends by its timeout.
	Drop bool
	// Copies is how many times the message is delivered beyond once.
	Copies int
	// Delay holds the message, and its copies, back. Later messages overtake it.
	Delay time.Duration
}

// Tap sees each message before it is queued for sending and decides its fate.
// It is for the simulator, which injects loss, duplication and reordering that
// a stream alone would never show. It must be safe for concurrent use, and
// must not block. Calls of a node to itself never reach it, nor do snapshots.
type Tap func(Message) Verdict
