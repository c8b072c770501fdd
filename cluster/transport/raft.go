package transport

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport/wire"
	"github.com/roundtabledb/roundtable/storage"
)

const (
	// maxAppend is how much an AppendEntries request carries before it is split:
	// Raft counts entries, not bytes. One entry may exceed it.
	maxAppend = 1 << 20
	// inboxSize is how many requests wait for a Raft instance. A leader has at
	// most pipelineWindow of them under way and a heartbeat; what else is there
	// has been given up by its sender.
	inboxSize = 64
	// answerTimeout is when a request is given up that Raft does not answer. A
	// Raft instance that has been shut down answers nothing.
	answerTimeout = 10 * time.Second
	// defaultHeartbeatTimeout is long, because heartbeats queue behind the
	// follower's fsyncs.
	defaultHeartbeatTimeout = 1500 * time.Millisecond
)

// SnapshotSender brings a peer up to date out of band: it sends the state as
// it is now, which may be newer than req says.
type SnapshotSender func(ctx context.Context, target cluster.PeerID, req *raft.InstallSnapshotRequest) (*raft.InstallSnapshotResponse, error)

// GroupHooks is what a GroupTransport needs from the host of its group.
type GroupHooks struct {
	// HeartbeatTimeout is that of the group's raft.Config. AppendEntries must be
	// answered within half of it, so that an answer that comes late cannot pass
	// for a sign of life. The default is 1.5 s.
	HeartbeatTimeout time.Duration
	// Snapshot serves InstallSnapshot. Without it a peer that lags behind the
	// log stays behind.
	Snapshot SnapshotSender
	// Initialized says whether the peer has a configuration. Until it does,
	// requests for its vote are refused, because Raft would grant them to
	// anyone. It is called by readers of streams, so it must not block. The
	// default says yes.
	Initialized func() bool
	// Durable says whether this peer's own entries up to index are durable. If not,
	// tell is called when they are. Until then no answer to an AppendEntries
	// request with them is delivered. The default says yes.
	Durable func(index uint64, tell func()) bool
}

// GroupTransport is the raft.Transport of one peer. What it does differently
// from hashicorp/raft's own:
//
//   - Heartbeats are requests like all others. Handled aside, they change the
//     term under Raft's main loop, and logs diverge (hashicorp/raft #695).
//   - Ids and addresses are peer ids. A request names the replica it is for, and
//     any other refuses.
//   - Large AppendEntries requests are split; see wire.SplitAppend.
//   - A pipeline that fails delivers nothing more; see pipeline.
//   - Snapshots go out of band.
type GroupTransport struct {
	t       *Transport
	group   cluster.GroupID
	self    cluster.PeerID
	encoded []byte
	hooks   atomic.Pointer[GroupHooks]

	// ctx ends with Close, or with the Transport.
	ctx    context.Context
	cancel context.CancelFunc
	// ended is closed when collect has returned.
	ended chan struct{}

	// inbox is what Raft consumes. asked holds the same requests, in the same
	// order, and those that Raft is working on: Raft answers in order, so one
	// goroutine can collect the answers of all.
	inbox chan raft.RPC
	asked chan asked

	// mu makes the two one queue. While it is held and closed is false, neither
	// channel gains an element.
	mu struct {
		sync.Mutex
		closed bool
	}
}

// asked is a request whose answer is awaited from Raft.
type asked struct {
	response chan raft.RPCResponse
	reply    Reply
	deadline time.Time
}

var (
	_ raft.Transport   = (*GroupTransport)(nil)
	_ raft.WithPreVote = (*GroupTransport)(nil)
	_ raft.WithClose   = (*GroupTransport)(nil)
)

