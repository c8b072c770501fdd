package api

import (
	"cmp"
	"context"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// itemRequest is a request of PutItem, GetItem, UpdateItem or DeleteItem. Each
// has some of the members.
type itemRequest struct {
	table      awsjson.Text
	item, key  attributes
	consistent awsjson.Flag

	expressions
	legacy

	returnValues, returnOnFailure awsjson.Text
	capacity, metrics             awsjson.Text
}

func readItemRequest(body []byte, class string) (*itemRequest, error) {
	in := new(itemRequest)
	r := awsjson.NewReader(body)
	for r.Struct(class) {
		switch string(r.Name()) {
		case "TableName":
			in.table = r.Text()
		case "Item":
			in.item = readAttributes(r)
		case "Key":
			in.key = readAttributes(r)
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
			if !in.expressions.read(r) && !in.legacy.read(r) {
				r.Skip()
			}
		}
	}
	return in, r.End()
}

// check is what DynamoDB checks first: that the members are as its model says.
func (in *itemRequest) check(put bool) error {
	if err := constraint.CheckTableName(in.table); err != nil {
		return err
	}
	var c constraint.Set
	if put {
		c.Present(in.item.set, "item")
	} else {
		c.Present(in.key.set, "key")
	}
	c.Enum(in.capacity, "returnConsumedCapacity", returnConsumedCapacity)
	c.Enum(in.metrics, "returnItemCollectionMetrics", returnCollectionMetrics)
	c.Enum(in.returnValues, "returnValues", returnValues)
	c.Enum(in.returnOnFailure, "returnValuesOnConditionCheckFailure", returnOnFailure)
	in.legacy.require(&c)
	return c.Err()
}

// attributes is a member that is an item or a key.
type attributes struct {
	set  bool
	item item.Encoded
	// invalid is DynamoDB's error for values that are of the right shape but
	// not acceptable. It is reported in its turn.
	invalid error
}

func readAttributes(r *awsjson.Reader) attributes {
	it, err := r.Item()
	return attributes{set: it != nil || err != nil, item: it, invalid: err}
}

var errNoTable = storage.Errorf(storage.ResourceNotFound, "Requested resource not found")

// table finds the table that an operation on items names.
func (a *API) table(name string) (*catalog.Table, error) {
	t, ok := a.store.Table(constraint.TableName(name))
	if !ok || t.Status == catalog.Creating || t.Status == catalog.Deleting {
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

// requestKey checks the Key of a request and encodes it.
func requestKey(t *schema.Table, e item.Encoded) ([]byte, error) {
	key, err := e.Decode()
	if err != nil {
		return nil, err
	}
	if err := t.CheckKey(key); err != nil {
		return nil, err
	}
	return t.EncodeKey(key)
}

// itemKey encodes the key of an item that is to be stored.
func itemKey(t *schema.Table, e item.Encoded) ([]byte, error) {
	names := [2]string{t.Partition.Name}
	count := 1
	if t.Sort != nil {
		names[1] = t.Sort.Name
		count++
	}
	var attrs []item.Attribute
	for _, name := range names[:count] {
		v, ok, err := e.Attribute(name)
		if err != nil {
			return nil, err
		}
		if ok {
			attrs = append(attrs, item.Attribute{Name: name, Value: v})
		}
	}
	return t.EncodeKey(item.NewItem(attrs...))
}

// batchItemKey is itemKey for BatchWriteItem, which has other words for a key
// attribute that is of the wrong type.
func batchItemKey(t *schema.Table, e item.Encoded) ([]byte, error) {
	for _, k := range []*schema.KeyAttribute{&t.Partition, t.Sort} {
		if k == nil {
			continue
		}
		if v, ok, err := e.Attribute(k.Name); err != nil || !ok || v.Kind() != k.Kind {
			return nil, cmp.Or(err, error(awsjson.Validationf("The provided key element does not match the schema")))
		}
	}
	return itemKey(t, e)
}

// The enumerations of the item operations, in DynamoDB's order.
var (
	returnConsumedCapacity  = []string{"INDEXES", "TOTAL", "NONE"}
	returnCollectionMetrics = []string{"SIZE", "NONE"}
	returnValues            = []string{"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"}
	returnOnFailure         = []string{"ALL_OLD", "NONE"}
	selects                 = []string{"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"}
	conditionalOperators    = []string{"OR", "AND"}
)

// parseCondition makes the condition of a write, if it has one.
func (in *itemRequest) parseCondition(cmd *command.Command, b *expr.Bindings) (err error) {
	switch {
	case in.condition.Set:
		cmd.Condition, err = expr.ParseCondition(in.condition.Value, b)
	case in.expected != nil:
		cmd.Condition, err = in.expectedCondition()
	}
	if err != nil {
		return err
	}
	return b.Unused()
}
