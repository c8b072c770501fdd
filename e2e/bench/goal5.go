package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// Goal 5: three regions at half load; a write is seen in the others, beyond the
// delay of the network, 10 ms after it was acknowledged (p50), 100 ms (p99). A
// backlog of a million changes drains at no less than half the rate of the
// foreground's writes, while the p99 of these less than doubles.

const (
	// wanDelay is how long bytes take from region to region, one way.
	wanDelay = 40 * time.Millisecond
	// lagTime is for how long writes are followed in each round.
	lagTime = 10 * time.Second
	// backlogItems are written while a region is cut off.
	backlogItems = 1_000_000
	// foregroundWindow is how long the foreground is measured at a time, while
	// the backlog drains.
	foregroundWindow = 3 * time.Second
	// drainPatience bounds the drain.
	drainPatience = 15 * time.Minute
	// foregroundKeys are few, so that filling them costs nothing.
	foregroundKeys = 1000
)

// worldRegions have one node each: nine nodes would not leave this goal's
// subject, the links, a core to run on.
var worldRegions = []string{"us-east-1", "eu-west-1", "ap-northeast-1"}

func durationOfReplication(l *lab) time.Duration {
	backlog := time.Duration(l.scaledCount(backlogItems)) * time.Second / 10_000
	return 20*time.Second + time.Duration(l.rounds)*(l.scaled(lagTime)+foregroundWindow+2*time.Second) + 2*backlog
}

// world is three regions and the network between them.
type world struct {
	wan     *server.WAN
	regions []*server.Region
	ends    []endpoints
	// rate is half load: how many writes a second each region takes while the
	// others take as many.
	rate float64
}

func measureReplication(ctx context.Context, l *lab) error {
	w, err := l.newWorld(ctx)
	if err != nil {
		return err
	}
	if err := w.findHalfLoad(ctx, l); err != nil {
		return err
	}
	if err := w.lag(ctx, l); err != nil {
		return err
	}
	return w.backlog(ctx, l)
}

func (l *lab) newWorld(ctx context.Context) (*world, error) {
	l.progress.say("start three regions")
	w := &world{wan: server.NewWAN(wanDelay)}
	l.keep(w.wan)
	for _, name := range worldRegions {
		dir, err := l.newDir(name)
		if err != nil {
			return nil, err
		}
		r, err := server.NewRegion(server.RegionOptions{Binary: l.binary, Dir: dir, Name: name, Nodes: 1})
		if err != nil {
			return nil, err
		}
		w.regions = append(w.regions, r)
		l.keepRegion(r)
	}
	if err := w.wan.Connect(w.regions...); err != nil {
		return nil, err
	}
	for _, r := range w.regions {
		if err := r.Start(ctx); err != nil {
			return nil, err
		}
		e := endpointsOf(r)
		e.name = r.Name
		w.ends = append(w.ends, e)
	}
	return w, w.createGlobalTable(ctx)
}

