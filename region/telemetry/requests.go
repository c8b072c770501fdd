package telemetry

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// Requests measures the requests of the API, by operation.
//
// Counting is done here, and OpenTelemetry asks when it wants to know: its own
// counters cost half a microsecond each, which a GetItem notices.
type Requests struct {
	duration metric.Float64Histogram
	// tallies is replaced as a whole when there is a new outcome. Operations,
	// exceptions and statuses are few, and none of them is what a client sends.
	tallies atomic.Pointer[map[outcome]*tally]
	adding  sync.Mutex
}

// outcome is what requests are counted by.
type outcome struct {
	operation, exception string
	status               int
}

// tally counts the requests of one outcome.
type tally struct {
	requests, in, out      atomic.Int64
	byOutcome, byOperation metric.MeasurementOption
}

// durations are the upper bounds of the histogram, in seconds: from what a local
// read takes to what clients give up at.
var durations = []float64{
	.00025, .0005, .001, .002, .003, .005, .0075, .01, .015, .02, .03, .05, .075, .1, .2, .3, .5, 1, 2, 5, 10,
}

// NewRequests makes the instruments.
func NewRequests(meters metric.MeterProvider) (*Requests, error) {
	meter := meters.Meter("github.com/roundtabledb/roundtable/region")
	r := new(Requests)
	r.tallies.Store(&map[outcome]*tally{})
	var err error
	if r.duration, err = meter.Float64Histogram("roundtable.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from a request's header to the end of its answer, by operation."),
		metric.WithExplicitBucketBoundaries(durations...)); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	for _, c := range []struct {
		name, unit, description string
		report                  metric.Int64Callback
	}{
		{"roundtable.requests", "", "Requests answered, by operation, HTTP status and exception.", r.reportRequests},
		{"roundtable.request.size", "By", "Bytes of request bodies, by operation.",
			r.reportSizes(func(t *tally) int64 { return t.in.Load() })},
		{"roundtable.response.size", "By", "Bytes of answers, by operation.",
			r.reportSizes(func(t *tally) int64 { return t.out.Load() })},
	} {
		if _, err := meter.Int64ObservableCounter(c.name, metric.WithUnit(c.unit),
			metric.WithDescription(c.description), metric.WithInt64Callback(c.report)); err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	return r, nil
}

func (r *Requests) reportRequests(_ context.Context, o metric.Int64Observer) error {
	for _, t := range *r.tallies.Load() {
		o.Observe(t.requests.Load(), t.byOutcome)
	}
	return nil
}

// reportSizes reports sums over the outcomes of each operation.
func (r *Requests) reportSizes(size func(*tally) int64) metric.Int64Callback {
	return func(_ context.Context, o metric.Int64Observer) error {
		sums := map[string]int64{}
		labels := map[string]metric.MeasurementOption{}
		for key, t := range *r.tallies.Load() {
			sums[key.operation] += size(t)
			labels[key.operation] = t.byOperation
		}
		for operation, sum := range sums {
			o.Observe(sum, labels[operation])
		}
		return nil
	}
}

// Observe counts a request.
func (r *Requests) Observe(ctx context.Context, o awsjson.Observation) {
	key := outcome{operation: o.Operation, exception: o.Exception, status: o.Status}
	if key.operation == "" {
		key.operation = "none"
	}
	t := (*r.tallies.Load())[key]
	if t == nil {
		t = r.add(key)
	}
	t.requests.Add(1)
	t.in.Add(int64(o.In))
	t.out.Add(int64(o.Out))
	r.duration.Record(ctx, time.Since(o.Start).Seconds(), t.byOperation)
}

// add makes the tally of an outcome that was not met before.
func (r *Requests) add(key outcome) *tally {
	r.adding.Lock()
	defer r.adding.Unlock()
	old := *r.tallies.Load()
	if t := old[key]; t != nil {
		return t
	}
	t := &tally{
		byOperation: metric.WithAttributeSet(attribute.NewSet(attribute.String("operation", key.operation))),
		byOutcome: metric.WithAttributeSet(attribute.NewSet(
			attribute.String("operation", key.operation),
			attribute.String("status", strconv.Itoa(key.status)),
			attribute.String("exception", key.exception),
		)),
	}
	tallies := maps.Clone(old)
	tallies[key] = t
	r.tallies.Store(&tallies)
	return t
}
