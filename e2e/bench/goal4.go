package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench"
	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// Goal 4: a table of 32 groups keeps 0.8 of the throughput of one of a single
// group; 300 idle groups cost a node 5 % of a core, and leave neither an idle
// follower nor a deposed leader stale for longer than 2 s; 1,000 groups start
// within 20 s and work.

const (
	manyGroups, idleGroups, mostGroups = 32, 300, 1000

	// settleTime is how long a region is left alone before its idle cost counts.
	settleTime = 15 * time.Second
	// idleWindow is how long the idle cost is measured in each round.
	idleWindow = 10 * time.Second
	// deposeTime is how long a leader is paused: long enough for others to be
	// elected.
	deposeTime = 6 * time.Second
)

func durationOfGroups(l *lab) time.Duration {
	return l.durationOf(2*len(putClients)) + 30*time.Second +
		settleTime + time.Duration(l.rounds)*(idleWindow+deposeTime+3*time.Second) + time.Minute
}

func measureGroups(ctx context.Context, l *lab) error {
	if err := l.manyBesideOne(ctx); err != nil {
		return err
	}
	if err := l.cleanUp(); err != nil {
		return err
	}
	if err := l.idle(ctx); err != nil {
		return err
	}
	if err := l.cleanUp(); err != nil {
		return err
	}
	return l.startGroups(ctx)
}

// regionOfGroups starts three nodes and a table of so many groups.
func (l *lab) regionOfGroups(ctx context.Context, name string, groups int) (*server.Region, endpoints, error) {
	r, err := l.region(ctx, 3, "--partitions", fmt.Sprint(groups))
	if err != nil {
		return nil, endpoints{}, err
	}
	e := endpointsOf(r)
	e.name = name
	return r, e, e.createTable(ctx, table, hashed)
}

func (l *lab) manyBesideOne(ctx context.Context) error {
	_, one, err := l.regionOfGroups(ctx, "one group", 1)
	if err != nil {
		return err
	}
	_, many, err := l.regionOfGroups(ctx, "32 groups", manyGroups)
	if err != nil {
		return err
	}
	workload := []string{"put"}
	taken, err := l.inRounds(ctx, []measurement{l.requests(one, workload, putClients...), l.requests(many, workload, putClients...)})
	if err != nil {
		return err
	}
	for _, clients := range putClients {
		l.beside(fmt.Sprintf("PutItem, %d groups, %d clients", manyGroups, clients), "op/s",
			taken[nameOf(many, "put", clients)], one.name, taken[nameOf(one, "put", clients)], nil, series.perSecond, judge.AtLeast(0.8))
	}
	return nil
}

// idle measures what groups cost that nobody asks for anything, and what that
// parsimony does to readers.
func (l *lab) idle(ctx context.Context) error {
	r, e, err := l.regionOfGroups(ctx, "300 groups", idleGroups)
	if err != nil {
		return err
	}
	l.progress.say("leave %d groups alone", idleGroups)
	load.Pause(ctx, settleTime)
	var cost, follower, deposed []float64
	for n := range l.rounds {
		l.progress.say("round %d of %d: %d idle groups", n+1, l.rounds, idleGroups)
		cost = append(cost, costOf(ctx, e.processes))
		s, err := newStaleness(&e)
		if err != nil {
			return err
		}
		stale, err := s.followers(ctx)
		if err != nil {
			return err
		}
		follower = append(follower, stale.Seconds())
		if stale, err = s.deposed(ctx, r.Nodes[n%len(r.Nodes)], n%len(r.Nodes)); err != nil {
			return err
		}
		deposed = append(deposed, stale.Seconds())
		load.Pause(ctx, 2*time.Second)
	}
	l.tell(
		judge.Alone(l.goal, "300 idle groups: a node's CPU", "% of a core", cost, judge.AtMost(5)),
		judge.Alone(l.goal, "300 idle groups: followers stale for", "s", follower, judge.AtMost(2)),
		judge.Alone(l.goal, "300 idle groups: deposed leaders stale for", "s", deposed, judge.AtMost(2)),
	)
	return ctx.Err()
}

// costOf is what the costliest of the processes takes, in percent of a core.
func costOf(ctx context.Context, processes []int) float64 {
	var before []time.Duration
	for _, p := range processes {
		before = append(before, bench.CPU(p))
	}
	begin := time.Now()
	load.Pause(ctx, idleWindow)
	elapsed := time.Since(begin)
	var most time.Duration
	for i, p := range processes {
		most = max(most, bench.CPU(p)-before[i])
	}
	return 100 * most.Seconds() / elapsed.Seconds()
}

