package api

import (
	"context"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/request"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

func (a *API) updateItem(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	in, err := readItemRequest(r.Body, updateItem)
	if err != nil {
		return dst, err
	}
	cmd, err := in.updateCommand()
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
	if err := keepsKey(&t.Table, cmd.Update); err != nil {
		return dst, err
	}
	if cmd.Update != nil && cmd.Update.Charge() > item.MaxSize {
		return dst, item.UpdateTooLarge()
	}
	res, err := a.execute(ctx, t, cmd)
	if err != nil {
		return dst, err
	}
	return in.written(dst, t, res), nil
}

var updateReturns = map[string]command.Return{
	"NONE":        command.ReturnNone,
	"ALL_OLD":     command.ReturnAllOld,
	"UPDATED_OLD": command.ReturnUpdatedOld,
	"ALL_NEW":     command.ReturnAllNew,
	"UPDATED_NEW": command.ReturnUpdatedNew,
}

// updateCommand checks an UpdateItem and makes its command but for the key.
func (in *itemRequest) updateCommand() (*command.Command, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	err := in.Expressions.Check(&in.Legacy,
		[]string{"UpdateExpression", "ConditionExpression"},
		[]string{"AttributeUpdates", "Expected", "ConditionalOperator"})
	if err != nil {
		return nil, err
	}
	if in.key.Invalid != nil {
		return nil, in.key.Invalid
	}
	if err := in.Legacy.Check(); err != nil {
		return nil, err
	}
	cmd := &command.Command{
		Kind:            command.Update,
		Item:            in.key.Item,
		Return:          updateReturns[in.returnValues.Or("NONE")],
		ReturnOnFailure: in.returnOnFailure.Value == "ALL_OLD",
	}
	b, err := in.Bindings()
	if err != nil {
		return nil, err
	}
	switch {
	case in.Update.Set:
		cmd.Update, err = expr.ParseUpdate(in.Update.Value, b)
	case in.Updates != nil:
		cmd.Update, err = expr.UpdateOf(in.Updates)
	}
	if err != nil {
		return nil, err
	}
	return cmd, in.parseCondition(cmd, b)
}

// keepsKey refuses an update of a key attribute.
func keepsKey(t *schema.Table, u *expr.Update) error {
	if u == nil {
		return nil
	}
	for _, path := range u.Paths() {
		name := path[0].Name
		if name == t.Partition.Name || t.Sort != nil && name == t.Sort.Name {
			return awsjson.Validationf("One or more parameter values were invalid: "+
				"Cannot update attribute %s. This attribute is part of the key", name)
		}
	}
	return nil
}
