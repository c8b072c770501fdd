package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
)

// Raft's messages are the bodies of requests and answers. Numbers are uvarints.
//
//	request   version u8 | target replica | sender replica | protocol | ...
//	  append    term | previous index | previous term | commit | count | entries
//	  vote      term | last index | last term | transfer u8
//	  prevote   term | last index | last term
//	  timeout   nothing
//	entry     index | term | type u8 | appended at, ns, varint | data | extensions
//	                                   each of the last two: length | bytes
//	answer    version u8 | protocol | ...
//	  append    term | last index | flags u8, 1 success, 2 no backoff
//	  vote      term | granted u8       prevote the same
//	  timeout   nothing
//
// The nodes are known from the stream, and with the replica numbers they are
// the peer ids, which Raft takes for both ids and addresses.
const raftVersion = 1

const (
	flagSuccess   = 1
	flagNoBackoff = 2
)

var errRaftMessage = errors.New("malformed Raft message")

// Head begins every request of Raft.
type Head struct {
	// Target and Sender are the replica numbers of the two peers.
	Target, Sender uint64
	Protocol       raft.ProtocolVersion
}

func (h Head) append(dst []byte) []byte {
	dst = append(dst, raftVersion)
	dst = binary.AppendUvarint(dst, h.Target)
	dst = binary.AppendUvarint(dst, h.Sender)
	return binary.AppendUvarint(dst, uint64(h.Protocol))
}

// request decodes the head of a request from a peer on node from, then the rest
// by the caller's function, and says which replica it is for.
func request(from cluster.NodeID, body []byte, rest func(*decoder, raft.RPCHeader) any) (target uint64, command any, err error) {
	d := decoder{b: body}
	if v := d.byte(); v != raftVersion {
		return 0, nil, fmt.Errorf("%w: version %d", errRaftMessage, v)
	}
	h := Head{Target: d.uvarint(), Sender: d.uvarint(), Protocol: raft.ProtocolVersion(d.uvarint())}
	id := []byte(cluster.PeerID{Node: from, Replica: h.Sender}.String())
	command = rest(&d, raft.RPCHeader{ProtocolVersion: h.Protocol, ID: id, Addr: id})
	if d.failed {
		return 0, nil, errRaftMessage
	}
	return h.Target, command, nil
}

// DecodeAppend decodes an AppendEntries request from a peer on node from, and
// says which replica it is for. Data and extensions of the entries are parts of
// the body.
func DecodeAppend(from cluster.NodeID, body []byte) (target uint64, command any, err error) {
	return request(from, body, func(d *decoder, h raft.RPCHeader) any { return decodeAppend(d, h) })
}

// DecodeVote decodes a RequestVote request in the same way.
func DecodeVote(from cluster.NodeID, body []byte) (target uint64, command any, err error) {
	return request(from, body, func(d *decoder, h raft.RPCHeader) any {
		return &raft.RequestVoteRequest{
			RPCHeader: h, Candidate: h.Addr,
			Term: d.uvarint(), LastLogIndex: d.uvarint(), LastLogTerm: d.uvarint(), LeadershipTransfer: d.byte() != 0,
		}
	})
}

// DecodePreVote decodes a RequestPreVote request in the same way.
func DecodePreVote(from cluster.NodeID, body []byte) (target uint64, command any, err error) {
	return request(from, body, func(d *decoder, h raft.RPCHeader) any {
		return &raft.RequestPreVoteRequest{RPCHeader: h, Term: d.uvarint(), LastLogIndex: d.uvarint(), LastLogTerm: d.uvarint()}
	})
}

// DecodeTimeoutNow decodes a TimeoutNow request in the same way.
func DecodeTimeoutNow(from cluster.NodeID, body []byte) (target uint64, command any, err error) {
	return request(from, body, func(_ *decoder, h raft.RPCHeader) any { return &raft.TimeoutNowRequest{RPCHeader: h} })
}

// Part is an AppendEntries request, or a part of one that is too large.
type Part struct {
	PreviousIndex, PreviousTerm uint64
	Commit                      uint64
	Entries                     []*raft.Log
}

// SplitAppend cuts a request into parts of about maxBytes, in order. There is
// at least one.
//
// No part carries a commit index beyond its own last entry. Raft's paper has
// the follower take the smaller of the two, but hashicorp/raft takes the last
// entry of the follower's log instead, which may be one that a later part is
// about to replace.
func SplitAppend(parts []Part, a *raft.AppendEntriesRequest, maxBytes int) []Part {
	p := Part{PreviousIndex: a.PrevLogEntry, PreviousTerm: a.PrevLogTerm}
	rest := a.Entries
	for {
		n, bytes := 0, 0
		for n < len(rest) && (n == 0 || bytes+entrySize(rest[n]) <= maxBytes) {
			bytes += entrySize(rest[n])
			n++
		}
		p.Entries, rest = rest[:n], rest[n:]
		last := p.PreviousIndex
		if n > 0 {
			last = p.Entries[n-1].Index
		}
		p.Commit = min(a.LeaderCommitIndex, last)
		parts = append(parts, p)
		if len(rest) == 0 {
			return parts
		}
		p = Part{PreviousIndex: last, PreviousTerm: p.Entries[n-1].Term}
	}
}

// entrySize is at least what an entry takes in a message.
func entrySize(l *raft.Log) int { return len(l.Data) + len(l.Extensions) + 5*binary.MaxVarintLen64 + 1 }

