package group

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/storage/machine"
)

var (
	errNoCheckpoint = errors.New("group: nothing makes the state durable")
	errOutOfBand    = errors.New("group: snapshots are received out of band")
)

// snapshotStore shows raft the one snapshot that there is: the machine as it
// stands. Listing it costs nothing, so raft starts from the applied index, and
// opening it pins a consistent view that package host can send.
type snapshotStore struct {
	machine *machine.Partition
	// forgetful is the log, for Faults.ReplayLog.
	forgetful Log
	mu        struct {
		sync.Mutex
		open map[*openSnapshot]struct{}
	}
}

// openSnapshot is a view that raft has opened in order to have it sent. While
// it is open the log keeps every entry after it.
type openSnapshot struct {
	*machine.Snapshot
	store *snapshotStore
	once  sync.Once
	// refs and taken are guarded by the store's mutex. refs counts raft and the
	// sender, taken says that it has its sender.
	refs  int
	taken bool
}

func newSnapshotStore(m *machine.Partition) *snapshotStore {
	s := &snapshotStore{machine: m}
	s.mu.open = make(map[*openSnapshot]struct{})
	return s
}

// List implements raft.SnapshotStore.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	meta := s.machine.Meta()
	if meta.AppliedIndex == 0 {
		return nil, nil
	}
	shown := snapshotMeta(meta)
	if s.forgetful != nil {
		if err := s.forget(shown); err != nil {
			return nil, err
		}
	}
	return []*raft.SnapshotMeta{shown}, nil
}

// forget makes a snapshot look as if it ended where the log begins.
func (s *snapshotStore) forget(shown *raft.SnapshotMeta) error {
	first, err := s.forgetful.FirstIndex()
	if err != nil || first == 0 || first >= shown.Index {
		return err
	}
	var entry raft.Log
	if err := s.forgetful.GetLog(first, &entry); err != nil {
		return err
	}
	shown.Index, shown.Term = first, entry.Term
	return nil
}

// Open implements raft.SnapshotStore. What it returns may be newer than what
// List did: the log has every entry after it.
func (s *snapshotStore) Open(string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	view, err := s.machine.Snapshot()
	if err != nil {
		return nil, nil, fmt.Errorf("group: open snapshot: %w", err)
	}
	snap := &openSnapshot{Snapshot: view, store: s, refs: 1}
	s.mu.Lock()
	s.mu.open[snap] = struct{}{}
	s.mu.Unlock()
	return snapshotMeta(view.Meta()), snap, nil
}

// Create implements raft.SnapshotStore. Nothing is ever written to the sink.
func (s *snapshotStore) Create(_ raft.SnapshotVersion, index, _ uint64, _ raft.Configuration, _ uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return snapshotSink{id: snapshotID(index)}, nil
}

// take finds a snapshot at an index that has no sender yet. Two that raft has
// opened for two peers at one index are alike, but each can be read once.
func (s *snapshotStore) take(index uint64) (*openSnapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for snap := range s.mu.open {
		if !snap.taken && snap.Meta().AppliedIndex == index {
			snap.taken = true
			snap.refs++
			return snap, true
		}
	}
	return nil, false
}

func (s *snapshotStore) release(snap *openSnapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if snap.refs--; snap.refs == 0 {
		delete(s.mu.open, snap)
		snap.Snapshot.Close()
	}
}

// oldestOpen is the index at which the oldest open snapshot ends.
func (s *snapshotStore) oldestOpen() (index uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for snap := range s.mu.open {
		if at := snap.Meta().AppliedIndex; !ok || at < index {
			index, ok = at, true
		}
	}
	return index, ok
}

// Read implements io.Reader for raft, which never reads: the state travels out
// of band.
func (s *openSnapshot) Read([]byte) (int, error) { return 0, io.EOF }

// Close is raft's.
func (s *openSnapshot) Close() error {
	s.once.Do(func() { s.store.release(s) })
	return nil
}

// TakeSnapshot returns the snapshot that raft has opened at an index and asks
// to be sent to a peer. release must be called when it has been.
func (g *Group) TakeSnapshot(index uint64) (s *machine.Snapshot, release func(), ok bool) {
	snap, ok := g.snapshots.take(index)
	if !ok {
		return nil, nil, false
	}
	return snap.Snapshot, func() { g.snapshots.release(snap) }, true
}

func snapshotID(index uint64) string { return "applied-" + strconv.FormatUint(index, 10) }

func snapshotMeta(m machine.Meta) *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version:            raft.SnapshotVersionMax,
		ID:                 snapshotID(m.AppliedIndex),
		Index:              m.AppliedIndex,
		Term:               m.AppliedTerm,
		Configuration:      raft.DecodeConfiguration(m.Config),
		ConfigurationIndex: m.ConfigIndex,
	}
}

type snapshotSink struct{ id string }

func (s snapshotSink) ID() string                { return s.id }
func (s snapshotSink) Write([]byte) (int, error) { return 0, errOutOfBand }
func (s snapshotSink) Close() error              { return nil }
func (s snapshotSink) Cancel() error             { return nil }

// checkpointed is the raft.FSMSnapshot: there is nothing to write, only to
// wait until what was applied is durable. Raft cuts the log after that.
type checkpointed struct{ group *Group }

func (c checkpointed) Persist(raft.SnapshotSink) error {
	ctx, cancel := c.group.untilStopped(context.Background())
	defer cancel()
	if err := c.group.opts.Checkpoint(ctx); err != nil {
		return fmt.Errorf("wait for a checkpoint: %w", err)
	}
	return nil
}

func (c checkpointed) Release() {}
