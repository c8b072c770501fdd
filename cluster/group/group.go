// Package group is one peer of one Raft group: it puts a partition's state
// machine and the node's log under hashicorp/raft, and turns commands into log
// entries.
//
// It promises that a command whose callback got a result is committed, which
// means durable on a quorum, and applied here; that NotLeader and Unavailable
// mean that the command was certainly not proposed; and that everything whose
// fate is unknown is called Ambiguous. A group leads only after a batch of its
// own term has been applied, so its state then holds everything that any
// earlier leader acknowledged.
//
// How raft is used differs from its defaults for reasons of safety:
//
//   - The state machine is durable by itself, so there are no snapshots on
//     disk. Raft sees one virtual snapshot, the partition's own metadata, and
//     starts right after the applied index. Restore is never called: a peer
//     that is too far behind is replaced out of band, by package host.
//   - Raft's log is cut only below what a checkpoint has made durable.
//   - A term begins with an empty batch instead of a Barrier, because Barriers
//     do not reach the state machine: the applied index would stay behind them.
//   - Leadership is handed over by TimeoutNow directly. Raft's own transfer can
//     get stuck and then refuses all writes (hashicorp/raft #696).
//
// The package knows nothing of other groups, of keys or of what commands mean.
package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// Log is where Raft keeps a peer's entries and its hard state: in production a
// raftlog.GroupLog.
type Log interface {
	raft.LogStore
	raft.StableStore
	// StoreLogsAhead appends entries that can be read at once and become durable
	// later, but before anything that is stored after them.
	StoreLogsAhead(entries []*raft.Log) error
	// Durable reports whether entries up to index are durable. If not, tell is
	// called when they are.
	Durable(index uint64, tell func()) bool
}

// Options says what a Group is made of.
type Options struct {
	ID   cluster.GroupID
	Peer cluster.PeerID
	// Machine is the partition's state. The Group is the only one to Apply.
	Machine *machine.Partition
	Log     Log
	// Transport reaches the other peers. Close closes it. It delivers no answer
	// for entries that are not durable in Log.
	Transport raft.Transport
	// Checkpoint returns when everything that the machine had applied at the
	// time of the call is durable and SetDurable has been told. Log entries are
	// kept until then. The default never lets the log be cut.
	Checkpoint func(context.Context) error
	// Progress asks another peer for the last index of its log. Leadership is
	// transferred only to a peer that has everything. Without it there is no
	// transfer of leadership.
	Progress func(context.Context, cluster.PeerID) (lastIndex uint64, err error)
	// Announce sends a request of this leader's to another peer, and lets nobody
	// wait for the answer. It is how followers learn soon of the last commit
	// before a pause; without it they do after Tuning.CommitTimeout.
	Announce func(to cluster.PeerID, args *raft.AppendEntriesRequest)
	// OnLeader is told when this peer begins to lead in a term, and when it no
	// longer does. Calls come one at a time; they must not block, nor Close the
	// group.
	OnLeader func(leading bool, term uint64)
	// Fatal is told of an error after which the state cannot be trusted: the
	// process should end. The group has stopped by then. It must not Close the
	// group.
	Fatal func(error)
	// Now is the wall clock, time.Now by default.
	Now    func() time.Time
	Tuning Tuning
	Logger *slog.Logger
	// Faults break promises on purpose. They are for tests that must be able
	// to fail.
	Faults Faults
}

// Faults are controls for tests: each breaks one promise, so that a test of it
// can be seen to fail. All are off in production.
type Faults struct {
	// AckBeforeCommit reports success for a command before it is proposed.
	AckBeforeCommit bool
	// ReplayLog has raft, when it starts, apply the whole log that is left, as
	// if the applied index had not moved with the data.
	ReplayLog bool
	// ReadBehind has reads find the state as it is, though it does not hold yet what
	// they must see.
	ReadBehind bool
	// CountUnsynced counts a leader towards the quorum for entries that it has not
	// made durable itself. Whoever makes the transport has to see to it, too.
	CountUnsynced bool
}

// Group is one peer of a Raft group. It is safe for concurrent use.
type Group struct {
	opts      Options
	raft      *raft.Raft
	log       *guardedLog
	snapshots *snapshotStore
	queue     queue
	applied   appliedWaiters

	// wake tells the proposer that something has changed: the queue, the
	// leadership, or a pause.
	wake chan struct{}
	// stopping is closed when the group ends, by Close or by a fatal error, and
	// so does ctx.
	stopping chan struct{}
	ctx      context.Context
	stop     func() raft.Future
	wg       sync.WaitGroup

	// started is closed when raft and stop are set: raft may apply entries
	// before it has returned from its constructor.
	started chan struct{}

	// cutting is set while the log is cut for its size.
	cutting atomic.Bool

	// reloading is held while raft's configuration changes.
	reloading sync.Mutex

	// gate keeps the proposer from proposing while leadership is handed over.
	gate gate
	// handingOver is held by the one transfer of leadership at a time.
	handingOver sync.Mutex

	leadership atomic.Pointer[leadership]
	failure    atomic.Pointer[error]
}

// leadership is what the proposer has found out about this peer's role.
type leadership struct {
	term    uint64
	ready   bool          // leads in term, and has applied a batch of that term
	changed chan struct{} // closed when another leadership replaces this one
}

// ErrClosed is the cause of errors from a group that has stopped.
var ErrClosed = errors.New("group: closed")

