package machine

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/engine"
)

// Keyspace 0 holds the registry:
//
//	0 u64 | 'd' | keyspace u64              → empty: the keyspace is doomed
//	0 u64 | 'k'                             → u64: the next keyspace
//	0 u64 | 'p' | group u64                 → format u8 1 | replica u64 | keyspace u64 | flags u8
//	0 u64 | 't' | group u64 | replica u64   → empty: the peer was destroyed
const (
	registryDoomed     = 'd'
	registryNext       = 'k'
	registryPeers      = 'p'
	registryTombstones = 't'

	peerFormat    = 1
	peerInstalled = 1
)

// Peer is the node's record of one of its peers.
type Peer struct {
	Group, Replica uint64
	Keyspace       Keyspace
	// Installed says that a snapshot was put in place of the peer's state and
	// that its Raft log has not been reset to it yet.
	Installed bool
}

// Registry is the node's durable list of its peers: which replica of which
// group lives in which keyspace. It is the only one that creates, swaps and
// removes keyspaces, each in one commit, so that a crash leaves the old or the
// new. Like everything in the engine, what it did is durable with the next
// checkpoint: a caller that acts on it outside the engine (starts a Raft group,
// resets its log) checkpoints first.
//
// It is safe for concurrent use.
type Registry struct {
	engine *engine.Engine
	region string

	mu struct {
		sync.Mutex
		next      Keyspace
		peers     map[uint64]Peer
		destroyed map[[2]uint64]struct{} // group, replica
		// doomed keyspaces are deleted by Sweep, from the key that is their value.
		doomed map[Keyspace][]byte
		// installing keyspaces are doomed until their snapshot is complete.
		installing map[Keyspace]uint64 // to group
	}
}

// OpenRegistry reads the registry of a node in a region.
func OpenRegistry(e *engine.Engine, region string) (*Registry, error) {
	r := &Registry{engine: e, region: region}
	r.mu.next = 1
	r.mu.peers = make(map[uint64]Peer)
	r.mu.destroyed = make(map[[2]uint64]struct{})
	r.mu.doomed = make(map[Keyspace][]byte)
	r.mu.installing = make(map[Keyspace]uint64)
	view := e.View()
	defer view.Close()
	it := view.Iterate(binary.BigEndian.AppendUint64(nil, 0), binary.BigEndian.AppendUint64(nil, 1), false)
	defer it.Close()
	for it.Next() {
		value, err := it.Value()
		if err != nil {
			return nil, err
		}
		if err := r.load(it.Key()[keyspaceSize:], value); err != nil {
			return nil, err
		}
	}
	return r, it.Err()
}

func (r *Registry) load(key, value []byte) error {
	k, v := reader{rest: key[1:]}, reader{rest: value}
	switch key[0] {
	case registryDoomed:
		ks := Keyspace(k.uint64())
		r.mu.doomed[ks] = keyspaceStart(ks)
	case registryNext:
		r.mu.next = Keyspace(v.uint64())
	case registryPeers:
		v.bad = v.byte() != peerFormat
		p := Peer{Group: k.uint64(), Replica: v.uint64(), Keyspace: Keyspace(v.uint64())}
		p.Installed = v.byte()&peerInstalled != 0
		r.mu.peers[p.Group] = p
	case registryTombstones:
		r.mu.destroyed[[2]uint64{k.uint64(), k.uint64()}] = struct{}{}
	default:
		k.bad = true
	}
	if k.bad || v.bad || len(k.rest)+len(v.rest) > 0 {
		return storage.Errorf(storage.Corrupt, "registry: the record at %x cannot be read", key)
	}
	return nil
}

// Peers is all peers, by group.
func (r *Registry) Peers() []Peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.mu.peers), func(a, b Peer) int { return cmp.Compare(a.Group, b.Group) })
}

// Peer is the peer of a group.
func (r *Registry) Peer(group uint64) (Peer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.mu.peers[group]
	return p, ok
}

// Destroyed reports whether a peer lived here once and must never again.
func (r *Registry) Destroyed(group, replica uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.mu.destroyed[[2]uint64{group, replica}]
	return ok
}

// Create makes a peer whose state begins as m says: with an AppliedIndex and a
// Config for a peer of a group that is being born, without for one that waits
// for a snapshot. If the very same peer is here already, it is returned as it
// is. It is refused for a peer that was destroyed, and while another replica of
// the group is here.
func (r *Registry) Create(replica uint64, m Meta) (Peer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.mu.destroyed[[2]uint64{m.Group, replica}]; ok {
		return Peer{}, storage.Errorf(storage.Internal, "replica %d of group %d was destroyed here", replica, m.Group)
	}
	if p, ok := r.mu.peers[m.Group]; ok {
		if p.Replica != replica {
			return Peer{}, storage.Errorf(storage.Internal,
				"replica %d of group %d cannot live beside replica %d", replica, m.Group, p.Replica)
		}
		return p, nil
	}
	p := Peer{Group: m.Group, Replica: replica, Keyspace: r.mu.next}
	var b engine.Batch
	putNext(&b, p.Keyspace+1)
	putPeer(&b, p)
	putMeta(&b, p.Keyspace, m)
	if err := r.engine.Commit(&b); err != nil {
		return Peer{}, err
	}
	r.mu.next++
	r.mu.peers[p.Group] = p
	return p, nil
}

