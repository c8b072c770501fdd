package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// A group is born with this applied index and in this term, and an empty log,
// on each of its first peers: all begin with the same state, so none has to
// be told by another.
const (
	birthIndex = 10
	birthTerm  = 1
)

// keyCurrentTerm is raft's name for the current term in the hard state. A peer
// whose log has it has been made completely, and may have voted.
var keyCurrentTerm = []byte("CurrentTerm")

// Birth is how a group begins. It must be the same on every node.
type Birth struct {
	Group cluster.GroupID
	// Table is the ID of the table, Lo and Hi the range of keys.
	Table  string
	Lo, Hi []byte
	// Peers are the first voters, one of them on this node.
	Peers []cluster.PeerID
}

// Create makes this node's peer of a new group and starts it. It does nothing
// if the peer is there already. It refuses a peer that was destroyed, and a
// group of which another peer lives here.
func (h *Host) Create(b Birth) error {
	for _, peer := range b.Peers {
		if peer.Node == h.opts.Node {
			return h.create(peer, machine.Meta{
				Group: uint64(b.Group), Table: b.Table, Lo: b.Lo, Hi: b.Hi,
				AppliedIndex: birthIndex, AppliedTerm: birthTerm,
				ConfigIndex: birthIndex, Config: group.EncodeConfiguration(b.Peers),
			})
		}
	}
	return storage.Errorf(storage.Internal, "host: group %v is not born on node %s", b.Group, h.opts.Node)
}

// CreateEmpty makes and starts a peer that knows nothing of its group. It waits
// for the group's leader to send it a snapshot. Otherwise it is like Create.
func (h *Host) CreateEmpty(id cluster.GroupID, self cluster.PeerID) error {
	if self.Node != h.opts.Node {
		return storage.Errorf(storage.Internal, "host: peer %v does not belong on node %s", self, h.opts.Node)
	}
	return h.create(self, machine.Meta{Group: uint64(id)})
}

// create makes a peer in an order that load can tell from damage: its log, then
// its state, and when that is durable the hard state that says so.
func (h *Host) create(self cluster.PeerID, m machine.Meta) error {
	id := cluster.GroupID(m.Group)
	leave, err := h.enter(id)
	if err != nil {
		return err
	}
	defer leave()

	if g, ok := h.Group(id); ok {
		if g.Peer() == self {
			return nil
		}
		return storage.Errorf(storage.ResourceInUse, "host: group %v has peer %v here already", id, g.Peer())
	}
	if err := h.clear(id, self); err != nil {
		return fmt.Errorf("host: %w", err)
	}
	log, err := h.opts.Log.Group(id, self)
	if err != nil {
		return fmt.Errorf("host: group %v: make the log of peer %v: %w", id, self, err)
	}
	peer, err := h.registry.Create(self.Replica, m)
	if err != nil {
		return fmt.Errorf("host: group %v: make the state of peer %v: %w", id, self, err)
	}
	p, err := h.prepare(peer, log)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	return h.start(p)
}

// clear makes room for a peer where a crash kept another one of its group from
// ever being finished.
func (h *Host) clear(id cluster.GroupID, self cluster.PeerID) error {
	log, ok := h.opts.Log.Lookup(id)
	if !ok || log.Peer() == self {
		return nil
	}
	if _, ok := h.registry.Peer(uint64(id)); ok {
		return nil // the registry will refuse
	}
	if _, begun, err := hardState(log); err != nil || begun {
		return err // the log will refuse
	}
	return h.opts.Log.Destroy(id, log.Peer())
}

// Destroy stops this node's peer of a group and forgets it for ever. Its data
// is deleted in the background. It does nothing if there is no peer.
func (h *Host) Destroy(id cluster.GroupID) error {
	leave, err := h.enter(id)
	if err != nil {
		return err
	}
	defer leave()
	peer, ok := h.registry.Peer(uint64(id))
	if !ok {
		return nil
	}
	if g, ok := h.remove(id); ok {
		if err := stop(g); err != nil {
			return fmt.Errorf("host: destroy: %w", err)
		}
	}
	if err := h.bury(id, h.self(peer)); err != nil {
		return fmt.Errorf("host: destroy: %w", err)
	}
	return nil
}

// bury makes a stopped peer's end durable: first in the log, which is synced,
// so that load finishes what a crash interrupts.
func (h *Host) bury(id cluster.GroupID, self cluster.PeerID) error {
	if err := h.opts.Log.Destroy(id, self); err != nil {
		return fmt.Errorf("group %v: destroy the log of %v: %w", id, self, err)
	}
	if err := h.registry.Destroy(uint64(id), self.Replica); err != nil {
		return fmt.Errorf("group %v: destroy the state of %v: %w", id, self, err)
	}
	h.sweeps.wake()
	return nil
}

func (h *Host) self(p machine.Peer) cluster.PeerID {
	return cluster.PeerID{Node: h.opts.Node, Replica: p.Replica}
}

// prepared is a peer that is fit to be started.
type prepared struct {
	id        cluster.GroupID
	self      cluster.PeerID
	log       *raftlog.GroupLog
	partition *machine.Partition
}

// start starts a peer. The caller has entered its slot, so Close will find it.
func (h *Host) start(p prepared) error {
	p.partition.Inject(h.opts.MachineFaults)
	facade := h.opts.Transport.Raft(p.id, p.self)
	facade.SetHooks(transport.GroupHooks{
		HeartbeatTimeout: h.opts.Tuning.HeartbeatTimeoutOf(p.id),
		Snapshot:         h.snapshotSender(p.id),
		Initialized:      func() bool { return p.partition.Meta().ConfigIndex != 0 },
		Durable:          h.durable(p.log),
	})
	g, err := group.Start(group.Options{
		ID: p.id, Peer: p.self,
		Machine: p.partition, Log: p.log, Transport: facade,
		Checkpoint: h.checkpoints.next,
		Progress:   h.progressOf(p.id),
		Announce:   facade.Announce,
		OnLeader: func(leading bool, term uint64) {
			if !leading {
				h.reads.lost(p.id)
			}
			h.watchers.tell(p.id, leading, term)
		},
		Fatal:  h.opts.Fatal,
		Now:    h.opts.Now,
		Tuning: h.opts.Tuning,
		Logger: h.opts.Logger,
		Faults: h.opts.GroupFaults,
	})
	if err != nil {
		p.partition.Close()
		return errors.Join(fmt.Errorf("host: start: %w", err), facade.Close())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.running[p.id] = g
	return nil
}

// durable is what a leader's own log says of entries that followers have.
func (h *Host) durable(log *raftlog.GroupLog) func(uint64, func()) bool {
	if h.opts.GroupFaults.CountUnsynced {
		return nil
	}
	return log.Durable
}

// remove takes a group out of those that run.
func (h *Host) remove(id cluster.GroupID) (*group.Group, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g, ok := h.mu.running[id]
	delete(h.mu.running, id)
	return g, ok
}

// stop ends a peer's raft and then the use of its state.
func stop(g *group.Group) error {
	err := g.Close()
	g.Machine().Close()
	return err
}

// progressOf asks peers of one group how far their logs reach.
func (h *Host) progressOf(id cluster.GroupID) func(context.Context, cluster.PeerID) (uint64, error) {
	return func(ctx context.Context, peer cluster.PeerID) (uint64, error) {
		status, err := h.Status(ctx, id, peer)
		return status.LastIndex, err
	}
}
