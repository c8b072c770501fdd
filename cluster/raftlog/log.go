package raftlog

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
	"github.com/roundtabledb/roundtable/storage"
)

// Options configures a Log.
type Options struct {
	// Dir is the folder of the log. It is made if need be and holds nothing
	// else.
	Dir string
	// FS is the file system; nil means OS().
	FS FS
	// SegmentBytes is the size of a segment file; 0 means 64 MiB, or 4 MiB
	// without Sync. It may differ from one Open to the next.
	SegmentBytes int64
	// CacheBytes bounds the memory that holds the tail of the log for readers;
	// 0 means 64 MiB, or 4 MiB without Sync. All groups share it.
	CacheBytes int64
	// Fatal is called once, when the log has failed and the process must end:
	// it can no longer keep what Raft promises. It must not wait for Close, nor
	// for any call of the log. Required.
	Fatal func(error)
	// Sync says that a call returns only when its record is durable. It is
	// false only for development in memory; Open refuses that on a real disk.
	Sync bool
	// StuckAfter is how long one commit may take before the disk counts as
	// hung and Fatal is called; 0 means 10 seconds.
	StuckAfter time.Duration

	// salt is the salt of a new log, for tests; 0 means a random one.
	salt uint64
}

func (o *Options) ensureDefaults() {
	size := int64(64 << 20)
	if !o.Sync {
		size = 4 << 20
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = size
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = size
	}
	if o.FS == nil {
		o.FS = OS()
	}
	if o.StuckAfter == 0 {
		o.StuckAfter = 10 * time.Second
	}
}

func (o *Options) validate() error {
	switch {
	case o.Dir == "":
		return broken("options: Dir is missing")
	case o.Fatal == nil:
		return broken("options: Fatal is missing")
	case o.SegmentBytes < record.SegmentHeaderSize+record.FrameHeaderSize || o.SegmentBytes > maxRequestBytes:
		return broken("options: SegmentBytes %d is not between a header and 1 GiB", o.SegmentBytes)
	case !o.Sync && isOS(o.FS):
		return broken("options: Sync may be off only in memory")
	}
	return nil
}

// Log is the write-ahead log of a node. Its methods may be called from any
// goroutine.
type Log struct {
	options Options
	fs      FS
	salt    uint64
	lock    io.Closer
	cache   cache

	// committer, allocator and cleaner each have one goroutine, which Close
	// waits for.
	committer committer
	allocator allocator
	cleaner   cleaner

	// ended is set when the log has failed or was closed; dead is closed when
	// it has failed.
	ended atomic.Pointer[ending]
	dead  chan struct{}

	// requests recycles what submit hands to the committer.
	requests sync.Pool
	// wake hands the committer to its goroutine.
	wake  chan struct{}
	queue struct {
		sync.Mutex
		waiting []*request
		held    bool // someone holds the committer
		closed  bool
	}
	// holders are the callers that hold the committer.
	holders sync.WaitGroup

	// births is held while a peer is created or destroyed.
	births sync.Mutex

	// mu guards the state. Only the committer changes it, but for the cleaner,
	// which takes away the oldest segment.
	mu struct {
		sync.RWMutex
		state
	}

	stats struct {
		frames, bytes, entries, moved atomic.Uint64
	}
}

// Group returns the log of a group's peer on this node, making it, durably,
// if it is not there. It refuses a peer that was destroyed, and another peer
// of a group that has one here.
func (l *Log) Group(id cluster.GroupID, peer cluster.PeerID) (*GroupLog, error) {
	l.births.Lock()
	defer l.births.Unlock()
	if g, ok := l.Lookup(id); ok {
		if g.peer != peer {
			return nil, broken("group %v has peer %v on this node, so it cannot have %v", id, g.peer, peer)
		}
		return g, l.usable()
	}
	if l.Destroyed(id, peer) {
		return nil, errDestroyed
	}
	g := newGroupLog(l, id, peer)
	if err := l.submit(&createPeer{g}); err != nil {
		return nil, err
	}
	return g, nil
}

// Lookup returns the log of a group if it has one here.
func (l *Log) Lookup(id cluster.GroupID) (*GroupLog, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	g, ok := l.mu.groups[id]
	return g, ok
}

// Groups returns the groups that have a log here, by id.
func (l *Log) Groups() []*GroupLog {
	l.mu.RLock()
	defer l.mu.RUnlock()
	groups := make([]*GroupLog, 0, len(l.mu.groups))
	for _, g := range l.mu.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *GroupLog) int { return cmp.Compare(a.id, b.id) })
	return groups
}

