package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// load finds the peers that live on this node, finishes what a crash has
// interrupted, and checks that log and state belong together. It starts
// nothing. An error means that the node must not run: a peer that has forgotten
// a vote or an entry can undo what its group has promised.
func (h *Host) load() ([]prepared, error) {
	var errs []error
	var peers []prepared
	known := make(map[cluster.GroupID]bool)
	for _, peer := range h.registry.Peers() {
		id := cluster.GroupID(peer.Group)
		known[id] = true
		if h.opts.Log.Destroyed(id, h.self(peer)) {
			errs = append(errs, h.bury(id, h.self(peer)))
			continue
		}
		log, ok := h.opts.Log.Lookup(id)
		if !ok {
			errs = append(errs, storage.Errorf(storage.Corrupt,
				"group %v: peer %v has its state on this node, but no log", id, h.self(peer)))
			continue
		}
		p, err := h.prepare(peer, log)
		errs = append(errs, err)
		if err == nil {
			peers = append(peers, p)
		}
	}
	for _, log := range h.opts.Log.Groups() {
		if !known[log.ID()] {
			errs = append(errs, h.checkStray(log))
		}
	}
	return peers, errors.Join(errs...)
}

// checkStray looks at a log whose peer has no state here. That is right when
// the peer was never finished, or when it is being destroyed.
func (h *Host) checkStray(log *raftlog.GroupLog) error {
	id, self := log.ID(), log.Peer()
	if h.registry.Destroyed(uint64(id), self.Replica) {
		return h.opts.Log.Destroy(id, self)
	}
	_, begun, err := hardState(log)
	if err != nil {
		return err
	}
	if begun {
		return storage.Errorf(storage.Corrupt, "group %v: peer %v has its log on this node, but no state", id, self)
	}
	return nil
}

// hardState reads the current term, and whether there is one.
func hardState(log *raftlog.GroupLog) (term uint64, ok bool, err error) {
	term, err = log.GetUint64(keyCurrentTerm)
	switch {
	case err == nil:
		return term, true, nil
	case err.Error() == "not found": // as raft tells
		return 0, false, nil
	default:
		return 0, false, fmt.Errorf("group %v: read the hard state: %w", log.ID(), err)
	}
}

// prepare opens a peer's state and brings it to where it can be started.
func (h *Host) prepare(peer machine.Peer, log *raftlog.GroupLog) (prepared, error) {
	p := prepared{id: cluster.GroupID(peer.Group), self: h.self(peer), log: log}
	if log.Peer() != p.self {
		return p, storage.Errorf(storage.Corrupt, "group %v: the log here is that of peer %v, the state that of %v", p.id, log.Peer(), p.self)
	}
	partition, err := h.registry.Open(peer.Group)
	if err != nil {
		return p, fmt.Errorf("group %v: open the state of peer %v: %w", p.id, p.self, err)
	}
	p.partition = partition
	err = h.finishBirth(p)
	if err == nil && peer.Installed {
		err = h.settle(p)
	}
	if err == nil {
		err = p.check()
	}
	if err != nil {
		partition.Close()
	}
	return p, err
}

// finishBirth writes the hard state of a peer that has none yet, once its
// state is durable.
func (h *Host) finishBirth(p prepared) error {
	_, begun, err := hardState(p.log)
	if err != nil || begun {
		return err
	}
	if applied := p.partition.Meta().AppliedIndex; applied > birthIndex {
		return storage.Errorf(storage.Corrupt,
			"group %v: peer %v has applied entries up to %d, but has no hard state: it may have forgotten its votes", p.id, p.self, applied)
	}
	if err := h.checkpoints.now(context.Background()); err != nil {
		return fmt.Errorf("group %v: make the birth of peer %v durable: %w", p.id, p.self, err)
	}
	if err := p.log.SetUint64(keyCurrentTerm, birthTerm); err != nil {
		return fmt.Errorf("group %v: write the hard state of peer %v: %w", p.id, p.self, err)
	}
	return nil
}

// check refuses a peer whose log does not continue its state.
func (p *prepared) check() error {
	first, err := p.log.FirstIndex()
	if err != nil {
		return fmt.Errorf("group %v: %w", p.id, err)
	}
	last, err := p.log.LastIndex()
	if err != nil {
		return fmt.Errorf("group %v: %w", p.id, err)
	}
	applied := p.partition.Meta().AppliedIndex
	if first != 0 && (first > applied+1 || last < applied) {
		return storage.Errorf(storage.Corrupt,
			"group %v: peer %v has applied entries up to %d, but its log holds %d to %d", p.id, p.self, applied, first, last)
	}
	return nil
}

// Groups start in bursts, so that a node with many does not load its disk and
// its neighbours with all their elections at once.
const (
	startBurst = 64
	startPause = 500 * time.Millisecond
)

func (h *Host) startAll(peers []prepared) error {
	for i, p := range peers {
		if i > 0 && i%startBurst == 0 {
			time.Sleep(startPause)
		}
		if err := h.startOne(p); err != nil {
			for _, rest := range peers[i+1:] {
				rest.partition.Close()
			}
			return err
		}
	}
	return nil
}

func (h *Host) startOne(p prepared) error {
	leave, err := h.enter(p.id)
	if err != nil {
		return err
	}
	defer leave()
	return h.start(p)
}
