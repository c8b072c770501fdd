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
//
// What clients of this region wait for comes before what other regions ship: a
// batch takes the first and tops itself up with a share of the second. The
// share is all there is room for while no client writes, and falls to a bounded
// one as soon as one does, so that a backlog of another region does not make
// each batch, and with it each client's wait, as long as a batch can be. It
// doubles with every batch that no client had a command in: clients that come
// one by one do not find the longest batch in their way, and there is no clock
// in it.
type queue struct {
	limits queueLimits
	mu     struct {
		sync.Mutex
		open            bool
		clients, merges line
		// share is how many merges the next batch may take if no client has a
		// command in it.
		share int
		// wanted is how many must wait for add to report it. 0 wants none.
		wanted int
		// writes counts what clients write with the commands that were let in.
		writes uint64
	}
}

const (
	// A batch with commands of clients in it takes as many merges as minShare
	// or, if that is more, mergesPerCommand for each of them: when all of five
	// regions write as fast as they can, each must take up what four others do.
	minShare         = 64
	mergesPerCommand = 4
	// reserve is the part of a batch that clients leave to merges that wait: a
	// region that is overloaded must not fall behind the others for ever.
	reserve = 5
	// mergeRoom is the part of the queue that merges may fill. Those of a
	// backlog wait in their sender's window instead of keeping clients out.
	mergeRoom = 2
)

// line is proposals in the order in which they came.
type line struct {
	waiting []proposal
	bytes   int
}

// first is the size of the first proposal, 0 when there is none.
func (l *line) first() int {
	if len(l.waiting) == 0 {
		return 0
	}
	return len(l.waiting[0].cmd)
}

// fit is how many from the front keep to the bounds, and one at least if must
// is set.
func (l *line) fit(commands, bytes int, must bool) (n, size int) {
	for n < len(l.waiting) && n < commands {
		next := len(l.waiting[n].cmd)
		if size+next > bytes && (n > 0 || !must) {
			break
		}
		size += next
		n++
	}
	return n, size
}

// take moves the first n, which have size bytes, to the end of dst. The memory
// of an empty dst is exchanged with the line's where that saves copying.
func (l *line) take(dst []proposal, n, size int) []proposal {
	l.bytes -= size
	if n == len(l.waiting) && len(dst) == 0 {
		dst, l.waiting = l.waiting, dst
		return dst
	}
	dst = append(dst, l.waiting[:n]...)
	rest := copy(l.waiting, l.waiting[n:])
	clear(l.waiting[rest:])
	l.waiting = l.waiting[:rest]
	return dst
}

// merge reports whether a proposal is a state of another region.
func (p *proposal) merge() bool {
	return len(p.cmd) > 0 && command.Kind(p.cmd[0]) == command.Merge
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
	l := &q.mu.clients
	if p.merge() {
		l = &q.mu.merges
		if len(l.waiting) > q.limits.commands/mergeRoom || l.bytes > q.limits.bytes/mergeRoom {
			return false, errQueueFull
		}
	}
	if q.lenLocked() >= q.limits.commands || q.mu.clients.bytes+q.mu.merges.bytes+len(p.cmd) > q.limits.bytes {
		return false, errQueueFull
	}
	l.waiting = append(l.waiting, p)
	l.bytes += len(p.cmd)
	q.mu.writes += uint64(command.Writes(p.cmd))
	n := q.lenLocked()
	return n == 1 || n == q.mu.wanted, nil
}

func (q *queue) lenLocked() int { return len(q.mu.clients.waiting) + len(q.mu.merges.waiting) }

// take moves what is to be the next batch to dst, which must be empty.
func (q *queue) take(dst []proposal) []proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	commands, bytes := q.limits.batchCommands, q.limits.batchBytes
	clients, merges := &q.mu.clients, &q.mu.merges

	n, size := clients.fit(
		commands-min(len(merges.waiting), commands/reserve),
		bytes-min(merges.bytes, max(bytes/reserve, merges.first())), true)
	dst = clients.take(dst, n, size)

	commands, bytes = commands-n, bytes-size
	if n > 0 {
		q.mu.share = max(minShare, mergesPerCommand*n)
	}
	commands = min(commands, max(q.mu.share, minShare))
	m, size := merges.fit(commands, bytes, n == 0)
	if n == 0 && m > 0 {
		q.mu.share = min(2*max(q.mu.share, minShare), q.limits.batchCommands)
	}
	if m == 0 {
		return dst
	}
	return merges.take(dst, m, size)
}

// want says how many proposals are worth waiting for, and returns how many wait.
func (q *queue) want(n int) (waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.wanted = n
	return q.lenLocked()
}

// written is how many items clients write with what was let in so far.
func (q *queue) written() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.writes
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
	waiting := append(q.mu.clients.waiting, q.mu.merges.waiting...)
	q.mu.open, q.mu.clients, q.mu.merges, q.mu.share = false, line{}, line{}, 0
	return waiting
}