// Open opens the partition of the peer of a group.
func (r *Registry) Open(group uint64) (*Partition, error) {
	p, ok := r.Peer(group)
	if !ok {
		return nil, errNoPeer(group)
	}
	return Open(r.engine, p.Keyspace, group, r.region)
}

// Settled clears Peer.Installed, once the Raft log was reset.
func (r *Registry) Settled(group uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.mu.peers[group]
	if !ok {
		return errNoPeer(group)
	}
	if !p.Installed {
		return nil
	}
	p.Installed = false
	var b engine.Batch
	putPeer(&b, p)
	if err := r.engine.Commit(&b); err != nil {
		return err
	}
	r.mu.peers[group] = p
	return nil
}

// Destroy removes a peer for ever and dooms its keyspace. It is remembered also
// if the peer is not here, and can be repeated. The Partition must be closed.
func (r *Registry) Destroy(group, replica uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, here := r.mu.peers[group]
	here = here && p.Replica == replica
	var b engine.Batch
	b.Put(registryKey(registryTombstones, group, replica))
	if here {
		b.Delete(registryKey(registryPeers, group))
		b.Put(registryKey(registryDoomed, uint64(p.Keyspace)))
	}
	if err := r.engine.Commit(&b); err != nil {
		return err
	}
	r.mu.destroyed[[2]uint64{group, replica}] = struct{}{}
	if here {
		delete(r.mu.peers, group)
		r.mu.doomed[p.Keyspace] = keyspaceStart(p.Keyspace)
	}
	return nil
}

// Sweep deletes at most limit keys of doomed keyspaces, in one commit, and
// reports whether more are left. It is called again and again, with pauses, by
// whoever owns the registry. A peer's Partition whose keyspace is doomed must
// have been closed before.
func (r *Registry) Sweep(limit int) (more bool, err error) {
	ks, start, ok := r.nextDoomed()
	if !ok {
		return false, nil
	}
	view := r.engine.View()
	defer view.Close()
	it := view.Iterate(start, keyspaceStart(ks+1), false)
	defer it.Close()
	var b engine.Batch
	for b.Len() < limit && it.Next() {
		start = append(slices.Clone(it.Key()), 0)
		b.Delete(it.Key())
	}
	if err := it.Err(); err != nil {
		return true, err
	}
	gone := b.Len() < limit
	if gone {
		b.Delete(registryKey(registryDoomed, uint64(ks)))
	}
	if err := r.engine.Commit(&b); err != nil {
		return true, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if gone {
		delete(r.mu.doomed, ks)
	} else {
		r.mu.doomed[ks] = start
	}
	return len(r.mu.doomed) > len(r.mu.installing), nil
}

// nextDoomed is the first keyspace to sweep and where in it to go on.
func (r *Registry) nextDoomed() (Keyspace, []byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ks := range slices.Sorted(maps.Keys(r.mu.doomed)) {
		if _, busy := r.mu.installing[ks]; !busy {
			return ks, r.mu.doomed[ks], true
		}
	}
	return 0, nil, false
}

func putNext(b *engine.Batch, next Keyspace) {
	b.Put(registryKey(registryNext), binary.BigEndian.AppendUint64(nil, uint64(next)))
}

func putPeer(b *engine.Batch, p Peer) {
	v := binary.BigEndian.AppendUint64([]byte{peerFormat}, p.Replica)
	v = binary.BigEndian.AppendUint64(v, uint64(p.Keyspace))
	var flags byte
	if p.Installed {
		flags |= peerInstalled
	}
	b.Put(registryKey(registryPeers, p.Group), append(v, flags))
}

func registryKey(kind byte, numbers ...uint64) []byte {
	k := appendSection(nil, 0, kind)
	for _, n := range numbers {
		k = binary.BigEndian.AppendUint64(k, n)
	}
	return k
}

func keyspaceStart(ks Keyspace) []byte { return binary.BigEndian.AppendUint64(nil, uint64(ks)) }

func errNoPeer(group uint64) error {
	return storage.Errorf(storage.Unavailable, "group %d has no peer here", group)
}

var errInstallEnded = storage.Errorf(storage.Internal, "the installation has ended")
