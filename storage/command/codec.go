package command

import (
	"encoding/binary"
	"slices"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/version"
)

// A command is
//
//	kind     u8
//	flags    u8
//	request  session, seq, low as uvarints       if flagRequest
//	key      uvarint length, bytes               unless Transact or Consumer
//	item     uvarint length, bytes               if flagItem
//	cond     as package expr writes it           if flagCondition
//	update   as package expr writes it           if flagUpdate
//	return   u8                                  if flagReturn
//	version  as package version writes it        Merge only
//	ops      uvarint count, commands             Transact only
//	consumer op u8, name, seq uvarint, state     Consumer only
//
// The codec version that covers this is the batch's.
const (
	flagRequest = 1 << iota
	flagItem
	flagCondition
	flagUpdate
	flagReturn
	flagReturnOnFailure
	flagsKnown = 1<<iota - 1
)

// Room for the encoding of a command beside key and item, and for that of a
// result beside item and region, as long as they hold nothing rare: with less,
// appending to nothing allocates several times.
const (
	commandRoom = 48
	resultRoom  = 24
)

// Append appends the encoding of c.
func (c *Command) Append(dst []byte) []byte {
	dst = slices.Grow(dst, commandRoom+len(c.Key)+len(c.Item))
	dst = append(dst, byte(c.Kind), c.flags())
	if c.Request != (RequestID{}) {
		dst = binary.AppendUvarint(dst, c.Request.Session)
		dst = binary.AppendUvarint(dst, c.Request.Seq)
		dst = binary.AppendUvarint(dst, c.Request.Low)
	}
	if c.Kind != Transact && c.Kind != Consumer {
		dst = appendBytes(dst, c.Key)
	}
	if c.Item != nil {
		dst = appendBytes(dst, c.Item)
	}
	if c.Condition != nil {
		dst = c.Condition.Append(dst)
	}
	if c.Update != nil {
		dst = c.Update.Append(dst)
	}
	if c.Return != ReturnNone {
		dst = append(dst, byte(c.Return))
	}
	switch c.Kind {
	case Merge:
		dst = c.Version.Append(dst)
	case Transact:
		dst = binary.AppendUvarint(dst, uint64(len(c.Ops)))
		for i := range c.Ops {
			dst = c.Ops[i].Append(dst)
		}
	case Consumer:
		dst = append(dst, byte(c.Consumer.Op))
		dst = appendBytes(dst, []byte(c.Consumer.Name))
		dst = binary.AppendUvarint(dst, c.Consumer.Seq)
		dst = appendBytes(dst, c.Consumer.State)
	}
	return dst
}

func (c *Command) flags() (flags byte) {
	if c.Request != (RequestID{}) {
		flags |= flagRequest
	}
	if c.Item != nil {
		flags |= flagItem
	}
	if c.Condition != nil {
		flags |= flagCondition
	}
	if c.Update != nil {
		flags |= flagUpdate
	}
	if c.Return != ReturnNone {
		flags |= flagReturn
	}
	if c.ReturnOnFailure {
		flags |= flagReturnOnFailure
	}
	return flags
}

// Writes is how many items an encoded command may write for a client: none for
// merges and for what consumers do.
func Writes(b []byte) int {
	r := reader{rest: b}
	switch kind, flags := Kind(r.byte()), r.byte(); kind {
	case Put, Update, Delete:
		return 1
	case Transact:
		if flags&flagRequest != 0 {
			_, _, _ = r.uvarint(), r.uvarint(), r.uvarint()
		}
		if flags&flagReturn != 0 {
			r.byte()
		}
		return int(min(r.uvarint(), MaxTransactOps)) // the ops: a transaction has no more before them
	}
	return 0
}

// Decode reads what Append wrote, all of b. The result shares memory with b.
func Decode(b []byte) (*Command, error) {
	c := new(Command)
	if err := DecodeInto(c, b); err != nil {
		return nil, err
	}
	return c, nil
}

// DecodeInto is Decode into memory of the caller's.
func DecodeInto(c *Command, b []byte) error {
	*c = Command{}
	r := reader{rest: b}
	r.command(c, false)
	return r.end("command")
}

// command reads one command, an op of a transaction if nested.
func (r *reader) command(c *Command, nested bool) {
	c.Kind = Kind(r.byte())
	flags := r.byte()
	switch {
	case c.Kind < Put || c.Kind > Consumer:
		r.fail("unknown kind")
	case nested && (c.Kind >= Merge || flags&flagRequest != 0):
		r.fail("a transaction cannot contain this")
	case !nested && c.Kind == Check:
		r.fail("a check outside a transaction")
	case flags&^byte(flagsKnown) != 0:
		r.fail("unknown flags")
	}
	if flags&flagRequest != 0 {
		c.Request = RequestID{Session: r.uvarint(), Seq: r.uvarint(), Low: r.uvarint()}
	}
	if c.Kind != Transact && c.Kind != Consumer {
		c.Key = r.bytes()
	}
	if flags&flagItem != 0 {
		c.Item = r.bytes()
	}
	if flags&flagCondition != 0 {
		c.Condition = readTree(r, expr.DecodeCondition)
	}
	if flags&flagUpdate != 0 {
		c.Update = readTree(r, expr.DecodeUpdate)
	}
	if flags&flagReturn != 0 {
		if c.Return = Return(r.byte()); c.Return > ReturnUpdatedNew {
			r.fail("unknown return values")
		}
	}
	c.ReturnOnFailure = flags&flagReturnOnFailure != 0
	switch c.Kind {
	case Merge:
		c.Version = r.version()
	case Transact:
		r.ops(c)
	case Consumer:
		c.Consumer = ConsumerChange{Op: ConsumerOp(r.byte()), Name: string(r.bytes()), Seq: r.uvarint(), State: r.bytes()}
	}
}

