package item

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/storage"
)

// StringSet makes a value of type SS.
func StringSet(members []string) (Value, error) {
	list := make([]Value, len(members))
	for i, m := range members {
		list[i] = String(m)
	}
	return Set(SS, list)
}

// NumberSet makes a value of type NS.
func NumberSet(members []Number) (Value, error) {
	list := make([]Value, len(members))
	for i, m := range members {
		list[i] = Num(m)
	}
	return Set(NS, list)
}

// BinarySet makes a value of type BS.
func BinarySet(members [][]byte) (Value, error) {
	list := make([]Value, len(members))
	for i, m := range members {
		list[i] = Binary(m)
	}
	return Set(BS, list)
}

// Set makes a set of a kind (SS, NS or BS) of members, which are of the
// matching kind. It keeps members. An empty set, and one that names a member
// twice, is refused with DynamoDB's text.
func Set(kind Kind, members []Value) (Value, error) {
	if len(members) == 0 {
		return Value{}, emptySet(kind)
	}
	sorted := members
	if !slices.IsSortedFunc(members, compareMembers) {
		sorted = slices.Clone(members)
		slices.SortFunc(sorted, compareMembers)
	}
	for i := 1; i < len(sorted); i++ {
		if compareMembers(sorted[i-1], sorted[i]) == 0 {
			return Value{}, duplicateMember(kind, members)
		}
	}
	return Value{kind: kind, list: sorted}, nil
}

// MemberKind is the kind of the members of a set of kind k; Invalid when k is
// not a set.
func (k Kind) MemberKind() Kind {
	switch k {
	case SS:
		return S
	case NS:
		return N
	case BS:
		return B
	}
	return Invalid
}

// Has reports whether member is in the set v.
func (v Value) Has(member Value) bool {
	if v.kind.MemberKind() != member.kind || member.kind == Invalid {
		return false
	}
	_, ok := slices.BinarySearchFunc(v.list, member, compareMembers)
	return ok
}

// Union is the set of what is in v or w, which are sets of one kind.
func (v Value) Union(w Value) Value {
	list := make([]Value, 0, len(v.list)+len(w.list))
	i, j := 0, 0
	for i < len(v.list) && j < len(w.list) {
		c := compareMembers(v.list[i], w.list[j])
		if c <= 0 {
			list = append(list, v.list[i])
			i++
		} else {
			list = append(list, w.list[j])
		}
		if c >= 0 {
			j++
		}
	}
	list = append(list, v.list[i:]...)
	list = append(list, w.list[j:]...)
	return Value{kind: v.kind, list: list}
}

// Minus is the set of what is in v but not in w, which are sets of one kind.
// It is the zero Value when nothing is left, for there is no empty set.
func (v Value) Minus(w Value) Value {
	list := make([]Value, 0, len(v.list))
	for _, m := range v.list {
		if !w.Has(m) {
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		return Value{}
	}
	return Value{kind: v.kind, list: list}
}

// compareMembers orders the members of one set.
func compareMembers(a, b Value) int {
	if a.kind == N {
		return a.num.Cmp(b.num)
	}
	return strings.Compare(a.text, b.text)
}

func emptySet(kind Kind) error {
	switch kind {
	case SS:
		return storage.Validationf("One or more parameter values were invalid: An string set  may not be empty")
	case NS:
		return storage.Validationf("One or more parameter values were invalid: An number set  may not be empty")
	default:
		return storage.Validationf("One or more parameter values were invalid: Binary sets should not be empty")
	}
}

// duplicateMember words the refusal of a repeated member: the members in order
// up to the first that repeats one, then that one and the rest as they came.
func duplicateMember(kind Kind, members []Value) error {
	if kind == NS {
		return storage.Validationf("One or more parameter values were invalid: Input collection contains duplicates.")
	}
	repeat := 1
	for repeat < len(members) && !slices.ContainsFunc(members[:repeat], members[repeat].Equal) {
		repeat++
	}
	told := slices.Clone(members)
	slices.SortFunc(told[:repeat], compareMembers)
	texts := make([]string, len(told))
	for i, m := range told {
		if kind == BS {
			texts[i] = `"` + base64.StdEncoding.EncodeToString([]byte(m.text)) + `"`
		} else {
			texts[i] = `"` + m.text + `"`
		}
	}
	if kind == BS {
		return storage.Validationf("One or more parameter values were invalid: Input collection [%s]of type BS contains duplicates.",
			strings.Join(texts, ","))
	}
	return storage.Validationf("One or more parameter values were invalid: Input collection [%s] contains duplicates.",
		strings.Join(texts, ", "))
}
