package expr

import (
	"cmp"
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

// verb is what an action does. Verbs are stored on disk: they never change.
type verb uint8

const (
	verbSet verb = iota + 1
	verbRemove
	verbAdd
	verbDelete
)

var verbNames = [...]string{verbSet: "SET", verbRemove: "REMOVE", verbAdd: "ADD", verbDelete: "DELETE"}

// String is the verb as expressions and errors name it.
func (v verb) String() string { return verbNames[v] }

// action is one change that an update makes.
type action struct {
	verb  verb
	path  item.Path
	value operand // not of verbRemove
}

// Update is a parsed update expression.
type Update struct {
	actions []action
	// legacy says that u was made of AttributeUpdates, which words one error
	// in its own way and can add to lists.
	legacy bool
}

// Apply returns it as changed by u. All operands are evaluated on it as given,
// and list indexes mean its elements as given. An error leaves nothing changed.
func (u *Update) Apply(it item.Item) (item.Item, error) {
	edits := make([]edit, 0, len(u.actions))
	for i := range u.actions {
		a := &u.actions[i]
		if !writable(it, a.path) {
			return item.Item{}, storage.Validationf(
				"The document path provided in the update expression is invalid for update")
		}
		v, err := u.result(a, it)
		if err != nil {
			return item.Item{}, err
		}
		if err := checkDepth(v, len(a.path)); err != nil {
			return item.Item{}, err
		}
		edits = append(edits, edit{path: a.path, value: v})
	}
	slices.SortFunc(edits, func(a, b edit) int { return comparePaths(a.path, b.path) })
	return patchDoc(it, edits, 0), nil
}

// Creates reports whether u makes an item where there is none. One that only
// removes does not, and must then not be applied at all.
func (u *Update) Creates() bool {
	for i := range u.actions {
		if v := u.actions[i].verb; v == verbSet || v == verbAdd {
			return true
		}
	}
	return len(u.actions) == 0
}

// Updated returns the parts of it that u names: for UPDATED_OLD of the item
// before, for UPDATED_NEW of the item after.
func (u *Update) Updated(it item.Item) item.Item {
	return project(it, u.Paths())
}

// Paths is the document paths that u changes, in the order of the expression.
func (u *Update) Paths() []item.Path {
	paths := make([]item.Path, len(u.actions))
	for i := range u.actions {
		paths[i] = u.actions[i].path
	}
	return paths
}

// Reads is the document paths whose values u uses, in the order of the
// expression.
func (u *Update) Reads() []item.Path {
	var paths []item.Path
	for i := range u.actions {
		paths = u.actions[i].value.paths(paths)
	}
	return paths
}

// writable reports whether there is something in it that the last step of path
// can be in.
func writable(it item.Item, path item.Path) bool {
	last := len(path) - 1
	if last == 0 {
		return true
	}
	parent, ok := it.At(path[:last])
	if path[last].IsName() {
		return ok && parent.Kind() == item.M
	}
	return ok && parent.Kind() == item.L
}

// checkDepth checks that v does not nest too deep at the end of a path of some
// steps.
func checkDepth(v item.Value, steps int) error {
	if steps-1+v.Depth() > item.MaxDepth {
		return item.TooDeep()
	}
	return nil
}

// result is the value that a gives to its path; the zero Value when it leaves
// nothing there.
func (u *Update) result(a *action, it item.Item) (item.Value, error) {
	switch a.verb {
	case verbSet:
		return a.value.eval(it)
	case verbRemove:
		return item.Value{}, nil
	}
	old, _ := it.At(a.path)
	v := a.value.value
	switch {
	case old.IsZero() && a.verb == verbDelete:
		return item.Value{}, nil
	case old.IsZero():
		return v, nil
	case old.Kind() != v.Kind():
	case v.IsSet() && a.verb == verbDelete:
		return old.Minus(v), nil
	case v.IsSet():
		return old.Union(v), nil
	case v.Kind() == item.N && a.verb == verbAdd:
		return number(old.Number().Add(v.Number()))
	case v.Kind() == item.L && a.verb == verbAdd && u.legacy:
		return item.List(slices.Concat(old.Elems(), v.Elems())), nil
	}
	if u.legacy {
		return item.Value{}, storage.Validationf("Type mismatch for attribute to update")
	}
	return item.Value{}, wrongType()
}

// edit is what an update puts at a path, or the zero Value if it removes what
// is there. Edits are applied together, in order of path, so that each list is
// copied once and indexes mean the list as it was.
type edit struct {
	path  item.Path
	value item.Value
}

func comparePaths(p, q item.Path) int {
	return slices.CompareFunc(p, q, func(a, b item.Step) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), strings.Compare(a.Name, b.Name))
	})
}

