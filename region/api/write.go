package api

import (
	"context"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/request"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
)

func (a *API) putItem(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	in, err := readItemRequest(r.Body, putItem)
	if err != nil {
		return dst, err
	}
	cmd, err := in.put()
	if err != nil {
		return dst, in.Words.Envelop(err)
	}
	t, err := a.table(in.table.Value)
	if err != nil {
		return dst, err
	}
	if cmd.Key, err = request.ItemKey(&t.Table, in.item.Item); err != nil {
		return dst, err
	}
	res, err := a.execute(ctx, t, cmd)
	if err != nil {
		return dst, err
	}
	return in.written(dst, t, res), nil
}

// put checks a PutItem, in DynamoDB's order, and makes its command but for the
// key.
func (in *itemRequest) put() (*command.Command, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := in.checkConditionParameters(); err != nil {
		return nil, err
	}
	if in.item.Invalid != nil {
		return nil, in.item.Invalid
	}
	cmd := &command.Command{Kind: command.Put, Item: in.item.Item}
	if err := in.returnOld(cmd); err != nil {
		return nil, err
	}
	size, err := in.item.Item.Size()
	if err != nil {
		return nil, err
	}
	if size > item.MaxSize {
		return nil, item.TooLarge()
	}
	if err := in.Legacy.Check(); err != nil {
		return nil, err
	}
	b, err := in.Bindings()
	if err != nil {
		return nil, err
	}
	return cmd, in.parseCondition(cmd, b)
}

func (a *API) deleteItem(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	in, err := readItemRequest(r.Body, deleteItem)
	if err != nil {
		return dst, err
	}
	cmd, err := in.delete()
	if err != nil {
		return dst, in.Words.Envelop(err)
	}
	t, err := a.table(in.table.Value)
	if err != nil {
		return dst, err
	}
	if cmd.Key, err = request.Key(&t.Table, in.key.Item); err != nil {
		return dst, err
	}
	res, err := a.execute(ctx, t, cmd)
	if err != nil {
		return dst, err
	}
	return in.written(dst, t, res), nil
}

// delete checks a DeleteItem and makes its command but for the key.
func (in *itemRequest) delete() (*command.Command, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := in.checkConditionParameters(); err != nil {
		return nil, err
	}
	if in.key.Invalid != nil {
		return nil, in.key.Invalid
	}
	cmd := &command.Command{Kind: command.Delete}
	if err := in.returnOld(cmd); err != nil {
		return nil, err
	}
	if err := in.Legacy.Check(); err != nil {
		return nil, err
	}
	b, err := in.Bindings()
	if err != nil {
		return nil, err
	}
	return cmd, in.parseCondition(cmd, b)
}

// checkConditionParameters checks the members of PutItem and DeleteItem that
// make a condition against each other.
func (in *itemRequest) checkConditionParameters() error {
	return in.Expressions.Check(&in.Legacy, []string{"ConditionExpression"}, []string{"Expected", "ConditionalOperator"})
}

// returnOld sets what an operation returns that can only return the old item.
func (in *itemRequest) returnOld(cmd *command.Command) error {
	switch in.returnValues.Or("NONE") {
	case "NONE":
	case "ALL_OLD":
		cmd.Return = command.ReturnAllOld
	default:
		return awsjson.Validationf("ReturnValues can only be ALL_OLD or NONE")
	}
	cmd.ReturnOnFailure = in.returnOnFailure.Value == "ALL_OLD"
	return nil
}

// written writes the answer to a write.
func (in *itemRequest) written(dst []byte, t *catalog.Table, res command.Result) []byte {
	w := writer{b: dst}
	w.begin()
	w.item("Attributes", res.Item)
	w.consumed(in.capacity, in.table.Value, writeUnits(res.OldSize, res.NewSize))
	w.end()
	return w.b
}