// Start starts a peer from what its machine and its log hold.
func Start(o Options) (*Group, error) {
	o.ensureDefaults()
	g := &Group{
		opts:     o,
		wake:     make(chan struct{}, 1),
		stopping: make(chan struct{}),
		started:  make(chan struct{}),
	}
	g.leadership.Store(&leadership{changed: make(chan struct{})})
	g.queue.limits = o.Tuning.queueLimits()
	g.snapshots = newSnapshotStore(o.Machine)
	if o.Faults.ReplayLog {
		g.snapshots.forgetful = o.Log
	}
	g.log = newGuardedLog(o.Log, g.runsAhead, g.snapshots.oldestOpen, func() uint64 { return o.Machine.Meta().AppliedIndex })

	if err := g.startRaft(); err != nil {
		return nil, fmt.Errorf("group %v: peer %v: %w", o.ID, o.Peer, err)
	}
	g.wg.Add(1)
	go func() {
		defer g.wg.Done()
		g.propose()
	}()
	return g, nil
}

// startRaft starts raft and begins to observe it.
func (g *Group) startRaft() error {
	r, err := raft.NewRaft(g.opts.raftConfig(), &fsm{group: g}, g.log, g.opts.Log, g.snapshots, g.opts.Transport)
	if err != nil {
		return err
	}
	g.raft = r
	ctx, cancel := context.WithCancelCause(context.Background())
	g.ctx = ctx
	g.stop = sync.OnceValue(func() raft.Future {
		close(g.stopping)
		cancel(ErrClosed)
		g.applied.close()
		return r.Shutdown()
	})
	close(g.started)
	// The filter runs on raft's main loop: it only wakes the proposer, which
	// then looks for itself.
	r.RegisterObserver(raft.NewObserver(nil, false, func(o *raft.Observation) bool {
		if _, ok := o.Data.(raft.RaftState); ok {
			g.notify()
		}
		return false
	}))
	g.notify()
	return nil
}

// notify wakes the proposer. It never blocks.
func (g *Group) notify() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Close stops the peer and waits for all of it. Commands that wait in the
// queue end as Unavailable, one in flight as Ambiguous unless it is known to
// be committed. It must not be called from a callback.
func (g *Group) Close() error {
	// Detach from the network first: raft's goroutines that wait for an answer
	// of another peer then end at once.
	var err error
	if t, ok := g.opts.Transport.(raft.WithClose); ok {
		err = t.Close()
	}
	err = errors.Join(err, g.stop().Error())
	g.wg.Wait()
	if err != nil {
		return fmt.Errorf("group %v: close: %w", g.opts.ID, err)
	}
	return nil
}

// fail stops the group for good after an error that leaves its state unknown.
func (g *Group) fail(err error) {
	if !g.failure.CompareAndSwap(nil, &err) {
		return
	}
	g.opts.Logger.Error("group stopped", "error", err)
	g.stop()
	g.opts.Fatal(err)
}

// ID is the group's.
func (g *Group) ID() cluster.GroupID { return g.opts.ID }

// Peer is this peer.
func (g *Group) Peer() cluster.PeerID { return g.opts.Peer }

// Machine is the partition's state. It may be read at any time.
func (g *Group) Machine() *machine.Partition { return g.opts.Machine }

// Done is closed when the group begins to stop.
func (g *Group) Done() <-chan struct{} { return g.stopping }

// Term is the peer's current term. It is durable.
func (g *Group) Term() uint64 { return g.raft.CurrentTerm() }

// LastIndex is the index of the last entry in the peer's log.
func (g *Group) LastIndex() uint64 { return g.raft.LastIndex() }

// Leader is the peer that this one believes to lead the group.
func (g *Group) Leader() (cluster.PeerID, bool) {
	_, id := g.raft.LeaderWithID()
	if id == "" {
		return cluster.PeerID{}, false
	}
	peer, err := cluster.ParsePeerID(string(id))
	return peer, err == nil
}

// IsLeader says that this peer leads and that its state holds everything that
// earlier leaders acknowledged. Another peer may lead already: see package
// host for reads that must know.
func (g *Group) IsLeader() bool {
	_, ok := g.Leading()
	return ok
}

// Leading is IsLeader with the term in which this peer leads.
func (g *Group) Leading() (term uint64, ok bool) {
	l := g.leadership.Load()
	if !l.ready {
		return 0, false
	}
	term, leads := g.epoch()
	return term, leads && term == l.term
}

// LeadershipChanged returns a channel that is closed when Leading next changes
// its answer. To miss nothing, take the channel before asking.
func (g *Group) LeadershipChanged() <-chan struct{} { return g.leadership.Load().changed }

// LastContact is when the peer last heard from a leader.
func (g *Group) LastContact() time.Time { return g.raft.LastContact() }

// Fresh says whether the peer's state is good enough for reads that need not be
// consistent: it has one, and the peer leads, or has heard from a leader within
// the time given.
func (g *Group) Fresh(within time.Duration) bool {
	if g.opts.Machine.Meta().ConfigIndex == 0 {
		return false
	}
	return g.IsLeader() || time.Since(g.LastContact()) <= within
}

// epoch is raft's current term and whether this peer leads in it, both at one
// moment.
func (g *Group) epoch() (term uint64, leads bool) {
	for {
		term = g.raft.CurrentTerm()
		leads = g.raft.State() == raft.Leader
		if g.raft.CurrentTerm() == term {
			return term, leads
		}
	}
}

// SetDurable says up to which index the applied state is known to be on disk.
func (g *Group) SetDurable(applied uint64) { g.log.setDurable(applied) }

// untilStopped derives a context that ends with the group.
func (g *Group) untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(g.ctx, func() { cancel(ErrClosed) })
	return ctx, func() {
		detach()
		cancel(nil)
	}
}
