package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/benchtest"
	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

func options(t *testing.T, url string, mixes ...string) Options {
	t.Helper()
	o := Options{
		Endpoints: []string{url}, Region: benchtest.Region, AccessKey: benchtest.AccessKey, SecretKey: benchtest.SecretKey,
		Keys: 50, ItemBytes: 300, Clients: []int{2}, Duration: 100 * time.Millisecond, Zipfian: true,
	}
	for _, m := range mixes {
		w, err := ParseWorkload(m)
		if err != nil {
			t.Fatal(err)
		}
		o.Workloads = append(o.Workloads, w)
	}
	return o
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		rate float64
		sdk  bool
	}{{}, {rate: 2000}, {sdk: true}} {
		rate := c.rate
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			store := benchtest.New(t)
			o := options(t, store.URL, "put=1,get-strong=1", "update", "get-eventual", "delete", "batch-get",
				"ycsb-d", "ycsb-e", "ycsb-f", "scan", "batch-write")
			o.Rate, o.SDK = rate, c.sdk
			results, err := Run(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != len(o.Workloads) {
				t.Fatalf("%d results of %d cases", len(results), len(o.Workloads))
			}
			for _, r := range results {
				if r.P50 <= 0 || r.P99 < r.P50 || r.Errors != 0 || r.Unfinished != 0 {
					t.Errorf("%+v", r)
				}
				if r.Rate != rate || (r.Corrected != nil) != (rate == 0) {
					t.Errorf("%+v", r)
				}
			}
			if k := results[0].Kinds; len(k) != 2 || k[0].Operation != "put" || k[0].ItemBytes != 300 || k[1].Operation != "get-strong" {
				t.Errorf("kinds %+v", k)
			}
			for _, operation := range []string{"PutItem", "GetItem", "GetItem, strong", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"} {
				if store.Asked(operation) == 0 {
					t.Errorf("no %s", operation)
				}
			}
			if left := store.Tables(); len(left) > 0 {
				t.Errorf("tables %v are still there", left)
			}
		})
	}
}

func TestKindsByItemSize(t *testing.T) {
	store := benchtest.New(t)
	o := options(t, store.URL, "put")
	var err error
	if o.ItemSizes, err = ParseSizes("100=50,20000=50"); err != nil {
		t.Fatal(err)
	}
	results, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	kinds := results[0].Kinds
	if len(kinds) != 2 || kinds[0].ItemBytes != 100 || kinds[1].ItemBytes != 20_000 {
		t.Fatalf("%+v", kinds)
	}
	if sum := kinds[0].PerSecond + kinds[1].PerSecond; sum < results[0].PerSecond*.999 || sum > results[0].PerSecond*1.001 {
		t.Errorf("%v operations of all sizes are not %v", sum, results[0].PerSecond)
	}
}

func TestErrorsAreCounted(t *testing.T) {
	store := benchtest.New(t)
	store.Refuse.Store(true)
	results, err := Run(context.Background(), options(t, store.URL, "put=1,get-strong=1"))
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Errors == 0 || !strings.Contains(results[0].FirstError, "InternalServerError") {
		t.Errorf("%+v", results[0])
	}
	if _, err := Run(context.Background(), options(t, store.URL, "get-strong")); err == nil {
		t.Error("a run without a success has a result")
	}
}

func TestRefusedOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no endpoint":  func(o *Options) { o.Endpoints = nil },
		"bad endpoint": func(o *Options) { o.Endpoints = []string{"localhost:8000"} },
		"no workload":  func(o *Options) { o.Workloads = nil },
		"no clients":   func(o *Options) { o.Clients = []int{0} },
		"small items":  func(o *Options) { o.ItemBytes = 10 },
		"large items":  func(o *Options) { o.ItemBytes = 409_601 },
		"no keys":      func(o *Options) { o.Keys = -1 },
		"bad rate":     func(o *Options) { o.Rate = -1 },
	} {
		o := options(t, "http://127.0.0.1:1", "put")
		change(&o)
		if _, err := newBench(o); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

// stalling is a server that takes a while for each request, and stalls once.
type stalling struct {
	service, stall time.Duration
	at             time.Time
	requests       *atomic.Int64
	ctx            context.Context
}

func (s *stalling) Do(ctx context.Context, _ *workload.Request) (int, error) {
	s.requests.Add(1)
	d := s.service
	if now := time.Now(); now.After(s.at) && now.Before(s.at.Add(s.stall)) {
		d += s.at.Add(s.stall).Sub(now)
	}
	select {
	case <-time.After(d):
		return 0, nil
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
}
func (s *stalling) Interrupt() {}
func (s *stalling) Close()     {}

// stalled measures 10 s of a server that takes 10 ms for each request and stalls
// for a second or longer after 5 s, with 4 clients, in virtual time.
func stalled(t *testing.T, rate float64, stall time.Duration) (r round, requests int64) {
	w, err := ParseWorkload("put")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var count atomic.Int64
		m := newMeter(1)
		m.measuring.Store(true)
		begin := time.Now()
		p := pace(closedLoop{&m.ended})
		var open *openLoop
		var wg sync.WaitGroup
		if rate > 0 {
			open = newOpenLoop(begin, rate)
			open.sleep = time.Sleep
			p = open
			wg.Go(func() { open.run(ctx) })
		}
		sizes, _ := workload.OneSize(100)
		items, _ := workload.NewItems(sizes, 10)
		for n := range 4 {
			c := &client{
				sender:    &stalling{10 * time.Millisecond, stall, begin.Add(5 * time.Second), &count, ctx},
				generator: workload.NewGenerator(w, items, workload.NewKeys(10), false, uint64(n), 1),
			}
			wg.Go(func() { c.loop(ctx, m, p) })
		}
		time.Sleep(10*time.Second - time.Millisecond) // what is due at the end is not
		m.ended.Store(true)
		r = round{elapsed: 10 * time.Second, done: m.done.Load()}
		if open != nil {
			open.stop(time.Now())
		}
		drained := time.AfterFunc(drainTime, cancel)
		wg.Wait()
		drained.Stop()
		if open != nil {
			m.abandonUnbegun(open.untaken(), time.Now())
		}
		r.take(m)
		requests = count.Load()
	})
	return r, requests
}

// A second's stall in ten seconds of a closed loop: each of four clients is held
// up once, so that four samples of 3,600 tell of it. Corrected, it takes a tenth
// of the time, and so every percentile from the 90th on.
func TestClosedLoopIsCorrected(t *testing.T) {
	r, _ := stalled(t, 0, time.Second)
	if p99 := r.total.ValueAtQuantile(99); p99 > 11_000 {
		t.Errorf("p99 as measured %d µs", p99)
	}
	c := r.corrected(4)
	if p50, p99 := c.ValueAtQuantile(50), c.ValueAtQuantile(99); p50 > 11_000 || p99 < 850_000 || p99 > 950_000 {
		t.Errorf("corrected p50 %d, p99 %d µs", p50, p99)
	}
	if c.Max() != r.total.Max() {
		t.Errorf("corrected max %d, not %d", c.Max(), r.total.Max())
	}
}

// The same stall in an open loop: all that was due in that second is late.
func TestOpenLoopSparesNothing(t *testing.T) {
	r, requests := stalled(t, 200, time.Second)
	if requests != 2000 || r.unfinished != 0 || r.total.TotalCount() != 2000 {
		t.Errorf("%d requests, %d unfinished, %d samples of 2000", requests, r.unfinished, r.total.TotalCount())
	}
	// 200 are due in the stall; with 400/s it takes another second to catch up,
	// in which 200 more are late.
	if p75, p99 := r.total.ValueAtQuantile(75), r.total.ValueAtQuantile(99); p75 > 12_000 || p99 < 850_000 || p99 > 1_050_000 {
		t.Errorf("p75 %d, p99 %d µs", p75, p99)
	}
	if p85 := r.total.ValueAtQuantile(85); p85 < 100_000 {
		t.Errorf("p85 %d µs: what was held up is spared", p85)
	}
}

