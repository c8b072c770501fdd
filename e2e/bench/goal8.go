package main

import (
	"context"
	"fmt"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench"
	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
)

// Goal 8: items of 100 KB and 400 KB and batches of 25 in the mix less than
// double everyone else's p99.

const (
	smallMix = "put=50,get-strong=50"
	// largeMix is as many operations, of which one in a hundred is a batch, on
	// items of which one in a hundred is large: six times the bytes.
	largeMix   = "put=49,get-strong=49,batch-write=1,batch-get=1"
	largeSizes = "256=99,100000=0.8,400000=0.2"
	largeTable = "bench-large"
	// mixClients are enough that one is free when an operation is due.
	mixClients = 128
)

func durationOfLarge(l *lab) time.Duration {
	return 5*time.Second + l.durationOf(1) + time.Duration(l.rounds)*2*(l.warmUp+3*l.duration+2*time.Second)
}

func measureLarge(ctx context.Context, l *lab) error {
	r, err := l.region(ctx, 3)
	if err != nil {
		return err
	}
	e := endpointsOf(r)
	for _, t := range []string{table, largeTable} {
		if err := e.createTable(ctx, t, hashed); err != nil {
			return err
		}
	}
	small, err := l.mix(e, "small", smallMix, fmt.Sprint(peer.ItemBytes))
	if err != nil {
		return err
	}
	large, err := l.mix(e, "large", largeMix, largeSizes)
	if err != nil {
		return err
	}
	large.options.Table = largeTable
	rate, err := l.halfLoad(ctx, large.options)
	if err != nil {
		return err
	}
	small.options.Rate, large.options.Rate = rate, rate
	small.options.Duration, large.options.Duration = 3*l.duration, 3*l.duration
	taken, err := l.inRounds(ctx, []measurement{small.measurement(), large.measurement()})
	if err != nil {
		return err
	}
	for i, op := range everyoneElse {
		row := fmt.Sprintf("%s of 256 bytes beside large items and batches, %.0f op/s: p99", [...]string{"PutItem", "strong GetItem"}[i], rate)
		l.beside(row, "ms", taken["large "+op], "without them", taken["small "+op], nil, series.p99, judge.Below(2))
	}
	return nil
}

// everyoneElse are the operations on small items.
var everyoneElse = []string{"put", "get-strong"}

// halfLoad is half of what the region does at most, with large items and batches.
func (l *lab) halfLoad(ctx context.Context, o bench.Options) (float64, error) {
	l.progress.say("find out what half load is")
	o.Clients = []int{64}
	results, err := bench.Run(ctx, o)
	if err != nil {
		return 0, err
	}
	return results[0].PerSecond / 2, nil
}

// mix is a mix of operations and sizes, of which the small ones count.
type mix struct {
	name    string
	options bench.Options
}

func (l *lab) mix(e endpoints, name, workload, sizes string) (*mix, error) {
	o := l.options(e)
	o.Clients = []int{mixClients}
	w, err := bench.ParseWorkload(workload)
	if err != nil {
		return nil, err
	}
	o.Workloads = []bench.Workload{w}
	o.ItemSizes, err = bench.ParseSizes(sizes)
	return &mix{name, o}, err
}

func (m *mix) measurement() measurement {
	var names []string
	for _, op := range everyoneElse {
		names = append(names, m.name+" "+op)
	}
	return measurement{names, func(ctx context.Context) ([]load.Sample, error) {
		results, err := bench.Run(ctx, m.options)
		if err != nil {
			return nil, err
		}
		return smallKinds(&results[0])
	}}
}

// smallKinds are the samples of everyone else.
func smallKinds(r *bench.Result) ([]load.Sample, error) {
	var all []load.Sample
	for _, op := range everyoneElse {
		s := sampleOf(r)
		found := false
		for _, k := range r.Kinds {
			if k.Operation == op && k.ItemBytes == peer.ItemBytes {
				found = true
				s.PerSecond, s.P50, s.P99 = k.PerSecond, k.P50, k.P99
			}
		}
		if !found {
			return nil, fmt.Errorf("no %s of a small item was measured", op)
		}
		all = append(all, s)
	}
	return all, nil
}