func (r *reader) ops(c *Command) {
	n := r.uvarint()
	if n > MaxTransactOps {
		r.fail("too many operations")
		return
	}
	c.Ops = make([]Command, n)
	for i := range c.Ops {
		r.command(&c.Ops[i], true)
	}
}

// A result is
//
//	flags    u8
//	error    kind u8, message, item              if flagError
//	item     uvarint length, bytes               if flagItem
//	sizes    old, new as uvarints                if flagSizes
//	version  as package version writes it        if flagVersion
//	seq      uvarint                             if flagSeq
//	results  uvarint count, results              if flagResults
const (
	resultError = 1 << iota
	resultItem
	resultSizes
	resultVersion
	resultSeq
	resultResults
	resultExisted
	resultApplied
)

// Append appends the encoding of r. Of an error it keeps kind, message and
// item.
func (r *Result) Append(dst []byte) []byte {
	dst = slices.Grow(dst, resultRoom+len(r.Item)+len(r.Version.Region))
	at := len(dst)
	dst = append(dst, 0)
	var flags byte
	if r.Err != nil {
		flags |= resultError
		dst = append(dst, byte(r.Err.Kind))
		dst = appendBytes(dst, []byte(r.Err.Message))
		dst = appendBytes(dst, r.Err.Item)
	}
	if r.Item != nil {
		flags |= resultItem
		dst = appendBytes(dst, r.Item)
	}
	if r.OldSize != 0 || r.NewSize != 0 {
		flags |= resultSizes
		dst = binary.AppendUvarint(dst, uint64(r.OldSize))
		dst = binary.AppendUvarint(dst, uint64(r.NewSize))
	}
	if !r.Version.IsZero() {
		flags |= resultVersion
		dst = r.Version.Append(dst)
	}
	if r.Seq != 0 {
		flags |= resultSeq
		dst = binary.AppendUvarint(dst, r.Seq)
	}
	if len(r.Results) > 0 {
		flags |= resultResults
		dst = binary.AppendUvarint(dst, uint64(len(r.Results)))
		for i := range r.Results {
			dst = r.Results[i].Append(dst)
		}
	}
	if r.Existed {
		flags |= resultExisted
	}
	if r.Applied {
		flags |= resultApplied
	}
	dst[at] = flags
	return dst
}

// DecodeResult reads what Append wrote, all of b. The result shares memory
// with b.
func DecodeResult(b []byte) (Result, error) {
	r := reader{rest: b}
	var res Result
	r.result(&res, false)
	return res, r.end("result")
}

func (r *reader) result(res *Result, nested bool) {
	flags := r.byte()
	if flags&resultError != 0 {
		res.Err = &storage.Error{Kind: storage.Kind(r.byte()), Message: string(r.bytes())}
		if it := r.bytes(); len(it) > 0 {
			res.Err.Item = it
		}
	}
	if flags&resultItem != 0 {
		res.Item = r.bytes()
	}
	if flags&resultSizes != 0 {
		res.OldSize, res.NewSize = int(r.uvarint()), int(r.uvarint())
	}
	if flags&resultVersion != 0 {
		res.Version = r.version()
	}
	if flags&resultSeq != 0 {
		res.Seq = r.uvarint()
	}
	if flags&resultResults != 0 {
		n := r.uvarint()
		if nested || n > MaxTransactOps {
			r.fail("too many results")
			return
		}
		res.Results = make([]Result, n)
		for i := range res.Results {
			r.result(&res.Results[i], true)
		}
	}
	res.Existed = flags&resultExisted != 0
	res.Applied = flags&resultApplied != 0
}

// reader reads an encoding from the front. It keeps the first error; after it,
// everything read is zero.
type reader struct {
	rest []byte
	bad  string
}

func (r *reader) fail(what string) {
	if r.bad == "" {
		r.bad = what
	}
	r.rest = nil
}

// end returns the reader's error, or one if there is something left.
func (r *reader) end(what string) error {
	if r.bad == "" && len(r.rest) != 0 {
		r.bad = "bytes are left over"
	}
	if r.bad != "" {
		return storage.Errorf(storage.Corrupt, "%s cannot be read: %s", what, r.bad)
	}
	return nil
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail("cut short")
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) uint64() uint64 {
	if len(r.rest) < 8 {
		r.fail("cut short")
		return 0
	}
	n := binary.BigEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return n
}

func (r *reader) uvarint() uint64 {
	n, w := binary.Uvarint(r.rest)
	if w <= 0 {
		r.fail("cut short")
		return 0
	}
	r.rest = r.rest[w:]
	return n
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail("cut short")
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) version() version.Version {
	v, rest, err := version.Decode(r.rest)
	if err != nil {
		r.fail(err.Error())
		return version.Version{}
	}
	r.rest = rest
	return v
}

// readTree reads an expression with its package's decoder.
func readTree[T any](r *reader, decode func([]byte) (*T, []byte, error)) *T {
	if r.bad != "" {
		return nil
	}
	tree, rest, err := decode(r.rest)
	if err != nil {
		r.fail(err.Error())
		return nil
	}
	r.rest = rest
	return tree
}

func appendBytes[T ~[]byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}
