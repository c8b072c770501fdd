package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage"
)

// The kinds of messages. Those of a frame lie back to back:
//
//	request   1 | id uvarint | method u8 | group uvarint | length uvarint | body
//	answer    2 | id uvarint | length uvarint | body
//	failure   3 | id uvarint | length uvarint | error
//
// and an error is
//
//	kind u8 | op | message | item | cause     each: length uvarint | bytes
//
// A frame ends with a message; gRPC has seen to its integrity.
const (
	Request = 1
	Answer  = 2
	Failure = 3
)

// Record is one message of a frame.
type Record struct {
	Kind byte
	// ID is chosen by the sender of requests and is unique on a lane of one
	// process. An answer carries that of its request.
	ID uint64
	// Method and Group are those of a request.
	Method byte
	Group  cluster.GroupID
	Body   []byte
}

// RecordOverhead is the most that AppendRecord adds to a body.
const RecordOverhead = 2 + 3*binary.MaxVarintLen64

// ErrFrame says that a frame is not what AppendRecord made.
var ErrFrame = errors.New("malformed frame")

// AppendRecord encodes a message.
func AppendRecord(dst []byte, r Record) []byte {
	dst = append(dst, r.Kind)
	dst = binary.AppendUvarint(dst, r.ID)
	if r.Kind == Request {
		dst = append(dst, r.Method)
		dst = binary.AppendUvarint(dst, uint64(r.Group))
	}
	return appendBytes(dst, r.Body)
}

// ReadRecord reads the first message of b. Its body is a part of b.
func ReadRecord(b []byte) (r Record, rest []byte, err error) {
	d := decoder{b: b}
	r.Kind = d.byte()
	r.ID = d.uvarint()
	switch r.Kind {
	case Request:
		r.Method = d.byte()
		r.Group = cluster.GroupID(d.uvarint())
	case Answer, Failure:
	default:
		return Record{}, nil, fmt.Errorf("%w: message of kind %d", ErrFrame, r.Kind)
	}
	r.Body = d.bytes()
	if d.failed {
		return Record{}, nil, ErrFrame
	}
	return r, d.b, nil
}

// AppendError encodes an error. What is around a storage.Error in the chain is
// left behind: it describes this node's view, for this node's log.
func AppendError(dst []byte, err error) []byte {
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

// DecodeError is the inverse of AppendError. The cause survives as text.
func DecodeError(b []byte) error {
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