// stepEnd is how many of the first paths take the same step at depth.
func stepEnd(n int, path func(int) item.Path, depth int) int {
	for i := 1; i < n; i++ {
		if p := path(i); len(p) <= depth || p[depth] != path(0)[depth] {
			return i
		}
	}
	return n
}

// patchDoc is a copy of doc with edits whose paths lead to it in depth steps.
func patchDoc(doc item.Item, edits []edit, depth int) item.Item {
	if len(edits) == 1 && len(edits[0].path) == depth+1 {
		name := edits[0].path[depth].Name
		if edits[0].value.IsZero() {
			return doc.Without(name)
		}
		return doc.With(name, edits[0].value)
	}
	old := doc.All()
	attrs := make([]item.Attribute, 0, len(old)+len(edits))
	for len(edits) > 0 {
		name := edits[0].path[depth].Name
		at, found := slices.BinarySearchFunc(old, name, func(a item.Attribute, name string) int {
			return strings.Compare(a.Name, name)
		})
		attrs = append(attrs, old[:at]...)
		var v item.Value
		if old = old[at:]; found {
			v, old = old[0].Value, old[1:]
		}
		n := stepEnd(len(edits), func(i int) item.Path { return edits[i].path }, depth)
		if v = patch(v, edits[:n], depth+1); !v.IsZero() {
			attrs = append(attrs, item.Attribute{Name: name, Value: v})
		}
		edits = edits[n:]
	}
	return item.NewItem(append(attrs, old...)...)
}

// patchList is a copy of list with edits whose paths lead to it in depth steps.
func patchList(list []item.Value, edits []edit, depth int) []item.Value {
	patched := make([]item.Value, 0, len(list)+len(edits))
	next := 0 // element of list
	for len(edits) > 0 {
		at := min(edits[0].path[depth].Index, len(list))
		patched = append(patched, list[next:at]...)
		next = at
		var v item.Value
		if at < len(list) {
			v = list[at]
			next++
		}
		n := stepEnd(len(edits), func(i int) item.Path { return edits[i].path }, depth)
		if v = patch(v, edits[:n], depth+1); !v.IsZero() {
			patched = append(patched, v)
		}
		edits = edits[n:]
	}
	return append(patched, list[next:]...)
}

// patch is v with edits whose paths lead to it in depth steps.
func patch(v item.Value, edits []edit, depth int) item.Value {
	switch first := edits[0]; {
	case len(first.path) == depth:
		return first.value
	case first.path[depth].IsName():
		return item.Map(patchDoc(v.Doc(), edits, depth))
	default:
		return item.List(patchList(v.Elems(), edits, depth))
	}
}

// ParseUpdate parses an UpdateExpression.
func ParseUpdate(src string, b *Bindings) (*Update, error) {
	tree, err := syntax.Update(src)
	if err != nil {
		return nil, err
	}
	r := resolver{Tree: tree, bindings: b}
	if err := r.updateWords(); err != nil {
		return nil, err
	}
	if err := r.placeholders(); err != nil {
		return nil, err
	}
	u := new(Update)
	for n := range r.Children(r.Root) {
		a, err := r.action(n)
		if err != nil {
			return nil, err
		}
		u.actions = append(u.actions, a)
	}
	if err := r.apart(u.Paths()); err != nil {
		return nil, err
	}
	return u, r.checkUpdate(u)
}

