package item

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Builder writes an Encoded, or the encoding of one value, piece by piece:
// from another format, with no tree in between. Attributes may come in any
// order; of those with one name the last stays.
//
//	b.OpenItem()
//	b.Name("id"); b.String("42")
//	b.Name("tags"); b.OpenList(); b.Null(); b.Close()
//	b.Close()
//	e := Encoded(bytes.Clone(b.Bytes()))
//
// It is for reuse: Reset keeps its memory. Calls out of order are a bug of the
// caller, and what they write is then no encoding.
type Builder struct {
	buf []byte
	// open is the containers that are not closed, outermost first.
	open []container
	// spans is where the attributes of the open maps lie in buf, those of the
	// innermost map last.
	spans   []span
	scratch []byte
}

type container struct {
	size  int // where in buf its size stands; -1 for an item
	spans int // how many spans belong to the maps around it
	named bool
}

// span is an attribute in Builder.buf. It ends where the next one begins.
type span struct {
	start, name, value, end int
}

// Reset forgets what was written.
func (b *Builder) Reset() {
	b.buf, b.open, b.spans = b.buf[:0], b.open[:0], b.spans[:0]
}

// Bytes is what was written. It is valid until the next Reset.
func (b *Builder) Bytes() []byte { return b.buf }

// OpenItem begins an item.
func (b *Builder) OpenItem() {
	b.buf = append(b.buf, encodingVersion)
	b.open = append(b.open, container{size: -1, spans: len(b.spans), named: true})
}

// OpenMap begins a value of type M.
func (b *Builder) OpenMap() { b.openSized(M) }

// OpenList begins a value of type L.
func (b *Builder) OpenList() { b.openSized(L) }

func (b *Builder) openSized(k Kind) {
	b.buf = append(b.buf, byte(k))
	buf, at := beginSized(b.buf)
	b.buf = buf
	b.open = append(b.open, container{size: at, spans: len(b.spans), named: k == M})
}

// Close ends what was opened last.
func (b *Builder) Close() {
	c := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	if c.named {
		b.finishSpan(c)
		b.arrange(b.spans[c.spans:])
		b.spans = b.spans[:c.spans]
	}
	if c.size >= 0 {
		endSized(b.buf, c.size)
	}
}

// Name begins an attribute of the map or item that was opened last. Its value
// follows.
func (b *Builder) Name(name []byte) {
	b.finishSpan(b.open[len(b.open)-1])
	start := len(b.buf)
	b.buf = binary.AppendUvarint(b.buf, uint64(len(name)))
	at := len(b.buf)
	b.buf = append(b.buf, name...)
	b.spans = append(b.spans, span{start: start, name: at, value: len(b.buf)})
}

// finishSpan notes where the last attribute of the innermost map ends.
func (b *Builder) finishSpan(c container) {
	if len(b.spans) > c.spans {
		b.spans[len(b.spans)-1].end = len(b.buf)
	}
}

// arrange brings the attributes at the end of buf into order.
func (b *Builder) arrange(spans []span) {
	compare := func(s, t span) int {
		return bytes.Compare(b.buf[s.name:s.value], b.buf[t.name:t.value])
	}
	ordered := true
	for i := 1; i < len(spans) && ordered; i++ {
		ordered = compare(spans[i-1], spans[i]) < 0
	}
	if ordered {
		return
	}
	from := spans[0].start
	slices.SortStableFunc(spans, compare)
	b.scratch = b.scratch[:0]
	for i, s := range spans {
		if i+1 < len(spans) && compare(s, spans[i+1]) == 0 {
			continue
		}
		b.scratch = append(b.scratch, b.buf[s.start:s.end]...)
	}
	b.buf = append(b.buf[:from], b.scratch...)
}

// String writes a value of type S.
func (b *Builder) String(s []byte) {
	b.buf = appendText(append(b.buf, byte(S)), s)
}

// Binary writes a value of type B.
func (b *Builder) Binary(p []byte) {
	b.buf = appendText(append(b.buf, byte(B)), p)
}

// Number writes a value of type N.
func (b *Builder) Number(n Number) {
	b.buf = appendNumber(append(b.buf, byte(N)), n)
}

// Bool writes a value of type BOOL.
func (b *Builder) Bool(v bool) { b.Value(Bool(v)) }

// Null writes a value of type NULL.
func (b *Builder) Null() { b.buf = append(b.buf, byte(NULL)) }

// Value writes any value.
func (b *Builder) Value(v Value) { b.buf = AppendValue(b.buf, v) }
