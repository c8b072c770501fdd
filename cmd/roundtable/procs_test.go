package main

import (
	"expvar"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackgroundWorkGetsThreadsOfItsOwn(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	tables, ok := expvar.Get(compacting).(*expvar.Int)
	if !ok {
		t.Fatalf("Badger does not tell %q any more", compacting)
	}
	synctest.Test(t, func(t *testing.T) {
		p := &processors{procs: before}
		expect := func(when string, n int) {
			t.Helper()
			if got := runtime.GOMAXPROCS(0); got != n {
				t.Errorf("%s: %d threads, not %d", when, got, n)
			}
		}
		first := p.background()
		expect("at work", before+spareProcs)
		second := p.background()
		first()
		time.Sleep(2 * afterWork)
		expect("one of two has ended", before+spareProcs)
		second()
		expect("just ended", before+spareProcs)
		tables.Add(3)
		time.Sleep(10 * afterWork)
		expect("a compaction is left", before+spareProcs)
		tables.Add(-3)
		time.Sleep(2 * afterWork)
		expect("idle", before)
		p.background()()
		time.Sleep(afterWork / 2)
		p.background()()
		time.Sleep(2 * afterWork)
		expect("idle again", before)
	})
}

func TestChosenNumberOfThreadsIsKept(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	before := runtime.GOMAXPROCS(0)
	p := newProcessors()
	defer p.close()
	p.background()()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d threads, not %d", got, before)
	}
}
