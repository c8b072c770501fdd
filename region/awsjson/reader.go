package awsjson

import (
	"math"
	"strconv"
	"strings"
)

// Reader reads a JSON document member by member, into whatever the caller
// wants, without reflection. A document that is no JSON, or a value of another
// type than the one asked for, ends the reading: every later call returns
// nothing, and Err has DynamoDB's exception. A null counts as absent.
//
//	r := NewReader(body)
//	for r.Struct("PutItemInput") {
//		switch string(r.Name()) {
//		case "TableName":
//			in.table = r.Text()
//		default:
//			r.Skip()
//		}
//	}
//	err := r.End()
type Reader struct {
	data []byte
	pos  int
	err  error
	name []byte
	// atValue says that a value comes next, rather than the next member of the
	// innermost level.
	atValue bool
	levels  []level
	// older says that values are refused in the older words. deepest is the
	// most levels that were open at a time.
	older   bool
	deepest int
}

// level is an object or list that is being read.
type level struct {
	kind    levelKind
	started bool // its first member has been read
}

type levelKind uint8

const (
	structLevel levelKind = iota
	mapLevel
	listLevel
)

// Text is a string member that may be absent.
type Text struct {
	Set   bool
	Value string
}

// Or is the text, or another where it is absent.
func (t Text) Or(absent string) string {
	if t.Set {
		return t.Value
	}
	return absent
}

// Int is an integer member that may be absent.
type Int struct {
	Set   bool
	Value int64
}

// Flag is a Boolean member that may be absent.
type Flag struct {
	Set   bool
	Value bool
}

// maxNesting bounds the depth of a document, far above what items may nest.
const maxNesting = 1000

// NewReader makes a Reader of a document.
func NewReader(data []byte) *Reader { return &Reader{data: data, atValue: true} }

// Err is the first error.
func (r *Reader) Err() error { return r.err }

// End is the first error, counting anything behind the document as one.
func (r *Reader) End() error {
	if r.err == nil {
		r.space()
		if r.pos < len(r.data) {
			r.malformed()
		}
	}
	return r.err
}

// Name is the name of the member that Struct or Map has stopped at. It is
// valid until the next member.
func (r *Reader) Name() []byte { return r.name }

// Fail ends the reading with an error of the caller's, unless there has been one.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.pos = len(r.data)
}

func (r *Reader) malformed() { r.Fail(Serializationf("")) }

