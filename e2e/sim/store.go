package sim

import (
	"context"
	"fmt"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/traffic"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// The attributes of items: a register has a value, a counter a number, and both
// the tag of the operation that made them what they are.
const (
	attributeValue  = "v"
	attributeNumber = "n"
	attributeTag    = "mark"
)

// keyOf is the key attributes of an item.
func keyOf(t *schema.Table, name string) item.Item {
	key := item.NewItem(item.Attribute{Name: "id", Value: item.String(name)})
	if t.Sort != nil {
		key = key.With("line", item.Num(item.NumberFromInt(int64(len(name)))))
	}
	return key
}

// Store is one process as a traffic.Store.
type Store struct {
	process *Process
	// paged has strong reads ask for a range of one key.
	paged bool
}

var _ traffic.Store = Store{}

// Do carries out an operation through the process's router.
func (s Store) Do(ctx context.Context, op traffic.Operation) traffic.Answer {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.process.ctx, cancel)()
	a := s.do(ctx, op)
	if s.process.ctx.Err() != nil {
		// The answer of a dead process reached nobody.
		return traffic.Answer{Outcome: check.Unknown}
	}
	return a
}

func (s Store) do(ctx context.Context, op traffic.Operation) traffic.Answer {
	r := s.process.Node.Router()
	t, ok := r.Table(op.Key.Table)
	if !ok {
		return traffic.Answer{Outcome: check.Refused}
	}
	attributes := keyOf(&t.Table, op.Key.Name)
	key, err := t.EncodeKey(attributes)
	if err != nil {
		return s.failed(op, err)
	}
	if op.Kind == check.Read {
		stored, err := s.read(ctx, r, t, key, op.Weak)
		if err != nil {
			return s.failed(op, err)
		}
		return s.shown(op, stored)
	}
	cmd, err := commandOf(op, key, attributes)
	if err != nil {
		return s.failed(op, err)
	}
	result, err := r.Execute(ctx, t, cmd)
	if err != nil {
		return s.failed(op, err)
	}
	return s.done(op, result)
}

func (s Store) read(ctx context.Context, r *router.Router, t *catalog.Table, key []byte, weak bool) (machine.Stored, error) {
	if !s.paged || weak {
		return r.Stored(ctx, t, key, !weak)
	}
	page, err := r.Page(ctx, t, machine.PageRequest{Lo: key, Hi: append(key[:len(key):len(key)], 0), WithTombstones: true}, true)
	if err != nil || len(page.Stored) == 0 {
		return machine.Stored{}, err
	}
	return page.Stored[0], nil
}

// commandOf is the command of an operation that writes.
func commandOf(op traffic.Operation, key []byte, attributes item.Item) (*command.Command, error) {
	cmd := &command.Command{Key: key}
	bindings := &expr.Bindings{Values: map[string]item.Value{":mark": item.String(op.Tag)}}
	var err error
	switch op.Kind {
	case check.Delete:
		cmd.Kind = command.Delete
	case check.Write, check.Swap:
		cmd.Kind = command.Put
		cmd.Item = item.Encode(attributes.With(attributeValue, item.String(op.Value)).With(attributeTag, item.String(op.Tag)))
		if op.Kind == check.Swap {
			cmd.Condition, err = expect(op.Expect)
		}
	case check.Add:
		cmd.Kind, cmd.Return = command.Update, command.ReturnAllNew
		cmd.Item = item.Encode(attributes)
		bindings.Values[":one"] = item.Num(item.NumberFromInt(1))
		cmd.Update, err = expr.ParseUpdate("ADD n :one SET mark = :mark", &expr.Bindings{
			Names: map[string]string{}, Values: bindings.Values,
		})
	}
	return cmd, err
}

func expect(value string) (*expr.Condition, error) {
	if value == "" {
		return expr.ParseCondition("attribute_not_exists(v)", &expr.Bindings{})
	}
	return expr.ParseCondition("v = :old", &expr.Bindings{Values: map[string]item.Value{":old": item.String(value)}})
}

// shown is the answer to a read.
func (s Store) shown(op traffic.Operation, stored machine.Stored) traffic.Answer {
	value, tag, err := content(stored.Item)
	if err != nil {
		return s.failed(op, err)
	}
	return traffic.Answer{Outcome: check.Done, Value: value, State: traffic.State(stored.Version, tag)}
}

// done is the answer to a command that was carried out, or refused by the
// partition.
func (s Store) done(op traffic.Operation, result command.Result) traffic.Answer {
	if result.Err != nil {
		if result.Err.Kind == storage.ConditionalCheckFailed {
			return traffic.Answer{Outcome: check.Refused, Refusal: true}
		}
		return s.failed(op, result.Err)
	}
	a := traffic.Answer{Outcome: check.Done, Wrote: result.Applied, State: traffic.State(result.Version, op.Tag)}
	switch op.Kind {
	case check.Delete:
		a.State.Value = ""
	case check.Add:
		value, _, err := content(result.Item)
		if err != nil {
			return s.failed(op, err)
		}
		a.Value = value
	}
	return a
}

// failed is the answer to an operation that came to nothing known.
func (s Store) failed(op traffic.Operation, err error) traffic.Answer {
	switch storage.KindOf(err) {
	case storage.NotLeader, storage.Unavailable, storage.ResourceNotFound, storage.WrongPartition:
		// These promise that nothing was begun.
		return traffic.Answer{Outcome: check.Refused}
	case storage.Ambiguous:
		return traffic.Answer{Outcome: check.Unknown}
	}
	if s.process.ctx.Err() == nil {
		s.process.node.region.world.unexpected(fmt.Errorf("%s: %v of %v: %w", s.process.node.host, op.Kind, op.Key, err))
	}
	return traffic.Answer{Outcome: check.Unknown}
}

// content is what an item holds: its value, or its number, and its tag.
func content(e item.Encoded) (value, tag string, err error) {
	if e == nil {
		return "", "", nil
	}
	it, err := e.Decode()
	if err != nil {
		return "", "", err
	}
	if n := it.Get(attributeNumber); n.Kind() == item.N {
		value = n.Number().String()
	} else if v := it.Get(attributeValue); v.Kind() == item.S {
		value = v.Str()
	}
	if by := it.Get(attributeTag); by.Kind() == item.S {
		tag = by.Str()
	}
	return value, tag, nil
}