func (w *world) createGlobalTable(ctx context.Context) error {
	if err := w.ends[0].createTable(ctx, table, hashed); err != nil {
		return err
	}
	for i := range w.ends[1:] {
		_, err := w.ends[0].client(0).UpdateTable(ctx, &dynamodb.UpdateTableInput{
			TableName: aws.String(table),
			ReplicaUpdates: []types.ReplicationGroupUpdate{
				{Create: &types.CreateReplicationGroupMemberAction{RegionName: aws.String(w.ends[i+1].region)}},
			},
		})
		if err != nil {
			return fmt.Errorf("add a replica: %w", err)
		}
		for j := range w.ends[:i+2] {
			if err := w.ends[j].awaitReplicas(ctx, i+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitReplicas waits until a table and its other replicas are active.
func (e *endpoints) awaitReplicas(ctx context.Context, replicas int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c := e.client(0)
	for {
		out, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)})
		if err == nil && out.Table.TableStatus == types.TableStatusActive && activeReplicas(out.Table) >= replicas {
			return nil
		}
		if !load.Pause(ctx, 50*time.Millisecond) {
			return errors.Join(fmt.Errorf("%s: the replicas do not become active", e.name), err)
		}
	}
}

func activeReplicas(t *types.TableDescription) int {
	n := 0
	for _, r := range t.Replicas {
		if r.ReplicaStatus == types.ReplicaStatusActive {
			n++
		}
	}
	return n
}

// everywhereAtOnce runs a workload in all regions at the same time. A rate of 0
// is as much as goes.
func (w *world) everywhereAtOnce(ctx context.Context, l *lab, rate float64, duration time.Duration) ([]load.Sample, error) {
	all := make([]load.Sample, len(w.ends))
	errs := make([]error, len(w.ends))
	var wg sync.WaitGroup
	for i, e := range w.ends {
		wg.Go(func() { all[i], errs[i] = foreground(ctx, l, e, rate, duration) })
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// foreground writes in one region.
func foreground(ctx context.Context, l *lab, e endpoints, rate float64, duration time.Duration) (load.Sample, error) {
	o := l.options(e)
	o.Keys, o.Duration, o.Rate, o.Clients = foregroundKeys, duration, rate, []int{32}
	s, err := samples(ctx, o, []string{"put"})
	if err != nil {
		return load.Sample{}, fmt.Errorf("%s: %w", e.name, err)
	}
	return s[0], nil
}

func (w *world) findHalfLoad(ctx context.Context, l *lab) error {
	l.progress.say("find out what half load is")
	all, err := w.everywhereAtOnce(ctx, l, 0, l.duration)
	if err != nil {
		return err
	}
	var sum float64
	for _, s := range all {
		sum += s.PerSecond
	}
	w.rate = sum / float64(len(all)) / 2
	return w.awaitDrained(ctx, l)
}

// lag follows writes from the first region to the others.
func (w *world) lag(ctx context.Context, l *lab) error {
	var p50, p99 []float64
	var note string
	for n := range l.rounds {
		l.progress.say("round %d of %d: follow writes from region to region at half load, %.0f/s each", n+1, l.rounds, w.rate)
		probing, stop := context.WithCancel(ctx)
		lags := w.probe(probing)
		_, err := w.everywhereAtOnce(ctx, l, w.rate, l.scaled(lagTime))
		stop()
		seen, failed := lags()
		if err != nil {
			return err
		}
		if seen.TotalCount() == 0 {
			return errors.Join(errors.New("no write was followed to its end"), failed)
		}
		if failed != nil {
			note = fmt.Sprintf("some writes could not be followed, one of them because of: %v", failed)
		}
		p50 = append(p50, float64(seen.ValueAtQuantile(50))/1e3)
		p99 = append(p99, float64(seen.ValueAtQuantile(99))/1e3)
	}
	what := fmt.Sprintf("lag above the network's delay, %.0f writes/s in each of three regions", w.rate)
	for _, row := range []judge.Row{
		judge.Alone(l.goal, what+": p50", "ms", p50, judge.Below(10)),
		judge.Alone(l.goal, what+": p99", "ms", p99, judge.Below(100)),
	} {
		if note != "" {
			row = row.With("%s", note)
		}
		l.tell(l.noteScale(row))
	}
	return nil
}

// probers follow writes at the same time.
const probers = 8

// probe writes items in the first region and looks for them in another, until
// ctx ends. What it returns waits for that, and returns the lags in µs.
func (w *world) probe(ctx context.Context) func() (*hdrhistogram.Histogram, error) {
	var mu sync.Mutex
	seen := hdrhistogram.New(1, time.Minute.Microseconds(), 3)
	var failed error
	var number atomic.Int64
	var wg sync.WaitGroup
	for n := range probers {
		to := 1 + n%(len(w.ends)-1)
		wg.Go(func() {
			from, at := w.ends[0].items(0), w.ends[to].items(0)
			for ctx.Err() == nil {
				key := fmt.Sprintf("probe-%d-%d", n, number.Add(1))
				lag, err := follow(ctx, from, at, key)
				mu.Lock()
				if err == nil {
					_ = seen.RecordValue(min(max(1, (lag-wanDelay).Microseconds()), time.Minute.Microseconds()))
				} else if ctx.Err() == nil && failed == nil {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					load.Pause(ctx, 100*time.Millisecond)
				}
			}
		})
	}
	return func() (*hdrhistogram.Histogram, error) {
		wg.Wait()
		return seen, failed
	}
}

// follow is how long after a write was acknowledged it is read elsewhere.
func follow(ctx context.Context, from, at *items, key string) (time.Duration, error) {
	if err := from.put(ctx, key, "here"); err != nil {
		return 0, err
	}
	begin := time.Now()
	load.Pause(ctx, wanDelay*3/4) // it cannot be there yet
	for {
		value, err := at.get(ctx, key)
		if err == nil && value != "" {
			return time.Since(begin), nil
		}
		if time.Since(begin) > time.Minute {
			return 0, errors.Join(fmt.Errorf("%s is not there after a minute", key), err)
		}
		if !load.Pause(ctx, time.Millisecond) {
			return 0, ctx.Err()
		}
	}
}

// backlog cuts one region off, writes, and watches the changes drain.
func (w *world) backlog(ctx context.Context, l *lab) error {
	if err := w.awaitDrained(ctx, l); err != nil {
		return err
	}
	source, lost := w.ends[0], w.regions[2].Name
	w.wan.Cut(lost)
	n := l.scaledCount(backlogItems)
	if err := source.fill(ctx, l, n, backlogItem); err != nil {
		return err
	}
	if err := w.awaitPending(ctx, l, w.ends[1].region); err != nil {
		return err // the region that is not cut off has its own to catch up with
	}
	before, err := w.before(ctx, l)
	if err != nil {
		return err
	}
	pending, err := w.pending(ctx, lost)
	if err != nil {
		return err
	}
	if pending < uint64(n)*9/10 {
		return fmt.Errorf("only %d of %d changes are pending", pending, n)
	}
	w.wan.Heal(lost)
	d, err := w.drain(ctx, l, lost, pending)
	if err != nil {
		return err
	}
	l.tell(
		l.noteScale(judge.Beside(l.goal, fmt.Sprintf("backlog of %d changes: drained", pending), "changes/s", d.rates,
			"foreground writes", d.foreground.perSecond(), judge.AtLeast(0.5))),
		l.noteScale(judge.Beside(l.goal, "foreground p99 while it drains", "ms", d.foreground.p99(),
			"the same before", repeated(judge.Median(before.p99()), len(d.foreground)), judge.Below(2))),
	)
	return nil
}

// before measures the foreground while the region is still cut off.
func (w *world) before(ctx context.Context, l *lab) (series, error) {
	var all series
	for n := range l.rounds {
		l.progress.say("round %d of %d: foreground before the backlog drains", n+1, l.rounds)
		s, err := foreground(ctx, l, w.ends[0], w.rate, foregroundWindow)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func backlogItem(i int) string {
	return fmt.Sprintf(`{"pk":{"S":"backlog-%d"},"v":{"S":%q}}`, i, fixedValue(i, plainValue))
}

func repeated(x float64, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = x
	}
	return all
}

// drained is what happened in each window of a drain.
type drained struct {
	rates      []float64
	foreground series
}

// caughtUp is how many changes may be pending of a region that keeps up.
const caughtUp = 2000

// drain measures the foreground, window by window, until the backlog is gone.
// The foreground's own changes come on top of the backlog and have to be shipped
// as well, so they count as drained.
func (w *world) drain(ctx context.Context, l *lab, lost string, pending uint64) (drained, error) {
	var d drained
	var o = pending
	giveUp := time.Now().Add(drainPatience)
	for pending > caughtUp {
		l.progress.tick("%d of %d changes have to be drained", pending, o)
		begin := time.Now()
		s, err := foreground(ctx, l, w.ends[0], w.rate, foregroundWindow)
		if err != nil {
			return d, err
		}
		left, err := w.pending(ctx, lost)
		if err != nil {
			return d, err
		}
		elapsed := time.Since(begin).Seconds()
		if left > caughtUp || len(d.rates) == 0 {
			// The last window is one in which there was nothing left to drain.
			d.rates = append(d.rates, (float64(pending)-float64(left))/elapsed+s.PerSecond)
			d.foreground = append(d.foreground, s)
		}
		pending = left
		if time.Now().After(giveUp) {
			return d, fmt.Errorf("%d changes are still pending after %v", pending, drainPatience)
		}
	}
	return d, nil
}

// pending is how many changes of the first region another has not acknowledged.
func (w *world) pending(ctx context.Context, region string) (uint64, error) {
	s, err := w.regions[0].Nodes[0].Status(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range s.Replication {
		if r.Region == region {
			return r.Pending, nil
		}
	}
	return 0, fmt.Errorf("the status of %s says nothing of %s", s.Region, region)
}

// awaitDrained waits until all regions have everything.
func (w *world) awaitDrained(ctx context.Context, l *lab) error {
	for _, e := range w.ends[1:] {
		if err := w.awaitPending(ctx, l, e.region); err != nil {
			return err
		}
	}
	return nil
}

// awaitPending waits until a region has everything of the first.
func (w *world) awaitPending(ctx context.Context, l *lab, region string) error {
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	for {
		n, err := w.pending(ctx, region)
		if err == nil && n == 0 {
			return nil
		}
		for _, r := range w.regions {
			if ended := r.Ended(); ended != nil {
				return ended
			}
		}
		l.progress.tick("wait until %s has %d changes more", region, n)
		if !load.Pause(ctx, 100*time.Millisecond) {
			return errors.Join(fmt.Errorf("%s does not catch up: %d changes are pending", region, n), err)
		}
	}
}
