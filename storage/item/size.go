package item

// MaxSize is how many bytes an item may have, names and values together.
const MaxSize = 409600

// MaxDepth is how many lists and maps may stand within one another.
const MaxDepth = 32

// containerSize is what DynamoDB counts for a list or a map whatever is in it,
// and elementSize what it counts for each element besides the element itself.
const (
	containerSize = 3
	elementSize   = 1
)

// Size is the number of bytes that DynamoDB counts for v.
func (v Value) Size() int {
	switch v.kind {
	case S, B:
		return len(v.text)
	case N:
		return v.num.Size()
	case BOOL, NULL:
		return 1
	case M:
		return containerSize + v.doc.Size() + elementSize*v.doc.Len()
	case L:
		size := containerSize + elementSize*len(v.list)
		for _, e := range v.list {
			size += e.Size()
		}
		return size
	}
	size := 0
	for _, m := range v.list {
		size += m.Size()
	}
	return size
}

// Size is the number of bytes that DynamoDB counts for it: those of the names
// and of the values.
func (it Item) Size() int {
	size := 0
	for _, a := range it.attrs {
		size += len(a.Name) + a.Value.Size()
	}
	return size
}

// Depth is how many lists and maps stand within one another in v: 0 for a
// scalar or a set, 1 for a list of scalars.
func (v Value) Depth() int {
	depth := 0
	switch v.kind {
	case M:
		for _, a := range v.doc.attrs {
			depth = max(depth, a.Value.Depth())
		}
	case L:
		for _, e := range v.list {
			depth = max(depth, e.Depth())
		}
	default:
		return 0
	}
	return depth + 1
}

// Size is the number of bytes that DynamoDB counts for n: one, one for each
// two digits, and one for a minus sign.
func (n Number) Size() int {
	if n.IsZero() {
		return 1
	}
	size := 1 + (n.coef.digits()+1)/2
	if n.negative {
		size++
	}
	return size
}