// EncodeAppend encodes a part of an AppendEntries request.
func EncodeAppend(h Head, term uint64, p Part) []byte {
	size := 1 + 8*binary.MaxVarintLen64
	for _, l := range p.Entries {
		size += entrySize(l)
	}
	dst := h.append(make([]byte, 0, size))
	for _, n := range [...]uint64{term, p.PreviousIndex, p.PreviousTerm, p.Commit, uint64(len(p.Entries))} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, l := range p.Entries {
		dst = binary.AppendUvarint(dst, l.Index)
		dst = binary.AppendUvarint(dst, l.Term)
		dst = append(dst, byte(l.Type))
		var appended int64
		if !l.AppendedAt.IsZero() {
			appended = l.AppendedAt.UnixNano()
		}
		dst = binary.AppendVarint(dst, appended)
		dst = appendBytes(dst, l.Data)
		dst = appendBytes(dst, l.Extensions)
	}
	return dst
}

// decodeAppend decodes what follows the head.
func decodeAppend(d *decoder, header raft.RPCHeader) *raft.AppendEntriesRequest {
	a := &raft.AppendEntriesRequest{
		RPCHeader: header, Leader: header.Addr,
		Term: d.uvarint(), PrevLogEntry: d.uvarint(), PrevLogTerm: d.uvarint(), LeaderCommitIndex: d.uvarint(),
	}
	count := d.uvarint()
	const leastEntry = 6
	if count > uint64(len(d.b)/leastEntry) {
		d.fail()
		return a
	}
	logs := make([]raft.Log, count)
	a.Entries = make([]*raft.Log, count)
	for i := range logs {
		l := &logs[i]
		l.Index, l.Term, l.Type = d.uvarint(), d.uvarint(), raft.LogType(d.byte())
		if ns := d.varint(); ns != 0 {
			l.AppendedAt = time.Unix(0, ns)
		}
		l.Data = d.bytes()
		if extensions := d.bytes(); len(extensions) > 0 {
			l.Extensions = extensions
		}
		a.Entries[i] = l
	}
	return a
}

// EncodeVote encodes a RequestVote request.
func EncodeVote(h Head, r *raft.RequestVoteRequest) []byte {
	return append(appendVote(h, r.Term, r.LastLogIndex, r.LastLogTerm), bit(r.LeadershipTransfer, 1))
}

// EncodePreVote encodes a RequestPreVote request.
func EncodePreVote(h Head, r *raft.RequestPreVoteRequest) []byte {
	return appendVote(h, r.Term, r.LastLogIndex, r.LastLogTerm)
}

// EncodeTimeoutNow encodes a TimeoutNow request.
func EncodeTimeoutNow(h Head) []byte { return h.append(nil) }

// appendVote encodes what votes and pre-votes have in common.
func appendVote(h Head, term, lastIndex, lastTerm uint64) []byte {
	dst := h.append(make([]byte, 0, 64))
	dst = binary.AppendUvarint(dst, term)
	dst = binary.AppendUvarint(dst, lastIndex)
	return binary.AppendUvarint(dst, lastTerm)
}

// EncodeResponse encodes Raft's response to a request.
func EncodeResponse(response any) ([]byte, error) {
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		dst := appendResponseHead(r.RPCHeader)
		dst = binary.AppendUvarint(dst, r.Term)
		dst = binary.AppendUvarint(dst, r.LastLog)
		return append(dst, bit(r.Success, flagSuccess)|bit(r.NoRetryBackoff, flagNoBackoff)), nil
	case *raft.RequestVoteResponse:
		dst := binary.AppendUvarint(appendResponseHead(r.RPCHeader), r.Term)
		return append(dst, bit(r.Granted, flagSuccess)), nil
	case *raft.RequestPreVoteResponse:
		dst := binary.AppendUvarint(appendResponseHead(r.RPCHeader), r.Term)
		return append(dst, bit(r.Granted, flagSuccess)), nil
	case *raft.TimeoutNowResponse:
		return appendResponseHead(r.RPCHeader), nil
	default:
		return nil, fmt.Errorf("%w: response %T", errRaftMessage, response)
	}
}

func appendResponseHead(h raft.RPCHeader) []byte {
	dst := append(make([]byte, 0, 32), raftVersion)
	return binary.AppendUvarint(dst, uint64(h.ProtocolVersion))
}

// DecodeResponse decodes an answer of the peer called id into Raft's response.
func DecodeResponse(id cluster.PeerID, body []byte, response any) error {
	d := decoder{b: body}
	if v := d.byte(); v != raftVersion {
		return fmt.Errorf("%w: version %d", errRaftMessage, v)
	}
	name := []byte(id.String())
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersion(d.uvarint()), ID: name, Addr: name}
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		*r = raft.AppendEntriesResponse{RPCHeader: header, Term: d.uvarint(), LastLog: d.uvarint()}
		flags := d.byte()
		r.Success, r.NoRetryBackoff = flags&flagSuccess != 0, flags&flagNoBackoff != 0
	case *raft.RequestVoteResponse:
		*r = raft.RequestVoteResponse{RPCHeader: header, Term: d.uvarint(), Granted: d.byte() != 0}
	case *raft.RequestPreVoteResponse:
		*r = raft.RequestPreVoteResponse{RPCHeader: header, Term: d.uvarint(), Granted: d.byte() != 0}
	case *raft.TimeoutNowResponse:
		*r = raft.TimeoutNowResponse{RPCHeader: header}
	default:
		return fmt.Errorf("%w: response %T", errRaftMessage, response)
	}
	if d.failed {
		return errRaftMessage
	}
	return nil
}

func bit(set bool, b byte) byte {
	if set {
		return b
	}
	return 0
}
