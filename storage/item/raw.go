package item

// Raw is the encoding of one value, part of an Encoded. It is read in place,
// without a tree. Its methods expect the kind that they are named for.
type Raw []byte

// Fields walks the attributes of an Encoded, or of a Raw map, in order of
// name:
//
//	fields, err := e.Fields()
//	for fields.Next() {
//		use(fields.Name, fields.Value)
//	}
//	err = fields.Err()
type Fields struct {
	// Name and Value are the current attribute. They are parts of the encoding.
	Name  []byte
	Value Raw

	rest []byte
	err  error
}

// Elements walks the elements of a Raw list, or the members of a Raw set, as
// Fields walks attributes. A member of a set is not a whole Raw: it is the
// bytes of an SS or BS member, or the encoded number of an NS member.
type Elements struct {
	// Value is the current element, part of the encoding.
	Value Raw

	set  Kind
	rest []byte
	err  error
}

// Fields is the attributes of e.
func (e Encoded) Fields() (Fields, error) {
	if len(e) == 0 || e[0] != encodingVersion {
		return Fields{}, corrupt("version of item")
	}
	return Fields{rest: e[1:]}, nil
}

// Next goes on to the next attribute. It is false at the end, and where the
// encoding is damaged.
func (f *Fields) Next() bool {
	if len(f.rest) == 0 {
		return false
	}
	length, width := uvarint(f.rest)
	if width <= 0 || length > uint64(len(f.rest)-width) {
		return f.fail(corrupt("length of name"))
	}
	end := width + int(length)
	n, err := valueLength(f.rest[end:])
	if err != nil {
		return f.fail(err)
	}
	f.Name = f.rest[width:end:end]
	f.Value = Raw(f.rest[end : end+n : end+n])
	f.rest = f.rest[end+n:]
	return true
}

func (f *Fields) fail(err error) bool {
	*f = Fields{err: err}
	return false
}

// Err is why Next stopped early, if it did.
func (f *Fields) Err() error { return f.err }

// Kind is the type of the value.
func (r Raw) Kind() Kind { return Kind(r[0]) }

// Bytes is the content of S or B, part of the encoding.
func (r Raw) Bytes() []byte {
	_, width := uvarint(r[1:])
	return r[1+width:]
}

// Bool is the content of BOOL.
func (r Raw) Bool() bool { return r[1] == 1 }

// Number is the content of N.
func (r Raw) Number() (Number, error) { return decodeNumber(r[1:]) }

// Value is the value itself.
func (r Raw) Value() (Value, error) {
	v, _, err := DecodeValue(r)
	return v, err
}

// Fields is the attributes of M.
func (r Raw) Fields() Fields { return Fields{rest: r[1+sizeBytes:]} }

// Elements is the elements of L, or the members of a set.
func (r Raw) Elements() Elements {
	e := Elements{rest: r[1+sizeBytes:]}
	if r.Kind().MemberKind() != Invalid {
		e.set = r.Kind()
	}
	return e
}

// Next goes on to the next element. It is false at the end, and where the
// encoding is damaged.
func (e *Elements) Next() bool {
	if len(e.rest) == 0 {
		return false
	}
	from, end, err := 0, 0, error(nil)
	switch e.set {
	case NS:
		_, width, ok := readNumber(e.rest)
		if !ok {
			err = corrupt("number")
		}
		end = width
	case SS, BS:
		length, width := uvarint(e.rest)
		if width <= 0 || length > uint64(len(e.rest)-width) {
			err = corrupt("length of member")
			break
		}
		from, end = width, width+int(length)
	default:
		end, err = valueLength(e.rest)
	}
	if err != nil {
		*e = Elements{err: err}
		return false
	}
	e.Value = Raw(e.rest[from:end:end])
	e.rest = e.rest[end:]
	return true
}

// Number is the current member of an NS.
func (e *Elements) Number() (Number, error) { return decodeNumber(e.Value) }

// Err is why Next stopped early, if it did.
func (e *Elements) Err() error { return e.err }

func decodeNumber(b []byte) (Number, error) {
	n, width, ok := readNumber(b)
	if !ok || width != len(b) {
		return Number{}, corrupt("number")
	}
	return n, nil
}

// valueLength is how many bytes the value takes that b begins with. It is
// within b, but the inside of a container is not looked at.
func valueLength[T ~string | ~[]byte](b T) (int, error) {
	if len(b) == 0 {
		return 0, corrupt("value")
	}
	n := uint64(0)
	switch kind := Kind(b[0]); kind {
	case S, B:
		length, width := uvarint(b[1:])
		if width <= 0 || length > uint64(len(b)) {
			return 0, corrupt("length of text")
		}
		n = 1 + uint64(width) + length
	case N:
		_, width, ok := readNumber(b[1:])
		if !ok {
			return 0, corrupt("number")
		}
		n = 1 + uint64(width)
	case BOOL:
		n = 2
	case NULL:
		n = 1
	case M, L, SS, NS, BS:
		if len(b) < 1+sizeBytes {
			return 0, corrupt("container")
		}
		n = 1 + sizeBytes + uint64(readSize(b[1:]))
	default:
		return 0, corrupt("kind")
	}
	if n > uint64(len(b)) {
		return 0, corrupt("length of value")
	}
	return int(n), nil
}

// readSize is the size of a container. b has sizeBytes at least.
func readSize[T ~string | ~[]byte](b T) int {
	return int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
}

// Size is the number of bytes that DynamoDB counts for the item.
func (e Encoded) Size() (int, error) {
	fields, err := e.Fields()
	if err != nil {
		return 0, err
	}
	size, _, err := fields.size(0)
	return size, err
}

// size is the size of the remaining attributes, and their number.
func (f *Fields) size(depth int) (size, count int, err error) {
	for f.Next() {
		n, err := f.Value.size(depth)
		if err != nil {
			return 0, 0, err
		}
		size += len(f.Name) + n
		count++
	}
	return size, count, f.Err()
}

// Size is the number of bytes that DynamoDB counts for the value.
func (r Raw) Size() (int, error) { return r.size(0) }

func (r Raw) size(depth int) (int, error) {
	switch r.Kind() {
	case S, B:
		return len(r.Bytes()), nil
	case N:
		n, err := r.Number()
		return n.Size(), err
	case BOOL, NULL:
		return 1, nil
	}
	if depth >= maxEncodedDepth {
		return 0, corrupt("container")
	}
	if r.Kind() == M {
		fields := r.Fields()
		size, count, err := fields.size(depth + 1)
		return containerSize + size + elementSize*count, err
	}
	size, elements := 0, r.Elements()
	if r.Kind() == L {
		size = containerSize
	}
	for elements.Next() {
		n, err := elements.size(depth + 1)
		if err != nil {
			return 0, err
		}
		size += n
	}
	return size, elements.Err()
}

// size is what the current element adds to the size of its container.
func (e *Elements) size(depth int) (int, error) {
	switch e.set {
	case NS:
		n, err := e.Number()
		return n.Size(), err
	case SS, BS:
		return len(e.Value), nil
	}
	n, err := e.Value.size(depth)
	return elementSize + n, err
}
