package group

import (
	"sync"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
)

// proposal is a command on its way into the log.
type proposal struct {
	cmd  []byte
	done func(command.Result, error)
}

func (p *proposal) fail(err error) { p.done(command.Result{}, err) }

type queueLimits struct {
	batchCommands, batchBytes int
	commands, bytes           int
}

func (t *Tuning) queueLimits() queueLimits {
	return queueLimits{
		batchCommands: t.BatchCommands, batchBytes: t.BatchBytes,
		commands: t.QueueCommands, bytes: t.QueueBytes,
	}
}

// queue holds the proposals that wait for the batch in flight. It takes them
// only while this peer leads.
type queue struct {
	limits queueLimits
	mu     struct {
		sync.Mutex
		open    bool
		waiting []proposal
		bytes   int
		// wanted is how many must wait for add to report it. 0 wants none.
		wanted int
	}
}

// The reasons for which add refuses.
var (
	errQueueClosed = storage.Errorf(storage.NotLeader, "the peer asked does not lead its group")
	errQueueFull   = storage.Errorf(storage.Unavailable, "the partition is overloaded")
)

// add appends a proposal and says whether the proposer has to know: because it
// is the first in line, or the last of as many as are wanted.
func (q *queue) add(p proposal) (notable bool, err *storage.Error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.mu.open {
		return false, errQueueClosed
	}
	if len(q.mu.waiting) >= q.limits.commands || q.mu.bytes+len(p.cmd) > q.limits.bytes {
		return false, errQueueFull
	}
	q.mu.waiting = append(q.mu.waiting, p)
	q.mu.bytes += len(p.cmd)
	n := len(q.mu.waiting)
	return n == 1 || n == q.mu.wanted, nil
}

// take moves what fits into one batch to dst, which must be empty. Its memory
// is exchanged with the queue's where that saves copying.
func (q *queue) take(dst []proposal) []proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.mu.waiting) && n < q.limits.batchCommands {
		size := len(q.mu.waiting[n].cmd)
		if n > 0 && bytes+size > q.limits.batchBytes {
			break
		}
		bytes += size
		n++
	}
	q.mu.bytes -= bytes
	if n == len(q.mu.waiting) {
		dst, q.mu.waiting = q.mu.waiting, dst
		return dst
	}
	dst = append(dst, q.mu.waiting[:n]...)
	rest := copy(q.mu.waiting, q.mu.waiting[n:])
	clear(q.mu.waiting[rest:])
	q.mu.waiting = q.mu.waiting[:rest]
	return dst
}

// want says how many proposals are worth waiting for, and returns how many wait.
func (q *queue) want(n int) (waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.wanted = n
	return len(q.mu.waiting)
}

// setOpen lets proposals in.
func (q *queue) setOpen() {
	q.mu.Lock()
	q.mu.open = true
	q.mu.Unlock()
}

// shut lets no more proposals in and returns those that wait.
func (q *queue) shut() []proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.mu.waiting
	q.mu.open, q.mu.waiting, q.mu.bytes = false, nil, 0
	return waiting
}