// Raft returns the raft.Transport of this node's peer of a group and begins to
// take requests for it. A Raft instance that is started again needs a new one,
// which takes the place of the old.
func (t *Transport) Raft(group cluster.GroupID, self cluster.PeerID) *GroupTransport {
	g := &GroupTransport{
		t: t, group: group, self: self, encoded: []byte(self.String()),
		ended: make(chan struct{}),
		inbox: make(chan raft.RPC, inboxSize),
		asked: make(chan asked, 2*inboxSize),
	}
	g.ctx, g.cancel = context.WithCancel(t.ctx)
	g.SetHooks(GroupHooks{})
	if !t.enter() {
		g.mu.closed = true
		close(g.ended)
		return g
	}
	defer t.running.Done()
	t.goroutine("transport group", g.collect)
	t.groups.Lock()
	defer t.groups.Unlock()
	t.groups.byID[group] = g
	return g
}

// SetHooks must be called before the GroupTransport is given to raft.NewRaft.
func (g *GroupTransport) SetHooks(h GroupHooks) {
	if h.HeartbeatTimeout <= 0 {
		h.HeartbeatTimeout = defaultHeartbeatTimeout
	}
	if h.Initialized == nil {
		h.Initialized = func() bool { return true }
	}
	if h.Durable == nil {
		h.Durable = func(uint64, func()) bool { return true }
	}
	g.hooks.Store(&h)
}

// Close detaches the peer: requests for it are refused from now on, and a
// snapshot being sent is given up. Raft calls it at the end of its shutdown,
// which waits for such a snapshot, so a caller in a hurry closes first. It may
// be called more than once.
func (g *GroupTransport) Close() error {
	g.t.groups.Lock()
	if g.t.groups.byID[g.group] == g {
		delete(g.t.groups.byID, g.group)
	}
	g.t.groups.Unlock()
	g.mu.Lock()
	g.mu.closed = true
	g.mu.Unlock()
	g.cancel()
	<-g.ended
	return nil
}

// Consumer implements raft.Transport.
func (g *GroupTransport) Consumer() <-chan raft.RPC { return g.inbox }

// LocalAddr implements raft.Transport.
func (g *GroupTransport) LocalAddr() raft.ServerAddress { return raft.ServerAddress(g.encoded) }

// EncodePeer implements raft.Transport.
func (g *GroupTransport) EncodePeer(_ raft.ServerID, addr raft.ServerAddress) []byte {
	if string(addr) == string(g.encoded) {
		return g.encoded // Raft asks for each message, and does not change it.
	}
	return []byte(addr)
}

