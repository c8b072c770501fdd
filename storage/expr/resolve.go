package expr

import (
	"slices"
	"strconv"

	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

// Limits of the language, from the Amazon DynamoDB Developer Guide ("Quotas",
// expression parameters).
const (
	maxOperandsIn = 100
	maxPathSteps  = 32
	maxListIndex  = 1<<31 - 1
)

// function is a function of the language.
type function struct {
	op      operator    // in a condition, as a condition of its own
	operand operandKind // as an operand
	update  bool        // of update expressions
}

// functionNamed finds a function. Names are case-sensitive.
func functionNamed(name string) (f function, ok bool) {
	switch name {
	case "attribute_exists":
		return function{op: opExists}, true
	case "attribute_not_exists":
		return function{op: opNotExists}, true
	case "attribute_type":
		return function{op: opType}, true
	case "begins_with":
		return function{op: opBeginsWith}, true
	case "contains":
		return function{op: opContains}, true
	case "size":
		return function{operand: operandSize}, true
	case "if_not_exists":
		return function{operand: operandIfNotExists, update: true}, true
	case "list_append":
		return function{operand: operandListAppend, update: true}, true
	}
	return function{}, false
}

// resolver makes trees of syntax: it checks what the grammar leaves open and
// puts names and values in place of their placeholders.
//
// The order of the checks is DynamoDB's: first, over the whole expression, the
// words (reserved words, list indexes, functions and where they stand); then
// condition by condition the placeholders, the numbers of operands, operands
// that must differ, and the types of operands.
type resolver struct {
	*syntax.Tree
	bindings *Bindings
}

// words checks reserved words, list indexes and functions below n. condition
// says that n stands where a condition is expected.
func (r *resolver) words(n int, condition bool) error {
	inner := false
	switch node := r.Node(n); node.Kind {
	case syntax.NodePath:
		return r.pathWords(node)
	case syntax.NodeCall:
		if err := r.place(r.Text(node.Token), condition); err != nil {
			return err
		}
	case syntax.NodeAnd, syntax.NodeOr, syntax.NodeNot:
		inner = true
	case syntax.NodeParen:
		inner = condition
	}
	for child := range r.Children(n) {
		if err := r.words(child, inner); err != nil {
			return err
		}
	}
	return nil
}

// place checks that there is a function and that it may stand where it does.
func (r *resolver) place(name string, condition bool) error {
	f, ok := functionNamed(name)
	switch update := r.Field == syntax.UpdateExpression; {
	case !ok:
		return r.Invalid("Invalid function name; function: %s", name)
	case update && !f.update:
		return r.Invalid("The function is not allowed in an update expression; function: %s", name)
	case !update && f.update:
		return r.Invalid("The function is not allowed in a condition expression; function: %s", name)
	case !update && condition != (f.op != 0):
		return r.misplaced(name)
	}
	return nil
}

func (r *resolver) misplaced(function string) error {
	return r.Invalid("The function is not allowed to be used this way in an expression; function: %s", function)
}

func (r *resolver) pathWords(path syntax.Node) error {
	for t := path.Token; t < path.End; t++ {
		text := r.Text(t)
		switch r.Token(t) {
		case syntax.Ident:
			if syntax.IsReserved(text) {
				return r.Invalid("Attribute name is a reserved keyword; reserved keyword: %s", text)
			}
		case syntax.Integer:
			if index, err := strconv.Atoi(text); err != nil || index > maxListIndex {
				return r.Invalid("List index is not within the allowable range; index: [%s]", text)
			}
		}
	}
	return nil
}

// path makes the document path of a node.
func (r *resolver) path(n syntax.Node) (item.Path, error) {
	path := make(item.Path, 0, (n.End-n.Token+1)/2)
	for t := n.Token; t < n.End; t++ {
		text := r.Text(t)
		switch r.Token(t) {
		case syntax.Ident:
			path = append(path, item.Step{Name: text, Index: -1})
		case syntax.Name:
			name, ok := r.bindings.name(text)
			if !ok {
				return nil, r.undefinedName(text)
			}
			path = append(path, item.Step{Name: name, Index: -1})
		case syntax.Integer:
			index, _ := strconv.Atoi(text) // pathWords has seen it
			path = append(path, item.Step{Index: index})
		}
	}
	if len(path) > maxPathSteps {
		return nil, r.Invalid("The document path has too many nesting levels; nesting levels: %d", len(path))
	}
	return path, nil
}

func (r *resolver) undefinedName(name string) error {
	return r.Invalid("An expression attribute name used in the document path is not defined; attribute name: %s", name)
}

func (r *resolver) undefinedValue(value string) error {
	return r.Invalid("An expression attribute value used in expression is not defined; attribute value: %s", value)
}

// operand makes the operand of a node, with as many arguments as it was given.
func (r *resolver) operand(n int) (operand, error) {
	n = r.Unwrap(n)
	switch node := r.Node(n); node.Kind {
	case syntax.NodePath:
		path, err := r.path(node)
		return operand{kind: operandPath, path: path}, err
	case syntax.NodeValue:
		text := r.Text(node.Token)
		v, ok := r.bindings.value(text)
		if !ok {
			return operand{}, r.undefinedValue(text)
		}
		return operand{kind: operandValue, value: v}, nil
	case syntax.NodeArithmetic:
		k := operandPlus
		if r.Token(node.Token) == syntax.SymMinus {
			k = operandMinus
		}
		args, err := r.operands(n)
		return operand{kind: k, args: args}, err
	default:
		f, _ := functionNamed(r.Text(node.Token)) // place has seen it
		args, err := r.operands(n)
		return operand{kind: f.operand, args: args}, err
	}
}

// operands makes the operands that are the children of a node.
func (r *resolver) operands(n int) ([]operand, error) {
	count := 0
	for range r.Children(n) {
		count++
	}
	args := make([]operand, 0, count)
	for child := range r.Children(n) {
		o, err := r.operand(child)
		if err != nil {
			return nil, err
		}
		args = append(args, o)
	}
	return args, nil
}

// operandCount checks the number of arguments of the functions in args, and
// then that of what they are the arguments of.
func (r *resolver) operandCount(name string, args []operand, want int) error {
	for i := range args {
		o := &args[i]
		if err := r.operandCount(o.kind.name(), o.args, o.kind.arity()); err != nil {
			return err
		}
	}
	if want >= 0 && len(args) != want {
		return r.Invalid("Incorrect number of operands for operator or function; "+
			"operator or function: %s, number of operands: %d", name, len(args))
	}
	return nil
}

// distinct checks that the first of args is not a path that comes again.
func (r *resolver) distinct(name string, args []operand) error {
	first := &args[0]
	if first.kind != operandPath {
		return nil
	}
	for i := range args[1:] {
		if o := &args[1+i]; o.kind == operandPath && o.path.Equal(first.path) {
			return r.Invalid("The first operand must be distinct from the remaining operands for this operator or "+
				"function; operator: %s, first operand: %s", name, first.path.Steps())
		}
	}
	return nil
}

// types checks that the types of args, as far as they are known, are among
// kinds.
func (r *resolver) types(name string, args []operand, kinds ...item.Kind) error {
	for i := range args {
		if k := args[i].staticKind(); k != item.Invalid && !slices.Contains(kinds, k) {
			return r.operandType(name, k.String())
		}
	}
	return nil
}

func (r *resolver) operandType(name, typ string) error {
	return r.Invalid("Incorrect operand type for operator or function; operator or function: %s, operand type: %s",
		name, typ)
}

func (r *resolver) requirePath(name string, o *operand) error {
	if o.kind != operandPath {
		return r.Invalid("Operator or function requires a document path; operator or function: %s", name)
	}
	return nil
}

// apart checks that no two paths overlap or conflict. An overlap is reported
// before a conflict, and of several the one that is complete first.
func (r *resolver) apart(paths []item.Path) error {
	if neighboursApart(paths) {
		return nil
	}
	for _, clash := range []struct {
		what  string
		found func(p, q item.Path) bool
	}{{"overlap", item.Path.Overlaps}, {"conflict", item.Path.Conflicts}} {
		for i, q := range paths {
			for _, p := range paths[:i] {
				if clash.found(p, q) {
					return r.Invalid("Two document paths %s with each other; must remove or rewrite one of these paths; "+
						"path one: %s, path two: %s", clash.what, p.Steps(), q.Steps())
				}
			}
		}
	}
	return nil
}

// neighboursApart reports whether no two paths overlap or conflict. In order of
// path a path is followed by what it leads into, and the steps by name from one
// place by those by index, so that a clash shows between neighbours.
func neighboursApart(paths []item.Path) bool {
	sorted := slices.SortedFunc(slices.Values(paths), comparePaths)
	for i := 1; i < len(sorted); i++ {
		if sorted[i-1].Overlaps(sorted[i]) || sorted[i-1].Conflicts(sorted[i]) {
			return false
		}
	}
	return true
}
