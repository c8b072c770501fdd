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
	}
}

// The reasons for which add refuses.
var (
	errQueueClosed = storage.Errorf(storage.NotLeader, "the peer asked does not lead its group")
	errQueueFull   = storage.Errorf(storage.Unavailable, "the partition is overloaded")
)

// add appends a proposal and says whether it is the first in line.
func (q *queue) add(p proposal) (first bool, err *storage.Error) {
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
	return len(q.mu.waiting) == 1, nil
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