// staleness measures for how long eventual reads give what was written over.
type staleness struct {
	items []*items // one client for each node
	keys  int
	value string
}

// staleKeys are enough to have many leaders among their groups on every node.
const staleKeys = 48

// staleValue makes each value one that was never there.
var staleValue atomic.Int64

func newStaleness(e *endpoints) (*staleness, error) {
	s := &staleness{keys: staleKeys}
	for n := range e.urls {
		s.items = append(s.items, e.items(n))
	}
	if len(s.items) < 2 {
		return nil, errors.New("staleness needs two nodes")
	}
	return s, nil
}

func staleKey(n int) string { return fmt.Sprintf("stale-%d", n) }

// write writes every key through a node, for as long as that takes.
func (s *staleness) write(ctx context.Context, through int) error {
	s.value = fmt.Sprint(staleValue.Add(1))
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return s.each(func(n int) error { return s.items[through].insist(ctx, staleKey(n), s.value) })
}

// await waits until a node's eventual reads give the value of every key.
func (s *staleness) await(ctx context.Context, node int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return s.each(func(n int) error {
		for {
			value, err := s.items[node].get(ctx, staleKey(n))
			if err == nil && value == s.value {
				return nil
			}
			if !load.Pause(ctx, 5*time.Millisecond) {
				return errors.Join(fmt.Errorf("%q is read where %q was written", value, s.value), err)
			}
		}
	})
}

func (s *staleness) each(do func(n int) error) error {
	errs := make([]error, s.keys)
	var wg sync.WaitGroup
	for n := range s.keys {
		wg.Go(func() { errs[n] = do(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// followers is how long after a write the last node gives it.
func (s *staleness) followers(ctx context.Context) (time.Duration, error) {
	if err := s.write(ctx, 0); err != nil {
		return 0, err
	}
	begin := time.Now()
	for node := range s.items {
		if err := s.await(ctx, node); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// deposed is how long a node that was paused, while others were elected and
// wrote, gives what was written before.
func (s *staleness) deposed(ctx context.Context, n *server.Node, index int) (time.Duration, error) {
	if err := n.Process().Pause(); err != nil {
		return 0, err
	}
	begin := time.Now()
	wrote := s.write(ctx, (index+1)%len(s.items))
	load.Pause(ctx, deposeTime-time.Since(begin))
	err := errors.Join(wrote, n.Process().Resume())
	if err != nil {
		return 0, err
	}
	begin = time.Now()
	err = s.await(ctx, index)
	return time.Since(begin), err
}

// startGroups makes a table of a thousand groups and kills and starts its nodes.
func (l *lab) startGroups(ctx context.Context) error {
	var made, started []float64
	begin := time.Now()
	r, e, err := l.regionOfGroups(ctx, "1,000 groups", mostGroups)
	if err != nil {
		return err
	}
	if err := e.everywhere(ctx); err != nil {
		return err
	}
	made = append(made, time.Since(begin).Seconds())
	for n := range min(3, l.rounds) {
		l.progress.say("round %d of %d: kill and start nodes with %d groups", n+1, min(3, l.rounds), mostGroups)
		if err := r.Kill(); err != nil {
			return err
		}
		begin := time.Now()
		if err := r.Start(ctx); err != nil {
			return err
		}
		if err := e.everywhere(ctx); err != nil {
			return err
		}
		started = append(started, time.Since(begin).Seconds())
	}
	l.tell(
		judge.Alone(l.goal, "1,000 groups: founded, made and written to", "s", made, judge.AtMost(20)),
		judge.Alone(l.goal, "1,000 groups: started again and written to", "s", started, judge.AtMost(20)),
	)
	return nil
}

// everywhereKeys are so many that hardly a group of a thousand is left out.
const everywhereKeys = 3 * mostGroups

// everywhere writes to all groups, through all nodes, until all have taken it.
func (e *endpoints) everywhere(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var all []*items
	for n := range e.urls {
		all = append(all, e.items(n))
	}
	const writers = 32
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for k := w; k < everywhereKeys && errs[w] == nil; k += writers {
				errs[w] = all[k%len(all)].insist(ctx, fmt.Sprintf("everywhere-%d", k), "here")
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// insist puts an item until that succeeds.
func (i *items) insist(ctx context.Context, key, value string) error {
	for {
		err := i.put(ctx, key, value)
		if err == nil {
			return nil
		}
		if !load.Pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("%s cannot be written: %w", key, err)
		}
	}
}
