package expr

import (
	"strconv"

	"github.com/roundtabledb/roundtable/storage/item"
)

// What DynamoDB charges an update expression for, in bytes, as it was measured
// on the service: it documents none of this.
const (
	chargeUpdate      = 3
	chargeWrite       = 19 // SET and ADD
	chargeRemove      = 1  // REMOVE and DELETE
	chargeTargetStep  = 4
	chargePath        = 1
	chargePathStep    = 14
	chargePlus        = 34
	chargeMinus       = 37
	chargeIfNotExists = 39
	chargeListAppend  = 37
)

// Charge is how many bytes DynamoDB counts for u itself. An UpdateItem whose
// expression comes to more than an item may have is refused, however small the
// item is that it leaves. What AttributeUpdates asks for is not counted.
func (u *Update) Charge() int {
	if u.legacy {
		return 0
	}
	n := chargeUpdate
	for i := range u.actions {
		a := &u.actions[i]
		n += targetCharge(a.path)
		switch a.verb {
		case verbSet, verbAdd:
			n += chargeWrite + a.value.charge()
		default:
			n += chargeRemove
		}
	}
	return n
}

func targetCharge(p item.Path) int {
	n := len(p[0].Name)
	for _, step := range p[1:] {
		n += chargeTargetStep + stepSize(step)
	}
	return n
}

func stepSize(s item.Step) int {
	if s.IsName() {
		return len(s.Name)
	}
	return len(strconv.Itoa(s.Index))
}

func (o *operand) charge() int {
	n := 0
	switch o.kind {
	case operandValue:
		return o.value.Size()
	case operandPath:
		n = chargePath
		for _, step := range o.path {
			n += chargePathStep + stepSize(step)
		}
	case operandPlus:
		n = chargePlus
	case operandMinus:
		n = chargeMinus
	case operandIfNotExists:
		n = chargeIfNotExists
	case operandListAppend:
		n = chargeListAppend
	}
	for i := range o.args {
		n += o.args[i].charge()
	}
	return n
}
