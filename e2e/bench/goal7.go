package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// Goal 7: an idle node is resident with less than 120 MB, `roundtable dev` with
// less than 80 and ready within 500 ms; under load a node stays within the memory
// that it was given.

const (
	megabyte = 1e6
	// budgetMB is what nodes under load are given, in MiB.
	budgetMB = 256
	// memoryLoad is how long they are under load: long enough for memtables,
	// caches and logs to fill.
	memoryLoad = 2 * time.Minute
	// idleTime is how long a process is left alone before its memory is looked at.
	idleTime = 5 * time.Second
)

func durationOfMemory(l *lab) time.Duration {
	return time.Duration(l.rounds)*(2*idleTime+5*time.Second) + l.scaled(memoryLoad)
}

func measureMemory(ctx context.Context, l *lab) error {
	if err := l.devMemory(ctx); err != nil {
		return err
	}
	if err := l.idleMemory(ctx); err != nil {
		return err
	}
	return l.loadedMemory(ctx)
}

// devMemory starts `roundtable dev` again and again, on an empty folder and then
// on what it has stored there.
func (l *lab) devMemory(ctx context.Context) error {
	var first, again, resident []float64
	for n := range l.rounds {
		l.progress.say("round %d of %d: start roundtable dev, twice, and leave it alone", n+1, l.rounds)
		dir, err := l.newDir("dev")
		if err != nil {
			return err
		}
		begin := time.Now()
		p, url, err := l.startDev(ctx, dir)
		if err != nil {
			return err
		}
		first = append(first, time.Since(begin).Seconds()*1e3)
		dev := endpoints{name: "roundtable dev", urls: []string{url}, region: "us-east-1"}
		if err := dev.createTable(ctx, table, hashed); err != nil {
			return err
		}
		load.Pause(ctx, idleTime)
		m, err := server.MemoryOf(p.ID())
		if err != nil {
			return err
		}
		resident = append(resident, float64(m.Resident)/megabyte)
		if err := p.Kill(); err != nil {
			return err
		}
		begin = time.Now()
		if p, _, err = l.startDev(ctx, dir); err != nil {
			return err
		}
		again = append(again, time.Since(begin).Seconds()*1e3)
		if err := p.Kill(); err != nil {
			return err
		}
	}
	l.tell(
		judge.Alone(l.goal, "dev: ready, first start", "ms", first, judge.AtMost(500)),
		judge.Alone(l.goal, "dev: ready, after a kill", "ms", again, judge.AtMost(500)),
		judge.Alone(l.goal, "dev: resident, idle", "MB", resident, judge.Below(80)),
	)
	return nil
}

// idleMemory looks at nodes of a region with a table, of which the worst counts.
func (l *lab) idleMemory(ctx context.Context) error {
	var resident []float64
	for n := range l.rounds {
		l.progress.say("round %d of %d: start three nodes and leave them alone", n+1, l.rounds)
		r, err := l.region(ctx, 3)
		if err != nil {
			return err
		}
		e := endpointsOf(r)
		if err := e.createTable(ctx, table, hashed); err != nil {
			return err
		}
		load.Pause(ctx, idleTime)
		worst, err := mostMemory(e.processes)
		if err != nil {
			return err
		}
		resident = append(resident, float64(worst.Resident)/megabyte)
		if err := r.Kill(); err != nil {
			return err
		}
	}
	l.tell(judge.Alone(l.goal, "idle node: resident", "MB", resident, judge.Below(120)))
	return nil
}

// mostMemory is the most that any of the processes holds.
func mostMemory(processes []int) (server.Memory, error) {
	var most server.Memory
	for _, p := range processes {
		m, err := server.MemoryOf(p)
		if err != nil {
			return most, err
		}
		most.Resident, most.Anonymous = max(most.Resident, m.Resident), max(most.Anonymous, m.Anonymous)
	}
	return most, nil
}

// loadedMemory keeps nodes busy and remembers the most that one of them held.
func (l *lab) loadedMemory(ctx context.Context) error {
	r, err := l.region(ctx, 3, "--memory-mb", fmt.Sprint(budgetMB))
	if err != nil {
		return err
	}
	e := endpointsOf(r)
	if err := e.createTable(ctx, table, hashed); err != nil {
		return err
	}
	watch := watchMemory(ctx, e.processes)
	o := l.options(e)
	o.Keys, o.ItemBytes, o.Clients = max(l.keys, l.scaledCount(200_000)), 1024, []int{64}
	o.Duration = l.scaled(memoryLoad)
	l.progress.say("put and get items of 1 KB for %v", o.Duration.Round(time.Second))
	s, err := samples(ctx, o, []string{"put=50,get-eventual=50"})
	peak := watch()
	if err != nil {
		return err
	}
	budget := []float64{budgetMB << 20 / megabyte}
	row := judge.Beside(l.goal, "node under load: most resident", "MB", []float64{float64(peak.Resident) / megabyte},
		"--memory-mb", budget, judge.AtMost(1)).With("pages of mapped files count")
	if e := series(s).errors(); e != "" {
		row = row.With("%s", e)
	}
	l.tell(l.noteScale(row), l.noteScale(judge.Beside(l.goal, "node under load: most anonymous", "MB",
		[]float64{float64(peak.Anonymous) / megabyte}, "--memory-mb", budget, judge.Target{})))
	return nil
}

// watchMemory looks at processes until it is called, and returns the most that
// one of them has held.
func watchMemory(ctx context.Context, processes []int) func() server.Memory {
	processes = slices.Clone(processes)
	ctx, cancel := context.WithCancel(ctx)
	var peak server.Memory
	var wg sync.WaitGroup
	wg.Go(func() {
		for load.Pause(ctx, 200*time.Millisecond) {
			m, err := mostMemory(processes)
			if err != nil {
				return // a process that has ended is missed elsewhere
			}
			peak.Resident, peak.Anonymous = max(peak.Resident, m.Resident), max(peak.Anonymous, m.Anonymous)
		}
	})
	return func() server.Memory {
		cancel()
		wg.Wait()
		return peak
	}
}