func (r *Reader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek is the first byte of the next token, 0 at the end.
func (r *Reader) peek() byte {
	r.space()
	if r.pos < len(r.data) {
		return r.data[r.pos]
	}
	return 0
}

// Struct steps to the next member of a structure of the API: called where a
// value comes next it enters the structure, at the end it leaves it and returns
// false. An absent value has no members. The caller must read or Skip each
// member's value before the next call. class is the API's name of the type.
func (r *Reader) Struct(class string) bool {
	if r.atValue && !r.enter('{', structLevel, "class "+apiNamespace, class, "") {
		return false
	}
	return r.nextMember()
}

// Map is Struct for a map of strings to values of a class.
func (r *Reader) Map(class string) bool {
	if r.atValue && !r.enter('{', mapLevel, "java.util.Map<java.lang.String, "+apiNamespace, class, ">") {
		return false
	}
	return r.nextMember()
}

// ListMap is Map for a map of strings to lists of a class.
func (r *Reader) ListMap(class string) bool {
	if r.atValue && !r.enter('{', mapLevel, "java.util.Map<java.lang.String, java.util.List<"+apiNamespace, class, ">>") {
		return false
	}
	return r.nextMember()
}

// List steps to the next element of a list, in the same way.
func (r *Reader) List() bool {
	if r.atValue && !r.enter('[', listLevel, "", "", "") {
		return false
	}
	if r.err != nil {
		return false
	}
	top := &r.levels[len(r.levels)-1]
	if r.peek() == ']' {
		return r.leave()
	}
	if top.started && !r.comma() {
		return false
	}
	top.started = true
	r.atValue = true
	return true
}

const apiNamespace = "com.amazonaws.dynamodb.v20120810."

// enter opens the object or list that comes next. It is false where there is
// none. The class is given in parts, so that only errors join them.
func (r *Reader) enter(opening byte, kind levelKind, before, class, after string) bool {
	r.atValue = false
	switch c := r.peek(); {
	case r.err != nil:
		return false
	case c == opening:
		if len(r.levels) == maxNesting {
			r.malformed()
			return false
		}
		r.pos++
		r.levels = append(r.levels, level{kind: kind})
		r.deepest = max(r.deepest, len(r.levels))
		return true
	case c == 'n':
		r.literal("null")
		return false
	case c == '[':
		r.Fail(Serializationf("Unrecognized collection type %s", before+class+after))
	case c == '{':
		r.Fail(Serializationf(unexpectedStruct))
	case r.inStruct():
		r.Fail(Serializationf("Unexpected field type"))
	case kind == structLevel:
		r.Fail(Serializationf("Unexpected value type in payload"))
	default:
		r.Fail(Serializationf(uncastable))
	}
	return false
}

// uncastable is what the service says where a list of maps or a map of lists has
// something else: its own code stumbles.
const uncastable = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class java.lang.Class " +
	"(sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class are in module java.base of loader 'bootstrap')"

const unexpectedStruct = "Start of structure or map found where not expected"

func (r *Reader) inStruct() bool {
	return len(r.levels) == 0 || r.levels[len(r.levels)-1].kind == structLevel
}

func (r *Reader) leave() bool {
	r.pos++
	r.levels = r.levels[:len(r.levels)-1]
	return false
}

func (r *Reader) comma() bool {
	if r.peek() != ',' {
		r.malformed()
		return false
	}
	r.pos++
	return true
}

func (r *Reader) nextMember() bool {
	if r.err != nil {
		return false
	}
	top := &r.levels[len(r.levels)-1]
	if r.peek() == '}' && !top.started {
		return r.leave()
	}
	if top.started {
		if r.peek() == '}' {
			return r.leave()
		}
		if !r.comma() {
			return false
		}
	}
	top.started = true
	if r.peek() != '"' {
		r.malformed()
		return false
	}
	r.name = r.stringBytes()
	if r.err != nil {
		return false
	}
	if r.peek() != ':' {
		r.malformed()
		return false
	}
	r.pos++
	r.atValue = true
	return true
}

// Text reads a string.
func (r *Reader) Text() Text {
	if r.peek() == '"' {
		r.atValue = false
		b := r.stringBytes()
		return Text{Set: r.err == nil, Value: string(b)}
	}
	r.scalar("String")
	return Text{}
}

// Int reads a number and cuts off its fraction. class is its type in Java:
// Integer or Long.
func (r *Reader) Int(class string) Int {
	c := r.peek()
	if c != '-' && (c < '0' || c > '9') {
		r.scalar(class)
		return Int{}
	}
	r.atValue = false
	s := string(r.number())
	if r.err != nil {
		return Int{}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Int{Set: true, Value: n}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && math.IsNaN(f) {
		r.malformed()
		return Int{}
	}
	return Int{Set: true, Value: int64(max(-1<<62, min(1<<62, f)))}
}

// Flag reads a Boolean, or a string that says one.
func (r *Reader) Flag() Flag {
	switch r.peek() {
	case '"':
		return r.saidFlag()
	case 't':
		r.literal("true")
		return Flag{Set: true, Value: true}
	case 'f':
		r.literal("false")
		return Flag{Set: true}
	}
	r.scalar("Boolean")
	return Flag{}
}

// saidFlag reads a Boolean that is a string: the service takes a few words,
// large and small.
func (r *Reader) saidFlag() Flag {
	r.atValue = false
	said := r.stringBytes()
	if r.err != nil {
		return Flag{}
	}
	switch strings.ToLower(string(said)) {
	case "true", "yes", "1":
		return Flag{Set: true, Value: true}
	case "false", "no", "0":
		return Flag{Set: true}
	}
	r.Fail(Serializationf("Unexpected token received from parser"))
	return Flag{}
}

// scalar reads a null, and fails at any other value with DynamoDB's text for
// the wrong type.
func (r *Reader) scalar(class string) {
	r.atValue = false
	if r.err != nil {
		return
	}
	switch c := r.peek(); {
	case c == 'n':
		r.literal("null")
	case c == '"':
		r.Fail(Serializationf("STRING_VALUE cannot be converted to %s", class))
	case c == 't':
		r.Fail(Serializationf("TRUE_VALUE cannot be converted to %s", class))
	case c == 'f':
		r.Fail(Serializationf("FALSE_VALUE cannot be converted to %s", class))
	case c == '[':
		r.Fail(Serializationf("Unrecognized collection type class java.lang.%s", class))
	case c == '{':
		r.Fail(Serializationf(unexpectedStruct))
	case c == '-' || c >= '0' && c <= '9':
		kind := "NUMBER"
		if decimal(r.number()) {
			kind = "DECIMAL"
		}
		r.Fail(Serializationf("%s_VALUE cannot be converted to %s", kind, class))
	default:
		r.malformed()
	}
}

func decimal(number []byte) bool {
	for _, c := range number {
		if c == '.' || c == 'e' || c == 'E' {
			return true
		}
	}
	return false
}

// Texts reads a list of strings. It is nil where the list is absent, and not
// nil where it is empty.
func (r *Reader) Texts() []string {
	if r.peek() == 'n' {
		r.atValue = false
		r.literal("null")
		return nil
	}
	texts := []string{}
	for r.List() {
		texts = append(texts, r.Text().Value)
	}
	return texts
}

// TextMap reads a map of strings to strings, nil where it is absent.
func (r *Reader) TextMap() map[string]string {
	if r.peek() == 'n' {
		r.atValue = false
		r.literal("null")
		return nil
	}
	texts := map[string]string{}
	if !r.enter('{', mapLevel, "java.util.Map<java.lang.String, java.lang.String>", "", "") {
		return nil
	}
	for r.nextMember() {
		name := string(r.name)
		texts[name] = r.Text().Value
	}
	return texts
}

// Null reads a null, if one comes next.
func (r *Reader) Null() bool { return r.absent() }

// Mark is where the next value begins. See Since.
func (r *Reader) Mark() int {
	r.peek()
	return r.pos
}

// Since is the text from a mark to where the reader is.
func (r *Reader) Since(mark int) []byte {
	if r.err != nil {
		return nil
	}
	return r.data[mark:r.pos]
}

// Raw reads any value and returns its text, nil where it is absent. The text
// is well-formed but for what its strings and numbers hold.
func (r *Reader) Raw() []byte {
	c := r.peek()
	start := r.pos
	r.Skip()
	if r.err != nil || c == 'n' {
		return nil
	}
	return r.data[start:r.pos]
}
