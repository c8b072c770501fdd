package machine

import (
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/engine"
)

// Installer receives a snapshot for a peer. Until Finish, the peer is as it
// was, and a crash or Abort leaves nothing but keys for Sweep. It is not safe
// for concurrent use.
type Installer struct {
	registry *Registry
	peer     Peer // as it was when the installation began
	keyspace Keyspace
	meta     Meta
	chunks   chunkReader
	batch    engine.Batch
	ended    bool
}

// Install begins to receive a snapshot for the peer of a group, given its
// header, into a new keyspace. There is one installation per group at a time.
func (r *Registry) Install(group uint64, header []byte) (*Installer, error) {
	m, err := decodeHeader(header)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.mu.peers[group]
	if !ok {
		return nil, errNoPeer(group)
	}
	if m.Group != group {
		return nil, storage.Errorf(storage.Internal, "a snapshot of group %d came for group %d", m.Group, group)
	}
	for _, busy := range r.mu.installing {
		if busy == group {
			return nil, storage.Errorf(storage.Unavailable, "group %d is receiving a snapshot already", group)
		}
	}
	i := &Installer{registry: r, peer: p, keyspace: r.mu.next, meta: m}
	i.chunks.hash = newContentHash()
	// Doomed from birth: a crash before Finish leaves it to Sweep.
	var b engine.Batch
	putNext(&b, i.keyspace+1)
	b.Put(registryKey(registryDoomed, uint64(i.keyspace)))
	if err := r.engine.Commit(&b); err != nil {
		return nil, err
	}
	r.mu.next++
	r.mu.doomed[i.keyspace] = keyspaceStart(i.keyspace)
	r.mu.installing[i.keyspace] = group
	return i, nil
}

// Meta is the state that the snapshot holds.
func (i *Installer) Meta() Meta { return i.meta }

// Add verifies and stores the next chunk.
func (i *Installer) Add(chunk []byte) error {
	if i.ended {
		return errInstallEnded
	}
	i.batch.Reset()
	prefix := keyspaceStart(i.keyspace)
	var full []byte
	err := i.chunks.read(chunk, func(key, value []byte) error {
		if len(key) == 0 || key[0] == sectionMeta {
			return storage.Errorf(storage.Corrupt, "snapshot: a key that cannot be in one")
		}
		full = append(append(full[:0], prefix...), key...)
		i.batch.Put(full, value)
		return nil
	})
	if err != nil {
		return err
	}
	return i.registry.engine.Commit(&i.batch)
}

// Finish verifies that everything came and makes the new keyspace the peer's,
// in one commit, in which Peer.Installed is set and the old keyspace doomed. It
// is refused if the peer has meanwhile applied what the snapshot holds, or is
// gone. The old Partition must be closed before.
func (i *Installer) Finish() error {
	if i.ended {
		return errInstallEnded
	}
	if !i.chunks.ended {
		return storage.Errorf(storage.Corrupt, "snapshot: %d chunks came but not the last", i.chunks.number)
	}
	r := i.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.peers[i.peer.Group] != i.peer {
		return storage.Errorf(storage.Unavailable, "the peer of group %d has changed meanwhile", i.peer.Group)
	}
	if err := i.checkProgress(); err != nil {
		return err
	}
	next := i.peer
	next.Keyspace, next.Installed = i.keyspace, true
	i.batch.Reset()
	putMeta(&i.batch, i.keyspace, i.meta)
	putPeer(&i.batch, next)
	i.batch.Delete(registryKey(registryDoomed, uint64(i.keyspace)))
	i.batch.Put(registryKey(registryDoomed, uint64(i.peer.Keyspace)))
	if err := r.engine.Commit(&i.batch); err != nil {
		return err
	}
	i.ended = true
	delete(r.mu.installing, i.keyspace)
	delete(r.mu.doomed, i.keyspace)
	r.mu.doomed[i.peer.Keyspace] = keyspaceStart(i.peer.Keyspace)
	r.mu.peers[next.Group] = next
	return nil
}

// checkProgress makes sure that the peer would not go back.
func (i *Installer) checkProgress() error {
	b, err := i.registry.engine.Get(metaKey(i.peer.Keyspace, i.peer.Group))
	if err != nil {
		return err
	}
	old, err := DecodeMeta(b)
	if err != nil {
		return err
	}
	if old.AppliedIndex >= i.meta.AppliedIndex {
		return storage.Errorf(storage.Unavailable,
			"the peer of group %d has applied %d, the snapshot only %d", i.peer.Group, old.AppliedIndex, i.meta.AppliedIndex)
	}
	return nil
}

// Abort gives the new keyspace up, for Sweep to delete. It does nothing after
// Finish.
func (i *Installer) Abort() {
	if i.ended {
		return
	}
	i.ended = true
	r := i.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.mu.installing, i.keyspace)
}
