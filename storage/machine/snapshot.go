package machine

import (
	"encoding/binary"
	"hash/crc32"
	"iter"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/engine"
)

// A snapshot in transit is a header and chunks. The header is
//
//	format   u8      1
//	crc32c   u32     of what follows
//	meta     as Meta.Append writes it
//
// A chunk is
//
//	kind     u8      1 pairs, 2 end
//	crc32c   u32     of what follows
//	number   u32     of the chunk, from 0
//	pairs: uvarint length of the key, uvarint length of the value, key, value
//	end:   u64 number of all pairs, u64 hash of all pairs
//
// Keys are without the keyspace. Numbers of fixed size are big-endian.
const (
	snapshotFormat = 1
	chunkPairs     = 1
	chunkEnd       = 2
	chunkHead      = 1 + 4 + 4
	// chunkBytes is when a chunk is full. One pair may make it much bigger.
	chunkBytes = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Snapshot is a partition as of one applied index, on its way out. It is not
// safe for concurrent use and must be closed.
type Snapshot struct {
	view *engine.View
	ks   Keyspace
	meta Meta
}

// Snapshot takes a snapshot of the last commit. It holds back the discarding of
// what is overwritten meanwhile, so it should not stay open for long.
func (p *Partition) Snapshot() (*Snapshot, error) {
	if err := p.usable(); err != nil {
		return nil, err
	}
	s := &Snapshot{view: p.engine.View(), ks: p.ks}
	var err error
	if s.meta, err = readMeta(s.view, p.ks, p.group); err != nil {
		s.Close()
		return nil, p.readError(err)
	}
	return s, nil
}

// Meta is the partition's as of the snapshot.
func (s *Snapshot) Meta() Meta { return s.meta }

// Close ends the snapshot.
func (s *Snapshot) Close() { s.view.Close() }

// Header is what the receiver needs before the chunks.
func (s *Snapshot) Header() []byte {
	b := make([]byte, 5, 256)
	b[0] = snapshotFormat
	b = s.meta.Append(b)
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(b[5:], castagnoli))
	return b
}

func decodeHeader(b []byte) (Meta, error) {
	if len(b) < 5 || b[0] != snapshotFormat || binary.BigEndian.Uint32(b[1:]) != crc32.Checksum(b[5:], castagnoli) {
		return Meta{}, storage.Errorf(storage.Corrupt, "snapshot: the header is damaged or of an unknown format")
	}
	return DecodeMeta(append([]byte(nil), b[5:]...))
}

// Chunks is the content, in order. A chunk is the caller's to keep. After an
// error there is nothing more.
func (s *Snapshot) Chunks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		w := chunkWriter{yield: yield, hash: newContentHash()}
		w.begin()
		err := visit(s.view, s.ks, &s.meta, w.pair)
		if err == nil {
			err = w.end()
		}
		if err != nil && !w.stopped {
			yield(nil, err)
		}
	}
}

// chunkWriter cuts pairs into chunks.
type chunkWriter struct {
	yield   func([]byte, error) bool
	chunk   []byte
	number  uint32
	hash    *contentHash
	stopped bool
}

var errStopped = storage.Errorf(storage.Unavailable, "snapshot: the receiver has stopped")

func (w *chunkWriter) begin() {
	w.chunk = make([]byte, chunkHead, chunkHead+chunkBytes)
}

func (w *chunkWriter) pair(key, value []byte) error {
	if len(w.chunk) > chunkHead && len(w.chunk)+len(key)+len(value) > chunkBytes {
		if err := w.send(chunkPairs); err != nil {
			return err
		}
	}
	w.chunk = binary.AppendUvarint(w.chunk, uint64(len(key)))
	w.chunk = binary.AppendUvarint(w.chunk, uint64(len(value)))
	w.chunk = append(append(w.chunk, key...), value...)
	w.hash.add(key, value)
	return nil
}

func (w *chunkWriter) end() error {
	if len(w.chunk) > chunkHead {
		if err := w.send(chunkPairs); err != nil {
			return err
		}
	}
	w.chunk = binary.BigEndian.AppendUint64(w.chunk, w.hash.pairs)
	w.chunk = binary.BigEndian.AppendUint64(w.chunk, w.hash.sum())
	return w.send(chunkEnd)
}

func (w *chunkWriter) send(kind byte) error {
	w.chunk[0] = kind
	binary.BigEndian.PutUint32(w.chunk[5:], w.number)
	binary.BigEndian.PutUint32(w.chunk[1:], crc32.Checksum(w.chunk[5:], castagnoli))
	w.number++
	if !w.yield(w.chunk, nil) {
		w.stopped = true
		return errStopped
	}
	w.begin()
	return nil
}

// chunkReader is the other side of chunkWriter.
type chunkReader struct {
	number uint32
	hash   *contentHash
	ended  bool
}

// read verifies a chunk and calls f with each pair of it. Keys and values are
// in memory of the chunk.
func (r *chunkReader) read(chunk []byte, f func(key, value []byte) error) error {
	if len(chunk) < chunkHead || binary.BigEndian.Uint32(chunk[1:]) != crc32.Checksum(chunk[5:], castagnoli) {
		return storage.Errorf(storage.Corrupt, "snapshot: chunk %d is damaged", r.number)
	}
	if number := binary.BigEndian.Uint32(chunk[5:]); number != r.number || r.ended {
		return storage.Errorf(storage.Corrupt, "snapshot: chunk %d comes where %d is due", number, r.number)
	}
	r.number++
	content := reader{rest: chunk[chunkHead:]}
	switch chunk[0] {
	case chunkPairs:
		for len(content.rest) > 0 {
			keySize, valueSize := content.uvarint(), content.uvarint()
			key, value := content.take(keySize), content.take(valueSize)
			if content.bad {
				break
			}
			r.hash.add(key, value)
			if err := f(key, value); err != nil {
				return err
			}
		}
	case chunkEnd:
		pairs, sum := content.uint64(), content.uint64()
		if pairs != r.hash.pairs || sum != r.hash.sum() {
			return storage.Errorf(storage.Corrupt, "snapshot: %d pairs came, which are not the %d sent", r.hash.pairs, pairs)
		}
		r.ended = true
	default:
		content.bad = true
	}
	if content.bad || len(content.rest) > 0 {
		return storage.Errorf(storage.Corrupt, "snapshot: chunk %d cannot be read", r.number-1)
	}
	return nil
}
