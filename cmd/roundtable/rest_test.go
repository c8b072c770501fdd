package main

import (
	"runtime"
	"testing"
	"time"
)

func TestRest(t *testing.T) {
	const ms = time.Millisecond
	type interval struct {
		used time.Duration
		n    int
		want bool // after the last of them
	}
	for name, intervals := range map[string][]interval{
		"an idle node":                     {{1 * ms, 19, false}, {1 * ms, 1, true}, {1 * ms, 1000, true}},
		"a collection does not wake it":    {{1 * ms, 20, true}, {50 * ms, 1, true}, {5 * ms, 4, true}, {1 * ms, 20, true}},
		"work wakes it":                    {{1 * ms, 20, true}, {30 * ms, 4, true}, {30 * ms, 1, false}},
		"much work wakes it at once":       {{1 * ms, 20, true}, {70 * ms, 1, false}, {1 * ms, 19, false}, {1 * ms, 1, true}},
		"a node with little to do":         {{15 * ms, 100, false}},
		"a node with little to do at rest": {{1 * ms, 20, true}, {15 * ms, 100, true}},
		"work now and then":                {{0, 10, false}, {150 * ms, 2, false}, {0, 8, false}, {0, 20, true}},
		"the clock of the process stopped": {{0, 20, true}, {0, 100, true}},
	} {
		t.Run(name, func(t *testing.T) {
			var r rest
			for i, in := range intervals {
				var got bool
				for range in.n {
					got = r.look(lookEvery, in.used)
				}
				if got != in.want {
					t.Errorf("after step %d, %d times %v: %v", i, in.n, in.used, got)
				}
			}
		})
	}
}

func TestRestingNodeUsesOneProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	const many = 4
	p := &processors{procs: many}
	expect := func(when string, n int) {
		t.Helper()
		if got := runtime.GOMAXPROCS(0); got != n {
			t.Errorf("%s: %d threads, not %d", when, got, n)
		}
	}
	p.setResting(true)
	expect("resting", 1)
	end := p.background()
	expect("flushing at rest", many+spareProcs)
	p.setResting(false)
	expect("flushing", many+spareProcs)
	p.setResting(true)
	end()
	p.relax()
	expect("at rest again", 1)
	p.setResting(false)
	expect("at work", many)
}
