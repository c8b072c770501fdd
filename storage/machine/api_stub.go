package machine

import (
	"iter"

	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
)

// Partition is an open partition. Apply has one caller at a time; everything
// else is safe for concurrent use.
type Partition struct{}

func Create(e *engine.Engine, ks Keyspace, m Meta, region string) (*Partition, error) { panic("stub") }
func Open(e *engine.Engine, ks Keyspace, group uint64, region string) (*Partition, error) {
	panic("stub")
}
func (p *Partition) Inject(f Faults)                                        { panic("stub") }
func (p *Partition) Keyspace() Keyspace                                     { panic("stub") }
func (p *Partition) Apply(entries []Entry) ([][]command.Result, error)      { panic("stub") }
func (p *Partition) Meta() Meta                                             { panic("stub") }
func (p *Partition) Get(key []byte) (Stored, error)                         { panic("stub") }
func (p *Partition) Page(r PageRequest) (Page, error)                       { panic("stub") }
func (p *Partition) Changes(after uint64, max int) ([]change.Change, error) { panic("stub") }
func (p *Partition) Consumers() map[string]ConsumerState                    { panic("stub") }
func (p *Partition) Changed() <-chan struct{}                               { panic("stub") }
func (p *Partition) Hash() (uint64, error)                                  { panic("stub") }
func (p *Partition) Snapshot() (*Snapshot, error)                           { panic("stub") }

// Close ends the use of the partition: every later call returns
// storage.Unavailable. The data stays.
func (p *Partition) Close() { panic("stub") }

// Snapshot is a consistent copy of a partition's state on its way out.
type Snapshot struct{}

func (s *Snapshot) Meta() Meta                       { panic("stub") }
func (s *Snapshot) Header() []byte                   { panic("stub") }
func (s *Snapshot) Chunks() iter.Seq2[[]byte, error] { panic("stub") }
func (s *Snapshot) Close()                           { panic("stub") }

// Peer is the node's record of one of its peers.
type Peer struct {
	Group, Replica uint64
	Keyspace       Keyspace
	// Installed says that a snapshot was put in place of the peer's state and
	// that its Raft log has not yet been reset to it.
	Installed bool
}

// Registry is the node's durable list of its peers.
type Registry struct{}

// OpenRegistry reads the registry of a node whose region is given.
func OpenRegistry(e *engine.Engine, region string) (*Registry, error) { panic("stub") }

// Peers is all peers, ordered by group.
func (r *Registry) Peers() []Peer { panic("stub") }

// Peer is the peer of a group.
func (r *Registry) Peer(group uint64) (Peer, bool) { panic("stub") }

// Destroyed reports whether a peer once lived here and must never again.
func (r *Registry) Destroyed(group, replica uint64) bool { panic("stub") }

// Create makes a peer whose state begins as m says, in one commit. If the very
// same peer is there already, it is returned as it is. It is refused for a
// destroyed peer, and while another replica of the group is here.
func (r *Registry) Create(replica uint64, m Meta) (Peer, error) { panic("stub") }

// Open opens the partition of a peer.
func (r *Registry) Open(group uint64) (*Partition, error) { panic("stub") }

// Install begins to receive a snapshot for a peer into a new keyspace.
func (r *Registry) Install(group uint64, header []byte) (*Installer, error) { panic("stub") }

// Settled clears Peer.Installed, after the Raft log was reset.
func (r *Registry) Settled(group uint64) error { panic("stub") }

// Destroy forgets a peer for ever and dooms its keyspace.
func (r *Registry) Destroy(group, replica uint64) error { panic("stub") }

// Sweep deletes at most max keys of doomed keyspaces and reports whether there
// is more to do.
func (r *Registry) Sweep(max int) (more bool, err error) { panic("stub") }

// Installer receives a snapshot.
type Installer struct{}

// Meta is the state that the snapshot holds.
func (i *Installer) Meta() Meta { panic("stub") }

// Add takes the next chunk.
func (i *Installer) Add(chunk []byte) error { panic("stub") }

// Finish verifies that all came and swaps the peer to the new keyspace, in one
// commit: Peer.Installed is set and the old keyspace is doomed. The old
// Partition must be closed before.
func (i *Installer) Finish() error { panic("stub") }

// Abort gives the new keyspace up. It does nothing after Finish.
func (i *Installer) Abort() error { panic("stub") }