// A server that stalls for good, after half of the time: what was due and never
// answered counts.
func TestStallUntilTheEnd(t *testing.T) {
	r, requests := stalled(t, 200, time.Hour)
	if requests > 1010 || r.unfinished < 990 || r.total.TotalCount() != 2000 {
		t.Errorf("%d requests, %d unfinished, %d samples of 2000", requests, r.unfinished, r.total.TotalCount())
	}
	if p75 := r.total.ValueAtQuantile(75); p75 < 10_000_000 {
		t.Errorf("p75 %d µs", p75)
	}
	r, _ = stalled(t, 0, time.Hour)
	if r.unfinished != 4 || r.total.Max() < 14_000_000 {
		t.Errorf("closed loop: %d unfinished, max %d µs", r.unfinished, r.total.Max())
	}
}

// However late an alarm is, it is never early by more than a clock's grain, or
// the pacer would spin.
func TestAlarm(t *testing.T) {
	sleep, free := alarm()
	defer free()
	for _, d := range []time.Duration{0, time.Microsecond, time.Millisecond, 20 * time.Millisecond} {
		begin := time.Now()
		sleep(d)
		if took := time.Since(begin); took < d-time.Millisecond/10 {
			t.Errorf("a sleep of %v ended after %v", d, took)
		}
	}
}

func TestCorrectedIsTheLibrarysCorrection(t *testing.T) {
	raw, want := newHistogram(), newHistogram()
	for _, v := range []int64{5, 900, 1000, 1001, 1900, 2000, 12_345, 2_000_000} {
		if err := raw.RecordValue(v); err != nil {
			t.Fatal(err)
		}
		if err := want.RecordCorrectedValue(v, 1000); err != nil {
			t.Fatal(err)
		}
	}
	got := corrected(raw, time.Millisecond)
	if got.TotalCount() != want.TotalCount() {
		t.Errorf("%d values, not %d", got.TotalCount(), want.TotalCount())
	}
	for _, q := range []float64{1, 25, 50, 75, 99, 100} {
		// A histogram knows 2 s to a thousandth.
		if a, b := got.ValueAtQuantile(q), want.ValueAtQuantile(q); a < b-2000 || a > b+2000 {
			t.Errorf("quantile %v is %d, not %d", q, a, b)
		}
	}
}

func TestMedianOfRounds(t *testing.T) {
	if got := median([]float64{3, 1, 2}, func(x *float64) float64 { return *x }); got != 2 {
		t.Errorf("%v", got)
	}
	if got := median([]float64{4, 1}, func(x *float64) float64 { return *x }); got != 2.5 {
		t.Errorf("%v", got)
	}
}

func TestWriteTable(t *testing.T) {
	var text strings.Builder
	err := WriteTable(&text, []Result{
		{
			Workload: "ycsb-a", Clients: 64, PerSecond: 1000, P99: 2, Corrected: &Latency{P99: 7.5}, Conflicts: 3,
			Kinds: []Kind{{Operation: "get-strong", ItemBytes: 256, PerSecond: 600}, {Operation: "batch-get", PerSecond: 400}},
		},
		{Workload: "put", Clients: 1, Rate: 500, Unfinished: 9, FirstError: "oh", Kinds: []Kind{{Operation: "put"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"7.50", "\n    get-strong, 256 bytes ", "\n    batch-get ", "p99* is", "3 times", "put, 1 clients, 500/s: 9 operations", "the first error was: oh",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	if lines := strings.Split(text.String(), "\n"); slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "    put") }) {
		t.Error("a kind that is all of its case has a line of its own")
	}
}
