package group

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage"
)

// Member is a peer in a group's configuration.
type Member struct {
	Peer cluster.PeerID
	// Voter is false for a peer that only receives the log.
	Voter bool
}

// Configuration is who belongs to a group.
type Configuration struct {
	// Index is that of the log entry that set it, and what the next change must
	// name as its predecessor.
	Index   uint64
	Members []Member
}

// Consists reports whether a group has just these peers, and each has a vote.
func (c Configuration) Consists(peers []cluster.PeerID) bool {
	return len(c.Members) == len(peers) && !slices.ContainsFunc(c.Members, func(m Member) bool {
		return !m.Voter || !slices.Contains(peers, m.Peer)
	})
}

// Configuration returns the newest configuration that is committed and applied
// here.
func (g *Group) Configuration() (Configuration, error) {
	meta := g.opts.Machine.Meta()
	c := Configuration{Index: meta.ConfigIndex}
	if len(meta.Config) == 0 {
		return c, nil
	}
	members, err := membersOf(raft.DecodeConfiguration(meta.Config))
	c.Members = members
	return c, err
}

// Members returns the newest configuration in the peer's log, committed or
// not. This is the one that counts for a leader's quorums.
func (g *Group) Members() ([]Member, error) {
	return membersOf(g.raft.GetConfiguration().Configuration())
}

func membersOf(c raft.Configuration) ([]Member, error) {
	members := make([]Member, 0, len(c.Servers))
	for _, server := range c.Servers {
		peer, err := cluster.ParsePeerID(string(server.ID))
		if err != nil {
			return nil, storage.Errorf(storage.Corrupt, "group: configuration: %w", err)
		}
		members = append(members, Member{Peer: peer, Voter: server.Suffrage == raft.Voter})
	}
	return members, nil
}

// EncodeConfiguration gives the bytes of a configuration of voters, as a
// machine's metadata holds them.
func EncodeConfiguration(voters []cluster.PeerID) []byte {
	var c raft.Configuration
	for _, peer := range voters {
		c.Servers = append(c.Servers, raft.Server{
			Suffrage: raft.Voter,
			ID:       raft.ServerID(peer.String()),
			Address:  raft.ServerAddress(peer.String()),
		})
	}
	return raft.EncodeConfiguration(c)
}

// AddNonvoter adds a peer that receives the log and has no vote. The change is
// made only to the configuration with index prev. It returns when the change
// is committed.
func (g *Group) AddNonvoter(ctx context.Context, peer cluster.PeerID, prev uint64) error {
	return g.change(ctx, "add nonvoter", peer, func(id raft.ServerID, wait time.Duration) raft.IndexFuture {
		return g.raft.AddNonvoter(id, raft.ServerAddress(id), prev, wait)
	})
}

// AddVoter adds a peer with a vote, or gives one to a peer without. It does
// not wait for the peer to catch up: add it without a vote first, and see that
// its Progress is near the leader's. See AddNonvoter for prev.
func (g *Group) AddVoter(ctx context.Context, peer cluster.PeerID, prev uint64) error {
	return g.change(ctx, "add voter", peer, func(id raft.ServerID, wait time.Duration) raft.IndexFuture {
		return g.raft.AddVoter(id, raft.ServerAddress(id), prev, wait)
	})
}

// RemovePeer removes a peer, which may be this one: it then stops leading. See
// AddNonvoter for prev.
func (g *Group) RemovePeer(ctx context.Context, peer cluster.PeerID, prev uint64) error {
	return g.change(ctx, "remove", peer, func(id raft.ServerID, wait time.Duration) raft.IndexFuture {
		return g.raft.RemoveServer(id, prev, wait)
	})
}

// maxConfigurationWait bounds how long a change of the configuration waits for
// the one before it.
const maxConfigurationWait = 10 * time.Second

func (g *Group) change(ctx context.Context, what string, peer cluster.PeerID, request func(raft.ServerID, time.Duration) raft.IndexFuture) error {
	wait := maxConfigurationWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	if err := ctx.Err(); err != nil || wait <= 0 {
		return storage.Errorf(storage.Unavailable, "group %v: %s %v: %w", g.opts.ID, what, peer, context.Cause(ctx))
	}
	future := request(raft.ServerID(peer.String()), wait)

	abandoned := make(chan struct{})
	ctx, cancel := g.untilStopped(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { close(abandoned) })()
	abandonAt(future, abandoned)

	err := future.Error()
	if err == nil {
		return nil
	}
	kind := storage.Unavailable
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return fmt.Errorf("group %v: %s %v: %w", g.opts.ID, what, peer, g.ErrNotLeader())
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrRaftShutdown):
		kind = storage.Ambiguous
	}
	return storage.Errorf(kind, "group %v: %s %v: %w", g.opts.ID, what, peer, err)
}
