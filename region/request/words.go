package request

import (
	"strings"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
)

// Words is how DynamoDB words its refusals of a request: the generations of its
// request checks that it has not brought together.
type Words uint8

const (
	// Enveloped is how PutItem, UpdateItem and DeleteItem speak: what is wrong
	// with a request, without its table, is a validation error that was
	// detected.
	Enveloped Words = iota
	// Bare is how GetItem, BatchGetItem and Query speak: as those, but without
	// the envelope.
	Bare
	// Older is how BatchWriteItem and Scan speak, and all operations when a
	// request nests very deep or lacks what it must have.
	Older
)

const envelope = "1 validation error detected: "

// Envelop puts a refusal of a request into the envelope, if w has one and the
// refusal is not in it.
func (w Words) Envelop(err error) error {
	if err == nil || w != Enveloped {
		return err
	}
	return Envelop(err)
}

// Envelop puts a refusal of a request into the envelope, if it is not in it.
func Envelop(err error) error {
	x := awsjson.ExceptionOf(err)
	if x.Name != "ValidationException" || strings.HasPrefix(x.Message, envelope) || strings.Contains(x.Message, " validation errors detected: ") {
		return err
	}
	return awsjson.Validationf("%s%s", envelope, x.Message)
}

// CheckTableName checks the TableName of an operation on items in the newer
// words. DynamoDB looks at nothing else when it is wrong.
func CheckTableName(t awsjson.Text) error {
	var c constraint.Set
	c.RequireUnshown(!t.Set || t.Value != "", "TableName", "Member must have length greater than or equal to 1")
	if err := c.Err(); err != nil {
		return err
	}
	return constraint.CheckTableName(t)
}
