package api

import (
	"context"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/region/request"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/expr"
)

// itemRequest is a request of PutItem, GetItem, UpdateItem or DeleteItem. Each
// has some of the members.
type itemRequest struct {
	operation  operation
	table      awsjson.Text
	item, key  request.Attributes
	consistent awsjson.Flag

	request.Expressions
	request.Legacy

	returnValues, returnOnFailure awsjson.Text
	capacity, metrics             awsjson.Text
}

// operation is which of the operations a request is of.
type operation uint8

const (
	getItem operation = iota
	putItem
	updateItem
	deleteItem
)

var inputs = [...]string{getItem: "GetItemInput", putItem: "PutItemInput", updateItem: "UpdateItemInput", deleteItem: "DeleteItemInput"}

func readItemRequest(body []byte, o operation) (*itemRequest, error) {
	in := &itemRequest{operation: o}
	r := awsjson.NewReader(body)
	for r.Struct(inputs[o]) {
		switch string(r.Name()) {
		case "TableName":
			in.table = r.Text()
		case "Item":
			in.item = request.ReadAttributes(r)
		case "Key":
			in.key = request.ReadAttributes(r)
		case "ConsistentRead":
			in.consistent = r.Flag()
		case "ReturnValues":
			in.returnValues = r.Text()
		case "ReturnValuesOnConditionCheckFailure":
			in.returnOnFailure = r.Text()
		case "ReturnConsumedCapacity":
			in.capacity = r.Text()
		case "ReturnItemCollectionMetrics":
			in.metrics = r.Text()
		default:
			if !in.Expressions.Read(r) && !in.Legacy.Read(r) {
				r.Skip()
			}
		}
	}
	switch {
	case r.Deep():
		in.Words = request.Older
	case o == getItem:
		in.Words = request.Bare
	}
	return in, r.End()
}

// check is what DynamoDB checks first: that the members are as its model says.
func (in *itemRequest) check() error {
	subject := in.key.Set
	if in.operation == putItem {
		subject = in.item.Set
	}
	var c constraint.Set
	if !in.table.Set || !subject || in.Words == request.Older {
		in.Words = request.Older
		in.requireOlder(&c, subject)
		return c.Err()
	}
	if err := request.CheckTableName(in.table); err != nil {
		return err
	}
	if in.operation == updateItem {
		c.EnumUnnamed(in.returnValues, returnValues, returnValuesTold)
		if err := c.Err(); err != nil {
			return err
		}
	}
	c.Enum(in.capacity, "returnConsumedCapacity", returnConsumedCapacity)
	if in.operation != getItem {
		c.EnumUnnamed(in.returnValues, returnValues, returnValuesTold)
		c.Enum(in.metrics, "returnItemCollectionMetrics", returnCollectionMetrics)
		c.Enum(in.returnOnFailure, "returnValuesOnConditionCheckFailure", returnOnFailure)
	}
	in.Legacy.Require(&c, in.Words)
	return c.Err()
}

// requireOlder is the same in the older words, all of it together.
func (in *itemRequest) requireOlder(c *constraint.Set, subject bool) {
	c.Enum(in.capacity, "returnConsumedCapacity", returnConsumedCapacity)
	c.TableName(in.table)
	if in.operation != getItem {
		c.Enum(in.metrics, "returnItemCollectionMetrics", returnCollectionMetrics)
		c.Enum(in.returnValues, "returnValues", returnValues)
		c.Enum(in.returnOnFailure, "returnValuesOnConditionCheckFailure", returnOnFailure)
	}
	in.Legacy.Require(c, request.Older)
	if in.operation == putItem {
		c.Present(subject, "item")
	} else {
		c.Present(subject, "key")
	}
}

var errNoTable = storage.Errorf(storage.ResourceNotFound, "Requested resource not found")

// table finds the table that an operation on items names.
func (a *API) table(name string) (*catalog.Table, error) {
	if err := a.home.Check(name); err != nil {
		return nil, err
	}
	t, err := a.store.Lookup(constraint.TableName(name))
	switch {
	case storage.KindOf(err) == storage.ResourceNotFound:
		return nil, errNoTable
	case err != nil:
		return nil, err
	case t.Status == catalog.Creating || t.Status == catalog.Deleting:
		return nil, errNoTable
	}
	return t, nil
}

// execute carries out a command. Its error is the partition's, too.
func (a *API) execute(ctx context.Context, t *catalog.Table, cmd *command.Command) (command.Result, error) {
	res, err := a.store.Execute(ctx, t, cmd)
	if err == nil && res.Err != nil {
		return res, res.Err
	}
	return res, err
}

// The enumerations of the item operations, in DynamoDB's order.
var (
	returnConsumedCapacity  = []string{"INDEXES", "TOTAL", "NONE"}
	returnCollectionMetrics = []string{"SIZE", "NONE"}
	returnValues            = []string{"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"}
	returnOnFailure         = []string{"ALL_OLD", "NONE"}
	// returnValuesTold is returnValues as the newer words list it, with the
	// service's own slip.
	returnValuesTold = []string{"ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATE_NEW", "NONE"}
	selects          = []string{"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"}
)

// parseCondition makes the condition of a write, if it has one.
func (in *itemRequest) parseCondition(cmd *command.Command, b *expr.Bindings) (err error) {
	switch {
	case in.Condition.Set:
		cmd.Condition, err = expr.ParseCondition(in.Condition.Value, b)
	case in.Expected != nil:
		cmd.Condition, err = in.ExpectedCondition()
	}
	if err != nil {
		return err
	}
	return b.Unused()
}
