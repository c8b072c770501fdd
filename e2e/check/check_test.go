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

func TestVersions(t *testing.T) {
	var v *Versions
	zero := time.Now()
	at := func(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }
	sight := func(region string, time version.Timestamp, value string, start, end int) Sight {
		s := Sight{Region: region, Key: "k", Start: at(start), End: at(end)}
		s.State = State{Value: value, Version: version.Version{Time: time, Region: "eu"}}
		return s
	}
	wrote := func(s Sight) Sight { s.Wrote = true; return s }
	weak := func(s Sight) Sight { s.Weak = true; return s }
	for _, tt := range []struct {
		name     string
		seen     []Sight
		violated bool
	}{
		{"forward", []Sight{wrote(sight("eu", 1, "a", 0, 1)), sight("eu", 1, "a", 2, 3), wrote(sight("eu", 2, "b", 4, 5))}, false},
		{"backward", []Sight{sight("eu", 2, "b", 0, 1), sight("eu", 1, "a", 2, 3)}, true},
		{"backward at the same time", []Sight{sight("eu", 2, "b", 0, 2), sight("eu", 1, "a", 2, 3)}, false},
		{"behind in another region", []Sight{sight("eu", 2, "b", 0, 1), sight("us", 1, "a", 2, 3)}, false},
		{"a weak read that is old", []Sight{sight("eu", 2, "b", 0, 1), weak(sight("eu", 1, "a", 2, 3))}, false},
		{"a write that gets the version read before", []Sight{sight("eu", 1, "a", 0, 1), wrote(sight("eu", 1, "a", 2, 3))}, true},
		{"one version, two states", []Sight{weak(sight("eu", 1, "a", 0, 1)), weak(sight("us", 1, "b", 0, 1))}, true},
		{"seen before it was written", []Sight{weak(sight("us", 1, "a", 0, 1)), wrote(sight("eu", 1, "a", 2, 3))}, true},
		{"deleted and back", []Sight{sight("eu", 1, "a", 0, 1), wrote(sight("eu", 2, "", 2, 3)), sight("eu", 1, "a", 4, 5)}, true},
	} {
		v = NewVersions()
		for _, s := range tt.seen {
			v.Saw(s)
		}
		violated(t, tt.name, v.Check(), tt.violated)
	}
}

func TestOverwritten(t *testing.T) {
	n := NewNewest()
	for i, region := range []string{"eu", "eu", "us", "us", "us"} {
		n.Ack("k", State{Version: version.Version{Time: version.Timestamp(i + 1), Region: region}})
	}
	if writes, same, other := n.Overwritten(); writes != 5 || same != 3 || other != 1 {
		t.Errorf("Overwritten = %d, %d, %d; want 5 writes, 3 followed by their own region's, 1 by the other's", writes, same, other)
	}
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

func TestCounted(t *testing.T) {
	said := Count{Items: 3, Bytes: 100, Tombstones: 1}
	violated(t, "right", Counted(said, said), false)
	for name, found := range map[string]Count{
		"items":      {Items: 2, Bytes: 100, Tombstones: 1},
		"bytes":      {Items: 3, Bytes: 99, Tombstones: 1},
		"tombstones": {Items: 3, Bytes: 100},
	} {
		violated(t, name, Counted(said, found), true)
	}
}