// Destroy ends a peer for ever: its entries and stable values are gone when it
// returns, and Group refuses the peer from then on, also after a restart. It
// does so too for a peer that never was here. Destroying twice is no error.
func (l *Log) Destroy(id cluster.GroupID, peer cluster.PeerID) error {
	l.births.Lock()
	defer l.births.Unlock()
	if l.Destroyed(id, peer) {
		return l.usable()
	}
	d := &destroyPeer{id: id, peer: peer}
	if g, ok := l.Lookup(id); ok && g.peer == peer {
		d.group = g
	}
	return l.submit(d)
}

// Destroyed says whether a peer was destroyed here.
func (l *Log) Destroyed(id cluster.GroupID, peer cluster.PeerID) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Contains(l.mu.destroyed[id], peer)
}

// Stats says how large the log is and what was written to it since Open.
type Stats struct {
	// Segments is the number of segments, Bytes what they hold, and LiveBytes
	// how much of that is entries that are still of use.
	Segments         int
	Bytes, LiveBytes int64
	// Frames is the number of commits, each one write and one sync;
	// BytesWritten is their size.
	Frames, BytesWritten uint64
	// Entries is the number of entries appended, Moved that of entries written
	// again so that an old segment could be freed.
	Entries, Moved uint64
}

// Stats returns the numbers of the moment.
func (l *Log) Stats() Stats {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := Stats{
		Segments:     len(l.mu.segments),
		LiveBytes:    l.mu.live,
		Frames:       l.stats.frames.Load(),
		BytesWritten: l.stats.bytes.Load(),
		Entries:      l.stats.entries.Load(),
		Moved:        l.stats.moved.Load(),
	}
	for _, seg := range l.mu.segments {
		s.Bytes += seg.used
	}
	return s
}

// submit waits until a change is durable.
func (l *Log) submit(c change) error {
	if err := l.usable(); err != nil {
		return err
	}
	r, _ := l.requests.Get().(*request)
	if r == nil {
		r = &request{done: make(chan error, 1)}
	}
	r.change = c
	l.queue.Lock()
	if l.queue.closed {
		l.queue.Unlock()
		return errClosed
	}
	hold := l.enqueueLocked(r)
	l.queue.Unlock()
	return l.await(r, hold)
}

// submitAhead hands over a change that nobody waits for.
func (l *Log) submitAhead(a *appendEntries) error {
	if err := l.usable(); err != nil {
		return err
	}
	l.queue.Lock()
	defer l.queue.Unlock()
	if l.queue.closed {
		return errClosed
	}
	l.queue.waiting = append(l.queue.waiting, &request{change: a, ahead: a.group})
	if !l.queue.held {
		l.queue.held = true
		notify(l.wake)
	}
	return nil
}

// enqueueLocked lets a request wait for the committer. It returns true if the
// caller now holds it.
func (l *Log) enqueueLocked(r *request) bool {
	l.queue.waiting = append(l.queue.waiting, r)
	if l.queue.held {
		return false
	}
	l.queue.held = true
	l.holders.Add(1)
	return true
}

// await waits for a request, and does the work if the caller holds the
// committer.
func (l *Log) await(r *request, hold bool) error {
	if hold {
		l.committer.commitWaiting()
		if !l.committer.release() {
			notify(l.wake)
		}
		l.holders.Done()
	}
	select {
	case err := <-r.done:
		r.change = nil
		l.requests.Put(r)
		return err
	case <-l.dead:
		// The committer may still have r, so r is not used again.
		return &storage.Error{Kind: storage.Ambiguous, Op: "raftlog", Err: l.usable()}
	}
}

// notify wakes the goroutine that waits on a channel of capacity 1.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close commits what waits, marks the end of the log and closes it. Calls
// after it fail. It waits for a disk that hangs.
func (l *Log) Close() error {
	l.queue.Lock()
	if l.queue.closed {
		l.queue.Unlock()
		return errClosed
	}
	l.queue.closed = true
	last := &request{change: markClosed{}, done: make(chan error, 1)}
	hold := l.enqueueLocked(last)
	l.queue.Unlock()

	err := l.await(last, hold)
	l.cleaner.stop()
	l.holders.Wait()
	close(l.committer.closing)
	<-l.committer.finished
	l.allocator.stop()
	l.ended.CompareAndSwap(nil, &ending{errClosed})
	return errors.Join(err, l.closeFiles())
}

// closeFiles closes what the log has open.
func (l *Log) closeFiles() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first error
	for _, seg := range l.mu.segments {
		if err := seg.file.Close(); err != nil && first == nil {
			first = diskFailed(err)
		}
	}
	if err := l.lock.Close(); err != nil && first == nil {
		first = diskFailed(err)
	}
	return first
}
