package dispatch

import (
	"encoding/binary"
	"slices"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Reads between nodes. Integers are unsigned varints and byte strings stand
// behind their length.
//
//	Get request    flags key
//	Get answer     flags version size item
//	Page request   flags lo hi limit maxBytes filter projection
//	Page answer    flags count scanned scannedBytes last n·item m·(key flags version size item)
//
// A filter or projection is a byte string, empty when there is none.
const (
	flagConsistent byte = 1 << iota
	flagReverse
	flagCountOnly
	flagTombstones
)

const (
	flagExists byte = 1 << iota
	flagTombstone
	flagMore
)

func appendGet(dst, key []byte, consistent bool) []byte {
	dst = slices.Grow(dst, 1+len(key))
	return append(append(dst, flagIf(consistent, flagConsistent)), key...)
}

func decodeGet(b []byte) (key []byte, consistent bool, err error) {
	if len(b) == 0 {
		return nil, false, errCut
	}
	return b[1:], b[0]&flagConsistent != 0, nil
}

// storedRoom is what a Get answer takes beside item and region.
const storedRoom = 16

func appendStored(dst []byte, s machine.Stored) []byte {
	dst = slices.Grow(dst, storedRoom+len(s.Item)+len(s.Version.Region))
	dst = append(dst, flagIf(s.Exists, flagExists)|flagIf(s.Tombstone, flagTombstone))
	dst = s.Version.Append(dst)
	dst = binary.AppendUvarint(dst, uint64(s.Size))
	return appendBytes(dst, s.Item)
}

func decodeStored(b []byte) (machine.Stored, error) {
	r := reader{b: b}
	s := r.stored()
	return s, r.err
}

func appendPageRequest(dst []byte, q machine.PageRequest, consistent bool) []byte {
	dst = append(dst, flagIf(consistent, flagConsistent)|flagIf(q.Reverse, flagReverse)|
		flagIf(q.CountOnly, flagCountOnly)|flagIf(q.WithTombstones, flagTombstones))
	dst = appendBytes(dst, q.Lo)
	dst = appendBytes(dst, q.Hi)
	dst = binary.AppendUvarint(dst, uint64(q.Limit))
	dst = binary.AppendUvarint(dst, uint64(q.MaxBytes))
	var filter, projection []byte
	if q.Filter != nil {
		filter = q.Filter.Append(nil)
	}
	if q.Projection != nil {
		projection = q.Projection.Append(nil)
	}
	return appendBytes(appendBytes(dst, filter), projection)
}

func decodePageRequest(b []byte) (q machine.PageRequest, consistent bool, err error) {
	r := reader{b: b}
	flags := r.byte()
	q.Reverse = flags&flagReverse != 0
	q.CountOnly = flags&flagCountOnly != 0
	q.WithTombstones = flags&flagTombstones != 0
	q.Lo = r.bytes()
	q.Hi = r.bytes()
	q.Limit = int(r.uint())
	q.MaxBytes = int(r.uint())
	filter, projection := r.bytes(), r.bytes()
	if r.err != nil {
		return q, false, r.err
	}
	if len(filter) > 0 {
		if q.Filter, _, err = expr.DecodeCondition(filter); err != nil {
			return q, false, err
		}
	}
	if len(projection) > 0 {
		if q.Projection, _, err = expr.DecodeProjection(projection); err != nil {
			return q, false, err
		}
	}
	return q, flags&flagConsistent != 0, nil
}

func appendPage(dst []byte, p machine.Page) []byte {
	dst = append(dst, flagIf(p.More, flagMore))
	dst = binary.AppendUvarint(dst, uint64(p.Count))
	dst = binary.AppendUvarint(dst, uint64(p.Scanned))
	dst = binary.AppendUvarint(dst, uint64(p.ScannedBytes))
	dst = appendBytes(dst, p.Last)
	dst = binary.AppendUvarint(dst, uint64(len(p.Items)))
	for _, e := range p.Items {
		dst = appendBytes(dst, e)
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.Stored)))
	for _, s := range p.Stored {
		dst = appendStored(appendBytes(dst, s.Key), s)
	}
	return dst
}

func decodePage(b []byte) (machine.Page, error) {
	r := reader{b: b}
	var p machine.Page
	p.More = r.byte()&flagMore != 0
	p.Count = int(r.uint())
	p.Scanned = int(r.uint())
	p.ScannedBytes = int(r.uint())
	p.Last = r.bytes()
	for n := r.uint(); n > 0 && r.err == nil; n-- {
		p.Items = append(p.Items, item.Encoded(r.bytes()))
	}
	for n := r.uint(); n > 0 && r.err == nil; n-- {
		key := r.bytes()
		stored := r.stored()
		stored.Key = key
		p.Stored = append(p.Stored, stored)
	}
	return p, r.err
}

func flagIf(set bool, flag byte) byte {
	if set {
		return flag
	}
	return 0
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

var errCut = storage.Errorf(storage.Corrupt, "dispatch: message is cut short")

// reader takes a message apart. After the first error it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail() { r.b, r.err = nil, errCut }

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes returns the next byte string, nil when it is empty. It aliases the
// message.
func (r *reader) bytes() []byte {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) stored() machine.Stored {
	flags := r.byte()
	if r.err != nil {
		return machine.Stored{}
	}
	v, rest, err := version.Decode(r.b)
	if err != nil {
		r.fail()
		return machine.Stored{}
	}
	r.b = rest
	return machine.Stored{
		Exists:    flags&flagExists != 0,
		Tombstone: flags&flagTombstone != 0,
		Version:   v,
		Size:      int(r.uint()),
		Item:      item.Encoded(r.bytes()),
	}
}
