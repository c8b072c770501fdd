package transport

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage"
)

// The messages of a frame lie back to back:
//
//	request   1 | id uvarint | method u8 | group uvarint | length uvarint | body
//	answer    2 | id uvarint | length uvarint | body
//	failure   3 | id uvarint | length uvarint | error
//
// and an error is
//
//	kind u8 | op | message | item | cause     each: length uvarint | bytes
//
// Ids are chosen by the sender of requests and are unique on a lane of one
// process. A frame ends with a message; gRPC has seen to its integrity.
const (
	recordRequest = 1
	recordAnswer  = 2
	recordFailure = 3
)

// record is one message of a frame.
type record struct {
	kind   byte
	id     uint64
	method Method
	group  cluster.GroupID
	body   []byte
}

// recordOverhead is the most that appendRecord adds to a body.
const recordOverhead = 2 + 3*binary.MaxVarintLen64

var errFrame = errors.New("malformed frame")

func appendRecord(dst []byte, r record) []byte {
	dst = append(dst, r.kind)
	dst = binary.AppendUvarint(dst, r.id)
	if r.kind == recordRequest {
		dst = append(dst, byte(r.method))
		dst = binary.AppendUvarint(dst, uint64(r.group))
	}
	return appendBytes(dst, r.body)
}

// readRecord reads the first message of b. Its body is a part of b.
func readRecord(b []byte) (r record, rest []byte, err error) {
	d := decoder{b: b}
	r.kind = d.byte()
	r.id = d.uvarint()
	switch r.kind {
	case recordRequest:
		r.method = Method(d.byte())
		r.group = cluster.GroupID(d.uvarint())
	case recordAnswer, recordFailure:
	default:
		return record{}, nil, fmt.Errorf("%w: message of kind %d", errFrame, r.kind)
	}
	r.body = d.bytes()
	if d.failed {
		return record{}, nil, errFrame
	}
	return r, d.b, nil
}

// appendError encodes an error. What is around a storage.Error in the chain is
// left behind: it describes this node's view, for this node's log.
func appendError(dst []byte, err error) []byte {
	var e *storage.Error
	if !errors.As(err, &e) {
		e = &storage.Error{Message: err.Error()}
	}
	cause := ""
	if e.Err != nil {
		cause = e.Err.Error()
	}
	dst = append(dst, byte(e.Kind))
	dst = appendBytes(dst, e.Op)
	dst = appendBytes(dst, e.Message)
	dst = appendBytes(dst, e.Item)
	return appendBytes(dst, cause)
}

// decodeError is the inverse of appendError. The cause survives as text.
func decodeError(b []byte) error {
	d := decoder{b: b}
	e := &storage.Error{Kind: storage.Kind(d.byte())}
	e.Op = string(d.bytes())
	e.Message = string(d.bytes())
	if item := d.bytes(); len(item) > 0 {
		e.Item = item
	}
	if cause := d.bytes(); len(cause) > 0 {
		e.Err = errors.New(string(cause))
	}
	if d.failed {
		return storage.Errorf(storage.Internal, "an error that cannot be decoded, of %d bytes", len(b))
	}
	return e
}

func appendBytes[T string | []byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// decoder reads fields from the front of b. After a field that is not there it
// has failed, and yields zeros.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes returns a part of b, which cannot be appended to without a copy.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	s := d.b[:n:n]
	d.b = d.b[n:]
	return s
}

func (d *decoder) fail() { d.b, d.failed = nil, true }
