package item

import (
	"slices"
	"strconv"
	"strings"

	"github.com/roundtabledb/roundtable/storage"
)

// Step is one step of a document path: into a map by name, or into a list by
// index.
type Step struct {
	// Name is the attribute to go to, when Index is -1.
	Name string
	// Index is the list element to go to, or -1.
	Index int
}

// Path leads from an item to a value within it: a.b[3].c. The first step is
// always a name.
type Path []Step

// AttributePath is the path of a top-level attribute.
func AttributePath(name string) Path { return Path{{Name: name, Index: -1}} }

// IsName reports whether s is a step by name.
func (s Step) IsName() bool { return s.Index < 0 }

// String is the step as DynamoDB prints it: a name, or [3].
func (s Step) String() string {
	if s.IsName() {
		return s.Name
	}
	return "[" + strconv.Itoa(s.Index) + "]"
}

// String is the path as it stands in an expression: a.b[3].c.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 && s.IsName() {
			b.WriteByte('.')
		}
		b.WriteString(s.String())
	}
	return b.String()
}

// Steps is the path as DynamoDB's errors print it: [a, b, [3], c].
func (p Path) Steps() string {
	steps := make([]string, len(p))
	for i, s := range p {
		steps[i] = s.String()
	}
	return "[" + strings.Join(steps, ", ") + "]"
}

// Equal reports whether p and q are the same path.
func (p Path) Equal(q Path) bool { return slices.Equal(p, q) }

// Overlaps reports whether one of p and q leads to, or into, what the other
// leads to.
func (p Path) Overlaps(q Path) bool {
	n := min(len(p), len(q))
	return slices.Equal(p[:n], q[:n])
}

// Conflicts reports whether p and q cannot lead into one item: after the same
// steps one goes on by name and the other by index.
func (p Path) Conflicts(q Path) bool {
	for i := range min(len(p), len(q)) {
		if p[i].IsName() != q[i].IsName() {
			return true
		}
		if p[i] != q[i] {
			return false
		}
	}
	return false
}

// At is the value that p leads to, if there is one.
func (it Item) At(p Path) (Value, bool) {
	v := Map(it)
	for _, s := range p {
		v = v.step(s)
		if v.IsZero() {
			return Value{}, false
		}
	}
	return v, len(p) > 0
}

// step is what s leads to from v; the zero Value when there is nothing.
func (v Value) step(s Step) Value {
	switch {
	case s.IsName() && v.kind == M:
		return v.doc.Get(s.Name)
	case !s.IsName() && v.kind == L && s.Index < len(v.list):
		return v.list[s.Index]
	}
	return Value{}
}

// Set is a copy of it in which p leads to v. All but the last step must exist.
// An index at or after the end of its list appends to the list.
func (it Item) Set(p Path, v Value) (Item, error) {
	return it.edit(p, v)
}

// Remove is a copy of it in which p leads to nothing. All but the last step
// must exist, and the last must be of the kind of what it is in. Elements after
// a removed one move up.
func (it Item) Remove(p Path) (Item, error) {
	return it.edit(p, Value{})
}

func (it Item) edit(p Path, v Value) (Item, error) {
	doc, err := Map(it).edit(p, v)
	if err != nil {
		return Item{}, err
	}
	return doc.doc, nil
}

// edit is a copy of v in which p leads to w, or to nothing if w is the zero
// Value.
func (v Value) edit(p Path, w Value) (Value, error) {
	if len(p) == 0 {
		return w, nil
	}
	if s := p[0]; (s.IsName() && v.kind != M) || (!s.IsName() && v.kind != L) {
		return Value{}, invalidPath()
	}
	child := v.step(p[0])
	if len(p) > 1 {
		if child.IsZero() {
			return Value{}, invalidPath()
		}
		var err error
		if w, err = child.edit(p[1:], w); err != nil {
			return Value{}, err
		}
	}
	return v.replace(p[0], w), nil
}

// replace is a copy of v, a map or a list as s needs, in which s leads to w, or
// to nothing if w is the zero Value.
func (v Value) replace(s Step, w Value) Value {
	switch {
	case s.IsName() && w.IsZero():
		return Map(v.doc.Without(s.Name))
	case s.IsName():
		return Map(v.doc.With(s.Name, w))
	case s.Index >= len(v.list) && w.IsZero():
		return v
	case s.Index >= len(v.list):
		return List(append(slices.Clip(v.list), w))
	case w.IsZero():
		return List(slices.Concat(v.list[:s.Index], v.list[s.Index+1:]))
	}
	list := slices.Clone(v.list)
	list[s.Index] = w
	return List(list)
}

func invalidPath() error {
	return storage.Validationf("The document path provided in the update expression is invalid for update")
}
