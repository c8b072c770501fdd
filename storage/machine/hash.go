package machine

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/roundtabledb/roundtable/storage/engine"
)

// replicated are the sections of a partition whose content its peers share,
// Meta apart, in the order in which they are hashed and sent.
var replicated = [...]byte{sectionItems, sectionChanges, sectionConsumers, sectionSessions}

// sectionRange is the range of keys that a partition has in a section.
func sectionRange(ks Keyspace, section byte, m *Meta) (lo, hi []byte) {
	if section != sectionItems {
		lo = groupKey(ks, section, m.Group)
		return lo, after(lo)
	}
	lo = itemKey(ks, m.Lo)
	if len(m.Hi) == 0 {
		return lo, appendSection(nil, ks, sectionItems+1)
	}
	return lo, itemKey(ks, m.Hi)
}

// visit calls f with all keys and values of a partition but Meta. Keys come
// without the keyspace; both are valid during the call only.
func visit(view *engine.View, ks Keyspace, m *Meta, f func(key, value []byte) error) error {
	for _, section := range replicated {
		if err := visitSection(view, ks, section, m, f); err != nil {
			return err
		}
	}
	return nil
}

func visitSection(view *engine.View, ks Keyspace, section byte, m *Meta, f func(key, value []byte) error) error {
	lo, hi := sectionRange(ks, section, m)
	it := view.Iterate(lo, hi, false)
	defer it.Close()
	for it.Next() {
		value, err := it.Value()
		if err != nil {
			return err
		}
		if err := f(it.Key()[keyspaceSize:], value); err != nil {
			return err
		}
	}
	return it.Err()
}

// Hash returns a hash of everything that the partition holds, and the applied
// index that it belongs to. Peers with the same index have the same hash.
func (p *Partition) Hash() (index, sum uint64, err error) {
	if err := p.usable(); err != nil {
		return 0, 0, err
	}
	view := p.engine.View()
	defer view.Close()
	m, err := readMeta(view, p.ks, p.group)
	if err != nil {
		return 0, 0, p.readError(err)
	}
	h := newContentHash()
	h.add([]byte{sectionMeta}, m.Append(nil))
	err = visit(view, p.ks, &m, func(key, value []byte) error {
		h.add(key, value)
		return nil
	})
	if err != nil {
		return 0, 0, p.readError(err)
	}
	return m.AppliedIndex, h.sum(), p.usable()
}

// contentHash hashes pairs so that no two lists of pairs read the same.
type contentHash struct {
	digest  *xxhash.Digest
	pairs   uint64
	lengths []byte
}

func newContentHash() *contentHash { return &contentHash{digest: xxhash.New()} }

func (h *contentHash) add(key, value []byte) {
	h.lengths = binary.AppendUvarint(h.lengths[:0], uint64(len(key)))
	h.lengths = binary.AppendUvarint(h.lengths, uint64(len(value)))
	h.digest.Write(h.lengths)
	h.digest.Write(key)
	h.digest.Write(value)
	h.pairs++
}

func (h *contentHash) sum() uint64 { return h.digest.Sum64() }