// updateWords checks the words of an update, and that it has each clause once.
func (r *resolver) updateWords() error {
	var clauses [verbDelete + 1]int
	var repeated error
	for n := range r.Children(r.Root) {
		token := r.Node(n).Token
		verb := r.verb(token)
		if clauses[verb] != 0 && clauses[verb] != token+1 && repeated == nil {
			repeated = r.Invalid(`The "%s" section can only be used once in an update expression;`, verb)
		}
		clauses[verb] = token + 1
		for child := range r.Children(n) {
			if err := r.words(child, false); err != nil {
				return err
			}
			if err := r.nestedAppend(child, false); err != nil {
				return err
			}
		}
	}
	return repeated
}

// nestedAppend refuses list_append as an argument of a function.
func (r *resolver) nestedAppend(n int, nested bool) error {
	if node := r.Node(n); node.Kind == syntax.NodeCall {
		if nested && r.Text(node.Token) == operandListAppend.name() {
			return r.misplaced(operandListAppend.name())
		}
		nested = true
	}
	for child := range r.Children(n) {
		if err := r.nestedAppend(child, nested); err != nil {
			return err
		}
	}
	return nil
}

// placeholders checks that those of the whole expression are defined: first
// the names, then the values.
func (r *resolver) placeholders() error {
	for t := range r.Len() {
		if text := r.Text(t); r.Token(t) == syntax.Name {
			if _, ok := r.bindings.name(text); !ok {
				return r.undefinedName(text)
			}
		}
	}
	for t := range r.Len() {
		if text := r.Text(t); r.Token(t) == syntax.Value {
			if _, ok := r.bindings.value(text); !ok {
				return r.undefinedValue(text)
			}
		}
	}
	return nil
}

func (r *resolver) verb(token int) verb {
	switch r.Token(token) {
	case syntax.KeySet:
		return verbSet
	case syntax.KeyRemove:
		return verbRemove
	case syntax.KeyAdd:
		return verbAdd
	default:
		return verbDelete
	}
}

// action makes the action of a node.
func (r *resolver) action(n int) (a action, err error) {
	a.verb = r.verb(r.Node(n).Token)
	for child := range r.Children(n) {
		if a.path == nil {
			a.path, err = r.path(r.Node(child))
		} else {
			a.value, err = r.operand(child)
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// checkUpdate checks the types of the operands of ADD and DELETE, and then the
// functions.
func (r *resolver) checkUpdate(u *Update) error {
	for i := range u.actions {
		a := &u.actions[i]
		k := a.value.staticKind()
		if ok := a.value.value.IsSet() || k == item.N && a.verb == verbAdd; ok || a.verb == verbSet || a.verb == verbRemove {
			continue
		}
		return r.Invalid("Incorrect operand type for operator or function; operator: %s, operand type: %s, "+
			"typeSet: ALLOWED_FOR_%[1]s_OPERAND", a.verb, longName(k))
	}
	for i := range u.actions {
		if err := r.checkFunction(&u.actions[i].value); err != nil {
			return err
		}
	}
	return nil
}

// checkFunction checks the functions and the arithmetic of an update, those in
// arguments first.
func (r *resolver) checkFunction(o *operand) error {
	for i := range o.args {
		if err := r.checkFunction(&o.args[i]); err != nil {
			return err
		}
	}
	if err := r.operandCount(o.kind.name(), o.args, o.kind.arity()); err != nil {
		return err
	}
	switch o.kind {
	case operandIfNotExists:
		if err := r.requirePath(o.kind.name(), &o.args[0]); err != nil {
			return err
		}
		return r.distinct(o.kind.name(), o.args)
	case operandListAppend:
		return r.types(o.kind.name(), o.args, item.L)
	case operandPlus, operandMinus:
		return r.types(o.kind.name(), o.args, item.N)
	}
	return nil
}

// longName is the name of a type in the errors of ADD and DELETE.
func longName(k item.Kind) string {
	switch k {
	case item.S:
		return "STRING"
	case item.N:
		return "NUMBER"
	case item.B:
		return "BINARY"
	case item.BOOL:
		return "BOOLEAN"
	case item.M:
		return "MAP"
	case item.L:
		return "LIST"
	}
	return k.String()
}
