package check

import (
	"errors"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/storage/version"
)

func violated(t *testing.T, name string, err error, want bool) {
	t.Helper()
	var v *Violation
	if got := errors.As(err, &v); got != want || err != nil && !got {
		t.Errorf("%s: error %v; want a violation: %v", name, err, want)
	}
}

// op makes an operation that took place from one second to another.
func op(from, to int, o Operation) Operation {
	o.Key, o.Start, o.End = "k", time.Duration(from)*time.Second, time.Duration(to)*time.Second
	return o
}

func TestLinearizable(t *testing.T) {
	write := func(v string) Operation { return Operation{Kind: Write, Value: v} }
	read := func(v string) Operation { return Operation{Kind: Read, Seen: v} }
	for _, tt := range []struct {
		name     string
		history  []Operation
		violated bool
	}{
		{"nothing", nil, false},
		{"read after write", []Operation{op(0, 1, write("a")), op(2, 3, read("a"))}, false},
		{"stale read", []Operation{op(0, 1, write("a")), op(2, 3, write("b")), op(4, 5, read("a"))}, true},
		{"overlapping writes go either way", []Operation{op(0, 9, write("a")), op(0, 9, write("b")), op(10, 11, read("a"))}, false},
		{"a read goes back in time", []Operation{op(0, 9, write("a")), op(1, 2, read("a")), op(3, 4, read(""))}, true},
		{"an unknown write may happen late", []Operation{
			op(0, 1, Operation{Kind: Write, Value: "a", Outcome: Unknown}), op(2, 3, read("")), op(4, 5, read("a")),
		}, false},
		{"an unknown write happens once", []Operation{
			op(0, 1, Operation{Kind: Write, Value: "a", Outcome: Unknown}),
			op(2, 3, read("a")), op(4, 5, write("b")), op(6, 7, read("a")),
		}, true},
		{"a write that was never begun", []Operation{
			op(0, 1, Operation{Kind: Write, Value: "a", Outcome: Refused}), op(2, 3, read("a")),
		}, true},
		{"a swap that must succeed is refused", []Operation{
			op(0, 1, write("a")), op(2, 3, Operation{Kind: Swap, Expect: "a", Value: "b", Outcome: Refused, Refusal: true}),
		}, true},
		{"two swaps of one value", []Operation{
			op(0, 1, write("a")),
			op(2, 3, Operation{Kind: Swap, Expect: "a", Value: "b"}), op(2, 3, Operation{Kind: Swap, Expect: "a", Value: "c"}),
		}, true},
		{"an add applied twice", []Operation{
			op(0, 1, Operation{Kind: Add, Seen: "1"}), op(2, 3, Operation{Kind: Add, Seen: "3"}),
		}, true},
		{"delete", []Operation{op(0, 1, write("a")), op(2, 3, Operation{Kind: Delete}), op(4, 5, read("a"))}, true},
	} {
		violated(t, tt.name, Linearizable(tt.history, time.Minute), tt.violated)
	}
}

func TestKept(t *testing.T) {
	k := NewKept()
	k.Try("a", 1)
	k.Ack("a", 1)
	k.Try("a", 2)
	violated(t, "the acknowledged one", k.Check(map[string]int{"a": 1}), false)
	violated(t, "the one under way", k.Check(map[string]int{"a": 2}), false)
	violated(t, "lost", k.Check(nil), true)
	violated(t, "never written", k.Check(map[string]int{"a": 3}), true)
}

func TestConverged(t *testing.T) {
	violated(t, "equal", Converged(map[string]map[string]string{"x": {"k": "1"}, "y": {"k": "1"}}), false)
	violated(t, "another value", Converged(map[string]map[string]string{"x": {"k": "1"}, "y": {"k": "2"}}), true)
	violated(t, "missing in the first", Converged(map[string]map[string]string{"x": {}, "y": {"k": "1"}}), true)
	violated(t, "missing in the last", Converged(map[string]map[string]string{"x": {"k": "1"}, "y": {"k": "1"}, "z": {}}), true)
}

func TestNewest(t *testing.T) {
	v := func(time version.Timestamp, region string) version.Version {
		return version.Version{Time: time, Region: region}
	}
	n := NewNewest()
	n.Ack("k", State{v(2, "eu"), "second"})
	n.Ack("k", State{v(1, "us"), "first"})
	n.Ack("gone", State{v(1, "us"), "there"})
	n.Ack("gone", State{v(3, "eu"), ""})
	n.Unknown("k", "maybe")

	held := func(k, gone State) map[string]State { return map[string]State{"k": k, "gone": gone} }
	tombstone := State{v(3, "eu"), ""}
	violated(t, "the newest", n.Check("us", held(State{v(2, "eu"), "second"}, tombstone)), false)
	violated(t, "an older one", n.Check("us", held(State{v(1, "us"), "first"}, tombstone)), true)
	violated(t, "nothing", n.Check("us", map[string]State{"gone": tombstone}), true)
	violated(t, "the one of unknown outcome", n.Check("us", held(State{v(4, "us"), "maybe"}, tombstone)), false)
	violated(t, "one that nobody wrote", n.Check("us", held(State{v(4, "us"), "who"}, tombstone)), true)
	violated(t, "another value of the same version", n.Check("us", held(State{v(2, "eu"), "other"}, tombstone)), true)
	violated(t, "a deleted one comes back", n.Check("us", held(State{v(2, "eu"), "second"}, State{v(1, "us"), "there"})), true)
	violated(t, "one from nowhere", n.Check("us", map[string]State{
		"k": {v(2, "eu"), "second"}, "gone": tombstone, "new": {v(1, "us"), "x"},
	}), true)
}
