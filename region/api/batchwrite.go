package api

import (
	"context"
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/region/request"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
)

// maxBatchWrites is how many writes a BatchWriteItem may have.
const maxBatchWrites = 25

// batchWrite is one write of a BatchWriteItem.
type batchWrite struct {
	put, delete request.Attributes
	// raw is the write as it came, for UnprocessedItems.
	raw []byte
}

// batchWriteTable is the writes to one table.
type batchWriteTable struct {
	name   string
	writes []batchWrite
	// table is what the name stands for, once that is known.
	table *catalog.Table
}

type batchWriteRequest struct {
	tables            []batchWriteTable
	capacity, metrics awsjson.Text
}

func readBatchWriteRequest(body []byte) (*batchWriteRequest, error) {
	in := new(batchWriteRequest)
	r := awsjson.NewReader(body)
	r.UseOlderWords()
	for r.Struct("BatchWriteItemInput") {
		switch string(r.Name()) {
		case "RequestItems":
			for r.ListMap("WriteRequest") {
				in.add(readBatchWriteTable(r))
			}
		case "ReturnConsumedCapacity":
			in.capacity = r.Text()
		case "ReturnItemCollectionMetrics":
			in.metrics = r.Text()
		default:
			r.Skip()
		}
	}
	slices.SortFunc(in.tables, func(a, b batchWriteTable) int { return strings.Compare(a.name, b.name) })
	return in, r.End()
}

// add adds the writes to a table. Of a member that is there twice the last counts.
func (in *batchWriteRequest) add(t batchWriteTable) {
	for i := range in.tables {
		if in.tables[i].name == t.name {
			in.tables[i] = t
			return
		}
	}
	in.tables = append(in.tables, t)
}

func readBatchWriteTable(r *awsjson.Reader) batchWriteTable {
	t := batchWriteTable{name: string(r.Name())}
	for r.List() {
		t.writes = append(t.writes, readBatchWrite(r))
	}
	return t
}

func readBatchWrite(r *awsjson.Reader) batchWrite {
	var w batchWrite
	start := r.Mark()
	for r.Struct("WriteRequest") {
		switch string(r.Name()) {
		case "PutRequest":
			for r.Struct("PutRequest") {
				if string(r.Name()) == "Item" {
					w.put = request.ReadAttributes(r)
				} else {
					r.Skip()
				}
			}
		case "DeleteRequest":
			for r.Struct("DeleteRequest") {
				if string(r.Name()) == "Key" {
					w.delete = request.ReadAttributes(r)
				} else {
					r.Skip()
				}
			}
		default:
			r.Skip()
		}
	}
	w.raw = r.Since(start)
	return w
}

