// Package node composes one node of a region: its disk, its log, its groups,
// its place among the other nodes, its copy of the catalog and its router.
//
// It decides when a region is founded, makes this node hold the peers that the
// catalog gives it, and, where this node leads the catalog group, carries the
// region's jobs on. It promises that a node which lost its disk never comes
// back under its old name. It knows nothing of HTTP or of other regions.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/member"
	"github.com/roundtabledb/roundtable/cluster/placement"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/transport"
)

// Config configures a node.
type Config struct {
	// ID names the node within its region. It stays with the data directory.
	ID cluster.NodeID
	// Region names the region.
	Region string
	// Zone names what fails together with this node: a rack, a data centre.
	// Peers of a group are spread over zones. Empty is a zone too.
	Zone string
	// Dir is the data directory.
	Dir string
	// InMemory keeps everything in memory, and loses it at Close. Dir is not
	// used then.
	InMemory bool
	// Background is called when long work in the background begins, and what it
	// returns when that has ended. The default does nothing.
	Background func() (end func())
	// MemoryBudget bounds the memory of the storage engine, in bytes; 0 means
	// the engine's default.
	MemoryBudget int64

	// Listener is where the node serves other nodes. The node closes it.
	Listener net.Listener
	// Address is what other nodes dial; the default is the listener's.
	Address string
	// Dial opens connections to other nodes; the default dials TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	// ServerOptions are for the gRPC server, besides those of the transport:
	// services of the layers above may need larger windows.
	ServerOptions []grpc.ServerOption

	// Gossip is the node's part in its region's gossip. nil is a node that will
	// stay alone.
	Gossip *Gossip
	// Expect is how many nodes found the region, this one included. It matters
	// only until the region exists. The default is 1 without seeds and 3 with.
	Expect int
	// Partitions is how many partitions a new table has; 0 means as many as
	// placement.Partitions says.
	Partitions int

	// Leaders says how soon leaders go where their clients are, or home.
	Leaders placement.LeadTuning
	// Group tunes the Raft groups; zero fields mean defaults.
	Group group.Tuning
	// CheckpointEvery is how often state is made durable; 0 means the default.
	CheckpointEvery time.Duration
	// Now is the wall clock; the default is time.Now.
	Now func() time.Time
	// LogFS is a file system for the log alone; without one it is below Dir. The
	// simulator gives one that can lose power.
	LogFS raftlog.FS
	// LogSegmentBytes is the size of the log's files; 0 means the default.
	LogSegmentBytes int64
	// LogCacheBytes bounds the memory that holds the tail of the log; 0 means the
	// default.
	LogCacheBytes int64
	// Faults are for the simulator's negative controls.
	Faults Faults
	// Tap is for the simulator: it sees each message to another node.
	Tap transport.Tap

	// Fatal is called once when the node can no longer keep its promises, from
	// any goroutine. The process should end: what is acknowledged is durable.
	Fatal func(error)
	// Logger is where the node logs; the default discards.
	Logger *slog.Logger
}

// Gossip configures how a node finds the others.
type Gossip struct {
	// Bind and Advertise are "host:port" for UDP and TCP.
	Bind, Advertise string
	// Seeds are gossip addresses of other nodes of the region.
	Seeds []string
	// Key encrypts the gossip; 16, 24 or 32 bytes, or empty.
	Key []byte
	// Transport replaces the sockets in tests.
	Transport member.Transport
}

// Faults break rules on purpose, so that checkers can be seen to notice.
type Faults struct {
	// MergeBlindly takes over replicated states without comparing versions.
	MergeBlindly bool
	// AckBeforeCommit acknowledges a write before it is committed.
	AckBeforeCommit bool
	// SkipAppliedCheck applies log entries again that were applied before.
	SkipAppliedCheck bool
	// CountUnsynced counts a leader towards the quorum before its own disk has the
	// entry.
	CountUnsynced bool
	// ReadBehind answers strong reads at peers that are behind their leader.
	ReadBehind bool
	// BelievePriors believes what a leader has found of a key before the entry that
	// then wrote it.
	BelievePriors bool
}

var name = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)

// complete fills in defaults and reports what is wrong.
func (c *Config) complete() error {
	if !name.MatchString(string(c.ID)) {
		return fmt.Errorf("node id %q: use 1 to 63 letters, digits, '.', '_' and '-'", c.ID)
	}
	if !name.MatchString(c.Region) {
		return fmt.Errorf("region %q: use 1 to 63 letters, digits, '.', '_' and '-'", c.Region)
	}
	if c.Dir == "" && !c.InMemory {
		return errors.New("no data directory given")
	}
	if c.Listener == nil {
		return errors.New("no listener for other nodes given")
	}
	if c.Expect < 0 || c.Partitions < 0 {
		return errors.New("the number of founding nodes and of partitions must not be negative")
	}
	if c.Expect == 0 {
		c.Expect = 1
		if c.Gossip != nil && len(c.Gossip.Seeds) > 0 {
			c.Expect = 3
		}
	}
	if c.Expect == 1 && c.Gossip != nil && slices.ContainsFunc(c.Gossip.Seeds, func(seed string) bool {
		return seed != c.Gossip.Advertise && seed != c.Gossip.Bind
	}) {
		return errors.New("a node that expects no other would found a region of its own, whatever its seeds: expect more nodes, or give no seeds")
	}
	if c.Expect > 1 && c.Gossip == nil {
		return errors.New("a region of several nodes needs gossip")
	}
	if c.Address == "" {
		c.Address = c.Listener.Addr().String()
	}
	if c.Fatal == nil {
		return errors.New("nobody would hear of a fatal error")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("region", c.Region, "node", string(c.ID))
	return nil
}
