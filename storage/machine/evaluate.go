package machine

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/version"
)

// DynamoDB's texts.
const (
	textCondition  = "The conditional request failed"
	textPutSize    = "Item size has exceeded the maximum allowed size"
	textUpdateSize = "Item size to update has exceeded the maximum allowed size"
	textDuplicate  = "Transaction request cannot include multiple operations on one item"
	textCanceled   = "Transaction cancelled, please refer cancellation reasons for specific reasons "
	textTransact   = "The aggregate size of the items in the transaction has exceeded the maximum allowed size"
)

// maxEncoded bounds an encoded item, so that its record is a value that the
// engine takes. Items within DynamoDB's limit are far below.
const maxEncoded = engine.MaxValueSize - 1024

// maxTime bounds times from elsewhere, so that adding to one never overflows. It
// is in the year 6429.
const maxTime = version.Timestamp(1) << 63

// effect is what a command will do to its key.
type effect struct {
	action action
	item   item.Encoded // for write
	size   int
}

type action uint8

const (
	nothing action = iota
	write          // replace the item
	remove         // delete the item
	adopt          // take over the version of a Merge, with item, or as a tombstone
)

// evaluate decides what c does to a key whose state is old, and fills res as
// far as it does not depend on doing it. It changes nothing. An error is fatal.
// Of a state that is foreseen there is no item, and c's condition is known to hold.
func (a *applier) evaluate(c *command.Command, old *Stored, foreseen bool, res *command.Result) (effect, error) {
	res.Existed, res.OldSize, res.NewSize = old.Exists, old.Size, old.Size
	res.Version = old.Version
	if c.Kind == command.Merge {
		return a.evaluateMerge(c, old, res), nil
	}
	if c.Condition != nil && !foreseen {
		// Where there is no item, that is of an empty one.
		holds, err := c.Condition.Match(old.Item)
		if storage.KindOf(err) == storage.Corrupt {
			return effect{}, err
		}
		if err != nil {
			res.Err = asError(err)
			return effect{}, nil
		}
		if !holds {
			res.Err = &storage.Error{Kind: storage.ConditionalCheckFailed, Message: textCondition}
			if c.ReturnOnFailure && old.Exists {
				res.Err.Item = bytes.Clone(old.Item)
			}
			return effect{}, nil
		}
	}
	switch c.Kind {
	case command.Put:
		return evaluatePut(c, old, res), nil
	case command.Update:
		return evaluateUpdate(c, old, res)
	case command.Delete:
		if c.Return == command.ReturnAllOld && old.Exists {
			res.Item = bytes.Clone(old.Item)
		}
		if !old.Exists {
			return effect{}, nil
		}
		return effect{action: remove}, nil
	case command.Check:
		return effect{}, nil
	}
	return effect{}, storage.Errorf(storage.Internal, "a command of kind %d", c.Kind)
}

func evaluatePut(c *command.Command, old *Stored, res *command.Result) effect {
	size, err := c.Item.Size()
	if err != nil {
		res.Err = storage.Validationf("the item cannot be read")
		return effect{}
	}
	if size > command.MaxItemSize || len(c.Item) > maxEncoded {
		res.Err = storage.Validationf(textPutSize)
		return effect{}
	}
	switch {
	case c.Return == command.ReturnAllOld && old.Exists:
		res.Item = bytes.Clone(old.Item)
	case c.Return == command.ReturnAllNew:
		res.Item = bytes.Clone(c.Item)
	}
	return replace(c.Item, size, old)
}

func evaluateUpdate(c *command.Command, old *Stored, res *command.Result) (effect, error) {
	var before, updated item.Item
	var err error
	if old.Exists {
		if before, err = old.Item.Decode(); err != nil {
			return effect{}, err
		}
		updated = before
	} else {
		if c.Update != nil && !c.Update.Creates() {
			return effect{}, nil
		}
		// A new item has its key already when the update looks at it.
		if updated, err = c.Item.Decode(); err != nil {
			res.Err = storage.Validationf("the key cannot be read")
			return effect{}, nil
		}
	}
	if c.Update != nil {
		if updated, err = c.Update.Apply(updated); err != nil {
			res.Err = asError(err)
			return effect{}, nil
		}
	}
	size := updated.Size()
	encoded := item.Encode(updated)
	if size > command.MaxItemSize || len(encoded) > maxEncoded {
		res.Err = storage.Validationf(textUpdateSize)
		return effect{}, nil
	}
	switch c.Return {
	case command.ReturnAllOld:
		if old.Exists {
			res.Item = bytes.Clone(old.Item)
		}
	case command.ReturnAllNew:
		res.Item = encoded
	case command.ReturnUpdatedOld:
		res.Item = touched(c, before)
	case command.ReturnUpdatedNew:
		res.Item = touched(c, updated)
	}
	return replace(encoded, size, old), nil
}

// touched is the part of an item that an update names, nil if none of it is
// there.
func touched(c *command.Command, it item.Item) item.Encoded {
	if c.Update == nil {
		return nil
	}
	part := c.Update.Updated(it)
	if part.Len() == 0 {
		return nil
	}
	return item.Encode(part)
}

