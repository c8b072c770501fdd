// Package host holds all Raft groups of a node. It opens them from what the
// node's disk says, makes and destroys peers, moves state between nodes as
// snapshots, makes the state of all groups durable together, and confirms
// leadership for strong reads of all groups together.
//
// What it promises:
//
//   - A peer that was destroyed never lives again, and one whose log or state
//     is not what it was is not started: the node refuses to open.
//   - The log of a group is cut only up to what a checkpoint has made durable.
//   - A snapshot replaces a peer's state at once or not at all, and never
//     removes an entry that the peer has acknowledged.
//   - When Confirm reports success, this node's state of the group holds every
//     write that was acknowledged before Confirm was called, and everything that
//     a read had seen that ended before. The same goes for any peer that holds
//     what ReadIndex tells.
//
// It does not know tables, keys, commands or where peers should live.
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// Options says what a Host is made of. It closes none of it.
type Options struct {
	Node   cluster.NodeID
	Region string
	// Engine holds the state of all groups, Log their entries and hard state.
	Engine *engine.Engine
	Log    *raftlog.Log
	// Transport must not serve before Open has returned.
	Transport *transport.Transport
	// Tuning is that of every group.
	Tuning group.Tuning
	// CheckpointEvery is how often state is made durable. Restarting after a
	// crash replays at most that much. The default is 10 s.
	CheckpointEvery time.Duration
	// Fatal is told of an error after which the node must end. It must not
	// Close the host.
	Fatal func(error)
	// Now is the wall clock, time.Now by default.
	Now    func() time.Time
	Logger *slog.Logger
	// GroupFaults and MachineFaults break promises on purpose, for tests.
	GroupFaults   group.Faults
	MachineFaults machine.Faults
}

func (o *Options) ensureDefaults() {
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = 10 * time.Second
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Host holds the groups of a node. It is safe for concurrent use.
type Host struct {
	opts        Options
	registry    *machine.Registry
	checkpoints *checkpointer
	sweeps      *sweeper
	beats       *beater
	reads       *confirmer
	watchers    watchers
	sending     chan struct{} // one token per snapshot that may be sent
	receiving   chan struct{}

	mu struct {
		sync.RWMutex
		closed  bool
		running map[cluster.GroupID]*group.Group
		slots   map[cluster.GroupID]*slot
	}
}

// slot serialises what happens to this node's peer of a group.
type slot struct {
	// life is held while the peer is made, started, replaced or destroyed.
	life lock
	// install is held while a snapshot is received.
	install sync.Mutex
}

// lock is a mutex that can be held for seconds: to wait for it is to wait in
// the sense of testing/synctest, where time goes on meanwhile.
type lock chan struct{}

func (l lock) Lock()   { l <- struct{}{} }
func (l lock) Unlock() { <-l }

// maxSnapshots is how many snapshots a node sends, and receives, at a time.
const maxSnapshots = 4

// Open opens the groups that live on this node and starts them. It registers
// its handlers with the transport.
func Open(o Options) (*Host, error) {
	o.ensureDefaults()
	registry, err := machine.OpenRegistry(o.Engine, o.Region)
	if err != nil {
		return nil, fmt.Errorf("host: open the registry of groups: %w", err)
	}
	h := &Host{
		opts:      o,
		registry:  registry,
		sending:   make(chan struct{}, maxSnapshots),
		receiving: make(chan struct{}, maxSnapshots),
	}
	h.mu.running = make(map[cluster.GroupID]*group.Group)
	h.mu.slots = make(map[cluster.GroupID]*slot)
	h.checkpoints = newCheckpointer(o.CheckpointEvery, o.Engine.Checkpoint, h.Groups, o.Fatal)
	h.sweeps = newSweeper(registry.Sweep, o.Fatal)
	h.beats = newBeater(o.Tuning.WithDefaults().HeartbeatInterval, h.Groups)
	h.reads = newConfirmer(o.Node, h.Group, o.Transport, o.Tuning)

	peers, err := h.load()
	if err == nil {
		o.Transport.Handle(transport.ConfirmTerm, h.serveConfirm)
		o.Transport.Handle(transport.GroupStatus, h.serveStatus)
		o.Transport.HandleSnapshot(h.receiveSnapshot)
		err = h.startAll(peers)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("host: %w", err), h.Close())
	}
	return h, nil
}

// Close stops all groups and waits for everything that the host has started.
func (h *Host) Close() error {
	h.mu.Lock()
	h.mu.closed = true
	slots := maps.Clone(h.mu.slots)
	h.mu.Unlock()
	for _, s := range slots {
		// Whoever is at work on a peer goes on to the end; nobody begins.
		s.life.Lock()
		s.life.Unlock() //nolint:staticcheck // only to have waited
	}
	h.mu.Lock()
	groups := h.mu.running
	h.mu.running = make(map[cluster.GroupID]*group.Group)
	h.mu.Unlock()

	var err error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, g := range groups {
		wg.Go(func() {
			failed := stop(g)
			mu.Lock()
			err = errors.Join(err, failed)
			mu.Unlock()
		})
	}
	wg.Wait()
	h.beats.close()
	h.reads.close()
	h.checkpoints.close()
	h.sweeps.close()
	if err != nil {
		return fmt.Errorf("host: close: %w", err)
	}
	return nil
}

