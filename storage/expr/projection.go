package expr

import (
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

// Projection is a parsed projection expression.
type Projection struct {
	paths  []item.Path // in the order of the expression
	sorted []item.Path
}

// ParseProjection parses a ProjectionExpression.
func ParseProjection(src string, b *Bindings) (*Projection, error) {
	tree, err := syntax.Projection(src)
	if err != nil {
		return nil, err
	}
	r := resolver{Tree: tree, bindings: b}
	if err := r.words(r.Root, false); err != nil {
		return nil, err
	}
	var paths []item.Path
	for n := range r.Children(r.Root) {
		path, err := r.path(r.Node(n))
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	if err := r.apart(paths); err != nil {
		return nil, err
	}
	return newProjection(paths), nil
}

func newProjection(paths []item.Path) *Projection {
	return &Projection{paths: paths, sorted: slices.SortedFunc(slices.Values(paths), comparePaths)}
}

// Apply returns the parts of e that p names, each within the maps and lists
// that it is in. Of a list come the elements named, in the order of the list.
// Attributes that p names whole are copied, and only those of which it names parts
// are decoded.
func (p *Projection) Apply(e item.Encoded) (item.Encoded, error) {
	fields, err := e.Fields()
	if err != nil {
		return nil, err
	}
	picked := item.Encode(item.Item{})
	for paths := p.sorted; len(paths) > 0 && fields.Next(); {
		for len(paths) > 0 && paths[0][0].Name < string(fields.Name) {
			paths = paths[1:] // there is no such attribute
		}
		if len(paths) == 0 || paths[0][0].Name > string(fields.Name) {
			continue
		}
		if len(paths[0]) == 1 {
			picked = item.AppendField(picked, fields.Name, fields.Value)
			paths = paths[1:]
			continue
		}
		n := stepEnd(len(paths), func(i int) item.Path { return paths[i] }, 0)
		v, err := fields.Value.Value()
		if err != nil {
			return nil, err
		}
		if v = pick(v, paths[:n], 1); !v.IsZero() {
			picked = item.AppendField(picked, fields.Name, item.AppendValue(nil, v))
		}
		paths = paths[n:]
	}
	return picked, fields.Err()
}

// Paths is the document paths of p in the order of the expression.
func (p *Projection) Paths() []item.Path {
	if p == nil {
		return nil
	}
	return p.paths
}

// project is Projection.Apply of an item that is decoded already.
func project(it item.Item, paths []item.Path) item.Item {
	return pickDoc(it, newProjection(paths).sorted, 0)
}

// pickDoc is the parts of doc that paths name, which lead to it in depth steps.
func pickDoc(doc item.Item, paths []item.Path, depth int) item.Item {
	picked := make([]item.Attribute, 0, min(len(paths), doc.Len()))
	for rest := doc.All(); len(paths) > 0; {
		name := paths[0][depth].Name
		n := stepEnd(len(paths), func(i int) item.Path { return paths[i] }, depth)
		at, found := slices.BinarySearchFunc(rest, name, func(a item.Attribute, name string) int {
			return strings.Compare(a.Name, name)
		})
		if rest = rest[at:]; found {
			if v := pick(rest[0].Value, paths[:n], depth+1); !v.IsZero() {
				picked = append(picked, item.Attribute{Name: name, Value: v})
			}
			rest = rest[1:]
		}
		paths = paths[n:]
	}
	return item.NewItem(picked...)
}

// pick is the parts of v that paths name, which lead to it in depth steps; the
// zero Value when it has none of them.
func pick(v item.Value, paths []item.Path, depth int) item.Value {
	switch {
	case len(paths[0]) == depth:
		return v
	case paths[0][depth].IsName():
		if doc := pickDoc(v.Doc(), paths, depth); doc.Len() > 0 {
			return item.Map(doc)
		}
	case v.Kind() == item.L:
		if list := pickList(v.Elems(), paths, depth); len(list) > 0 {
			return item.List(list)
		}
	}
	return item.Value{}
}

func pickList(list []item.Value, paths []item.Path, depth int) []item.Value {
	var picked []item.Value
	for len(paths) > 0 && paths[0][depth].Index < len(list) {
		n := stepEnd(len(paths), func(i int) item.Path { return paths[i] }, depth)
		if v := pick(list[paths[0][depth].Index], paths[:n], depth+1); !v.IsZero() {
			picked = append(picked, v)
		}
		paths = paths[n:]
	}
	return picked
}
