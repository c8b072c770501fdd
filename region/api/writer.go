package api

import (
	"strconv"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage/item"
)

// writer writes the JSON of an answer: nested objects, member by member.
type writer struct {
	b []byte
	// more says that the object being written has a member already.
	more bool
}

// begin opens an object.
func (w *writer) begin() {
	w.b = append(w.b, '{')
	w.more = false
}

// end closes an object.
func (w *writer) end() {
	w.b = append(w.b, '}')
	w.more = true
}

// member begins a member whose name needs no escapes.
func (w *writer) member(name string) {
	if w.more {
		w.b = append(w.b, ',')
	}
	w.more = true
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

// table begins a member that is named like a table in the request.
func (w *writer) table(name string) {
	if w.more {
		w.b = append(w.b, ',')
	}
	w.more = true
	w.b = append(awsjson.AppendString(w.b, name), ':')
}

// item writes an item as a member, unless it has no attributes.
func (w *writer) item(name string, e item.Encoded) {
	if isEmpty(e) {
		return
	}
	w.member(name)
	w.b = awsjson.AppendItem(w.b, e)
}

func isEmpty(e item.Encoded) bool {
	if len(e) == 0 {
		return true
	}
	f, err := e.Fields()
	return err == nil && !f.Next()
}

// number writes an integer as a member.
func (w *writer) number(name string, n int) {
	w.member(name)
	w.b = strconv.AppendInt(w.b, int64(n), 10)
}

// key writes a key as a member.
func (w *writer) key(name string, key item.Item) {
	w.member(name)
	w.b = awsjson.AppendItem(w.b, item.Encode(key))
}
