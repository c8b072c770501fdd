package host

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
)

// The bodies of what nodes ask each other about their groups. Numbers are
// unsigned varints. A replica is written plus one; 0 says that the node has no
// peer of the group.
//
//	ConfirmTerm  question  group …
//	             answer    (replica term) …           one for each group
//	GroupStatus  question  empty; the group is in the frame
//	             answer    replica term last applied
//
// ConfirmTerm reads the terms after the question has come: see confirmer.

func appendGroup(dst []byte, id cluster.GroupID) []byte {
	return binary.AppendUvarint(dst, uint64(id))
}

type termAnswer struct {
	replica, term uint64
	err           error
}

// nextTermAnswer takes an answer about one group from the front. A node without
// a peer answers with term 0, in which nobody leads.
func nextTermAnswer(b []byte) (termAnswer, []byte) {
	r := reader64{rest: b}
	replica, term := r.next(), r.next()
	if replica == 0 {
		term = 0
	}
	return termAnswer{replica: replica - 1, term: term, err: r.err}, r.rest
}

// serveConfirm answers ConfirmTerm.
func (h *Host) serveConfirm(_ cluster.NodeID, _ cluster.GroupID, body []byte, reply transport.Reply) {
	r := reader64{rest: body}
	answer := make([]byte, 0, 2*len(body)+8)
	for len(r.rest) > 0 {
		id := cluster.GroupID(r.next())
		g, ok := h.Group(id)
		if !ok {
			answer = append(answer, 0, 0)
			continue
		}
		answer = binary.AppendUvarint(answer, g.Peer().Replica+1)
		answer = binary.AppendUvarint(answer, g.Term())
	}
	if r.err != nil {
		reply(nil, r.err)
		return
	}
	reply(answer, nil)
}

// Status is how far a peer is.
type Status struct {
	Peer cluster.PeerID
	// Term is the peer's current term.
	Term uint64
	// LastIndex is that of its last log entry, Applied of the last one applied.
	LastIndex, Applied uint64
}

// Status asks a peer, on this node or another, how far it is.
func (h *Host) Status(ctx context.Context, id cluster.GroupID, peer cluster.PeerID) (Status, error) {
	body, err := h.opts.Transport.CallWait(ctx, peer.Node, transport.Control, transport.GroupStatus, id, nil)
	if err != nil {
		return Status{}, fmt.Errorf("host: status of peer %v of group %v: %w", peer, id, err)
	}
	r := reader64{rest: body}
	replica := r.next()
	s := Status{Peer: peer, Term: r.next(), LastIndex: r.next(), Applied: r.next()}
	switch {
	case r.err != nil:
		return Status{}, r.err
	case replica != peer.Replica+1:
		return Status{}, storage.Errorf(storage.Unavailable, "host: peer %v of group %v is not running", peer, id)
	}
	return s, nil
}

// serveStatus answers GroupStatus.
func (h *Host) serveStatus(_ cluster.NodeID, id cluster.GroupID, _ []byte, reply transport.Reply) {
	g, ok := h.Group(id)
	if !ok {
		reply([]byte{0, 0, 0, 0}, nil)
		return
	}
	answer := binary.AppendUvarint(nil, g.Peer().Replica+1)
	answer = binary.AppendUvarint(answer, g.Term())
	answer = binary.AppendUvarint(answer, g.LastIndex())
	answer = binary.AppendUvarint(answer, g.Machine().Meta().AppliedIndex)
	reply(answer, nil)
}

// reader64 takes numbers from the front of a message. After the first that is
// not there, err is set and everything is zero.
type reader64 struct {
	rest []byte
	err  error
}

func (r *reader64) next() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.rest, r.err = nil, errCutShort
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

var errCutShort = storage.Errorf(storage.Corrupt, "host: a message is cut short")
