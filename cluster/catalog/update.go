package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
)

// Txn is one change of the catalog under construction. What its methods
// return are copies that may be changed and put back.
type Txn struct {
	state  *State
	head   head
	writes map[string]any // a record's new body, nil to delete it
}

// State is the catalog that the change starts from.
func (t *Txn) State() *State { return t.state }

// Table returns a copy of a table's record.
func (t *Txn) Table(name string) (*Table, bool) {
	if body, ok := t.writes[tableKey(name)]; ok {
		table, _ := body.(*Table)
		return table, table != nil
	}
	table, ok := t.state.Tables[name]
	if !ok {
		return nil, false
	}
	dup := *table
	dup.Global = table.Global.Clone()
	dup.Tags = maps.Clone(table.Tags)
	return &dup, true
}

// Partition returns a copy of a partition's record.
func (t *Txn) Partition(id cluster.GroupID) (*Partition, bool) {
	p, ok := t.state.Groups[id]
	if !ok {
		return nil, false
	}
	dup := *p
	dup.Peers = slices.Clone(p.Peers)
	return &dup, true
}

// NewGroup gives out a group id that was never used.
func (t *Txn) NewGroup() cluster.GroupID {
	id := t.head.NextGroup
	t.head.NextGroup++
	return id
}

// PutNode writes a node's record.
func (t *Txn) PutNode(n *Node) { t.writes[nodeKey(n.ID)] = n }

// PutTable writes a table's record, without its partitions.
func (t *Txn) PutTable(table *Table) { t.writes[tableKey(table.Name)] = table }

// DeleteTable removes a table's record and those of its partitions.
func (t *Txn) DeleteTable(name string) {
	if table, ok := t.state.Tables[name]; ok {
		for _, p := range table.Partitions {
			t.writes[groupKey(p.Group)] = nil
		}
	}
	t.writes[tableKey(name)] = nil
}

// PutPartition writes a partition's record.
func (t *Txn) PutPartition(p *Partition) { t.writes[groupKey(p.Group)] = p }

// Update changes the catalog. It calls change with the newest state, and again
// with a newer one for as long as somebody else's change comes first; change
// must have no other effect than on its Txn. An error of change is returned as
// it is, if it was decided by the newest revision that there is. When Update returns nil, State includes the change.
func (c *Catalog) Update(ctx context.Context, change func(*Txn) error) error {
	for {
		t := &Txn{state: c.State(), writes: map[string]any{}}
		t.head = t.state.head
		if err := change(t); err != nil {
			if c.outdated(ctx, t.state) {
				continue // it was refused by a state that is gone
			}
			return err
		}
		if len(t.writes) == 0 {
			return nil
		}
		cmd, err := t.command()
		if err != nil {
			return err
		}
		result, err := c.source.Execute(ctx, cmd)
		if err != nil {
			return fmt.Errorf("catalog: update: %w", err)
		}
		// Whether this change or another's came first, a newer revision than
		// the one it started from is on its way here.
		if _, err := c.Await(ctx, func(s *State) bool { return s.Revision > t.state.Revision }); err != nil {
			return fmt.Errorf("catalog: update: wait for revision %d: %w", t.state.Revision+1, err)
		}
		switch {
		case result.Err == nil:
			return nil
		case result.Err.Kind != storage.TransactionCanceled:
			return fmt.Errorf("catalog: update: %w", result.Err)
		}
	}
}

// command makes the transaction that writes t if the catalog is still at the
// revision that t started from.
func (t *Txn) command() (*command.Command, error) {
	revision := t.state.Revision + 1
	first, err := putRecord(headKey, revision, t.head)
	if err != nil {
		return nil, err
	}
	if first.Condition, err = unchangedSince(t.state.Revision); err != nil {
		return nil, err
	}
	cmd := &command.Command{Kind: command.Transact, Ops: []command.Command{first}}
	for _, key := range slices.Sorted(maps.Keys(t.writes)) {
		op := command.Command{Kind: command.Delete, Key: []byte(key)}
		if body := t.writes[key]; body != nil {
			if op, err = putRecord(key, revision, body); err != nil {
				return nil, err
			}
		}
		cmd.Ops = append(cmd.Ops, op)
	}
	return cmd, nil
}

func putRecord(key string, revision uint64, body any) (command.Command, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return command.Command{}, fmt.Errorf("catalog: record %q: %w", key, err)
	}
	it := item.NewItem(
		item.Attribute{Name: keyAttribute, Value: item.String(key)},
		item.Attribute{Name: revisionAttribute, Value: item.Num(item.NumberFromInt(int64(revision)))},
		item.Attribute{Name: bodyAttribute, Value: item.Binary(text)},
	)
	return command.Command{Kind: command.Put, Key: []byte(key), Item: item.Encode(it)}, nil
}

func unchangedSince(revision uint64) (*expr.Condition, error) {
	if revision == 0 {
		return expr.ParseCondition("attribute_not_exists("+revisionAttribute+")", &expr.Bindings{})
	}
	return expr.ParseCondition(revisionAttribute+" = :r", &expr.Bindings{
		Values: map[string]item.Value{":r": item.Num(item.NumberFromInt(int64(revision)))},
	})
}
