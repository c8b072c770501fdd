package engine

import "github.com/roundtabledb/roundtable/storage"

// Batch collects writes for one Commit. A later write of a key replaces an
// earlier one. The zero Batch is empty and ready; it is not safe for concurrent
// use. It copies what it is given, and keeps its memory over Reset.
type Batch struct {
	ops []operation
	buf []byte
	err error
}

// operation is where a write's key and value lie in the buffer. Offsets, not
// slices: the buffer moves when it grows.
type operation struct {
	start, split, end int
	deleted           bool
}

// Put sets key to the concatenation of parts. It returns the number of the
// write, for Value.
func (b *Batch) Put(key []byte, parts ...[]byte) int {
	op := b.begin(key)
	for _, p := range parts {
		b.buf = append(b.buf, p...)
	}
	op.end = len(b.buf)
	if op.end-op.split > MaxValueSize && b.err == nil {
		b.err = storage.Errorf(storage.Internal, "engine: a value of %d bytes is too long", op.end-op.split)
	}
	b.ops = append(b.ops, op)
	return len(b.ops) - 1
}

// Delete removes key. It returns the number of the write.
func (b *Batch) Delete(key []byte) int {
	op := b.begin(key)
	op.deleted = true
	b.ops = append(b.ops, op)
	return len(b.ops) - 1
}

func (b *Batch) begin(key []byte) operation {
	if (len(key) == 0 || len(key) > MaxKeySize || key[0] == reserved) && b.err == nil {
		b.err = storage.Errorf(storage.Internal, "engine: key %.20x of %d bytes is not allowed", key, len(key))
	}
	start := len(b.buf)
	b.buf = append(b.buf, key...)
	return operation{start: start, split: len(b.buf), end: len(b.buf)}
}

// Value is the value of write n, and false if it deletes. The slice is valid
// until the next write.
func (b *Batch) Value(n int) ([]byte, bool) {
	op := b.ops[n]
	return b.value(op), !op.deleted
}

func (b *Batch) key(op operation) []byte   { return b.buf[op.start:op.split:op.split] }
func (b *Batch) value(op operation) []byte { return b.buf[op.split:op.end:op.end] }

// Len is the number of writes.
func (b *Batch) Len() int { return len(b.ops) }

// Bytes is the size of all keys and values.
func (b *Batch) Bytes() int { return len(b.buf) }

// maxKept is how much memory a Batch keeps over Reset.
const maxKept = 4 << 20

// Reset empties the batch.
func (b *Batch) Reset() {
	if cap(b.buf) > maxKept {
		b.buf = nil
	}
	b.ops, b.buf, b.err = b.ops[:0], b.buf[:0], nil
}
