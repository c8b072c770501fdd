package traffic

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/e2e/check"
)

func script(seed uint64, id int) []Operation {
	s := NewScript(seed, id, time.Millisecond,
		Target{Table: "t", Names: []string{"a", "b"}, Renew: time.Second, Shares: Registers},
		Target{Table: "t", Names: []string{"n"}, Shares: Counters},
	)
	var ops []Operation
	for i := range 200 {
		s.Pause()
		ops = append(ops, s.Next(time.Duration(i)*50*time.Millisecond))
	}
	return ops
}

func TestSameSeedSameOperations(t *testing.T) {
	if diff := cmp.Diff(script(1, 2), script(1, 2)); diff != "" {
		t.Errorf("the same seed attempts other things:\n%s", diff)
	}
	if cmp.Equal(script(1, 2), script(2, 2)) || cmp.Equal(script(1, 2), script(1, 3)) {
		t.Error("other seeds or clients attempt the same")
	}
}

func TestScriptDoesEverything(t *testing.T) {
	kinds, tags, keys := map[check.Kind]bool{}, map[string]bool{}, map[Key]bool{}
	for _, op := range script(1, 1) {
		kinds[op.Kind], tags[op.Tag], keys[op.Key] = true, true, true
		if op.Kind == check.Add && op.Key.Name != "n" || op.Kind == check.Write && op.Key.Name == "n" {
			t.Errorf("%v of %v", op.Kind, op.Key)
		}
	}
	if len(kinds) != 5 || len(tags) != 200 || !keys[Key{"t", "a.9"}] || !keys[Key{"t", "n"}] {
		t.Errorf("kinds %v, %d tags, items %v", kinds, len(tags), keys)
	}
}

func TestSwapExpectsWhatWasSeen(t *testing.T) {
	s := NewScript(1, 1, 0, Target{Table: "t", Names: []string{"a"}, Shares: Shares{Swap: 1}})
	first := s.Next(0)
	s.Learn(first, Answer{Outcome: check.Refused})
	second := s.Next(0)
	s.Learn(second, Answer{Outcome: check.Done})
	if third := s.Next(0); first.Expect != "" || second.Expect != "" || third.Expect != second.Value {
		t.Errorf("swaps expect %q, %q and %q; want nothing, nothing and %q", first.Expect, second.Expect, third.Expect, second.Value)
	}
}