// check is what DynamoDB checks before it looks for the tables.
func (in *batchWriteRequest) check() error {
	var c constraint.Set
	if len(in.tables) == 0 {
		return awsjson.Validationf("The requestItems parameter is required for BatchWriteItem")
	}
	c.Enum(in.capacity, "returnConsumedCapacity", returnConsumedCapacity)
	c.Enum(in.metrics, "returnItemCollectionMetrics", returnCollectionMetrics)
	if err := c.Err(); err != nil {
		return err
	}
	total := 0
	for _, t := range in.tables {
		total += len(t.writes)
		switch {
		case !tableNameFits(t.name):
			c.Require(false, "requestItems", constraint.Quoted(in.told()), tableNameRule)
		case len(t.writes) < 1 || len(t.writes) > maxBatchWrites:
			c.Require(false, "requestItems", constraint.Quoted(in.told()),
				"Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]")
		default:
			continue
		}
		break // the error repeats the whole map
	}
	if err := c.Err(); err != nil {
		return err
	}
	if total > maxBatchWrites {
		return awsjson.Validationf("Too many items requested for the BatchWriteItem call")
	}
	for _, t := range in.tables {
		for _, w := range t.writes {
			if err := w.check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// tableNameFits reports whether a key of RequestItems can be the name of a table.
func tableNameFits(name string) bool {
	name = constraint.TableName(name)
	return constraint.IsName(name) && len(name) <= constraint.MaxName
}

const tableNameRule = "Map keys must satisfy constraint: [Member must have length less than or equal to 255, " +
	"Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]"

func (w *batchWrite) check() error {
	if w.put.Set == w.delete.Set {
		return awsjson.Validationf("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	if w.delete.Set {
		return w.delete.Invalid
	}
	if w.put.Invalid != nil {
		return w.put.Invalid
	}
	size, err := w.put.Item.Size()
	if err == nil && size > item.MaxSize {
		err = awsjson.Validationf("Item size has exceeded the maximum allowed size")
	}
	return err
}

// batchCommands finds the tables and makes the commands, in the order of the
// request.
func (a *API) batchCommands(in *batchWriteRequest) ([]router.TableCommand, error) {
	var cmds []router.TableCommand
	seen := map[string]bool{}
	for i := range in.tables {
		part := &in.tables[i]
		var err error
		if part.table, err = a.table(part.name); err != nil {
			return nil, err
		}
		for _, w := range part.writes {
			cmd, err := w.command(part.table)
			if err != nil {
				return nil, err
			}
			id := part.table.ID + "/" + string(cmd.Key)
			if seen[id] {
				return nil, awsjson.Validationf("Provided list of item keys contains duplicates")
			}
			seen[id] = true
			cmds = append(cmds, router.TableCommand{Table: part.table, Command: cmd})
		}
	}
	return cmds, nil
}

func (w *batchWrite) command(t *catalog.Table) (*command.Command, error) {
	if w.delete.Set {
		key, err := request.Key(&t.Table, w.delete.Item)
		return &command.Command{Kind: command.Delete, Key: key}, err
	}
	key, err := request.BatchItemKey(&t.Table, w.put.Item)
	return &command.Command{Kind: command.Put, Key: key, Item: w.put.Item}, err
}

func (a *API) batchWriteItem(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	in, err := readBatchWriteRequest(r.Body)
	if err != nil {
		return dst, err
	}
	if err := in.check(); err != nil {
		return dst, err
	}
	cmds, err := a.batchCommands(in)
	if err != nil {
		return dst, err
	}
	outcomes := a.store.ExecuteAll(ctx, cmds)
	unprocessed := make([]bool, len(outcomes))
	left := 0
	for i, out := range outcomes {
		err := out.Err
		if err == nil && out.Result.Err != nil {
			err = out.Result.Err
		}
		if err == nil {
			continue
		}
		if !canRetry(err) || left == len(outcomes)-1 {
			return dst, err
		}
		unprocessed[i] = true
		left++
	}
	return in.written(dst, outcomes, unprocessed), nil
}

// canRetry reports whether a batch hands its part back as unprocessed: putting
// or deleting an item twice is the same as once.
func canRetry(err error) bool {
	switch storage.KindOf(err) {
	case storage.Unavailable, storage.Ambiguous, storage.NotLeader, storage.WrongPartition, storage.Throttled, storage.TransactionConflict:
		return true
	default:
		return false
	}
}

func (in *batchWriteRequest) written(dst []byte, outcomes []router.Outcome, unprocessed []bool) []byte {
	w := writer{b: dst}
	w.begin()
	w.member("UnprocessedItems")
	w.begin()
	units := make([]float64, len(in.tables))
	at := 0
	for i, t := range in.tables {
		open := false
		for _, write := range t.writes {
			if out := outcomes[at]; unprocessed[at] {
				if !open {
					w.table(t.name)
					w.b = append(w.b, '[')
					open = true
				} else {
					w.b = append(w.b, ',')
				}
				w.b = append(w.b, write.raw...)
			} else {
				units[i] += writeUnits(out.Result.OldSize, out.Result.NewSize)
			}
			at++
		}
		if open {
			w.b = append(w.b, ']')
		}
	}
	w.end()
	w.consumedByTable(in.capacity, len(in.tables), func(i int) (string, float64) { return in.tables[i].name, units[i] })
	w.end()
	return w.b
}
