package transport

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

// requestHead begins every request of Raft.
type requestHead struct {
	target, sender uint64
	protocol       raft.ProtocolVersion
}

func (h requestHead) append(dst []byte) []byte {
	dst = append(dst, raftVersion)
	dst = binary.AppendUvarint(dst, h.target)
	dst = binary.AppendUvarint(dst, h.sender)
	return binary.AppendUvarint(dst, uint64(h.protocol))
}

// decodeRequest decodes a request of Raft from a peer on node from into Raft's
// command, and says which replica it is for.
func decodeRequest(m Method, from cluster.NodeID, body []byte) (target uint64, command any, err error) {
	d := decoder{b: body}
	if v := d.byte(); v != raftVersion {
		return 0, nil, fmt.Errorf("%w: version %d", errRaftMessage, v)
	}
	h := requestHead{target: d.uvarint(), sender: d.uvarint(), protocol: raft.ProtocolVersion(d.uvarint())}
	id := []byte(cluster.PeerID{Node: from, Replica: h.sender}.String())
	header := raft.RPCHeader{ProtocolVersion: h.protocol, ID: id, Addr: id}
	switch m {
	case RaftAppend:
		command = decodeAppend(&d, header)
	case RaftVote:
		command = &raft.RequestVoteRequest{
			RPCHeader: header, Candidate: id,
			Term: d.uvarint(), LastLogIndex: d.uvarint(), LastLogTerm: d.uvarint(), LeadershipTransfer: d.byte() != 0,
		}
	case RaftPreVote:
		command = &raft.RequestPreVoteRequest{
			RPCHeader: header, Term: d.uvarint(), LastLogIndex: d.uvarint(), LastLogTerm: d.uvarint(),
		}
	case RaftTimeoutNow:
		command = &raft.TimeoutNowRequest{RPCHeader: header}
	default:
		return 0, nil, fmt.Errorf("%w: method %d", errRaftMessage, m)
	}
	if d.failed {
		return 0, nil, errRaftMessage
	}
	return h.target, command, nil
}

// appendPart is an AppendEntries request, or a part of one that is too large.
type appendPart struct {
	previousIndex, previousTerm uint64
	commit                      uint64
	entries                     []*raft.Log
}

// splitAppend cuts a request into parts of about maxBytes, in order. There is
// at least one.
//
// No part carries a commit index beyond its own last entry. Raft's paper has
// the follower take the smaller of the two, but hashicorp/raft takes the last
// entry of the follower's log instead, which may be one that a later part is
// about to replace.
func splitAppend(parts []appendPart, a *raft.AppendEntriesRequest, maxBytes int) []appendPart {
	p := appendPart{previousIndex: a.PrevLogEntry, previousTerm: a.PrevLogTerm}
	rest := a.Entries
	for {
		n, bytes := 0, 0
		for n < len(rest) && (n == 0 || bytes+entrySize(rest[n]) <= maxBytes) {
			bytes += entrySize(rest[n])
			n++
		}
		p.entries, rest = rest[:n], rest[n:]
		last := p.previousIndex
		if n > 0 {
			last = p.entries[n-1].Index
		}
		p.commit = min(a.LeaderCommitIndex, last)
		parts = append(parts, p)
		if len(rest) == 0 {
			return parts
		}
		p = appendPart{previousIndex: last, previousTerm: p.entries[n-1].Term}
	}
}

// entrySize is at least what an entry takes in a message.
func entrySize(l *raft.Log) int { return len(l.Data) + len(l.Extensions) + 5*binary.MaxVarintLen64 + 1 }

func encodeAppend(h requestHead, term uint64, p appendPart) []byte {
	size := 1 + 8*binary.MaxVarintLen64
	for _, l := range p.entries {
		size += entrySize(l)
	}
	dst := h.append(make([]byte, 0, size))
	for _, n := range [...]uint64{term, p.previousIndex, p.previousTerm, p.commit, uint64(len(p.entries))} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, l := range p.entries {
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

// decodeAppend decodes what follows the head. Data and extensions of the
// entries are parts of the body.
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

// encodeVote encodes what votes and pre-votes have in common.
func encodeVote(h requestHead, term, lastIndex, lastTerm uint64) []byte {
	dst := h.append(nil)
	dst = binary.AppendUvarint(dst, term)
	dst = binary.AppendUvarint(dst, lastIndex)
	return binary.AppendUvarint(dst, lastTerm)
}

// encodeResponse encodes Raft's response to a request.
func encodeResponse(response any) ([]byte, error) {
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

// decodeResponse decodes an answer of the peer called id into Raft's response.
func decodeResponse(id cluster.PeerID, body []byte, response any) error {
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
