package check

import (
	"fmt"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"
)

// Linearizable checks that the operations of one region on single items are
// linearizable: each seems to have happened at one moment between its start
// and its end. It gives up, with an error that is no Violation, when it cannot
// decide in time.
func Linearizable(history []Operation, patience time.Duration) error {
	var ops []porcupine.Operation
	var last time.Duration
	for _, op := range history {
		last = max(last, op.End)
	}
	for i, op := range history {
		if op.Outcome == Refused && !op.Refusal || op.Outcome == Unknown && op.Kind == Read {
			continue
		}
		end := op.End
		if op.Outcome == Unknown {
			// It may take effect at any time, or never: that is the same as
			// after everything else.
			end = last + time.Duration(i+1)
		}
		ops = append(ops, porcupine.Operation{ClientId: op.Client, Input: op, Output: op, Call: int64(op.Start), Return: int64(end)})
	}
	result, info := porcupine.CheckOperationsVerbose(items, ops, patience)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("linearizability of %d operations is undecided after %v", len(ops), patience)
	}
	return &Violation{
		Promise: "single-item operations of a region are linearizable",
		Detail:  describe(history, info),
	}
}

// items is the model: every key is a register of its own.
var items = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		index := map[string]int{}
		var parts [][]porcupine.Operation
		for _, op := range history {
			key := op.Input.(Operation).Key
			i, ok := index[key]
			if !ok {
				i = len(parts)
				index[key] = i
				parts = append(parts, nil)
			}
			parts[i] = append(parts[i], op)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) { return step(state.(string), input.(Operation)) },
	DescribeOperation: func(input, _ any) string {
		return input.(Operation).String()
	},
}

// step says whether an operation can have happened to a value, and what the
// value is then.
func step(value string, op Operation) (bool, any) {
	switch op.Kind {
	case Read:
		return op.Seen == value, value
	case Write:
		return true, op.Value
	case Delete:
		return true, ""
	case Swap:
		matches := op.Expect == value
		switch {
		case op.Outcome == Refused:
			return !matches, value
		case matches:
			return true, op.Value
		default:
			return op.Outcome == Unknown, value
		}
	case Add:
		n, err := strconv.Atoi("0" + value)
		if err != nil {
			return false, value
		}
		next := strconv.Itoa(n + 1)
		return op.Outcome == Unknown || op.Seen == next, next
	}
	return false, value
}

// String describes an operation and its outcome.
func (op Operation) String() string {
	outcome := [...]string{"", ", refused", ", unknown"}[op.Outcome]
	switch op.Kind {
	case Read:
		return fmt.Sprintf("read %s → %q%s", op.Key, op.Seen, outcome)
	case Write:
		return fmt.Sprintf("write %s = %q%s", op.Key, op.Value, outcome)
	case Delete:
		return fmt.Sprintf("delete %s%s", op.Key, outcome)
	case Swap:
		return fmt.Sprintf("swap %s %q → %q%s", op.Key, op.Expect, op.Value, outcome)
	default:
		return fmt.Sprintf("add %s → %q%s", op.Key, op.Seen, outcome)
	}
}

// describe shows the history of each key that cannot be put in an order, up to
// a screen of it.
func describe(history []Operation, info porcupine.LinearizationInfo) string {
	byKey := map[string][]Operation{}
	for _, op := range history {
		byKey[op.Key] = append(byKey[op.Key], op)
	}
	for key, ops := range byKey {
		part := make([]porcupine.Operation, 0, len(ops))
		for _, op := range ops {
			part = append(part, porcupine.Operation{ClientId: op.Client, Input: op, Output: op, Call: int64(op.Start), Return: int64(op.End)})
		}
		if r, _ := porcupine.CheckOperationsVerbose(items, part, 5*time.Second); r == porcupine.Ok {
			continue
		}
		text := fmt.Sprintf("no order of the %d operations on %s explains what was seen:", len(ops), key)
		for i, op := range ops {
			if i == 60 {
				text += fmt.Sprintf("\n  … and %d more", len(ops)-i)
				break
			}
			text += fmt.Sprintf("\n  %12v … %12v client %d: %v", op.Start, op.End, op.Client, op)
		}
		return text
	}
	return fmt.Sprintf("%d operations have no linear order", len(history))
}
