package transport

import (
	"context"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
)

// SnapshotSender brings a peer up to date out of band: it sends the state as
// it is now, which may be newer than req says.
type SnapshotSender func(ctx context.Context, target cluster.PeerID, req *raft.InstallSnapshotRequest) (*raft.InstallSnapshotResponse, error)

// GroupHooks is what a GroupTransport needs from the host of its group.
type GroupHooks struct {
	// HeartbeatTimeout is that of the group's raft.Config. AppendEntries must be
	// answered within half of it. The default is 1.5 s.
	HeartbeatTimeout time.Duration
	// Snapshot serves InstallSnapshot. Without it a peer that lags behind the
	// log stays behind.
	Snapshot SnapshotSender
	// Initialized says whether the peer has a configuration. Until it does,
	// requests for its vote are refused, because Raft would grant them to
	// anyone. The default says yes.
	Initialized func() bool
}

// GroupTransport is the raft.Transport of one peer.
type GroupTransport struct{}

var (
	_ raft.Transport   = (*GroupTransport)(nil)
	_ raft.WithPreVote = (*GroupTransport)(nil)
	_ raft.WithClose   = (*GroupTransport)(nil)
)

// Raft returns the raft.Transport of this node's peer of a group and begins to
// take requests for it. A group that is started again needs a new one.
func (t *Transport) Raft(group cluster.GroupID, self cluster.PeerID) *GroupTransport {
	return &GroupTransport{}
}

// SetHooks must be called before the GroupTransport is given to raft.NewRaft.
func (g *GroupTransport) SetHooks(h GroupHooks) {}

func (g *GroupTransport) Consumer() <-chan raft.RPC     { return nil }
func (g *GroupTransport) LocalAddr() raft.ServerAddress { return "" }
func (g *GroupTransport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}
func (g *GroupTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	return nil
}
func (g *GroupTransport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return nil
}
func (g *GroupTransport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return nil
}
func (g *GroupTransport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	return nil
}
func (g *GroupTransport) EncodePeer(id raft.ServerID, addr raft.ServerAddress) []byte {
	return []byte(addr)
}
func (g *GroupTransport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }
func (g *GroupTransport) SetHeartbeatHandler(func(raft.RPC))     {}
func (g *GroupTransport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return nil
}
func (g *GroupTransport) Close() error { return nil }
