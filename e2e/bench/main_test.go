package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
)

func TestChoose(t *testing.T) {
	numbers := func(s settings) []int {
		chosen, err := choose(goals(), s)
		if err != nil {
			t.Fatal(err)
		}
		var n []int
		for _, g := range chosen {
			n = append(n, g.number)
		}
		return n
	}
	if diff := cmp.Diff([]int{1, 2, 3}, numbers(settings{quick: true})); diff != "" {
		t.Errorf("quick: %s", diff)
	}
	if diff := cmp.Diff([]int{3, 1}, numbers(settings{goals: "3, 1"})); diff != "" {
		t.Errorf("some: %s", diff)
	}
	if got := numbers(settings{}); len(got) != len(goals()) {
		t.Errorf("all: %v", got)
	}
	for _, bad := range []string{"x", "0", "1,99"} {
		if _, err := choose(goals(), settings{goals: bad}); err == nil {
			t.Errorf("%q names goals", bad)
		}
	}
}

// newTestLab is a lab that measures nothing by itself.
func newTestLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "binary")
	if err := os.WriteFile(binary, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := newLab(settings{binary: binary, dir: dir, json: filepath.Join(dir, "out", "latest.json"), rounds: 2})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Things are measured in turn: A, B, A, B.
func TestRoundsAlternate(t *testing.T) {
	l := newTestLab(t)
	var order []string
	measure := func(names ...string) measurement {
		return measurement{names, func(context.Context) ([]load.Sample, error) {
			var s []load.Sample
			for _, n := range names {
				order = append(order, n)
				s = append(s, load.Sample{PerSecond: float64(len(order))})
			}
			return s, nil
		}}
	}
	taken, err := l.inRounds(t.Context(), []measurement{measure("a", "b"), measure("c")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "a", "b", "c"}, order); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{3, 6}, taken["c"].perSecond()); diff != "" {
		t.Error(diff)
	}
}

// A goal that fails says so, does not keep the others from being measured, and
// leaves nothing behind.
func TestAGoalFails(t *testing.T) {
	l := newTestLab(t)
	l.rounds = 1
	closed := 0
	broken := errors.New("broken")
	takes := func(*lab) time.Duration { return 0 }
	err := l.measure(t.Context(), []goal{
		{1, "first", takes, func(_ context.Context, l *lab) error {
			l.keep(closer(func() error { closed++; return nil }))
			if _, err := l.newDir("x"); err != nil {
				return err
			}
			return broken
		}},
		{2, "second", takes, func(_ context.Context, l *lab) error {
			l.beside("x", "op/s", series{{PerSecond: 4, Errors: 1, First: broken}}, "peer", series{{PerSecond: 2}}, nil, series.perSecond, judge.AtLeast(2))
			return nil
		}},
	})
	if !errors.Is(err, broken) || closed != 1 {
		t.Errorf("%v, %d closed", err, closed)
	}
	if entries, err := os.ReadDir(l.dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	text, err := os.ReadFile(l.settings.json)
	if err != nil {
		t.Fatal(err)
	}
	var rows []judge.Row
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[0].Met != nil || rows[0].Note == "" || !*rows[1].Met || rows[1].Goal != 2 || rows[1].Note == "" {
		t.Errorf("%s", text)
	}
}
