package api

import (
	"context"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/schema"
)

func (a *API) updateItem(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	in, err := readItemRequest(r.Body, "UpdateItemInput")
	if err != nil {
		return dst, err
	}
	cmd, err := in.updateCommand()
	if err != nil {
		return dst, err
	}
	t, err := a.table(in.table.Value)
	if err != nil {
		return dst, err
	}
	if cmd.Key, err = requestKey(&t.Table, in.key.item); err != nil {
		return dst, err
	}
	if err := keepsKey(&t.Table, cmd.Update); err != nil {
		return dst, err
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
	if err := in.check(false); err != nil {
		return nil, err
	}
	if err := in.checkUpdateParameters(); err != nil {
		return nil, err
	}
	if in.key.invalid != nil {
		return nil, in.key.invalid
	}
	cmd := &command.Command{
		Kind:            command.Update,
		Item:            in.key.item,
		Return:          updateReturns[in.returnValues.Or("NONE")],
		ReturnOnFailure: in.returnOnFailure.Value == "ALL_OLD",
	}
	b, err := in.bindings()
	if err != nil {
		return nil, err
	}
	switch {
	case in.update.Set:
		cmd.Update, err = expr.ParseUpdate(in.update.Value, b)
	case in.updates != nil:
		cmd.Update, err = expr.UpdateOf(in.updates)
	}
	if err != nil {
		return nil, err
	}
	return cmd, in.parseCondition(cmd, b)
}

// checkUpdateParameters checks the members of UpdateItem that say what to do,
// and when, against each other.
func (in *itemRequest) checkUpdateParameters() error {
	err := in.expressions.check(
		[]parameter{{"UpdateExpression", in.update.Set}, {"ConditionExpression", in.condition.Set}},
		[]parameter{
			{"AttributeUpdates", in.updates != nil},
			{"Expected", in.expected != nil},
			{"ConditionalOperator", in.conditionalOperator.Set},
		},
	)
	if err != nil {
		return err
	}
	return in.legacy.check()
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
