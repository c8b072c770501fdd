package group

import (
	"context"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
)

// Tuning holds the times and sizes of a group. The zero value means the
// defaults.
type Tuning struct {
	// HeartbeatTimeout is how long a follower waits for its leader before it
	// campaigns, and how long an election may take. Heartbeats queue behind a
	// follower's disk, so it must be well above a slow sync. The default is
	// 1.5 s. Groups stray from it by up to a fifth, so that the groups of a
	// lost node do not all campaign at once.
	HeartbeatTimeout time.Duration
	// HeartbeatInterval is how long a leader that has nothing else to say waits
	// between two heartbeats: so long if Beat is called as often, else once or twice
	// over. The default is a third of HeartbeatTimeout: with Beat a leader may miss
	// one, without it be late.
	HeartbeatInterval time.Duration
	// LeaderLease is how long a leader goes on without contact to a quorum. The
	// default is nine tenths of HeartbeatTimeout.
	LeaderLease time.Duration
	// CommitTimeout is how long, once or twice over, an idle follower may lag
	// behind the commit index if it misses Announce, and a deposed leader may
	// not know. The default is two thirds of HeartbeatTimeout.
	CommitTimeout time.Duration

	// SnapshotInterval is how often the log is looked at, to cut it. The default
	// is 30 s. It is also cut when it has grown by TrailingBytes.
	SnapshotInterval time.Duration
	// SnapshotThreshold is how many entries must have come since the last time.
	// The default is 2048.
	SnapshotThreshold uint64
	// TrailingLogs is how many entries are kept for followers that lag. One that
	// lags more gets a snapshot. The default is 8192.
	TrailingLogs uint64
	// TrailingBytes bounds what these entries may come to, as far as recent ones
	// are like the next. The default is 64 MiB.
	TrailingBytes int

	// BatchCommands and BatchBytes bound one log entry. One command always
	// fits. The defaults are 1024 and 1 MiB.
	BatchCommands, BatchBytes int
	// QueueCommands and QueueBytes bound what waits for the batch in flight;
	// more is refused as Unavailable. The defaults are 16384 and 64 MiB.
	QueueCommands, QueueBytes int

	// AlwaysPriors has a leader look up what every command will find, instead of only
	// while items have to be read from the disk. Tests use it: they have few items.
	AlwaysPriors bool
}

func (t *Tuning) ensureDefaults() {
	setDefault(&t.HeartbeatTimeout, 1500*time.Millisecond)
	setDefault(&t.HeartbeatInterval, t.HeartbeatTimeout/3)
	setDefault(&t.LeaderLease, t.HeartbeatTimeout*9/10)
	setDefault(&t.CommitTimeout, t.HeartbeatTimeout*2/3)
	setDefault(&t.SnapshotInterval, 30*time.Second)
	setDefault(&t.SnapshotThreshold, 2048)
	setDefault(&t.TrailingLogs, 8192)
	setDefault(&t.TrailingBytes, 64<<20)
	setDefault(&t.BatchCommands, 1024)
	setDefault(&t.BatchBytes, 1<<20)
	setDefault(&t.QueueCommands, 16384)
	setDefault(&t.QueueBytes, 64<<20)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// WithDefaults returns t with every field set.
func (t Tuning) WithDefaults() Tuning {
	t.ensureDefaults()
	return t
}

// HeartbeatTimeoutOf returns the heartbeat timeout of a group: the one
// configured, give or take a fifth, the same on every peer.
func (t Tuning) HeartbeatTimeoutOf(id cluster.GroupID) time.Duration {
	t.ensureDefaults()
	const steps = 256
	step := uint64(id) * 0x9E3779B97F4A7C15 >> 56 // Fibonacci hashing to 8 bits
	fifth := t.HeartbeatTimeout / 5
	return t.HeartbeatTimeout - fifth + 2*fifth*time.Duration(step)/steps
}

func (o *Options) ensureDefaults() {
	o.Tuning.ensureDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("group", o.ID, "peer", o.Peer)
	if o.OnLeader == nil {
		o.OnLeader = func(bool, uint64) {}
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.Checkpoint == nil {
		o.Checkpoint = func(ctx context.Context) error { return errNoCheckpoint }
	}
}

// raftConfig is what makes raft safe to use here; the package comment and the
// comments below say why.
func (o *Options) raftConfig() *raft.Config {
	heartbeat := o.Tuning.HeartbeatTimeoutOf(o.ID)
	return &raft.Config{
		ProtocolVersion:    raft.ProtocolVersionMax,
		LocalID:            raft.ServerID(o.Peer.String()),
		HeartbeatTimeout:   heartbeat,
		ElectionTimeout:    heartbeat,
		LeaderLeaseTimeout: min(o.Tuning.LeaderLease, heartbeat),
		CommitTimeout:      o.Tuning.CommitTimeout,
		MaxAppendEntries:   256,
		SnapshotInterval:   o.Tuning.SnapshotInterval,
		SnapshotThreshold:  o.Tuning.SnapshotThreshold,
		TrailingLogs:       o.Tuning.TrailingLogs,
		Logger:             raftLogger(o.Logger),

		// The machine's state is durable by itself.
		NoSnapshotRestoreOnStart: true,
		// It hangs with many entries and loses configurations (v1.8.0).
		RestoreCommittedLogs: false,
		// An entry that waits in the buffer when raft stops is never answered.
		// One batch is in flight at a time, so a buffer has no use either.
		BatchApplyCh: false,
		// A removed peer is destroyed by its host, not by itself.
		ShutdownOnRemove:  false,
		NoLegacyTelemetry: true,
	}
}
