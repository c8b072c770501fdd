package group

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage"
)

// TransferLeadership hands leadership to another voter that has the whole log,
// and returns when this peer no longer leads. Commands that arrive meanwhile
// wait; they go on here if the transfer fails, and else end as NotLeader.
//
// It follows section 3.10 of Ongaro's dissertation by itself rather than
// through raft, whose transfer can get stuck and then refuses every write of
// this and later terms (hashicorp/raft #696).
func (g *Group) TransferLeadership(ctx context.Context) error {
	return g.TransferLeadershipTo(ctx, cluster.PeerID{})
}

// TransferLeadershipTo is TransferLeadership to one peer. The zero PeerID means
// any.
func (g *Group) TransferLeadershipTo(ctx context.Context, to cluster.PeerID) error {
	if !g.handingOver.TryLock() {
		return storage.Errorf(storage.Unavailable, "group %v: leadership is being transferred already", g.opts.ID)
	}
	defer g.handingOver.Unlock()

	changed := g.LeadershipChanged()
	term, leads := g.Leading()
	if !leads {
		return g.ErrNotLeader()
	}
	ctx, cancel := context.WithTimeout(ctx, g.opts.Tuning.HeartbeatTimeout)
	defer cancel()
	ctx, detach := g.untilStopped(ctx)
	defer detach()

	idle := g.gate.shut()
	defer func() {
		g.gate.open()
		g.notify()
	}()
	if err := wait(ctx, idle); err != nil {
		return g.transferFailed(err)
	}
	target, err := g.upToDate(ctx, to)
	if err != nil {
		return g.transferFailed(err)
	}
	if err := g.timeoutNow(target); err != nil {
		return g.transferFailed(err)
	}
	for {
		if now, leads := g.Leading(); !leads || now != term {
			return nil
		}
		if err := wait(ctx, changed); err != nil {
			return g.transferFailed(err)
		}
		changed = g.LeadershipChanged()
	}
}

// Campaign makes this peer campaign at once, instead of when it has missed a
// leader for long enough. It is for a group that has just been born: its other
// peers must be there to vote.
func (g *Group) Campaign() error {
	if err := g.timeoutNow(g.opts.Peer); err != nil {
		return storage.Errorf(storage.Unavailable, "group %v: campaign: %w", g.opts.ID, err)
	}
	return nil
}

// timeoutNow makes a peer campaign at once, and the others vote although they
// have a leader.
func (g *Group) timeoutNow(target cluster.PeerID) error {
	id, self := raft.ServerID(target.String()), g.opts.Peer.String()
	return g.opts.Transport.TimeoutNow(id, raft.ServerAddress(id), &raft.TimeoutNowRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(self), Addr: []byte(self)},
	}, &raft.TimeoutNowResponse{})
}

func (g *Group) transferFailed(err error) error {
	return storage.Errorf(storage.Unavailable, "group %v: transfer leadership: %w", g.opts.ID, err)
}

func wait(ctx context.Context, ch <-chan struct{}) error {
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retryProgress is how long a transfer waits before it asks a peer that lagged
// behind again.
const retryProgress = 20 * time.Millisecond

// upToDate finds a voter, one in particular or any, that has every entry of
// this peer's log. Another would lose the election, and the group would be
// without a leader for a while.
func (g *Group) upToDate(ctx context.Context, want cluster.PeerID) (cluster.PeerID, error) {
	if g.opts.Progress == nil {
		return cluster.PeerID{}, errors.New("the progress of other peers is not known")
	}
	for {
		members, err := g.Members()
		if err != nil {
			return cluster.PeerID{}, err
		}
		candidates := 0
		for _, m := range members {
			if !m.Voter || m.Peer == g.opts.Peer || (want != (cluster.PeerID{}) && m.Peer != want) {
				continue
			}
			candidates++
			if last, err := g.opts.Progress(ctx, m.Peer); err == nil && last >= g.raft.LastIndex() {
				return m.Peer, nil
			}
		}
		if candidates == 0 {
			return cluster.PeerID{}, errors.New("no voter to hand leadership to")
		}
		if err := sleep(ctx, retryProgress); err != nil {
			return cluster.PeerID{}, err
		}
	}
}

// gate lets the proposer through unless somebody has shut it.
type gate struct {
	mu struct {
		sync.Mutex
		isShut, inside bool
		idle           chan struct{} // closed when the proposer has left a shut gate
	}
}

// enter reports whether the proposer may go on. It then must leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.inside = !g.mu.isShut
	return g.mu.inside
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.inside = false
	if g.mu.idle != nil {
		close(g.mu.idle)
		g.mu.idle = nil
	}
}

// shut keeps the proposer out. The channel is closed once it is not inside.
func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.isShut = true
	idle := make(chan struct{})
	if g.mu.inside {
		g.mu.idle = idle
	} else {
		close(idle)
	}
	return idle
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.isShut = false
}
