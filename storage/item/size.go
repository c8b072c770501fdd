package item

import "github.com/roundtabledb/roundtable/storage"

// MaxSize is how many bytes an item may have, names and values together.
const MaxSize = 409600

// MaxDepth is how many levels an attribute value may have: see Value.Depth.
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

// Depth is how many levels of values v has: 1 for a scalar, a set and an empty
// list or map, 2 for a list of scalars.
func (v Value) Depth() int {
	depth := 0
	for _, a := range v.doc.attrs {
		depth = max(depth, a.Value.Depth())
	}
	if v.kind == L {
		for _, e := range v.list {
			depth = max(depth, e.Depth())
		}
	}
	return depth + 1
}

// MaxNameBytes is the length of the longest name of an attribute.
const MaxNameBytes = 65535

// CheckName checks the length of an attribute's name, wherever it comes from.
func CheckName(length int) error {
	switch {
	case length == 0:
		return storage.Validationf("Empty attribute name")
	case length > MaxNameBytes:
		return storage.Validationf("Attribute name is too large, must be less than %d bytes", MaxNameBytes+1)
	}
	return nil
}

// TooDeep is the error for a value of more than MaxDepth levels.
func TooDeep() error {
	return storage.Validationf("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
}

// TooLarge is the error for an item of more than MaxSize bytes that a request
// gives whole.
func TooLarge() error {
	return storage.Validationf("Item size has exceeded the maximum allowed size")
}

// UpdateTooLarge is the error for an item that an update would let grow over
// MaxSize bytes.
func UpdateTooLarge() error {
	return storage.Validationf("Item size to update has exceeded the maximum allowed size")
}

// Size is the number of bytes that DynamoDB counts for n. The significant
// digits before the point and those after it take a byte for two, each rounded
// up; there is a byte besides, and one for a minus sign. This was measured on
// the service, whose documentation says something a little different.
func (n Number) Size() int {
	if n.IsZero() {
		return 1
	}
	size := 1
	if n.negative {
		size++
	}
	digits := n.coef.digits()
	before := digits + int(n.exp)
	if n.exp >= 0 || before <= 0 {
		return size + (digits+1)/2
	}
	return size + (before+1)/2 + (digits-before+1)/2
}