// replace writes an item unless it is the very one that is stored: equal items
// have equal encodings.
func replace(it item.Encoded, size int, old *Stored) effect {
	if old.Exists && bytes.Equal(old.Item, it) {
		return effect{}
	}
	return effect{action: write, item: it, size: size}
}

// evaluateMerge takes over a state from another region if it is newer. It was
// accepted where it was made: neither conditions nor the item limit apply.
func (a *applier) evaluateMerge(c *command.Command, old *Stored, res *command.Result) effect {
	if c.Version.Region == "" || c.Version.Time == 0 || c.Version.Time >= maxTime {
		res.Err = storage.Validationf("version %s is no version of an item", c.Version)
		return effect{}
	}
	e := effect{action: adopt, item: c.Item}
	if c.Item != nil {
		var err error
		if e.size, err = c.Item.Size(); err != nil || len(c.Item) > maxEncoded {
			res.Err = storage.Validationf("the item cannot be read")
			return effect{}
		}
	}
	if !c.Version.Newer(old.Version) && !a.faults.MergeBlindly {
		return effect{}
	}
	res.Version = c.Version
	return e
}

// perform does what evaluate decided, and completes res.
func (a *applier) perform(key []byte, old *Stored, e effect, res *command.Result) {
	if e.action == nothing {
		return
	}
	res.Applied = true
	res.NewSize = e.size
	v := res.Version
	if e.action != adopt {
		v = a.stamp(old)
		res.Version = v
	}
	// A remote deletion is remembered even while no region is registered here:
	// an older state of the item may be on its way from a third one.
	forget := e.action == remove && a.regions == 0
	a.count(old, e.item != nil, e.item == nil && !forget, e.size)
	if forget {
		a.remove(key, v)
	} else {
		a.write(key, v, e.item, e.size)
	}
}

// stamp is the version of the next state of an item.
func (a *applier) stamp(old *Stored) version.Version {
	t := max(a.time, old.Version.Time.Next(), a.meta.GCFloor.Next())
	return version.Version{Time: t, Region: a.p.region}
}

// transact does all of c's operations or none. They are on distinct keys, so
// each is evaluated on the state before, in any order.
func (a *applier) transact(c *command.Command, res *command.Result) error {
	if res.Err = a.checkOps(c.Ops); res.Err != nil {
		return nil
	}
	res.Results = make([]command.Result, len(c.Ops))
	olds := make([]Stored, len(c.Ops))
	effects := make([]effect, len(c.Ops))
	canceled, size := false, 0
	for i := range c.Ops {
		var err error
		if olds[i], err = a.stored(c.Ops[i].Key); err != nil {
			return err
		}
		if effects[i], err = a.evaluate(&c.Ops[i], &olds[i], false, &res.Results[i]); err != nil {
			return err
		}
		canceled = canceled || res.Results[i].Err != nil
		size += max(effects[i].size, len(effects[i].item)/2)
	}
	if size > command.MaxTransactSize {
		*res = command.Result{Err: storage.Validationf(textTransact)}
		return nil
	}
	if canceled {
		res.Err = cancellation(res.Results)
		return nil
	}
	for i := range c.Ops {
		// The items of olds may lie in the batch and move now, but perform looks
		// only at what does not.
		a.perform(c.Ops[i].Key, &olds[i], effects[i], &res.Results[i])
	}
	return nil
}

func (a *applier) checkOps(ops []command.Command) *storage.Error {
	if len(ops) == 0 || len(ops) > command.MaxTransactOps {
		return storage.Validationf("a transaction of %d operations", len(ops))
	}
	seen := make(map[string]struct{}, len(ops))
	for i := range ops {
		if err := a.checkKey(ops[i].Key); err != nil {
			return err
		}
		seen[string(ops[i].Key)] = struct{}{}
	}
	if len(seen) != len(ops) {
		return storage.Validationf(textDuplicate)
	}
	return nil
}

// cancellation is the error of a transaction some of whose operations cannot be
// done. The results of the others are emptied: nothing came of them. Of the
// images, those are left out that would make the answer bigger than a
// transaction may be.
func cancellation(results []command.Result) *storage.Error {
	reasons := make([]string, len(results))
	images := 0
	for i := range results {
		err := results[i].Err
		reasons[i] = reason(err)
		if err == nil {
			results[i] = command.Result{}
			continue
		}
		if images += len(err.Item); images > command.MaxTransactSize {
			err.Item = nil
		}
	}
	return &storage.Error{
		Kind:    storage.TransactionCanceled,
		Message: fmt.Sprintf("%s[%s]", textCanceled, strings.Join(reasons, ", ")),
	}
}

// reason is DynamoDB's code of why an operation canceled its transaction.
func reason(err *storage.Error) string {
	switch {
	case err == nil:
		return "None"
	case err.Kind == storage.ConditionalCheckFailed:
		return "ConditionalCheckFailed"
	default:
		return "ValidationError"
	}
}
