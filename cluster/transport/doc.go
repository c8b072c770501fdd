// Package transport connects the nodes of one region. A few long-lived gRPC
// streams per pair of nodes carry the messages of all groups, so that the cost
// of a message does not grow with the number of groups, and an idle group costs
// a few bytes in a frame that is sent anyway.
//
// # Lanes
//
// Each ordered pair of nodes has one stream per Lane, opened by the node that
// asks, on a connection of its own. Requests flow one way, answers the other. A
// stream is opened when there is something to send and stays open until it
// breaks; then it is opened again, with backoff, when there is something to
// send. Calls of a node to itself take the same path without the network.
//
// # Order
//
// Requests to one node on one lane reach their handlers in the order in which
// Call was called, also across a broken stream: once a message of a new stream
// has been handled, none of an older stream will be. Some may be missing.
// Answers come in any order. Nothing is promised across lanes.
//
// # Batching
//
// A frame holds whatever waits when the stream is ready for it. No timer delays
// a request: an idle lane sends it at once, a busy one sends many together. Only
// the idle traffic of Raft, heartbeats and appends without entries, and the answers
// to it wait for company: an eighth of the time in which Raft wants the answer, and up
// to 20 ms.
//
// # Errors
//
// Every call ends exactly once, by its answer or by its timeout at the latest.
// An error of the handler keeps its storage.Kind. An error of the transport is
// Unavailable where the request was certainly not sent, else Ambiguous. Queues
// are bounded; a full one refuses with Unavailable.
//
// # Goroutines
//
// A lane to a peer has one goroutine that connects and sends, and one that
// reads while it is connected; the serving side has the same two. Handlers and
// callbacks run on the readers, so they must not block. A GroupTransport has
// one goroutine that collects the answers of its Raft instance.
//
// The package knows nothing of commands, tables or the catalog. It knows
// hashicorp/raft's messages, because it is Raft's transport: see GroupTransport.
package transport
