package main

import (
	"context"
	"fmt"
	"time"

	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
)

// Goal 6: with 10 million items a region does 0.8 of what it does with 10
// thousand, for minutes and with compaction; an item of a Query's page costs at
// most a tenth of a GetItem; Scan gives a third of the items a second that
// Badger's own iteration does.

const (
	fewItems, manyItems = 10_000, 10_000_000
	// steadyTime is how long each size is measured in each round.
	steadyTime = time.Minute
	// growthClients put and read at once.
	growthClients = 64
	// scanItems are in the table that pages are read of.
	scanItems = 200_000
	// fillRate is a guess, for the time that all will take.
	fillRate = 25_000
)

func durationOfGrowth(l *lab) time.Duration {
	fill := time.Duration(l.scaledCount(manyItems)+scanItems) * time.Second / fillRate
	return fill + l.durationOf(4) + 20*time.Second + time.Duration(2*l.rounds)*(l.warmUp+l.scaled(steadyTime))
}

func measureGrowth(ctx context.Context, l *lab) error {
	if err := l.pages(ctx); err != nil {
		return err
	}
	if err := l.cleanUp(); err != nil {
		return err
	}
	return l.growth(ctx)
}

// pages measures Query beside GetItem and Scan beside Badger.
func (l *lab) pages(ctx context.Context) error {
	r, err := l.region(ctx, 3)
	if err != nil {
		return err
	}
	e := endpointsOf(r)
	if err := e.createTable(ctx, table, ranged); err != nil {
		return err
	}
	n := max(10*pageItems, l.scaledCount(scanItems))
	if err := e.fill(ctx, l, n, sortedItem); err != nil {
		return err
	}
	badger, _, err := peerOf(l, "Badger", func(dir string) (*peer.Badger, error) { return peer.OpenBadger(dir, n, false) })
	if err != nil {
		return err
	}
	if err := badger.Load(); err != nil {
		return err
	}
	// Followers that know the last writes hear soon that they are committed.
	load.Pause(ctx, 2*time.Second)
	pages := processorOf(e.processes)
	pages.Weight = pageItems
	const clients = 16
	const get, query, scan, iterate = "GetItem, eventual", "Query of 100 items", "Scan", "Badger's iteration"
	taken, err := l.inRounds(ctx, []measurement{
		l.one(get, clients, processorOf(e.processes), e.callers(getOne(n))),
		l.one(query, clients, pages, e.callers(queryPage(n))),
		l.one(scan, 1, load.Options{Weight: n}, e.scanner(n)),
		l.one(iterate, 1, load.Options{Weight: n}, badgerIterator(badger, n)),
	})
	if err != nil {
		return err
	}
	l.beside("Query of 100 items: server CPU an item", "µs", taken[query], get, taken[get], nil, series.serverCPU, judge.AtMost(0.1))
	l.beside("Scan, one client", "items/s", taken[scan], iterate, taken[iterate], nil, series.perSecond, judge.AtLeast(1.0/3))
	return nil
}

func getOne(n int) func(c *caller) (string, func([]byte) error) {
	return func(c *caller) (string, func([]byte) error) {
		fmt.Fprintf(&c.body, `{"TableName":%q,"Key":{%s}}`, table, itemKey(c.random.IntN(n)))
		return "GetItem", hasItem
	}
}

func queryPage(n int) func(c *caller) (string, func([]byte) error) {
	return func(c *caller) (string, func([]byte) error) {
		key := peer.Key(c.random.Uint64N(uint64(n / pageItems)))
		fmt.Fprintf(&c.body, `{"TableName":%q,"KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":%q}}}`, table, key)
		return "Query", func(answer []byte) error {
			p, err := parsePage(answer)
			if err == nil && (p.count != pageItems || p.last != nil) {
				err = fmt.Errorf("a page of %d items, not %d", p.count, pageItems)
			}
			return err
		}
	}
}

// scanner makes a client whose operation is to scan the whole table.
func (e *endpoints) scanner(n int) func(int) (load.Client, error) {
	return func(client int) (load.Client, error) {
		w, err := e.wire(client)
		if err != nil {
			return nil, err
		}
		return load.Func(func(ctx context.Context) error {
			var p page
			items := 0
			for {
				body := fmt.Appendf(nil, `{"TableName":%q`, table)
				if p.last != nil {
					body = fmt.Appendf(body, `,"ExclusiveStartKey":%s`, p.last)
				}
				answer, err := w.Call(ctx, "Scan", append(body, '}'))
				if err != nil {
					return err
				}
				if p, err = parsePage(answer); err != nil {
					return err
				}
				if items += p.count; p.last == nil {
					return exactly(items, n)
				}
			}
		}), nil
	}
}

func badgerIterator(b *peer.Badger, n int) func(int) (load.Client, error) {
	return func(int) (load.Client, error) {
		return load.Func(func(ctx context.Context) error {
			items, err := b.Iterate(ctx)
			if err != nil {
				return err
			}
			return exactly(items, n)
		}), nil
	}
}

func exactly(got, want int) error {
	if got != want {
		return fmt.Errorf("%d items were found of %d", got, want)
	}
	return nil
}

// growth measures two regions in turn, one with few and one with many items.
func (l *lab) growth(ctx context.Context) error {
	many := max(2*fewItems, l.scaledCount(manyItems))
	var all []measurement
	warmUp, duration := l.warmUp, l.duration
	l.duration = l.scaled(steadyTime)
	defer func() { l.warmUp, l.duration = warmUp, duration }()
	for _, n := range []int{fewItems, many} {
		r, err := l.region(ctx, 3)
		if err != nil {
			return err
		}
		e := endpointsOf(r)
		e.name = itemsName(n)
		if err := e.createTable(ctx, table, hashed); err != nil {
			return err
		}
		if err := e.fill(ctx, l, n, plainItem); err != nil {
			return err
		}
		all = append(all, l.one(e.name, growthClients, processorOf(e.processes), e.callers(putOrGet(n))))
	}
	taken, err := l.inRounds(ctx, all)
	if err != nil {
		return err
	}
	few, large := taken[itemsName(fewItems)], taken[itemsName(many)]
	what := fmt.Sprintf("half PutItem, half strong GetItem, %d clients, %s", growthClients, itemsName(many))
	for _, x := range []struct {
		name, unit string
		of         func(series) []float64
		target     judge.Target
	}{
		{what, "op/s", series.perSecond, judge.AtLeast(0.8)},
		{what + ": server CPU", "µs", series.serverCPU, judge.Target{}},
		{what + ": p99", "ms", series.p99, judge.Target{}},
	} {
		l.beside(x.name, x.unit, large, itemsName(fewItems), few, nil, x.of, x.target)
	}
	return nil
}

func itemsName(n int) string { return fmt.Sprintf("%d items", n) }