// Group returns this node's running peer of a group. A peer that was replaced
// by a snapshot is a new one: do not keep it for long.
func (h *Host) Group(id cluster.GroupID) (*group.Group, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	g, ok := h.mu.running[id]
	return g, ok
}

// Groups returns this node's running peers, ordered by group.
func (h *Host) Groups() []*group.Group {
	h.mu.RLock()
	groups := make([]*group.Group, 0, len(h.mu.running))
	for _, g := range h.mu.running {
		groups = append(groups, g)
	}
	h.mu.RUnlock()
	slices.SortFunc(groups, func(a, b *group.Group) int { return cmp.Compare(a.ID(), b.ID()) })
	return groups
}

// ReadIndex calls done once with the index up to which a peer must have applied
// the log of a group that this node leads, before it may answer a strong read as
// of the moment ReadIndex was called, or the asking peer, if there is one, told its
// term. Otherwise the error is of kind NotLeader or Unavailable. done may be
// called before ReadIndex returns, or later on a goroutine that serves all groups:
// it must not block.
func (h *Host) ReadIndex(id cluster.GroupID, asks Asker, done func(uint64, error)) {
	h.reads.confirm(id, asks, done)
}

// Confirm is ReadIndex for reads at this node: it calls done once its peer, which
// leads, may be read.
func (h *Host) Confirm(id cluster.GroupID, done func(*group.Group, error)) {
	h.ReadIndex(id, Asker{}, func(index uint64, err error) {
		if err != nil {
			done(nil, err)
			return
		}
		g, ok := h.Group(id)
		if !ok {
			done(nil, h.reads.errNoPeer(id))
			return
		}
		g.WhenApplied(index, h.reads.patience, func(err error) { done(g, err) })
	})
}

// Checkpoint makes durable what all groups have applied so far.
func (h *Host) Checkpoint(ctx context.Context) error { return h.checkpoints.now(ctx) }

// TransferAll hands over the leadership of every group led here, as far as
// others can take it. It is for a node that is about to stop.
func (h *Host) TransferAll(ctx context.Context) error {
	var err error
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for _, g := range h.Groups() {
		if !g.IsLeader() || alone(g) {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			failed := g.TransferLeadership(ctx)
			mu.Lock()
			if storage.KindOf(failed) != storage.NotLeader {
				err = errors.Join(err, failed)
			}
			mu.Unlock()
			<-slots
		})
	}
	wg.Wait()
	return err
}

// alone reports whether a group has no other voter that could lead it.
func alone(g *group.Group) bool {
	members, err := g.Members()
	return err == nil && !slices.ContainsFunc(members, func(m group.Member) bool { return m.Voter && m.Peer != g.Peer() })
}

// OnLeader registers a function that is told when a peer of this node begins
// to lead its group and when it no longer does. It is told at once of those
// that lead now. Calls come one at a time and must not block.
func (h *Host) OnLeader(f func(id cluster.GroupID, leading bool, term uint64)) {
	h.watchers.add(f)
}

// watchers tells those who want to know of leadership.
type watchers struct {
	mu    sync.Mutex
	funcs []func(cluster.GroupID, bool, uint64)
	leads map[cluster.GroupID]uint64 // the term, for groups led here
}

func (w *watchers) add(f func(cluster.GroupID, bool, uint64)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.funcs = append(w.funcs, f)
	for id, term := range w.leads {
		f(id, true, term)
	}
}

func (w *watchers) tell(id cluster.GroupID, leading bool, term uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leads == nil {
		w.leads = make(map[cluster.GroupID]uint64)
	}
	if leading {
		w.leads[id] = term
	} else {
		delete(w.leads, id)
	}
	for _, f := range w.funcs {
		f(id, leading, term)
	}
}

// slot returns the slot of a group, an error when the host is closed.
func (h *Host) slot(id cluster.GroupID) (*slot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.closed {
		return nil, errClosed
	}
	s, ok := h.mu.slots[id]
	if !ok {
		s = &slot{life: make(lock, 1)}
		h.mu.slots[id] = s
	}
	return s, nil
}

// enter begins work on this node's peer of a group. leave ends it.
func (h *Host) enter(id cluster.GroupID) (leave func(), err error) {
	s, err := h.slot(id)
	if err != nil {
		return nil, err
	}
	s.life.Lock()
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.mu.closed {
		s.life.Unlock()
		return nil, errClosed
	}
	return s.life.Unlock, nil
}

var errClosed = storage.Errorf(storage.Unavailable, "host: closed")
