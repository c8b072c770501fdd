package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// replace does steps 2 to 5 of receiving a snapshot (see install.go). The
// caller has entered the slot. Once the peer has been stopped it is started
// again in every case, unless the disk has failed.
func (h *Host) replace(o offer, g *group.Group, log *raftlog.GroupLog, installer *machine.Installer) ([]byte, error) {
	if now, ok := h.Group(o.group); !ok || now != g {
		return nil, errors.New("the peer was stopped meanwhile")
	}
	h.remove(o.group)
	err := g.Close()
	if err != nil {
		return nil, errors.Join(err, h.restart(o.group, g))
	}
	needed, answer, err := judge(o, installer.Meta(), g.Machine().Meta(), log)
	if err == nil && needed {
		answer, err = h.swap(o, g, log, installer)
	}
	return answer, errors.Join(err, h.restart(o.group, g))
}

// swap puts the received state in place. Its errors are those of the disk.
func (h *Host) swap(o offer, g *group.Group, log *raftlog.GroupLog, installer *machine.Installer) ([]byte, error) {
	term, err := log.GetUint64(keyCurrentTerm)
	if err == nil && o.term > term {
		term = o.term
		err = log.SetUint64(keyCurrentTerm, term)
	}
	if err != nil {
		return nil, fmt.Errorf("persist the term: %w", err)
	}
	g.Machine().Close()
	if err := installer.Finish(); err != nil {
		return nil, fmt.Errorf("swap the state: %w", err)
	}
	return appendInstallReply(term, true), nil
}

// restart starts a peer that was stopped for a snapshot, on whatever state is
// in place. Where it cannot, the node cannot go on.
func (h *Host) restart(id cluster.GroupID, old *group.Group) error {
	old.Machine().Close()
	err := func() error {
		peer, ok := h.registry.Peer(uint64(id))
		if !ok {
			return fmt.Errorf("group %v: the peer is gone", id)
		}
		log, err := h.opts.Log.Group(id, h.self(peer))
		if err != nil {
			return err
		}
		p, err := h.prepare(peer, log)
		if err != nil {
			return err
		}
		return h.start(p)
	}()
	if err != nil {
		err = fmt.Errorf("host: restart after a snapshot: %w", err)
		h.opts.Fatal(err)
	}
	return err
}

// settle is step 5 for a peer whose state was replaced: it makes the log
// continue the state. It may be repeated.
func (h *Host) settle(p prepared) error {
	if err := h.checkpoints.now(context.Background()); err != nil {
		return err
	}
	applied := p.partition.Meta().AppliedIndex
	if err := p.log.Reset(applied + 1); err != nil {
		return fmt.Errorf("group %v: reset the log of peer %v: %w", p.id, p.self, err)
	}
	if err := h.registry.Settled(uint64(p.id)); err != nil {
		return fmt.Errorf("group %v: settle peer %v: %w", p.id, p.self, err)
	}
	return h.checkpoints.now(context.Background())
}
