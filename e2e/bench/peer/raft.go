package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
)

// Raft is hashicorp/raft alone: three peers in this process that speak TCP and
// store nothing but their logs, in the fastest log there is for it, which is
// Roundtable's. One entry is one operation, as its users have it.
type Raft struct {
	peers  []*raft.Raft
	logs   []io.Closer
	keys   int
	leader *raft.Raft
}

const raftPeers = 3

// StartRaft starts the peers.
func StartRaft(ctx context.Context, dir string, keys int) (*Raft, error) {
	r := &Raft{keys: keys}
	if err := r.start(ctx, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("start raft: %w", err), r.Close())
	}
	return r, nil
}

func (r *Raft) start(ctx context.Context, dir string) error {
	var members raft.Configuration
	var transports []*raft.NetworkTransport
	for i := range raftPeers {
		t, err := raft.NewTCPTransport("127.0.0.1:0", nil, 4, 10*time.Second, io.Discard)
		if err != nil {
			return err
		}
		transports = append(transports, t)
		r.logs = append(r.logs, t)
		members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(fmt.Sprint(i)), Address: t.LocalAddr()})
	}
	for i, t := range transports {
		if err := r.startPeer(i, t, filepath.Join(dir, fmt.Sprintf("raft-%d", i)), members); err != nil {
			return err
		}
	}
	return r.awaitLeader(ctx)
}

func (r *Raft) startPeer(i int, t raft.Transport, dir string, members raft.Configuration) error {
	log, err := raftlog.Open(raftlog.Options{Dir: dir, Sync: true, Fatal: func(err error) { panic(err) }})
	if err != nil {
		return err
	}
	r.logs = append(r.logs, log)
	store, err := log.Group(1, cluster.PeerID{Node: cluster.NodeID(fmt.Sprint(i)), Replica: 1})
	if err != nil {
		return err
	}
	recent, err := raft.NewLogCache(4096, store)
	if err != nil {
		return err
	}
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(fmt.Sprint(i))
	c.MaxAppendEntries, c.BatchApplyCh = 256, true
	c.Logger = hclog.NewNullLogger()
	snapshots := raft.NewInmemSnapshotStore()
	if err := raft.BootstrapCluster(c, recent, store, snapshots, t, members); err != nil {
		return err
	}
	p, err := raft.NewRaft(c, forgetful{}, recent, store, snapshots, t)
	if err == nil {
		r.peers = append(r.peers, p)
	}
	return err
}

func (r *Raft) awaitLeader(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		for _, p := range r.peers {
			if p.State() == raft.Leader {
				r.leader = p
				return nil
			}
		}
		if !load.Pause(ctx, 20*time.Millisecond) {
			return errors.New("nobody leads")
		}
	}
}

// Apply makes a client that applies entries at the leader.
func (r *Raft) Apply(n int) (load.Client, error) {
	v := newValues(r.keys, n)
	return load.Func(func(context.Context) error {
		entry := append([]byte(v.key()), v.value()...)
		return r.leader.Apply(entry, 30*time.Second).Error()
	}), nil
}

// Close ends the peers.
func (r *Raft) Close() error {
	var errs []error
	for _, p := range r.peers {
		errs = append(errs, p.Shutdown().Error())
	}
	for _, l := range r.logs {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// forgetful is a state machine without a state.
type forgetful struct{}

// Apply forgets an entry.
func (forgetful) Apply(*raft.Log) any { return nil }

// Snapshot is of nothing.
func (forgetful) Snapshot() (raft.FSMSnapshot, error) { return forgetful{}, nil }

// Restore restores nothing.
func (forgetful) Restore(r io.ReadCloser) error { return r.Close() }

// Persist writes nothing.
func (forgetful) Persist(sink raft.SnapshotSink) error { return sink.Close() }

// Release frees nothing.
func (forgetful) Release() {}
