package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// A peer that lags behind its leader's log gets the leader's state. Raft would
// receive it on its main loop, and end up in an endless loop where the peer's
// log diverges (hashicorp/raft #697), so the state travels beside raft and the
// peer's raft is started anew on it:
//
//  1. The receiver fills a new keyspace while its raft runs on as a follower.
//  2. It stops raft, and looks again whether the snapshot is still needed.
//  3. It makes the leader's term durable, for the state holds its entries.
//  4. One commit swaps the keyspaces and marks the peer as Installed; a
//     checkpoint makes that durable.
//  5. The log is reset to continue the state, the mark is cleared, a checkpoint
//     makes that durable, and raft starts.
//
// A crash before the checkpoint of step 4 leaves the old peer, and one after it
// a marked peer, for which load repeats step 5. Nothing that the peer has
// acknowledged is lost: either its log has no entry where the snapshot ends, or
// another leader's entry, and then nothing from there on was ever committed.

// offer is the header of a snapshot: numbers as unsigned varints, strings
// behind their length.
//
//	version 1 | group | replica of the receiver | term of the leader | the machine's header
type offer struct {
	group   cluster.GroupID
	replica uint64
	term    uint64
	machine []byte
}

const offerVersion = 1

func (o *offer) append(dst []byte) []byte {
	dst = append(dst, offerVersion)
	dst = binary.AppendUvarint(dst, uint64(o.group))
	dst = binary.AppendUvarint(dst, o.replica)
	dst = binary.AppendUvarint(dst, o.term)
	return append(dst, o.machine...)
}

func decodeOffer(b []byte) (offer, error) {
	if len(b) == 0 || b[0] != offerVersion {
		return offer{}, storage.Errorf(storage.Corrupt, "host: unknown form of snapshot")
	}
	r := reader64{rest: b[1:]}
	o := offer{group: cluster.GroupID(r.next()), replica: r.next(), term: r.next()}
	o.machine = r.rest
	return o, r.err
}

// reply is the answer to a snapshot: the receiver's term, and 1 for success.
func appendInstallReply(term uint64, success bool) []byte {
	b := binary.AppendUvarint(nil, term)
	if success {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeInstallReply(b []byte) (*raft.InstallSnapshotResponse, error) {
	r := reader64{rest: b}
	resp := &raft.InstallSnapshotResponse{Term: r.next(), Success: r.next() == 1}
	return resp, r.err
}

// snapshotSender serves raft's InstallSnapshot for a group led here. It sends
// the very snapshot that raft has opened, because raft goes on right after it.
func (h *Host) snapshotSender(id cluster.GroupID) transport.SnapshotSender {
	return func(ctx context.Context, target cluster.PeerID, req *raft.InstallSnapshotRequest) (*raft.InstallSnapshotResponse, error) {
		g, ok := h.Group(id)
		if !ok {
			return nil, errClosed
		}
		snapshot, release, ok := g.TakeSnapshot(req.LastLogIndex)
		if !ok {
			return nil, storage.Errorf(storage.Internal, "host: group %v: no snapshot is open at index %d", id, req.LastLogIndex)
		}
		defer release()
		select {
		case h.sending <- struct{}{}:
			defer func() { <-h.sending }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		o := offer{group: id, replica: target.Replica, term: req.Term, machine: snapshot.Header()}
		answer, err := h.opts.Transport.SendSnapshot(ctx, target.Node, o.append(nil), snapshot.Chunks())
		if err != nil {
			return nil, fmt.Errorf("host: send snapshot of group %v to %v: %w", id, target, err)
		}
		return decodeInstallReply(answer)
	}
}

// receiveSnapshot is the transport's SnapshotHandler.
func (h *Host) receiveSnapshot(ctx context.Context, _ cluster.NodeID, header []byte, next func() ([]byte, error)) ([]byte, error) {
	o, err := decodeOffer(header)
	if err != nil {
		return nil, err
	}
	select {
	case h.receiving <- struct{}{}:
		defer func() { <-h.receiving }()
	default:
		return nil, storage.Errorf(storage.Unavailable, "host: too many snapshots arrive at once")
	}
	s, err := h.slot(o.group)
	if err != nil {
		return nil, err
	}
	if !s.install.TryLock() {
		return nil, storage.Errorf(storage.Unavailable, "host: a snapshot of group %v arrives already", o.group)
	}
	defer s.install.Unlock()

	g, ok := h.Group(o.group)
	if !ok || g.Peer().Replica != o.replica {
		return nil, storage.Errorf(storage.Unavailable, "host: peer %d of group %v is not running here", o.replica, o.group)
	}
	installer, err := h.registry.Install(uint64(o.group), o.machine)
	if err != nil {
		return nil, fmt.Errorf("host: receive snapshot of group %v: %w", o.group, err)
	}
	defer h.sweeps.wake() // for what was replaced or, after Abort, what came
	defer installer.Abort()
	answer, err := h.receive(o, g, installer, next)
	if err != nil {
		return nil, fmt.Errorf("host: receive snapshot of group %v: %w", o.group, err)
	}
	return answer, nil
}

// receive fills the installer and puts it in place of g.
func (h *Host) receive(o offer, g *group.Group, installer *machine.Installer, next func() ([]byte, error)) ([]byte, error) {
	log, ok := h.opts.Log.Lookup(o.group)
	if !ok {
		return nil, storage.Errorf(storage.Internal, "no log")
	}
	needed, answer, err := judge(o, installer.Meta(), g.Machine().Meta(), log)
	if err != nil || !needed {
		return answer, err
	}
	for {
		chunk, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := installer.Add(chunk); err != nil {
			return nil, err
		}
	}
	leave, err := h.enter(o.group)
	if err != nil {
		return nil, err
	}
	defer leave()
	answer, err = h.replace(o, g, log, installer)
	if err == nil {
		h.opts.Logger.Info("a snapshot took the place of what the log no longer has",
			"group", o.group, "index", installer.Meta().AppliedIndex)
	}
	return answer, err
}

// hardLog is what judge needs of a peer's log.
type hardLog interface {
	raft.LogStore
	GetUint64(key []byte) (uint64, error)
}

// judge decides whether a snapshot is needed by a peer with this state and log,
// and if not, how to answer. The peer needs none that is from an older term, or
// that ends with an entry which it has applied or has in its log. The latter is
// reported as success: whatever the leader has from there on may follow.
func judge(o offer, snapshot, own machine.Meta, log hardLog) (needed bool, answer []byte, err error) {
	term, err := log.GetUint64(keyCurrentTerm)
	if err != nil {
		return false, nil, fmt.Errorf("read the current term: %w", err)
	}
	if o.term < term {
		return false, appendInstallReply(term, false), nil
	}
	has := snapshot.AppliedIndex <= own.AppliedIndex
	if !has {
		var entry raft.Log
		switch err := log.GetLog(snapshot.AppliedIndex, &entry); err {
		case nil:
			has = entry.Term == snapshot.AppliedTerm
		case raft.ErrLogNotFound:
		default:
			return false, nil, fmt.Errorf("read entry %d: %w", snapshot.AppliedIndex, err)
		}
	}
	if has {
		return false, appendInstallReply(term, true), nil
	}
	return true, nil, nil
}