// DecodePeer implements raft.Transport.
func (g *GroupTransport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler implements raft.Transport. It ignores the handler: see
// GroupTransport.
func (g *GroupTransport) SetHeartbeatHandler(func(raft.RPC)) {}

// AppendEntriesPipeline implements raft.Transport.
func (g *GroupTransport) AppendEntriesPipeline(_ raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	peer, err := cluster.ParsePeerID(string(target))
	if err != nil {
		return nil, err
	}
	return newPipeline(g, peer), nil
}

// AppendEntries implements raft.Transport.
func (g *GroupTransport) AppendEntries(_ raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	peer, err := cluster.ParsePeerID(string(target))
	if err != nil {
		return err
	}
	lane := DataLane(g.group)
	if isHeartbeat(args) {
		lane = Control
	}
	head := g.head(peer, args.RPCHeader)
	// Part by part: each has its own deadline, so a request of any size gets
	// through, and the last answer is a fresh sign of life.
	for _, part := range wire.SplitAppend(make([]wire.Part, 0, 1), args, maxAppend) {
		body := wire.EncodeAppend(head, args.Term, part)
		if err := g.ask(peer, lane, g.appendTimeout(), g.append(part, body), resp); err != nil {
			return err
		}
		if !resp.Success {
			return nil
		}
	}
	return g.awaitDurable(args)
}

// awaitDurable waits until this peer has made durable itself what it has sent.
func (g *GroupTransport) awaitDurable(args *raft.AppendEntriesRequest) error {
	durable := make(chan struct{})
	if g.durable(args, func() { close(durable) }) {
		return nil
	}
	select {
	case <-durable:
		return nil
	case <-g.ctx.Done():
		return errClosed()
	}
}

// durable says whether the entries of a request are durable here, and if not
// sees to it that tell is called.
func (g *GroupTransport) durable(args *raft.AppendEntriesRequest, tell func()) bool {
	n := len(args.Entries)
	return n == 0 || g.hooks.Load().Durable(args.Entries[n-1].Index, tell)
}

// Announce sends a request without entries, and lets nobody wait for the
// answer.
func (g *GroupTransport) Announce(to cluster.PeerID, args *raft.AppendEntriesRequest) {
	part := wire.SplitAppend(make([]wire.Part, 0, 1), args, maxAppend)[0]
	g.t.call(to.Node, DataLane(g.group), g.appendTimeout(), &call{
		method: RaftIdle, group: g.group, patience: min(shortPatience, g.appendTimeout()/patientPart),
		body: wire.EncodeAppend(g.head(to, args.RPCHeader), args.Term, part),
		done: func([]byte, error) {},
	})
}

// RequestVote implements raft.Transport.
func (g *GroupTransport) RequestVote(_ raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	peer, err := cluster.ParsePeerID(string(target))
	if err != nil {
		return err
	}
	body := wire.EncodeVote(g.head(peer, args.RPCHeader), args)
	return g.ask(peer, Control, g.hooks.Load().HeartbeatTimeout, &call{method: RaftVote, body: body}, resp)
}

// RequestPreVote implements raft.WithPreVote.
func (g *GroupTransport) RequestPreVote(_ raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	peer, err := cluster.ParsePeerID(string(target))
	if err != nil {
		return err
	}
	body := wire.EncodePreVote(g.head(peer, args.RPCHeader), args)
	return g.ask(peer, Control, g.hooks.Load().HeartbeatTimeout, &call{method: RaftPreVote, body: body}, resp)
}

// TimeoutNow implements raft.Transport.
func (g *GroupTransport) TimeoutNow(_ raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	peer, err := cluster.ParsePeerID(string(target))
	if err != nil {
		return err
	}
	body := wire.EncodeTimeoutNow(g.head(peer, args.RPCHeader))
	return g.ask(peer, Control, g.hooks.Load().HeartbeatTimeout, &call{method: RaftTimeoutNow, body: body}, resp)
}

// InstallSnapshot implements raft.Transport. The data are not read: the hook
// sends the state itself.
func (g *GroupTransport) InstallSnapshot(_ raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, _ io.Reader) error {
	peer, err := cluster.ParsePeerID(string(target))
	if err != nil {
		return err
	}
	send := g.hooks.Load().Snapshot
	if send == nil {
		return storage.Errorf(storage.Unavailable, "group %s cannot send snapshots", g.group)
	}
	r, err := send(g.ctx, peer, args)
	if err != nil {
		return err
	}
	*resp = *r
	return nil
}

func (g *GroupTransport) head(target cluster.PeerID, h raft.RPCHeader) wire.Head {
	return wire.Head{Target: target.Replica, Sender: g.self.Replica, Protocol: h.ProtocolVersion}
}

func (g *GroupTransport) appendTimeout() time.Duration { return g.hooks.Load().HeartbeatTimeout / 2 }

// ask sends a request and waits for the answer.
func (g *GroupTransport) ask(peer cluster.PeerID, lane Lane, timeout time.Duration, c *call, response any) error {
	// The transport ends every call, so this wait has an end.
	ended := make(chan error, 1)
	c.group = g.group
	c.done = func(body []byte, err error) {
		if err == nil {
			err = wire.DecodeResponse(peer, body, response)
		}
		ended <- err
	}
	g.t.call(peer.Node, lane, timeout, c)
	return <-ended
}

// append is the call with a part of an AppendEntries. Without entries, as a
// heartbeat, it has patience.
func (g *GroupTransport) append(p wire.Part, body []byte) *call {
	if len(p.Entries) == 0 {
		return &call{method: RaftIdle, group: g.group, body: body, patience: g.appendTimeout() / patientPart}
	}
	return &call{method: RaftAppend, group: g.group, body: body}
}

// isHeartbeat says whether a request is of the kind that Raft sends from its
// heartbeat loop. They need not keep in order with entries, and should not wait
// behind them.
func isHeartbeat(a *raft.AppendEntriesRequest) bool {
	return a.Term != 0 && a.PrevLogEntry == 0 && a.PrevLogTerm == 0 && len(a.Entries) == 0 && a.LeaderCommitIndex == 0
}

// decoder decodes a request and says which replica it is for.
type decoder func(from cluster.NodeID, body []byte) (target uint64, command any, err error)

// handleRaft makes the transport take Raft's requests.
func (t *Transport) handleRaft() {
	for m, decode := range map[Method]decoder{
		RaftAppend:     wire.DecodeAppend,
		RaftIdle:       wire.DecodeAppend,
		RaftVote:       wire.DecodeVote,
		RaftPreVote:    wire.DecodePreVote,
		RaftTimeoutNow: wire.DecodeTimeoutNow,
	} {
		t.Handle(m, func(from cluster.NodeID, group cluster.GroupID, body []byte, reply Reply) {
			t.groups.RLock()
			g := t.groups.byID[group]
			t.groups.RUnlock()
			if g == nil {
				reply(nil, storage.Errorf(storage.Unavailable, "node %s holds no peer of group %s", t.options.Self, group))
				return
			}
			target, command, err := decode(from, body)
			if err != nil {
				err = storage.Errorf(storage.Internal, "from node %s: %w", from, err)
			} else {
				err = g.take(target, command, reply)
			}
			if err != nil {
				reply(nil, err)
			}
		})
	}
}

// take gives a request to Raft, or says why not.
func (g *GroupTransport) take(target uint64, command any, reply Reply) error {
	if target != g.self.Replica {
		return storage.Errorf(storage.Unavailable, "group %s has peer %s here, not replica %d", g.group, g.self, target)
	}
	switch command.(type) {
	case *raft.RequestVoteRequest, *raft.RequestPreVoteRequest:
		if !g.hooks.Load().Initialized() {
			return storage.Errorf(storage.Unavailable, "peer %s of group %s has no configuration yet", g.self, g.group)
		}
	}
	a := asked{response: make(chan raft.RPCResponse, 1), reply: reply, deadline: time.Now().Add(answerTimeout)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed {
		return storage.Errorf(storage.Unavailable, "peer %s of group %s is closed", g.self, g.group)
	}
	if len(g.inbox) == cap(g.inbox) || len(g.asked) == cap(g.asked) {
		return storage.Errorf(storage.Unavailable, "peer %s of group %s is too slow", g.self, g.group)
	}
	g.inbox <- raft.RPC{Command: command, RespChan: a.response}
	g.asked <- a
	return nil
}

// collect sends Raft's answers back, in the order of the requests.
func (g *GroupTransport) collect() {
	defer close(g.ended)
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	for {
		select {
		case a := <-g.asked:
			timer.Reset(time.Until(a.deadline))
			select {
			case r := <-a.response:
				a.end(r)
			case <-timer.C:
				a.reply(nil, storage.Errorf(storage.Ambiguous, "peer %s of group %s does not answer", g.self, g.group))
			case <-g.ctx.Done():
				a.reply(nil, errClosed())
			}
		case <-g.ctx.Done():
			g.refuseRest()
			return
		}
	}
}

// refuseRest closes the queue and answers what is left in it.
func (g *GroupTransport) refuseRest() {
	g.mu.Lock()
	g.mu.closed = true
	g.mu.Unlock()
	for {
		select {
		case a := <-g.asked:
			a.reply(nil, errClosed())
		default:
			return
		}
	}
}

func (a *asked) end(r raft.RPCResponse) {
	if r.Error != nil {
		a.reply(nil, r.Error)
		return
	}
	a.reply(wire.EncodeResponse(r.Response))
}
