package telemetry

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// Requests measures the requests of the API, by operation.
type Requests struct {
	count     metric.Int64Counter
	duration  metric.Float64Histogram
	bytesIn   metric.Int64Counter
	bytesOut  metric.Int64Counter
	outcomes  sync.Map // outcome → metric.MeasurementOption
	operation sync.Map // operation → metric.MeasurementOption
}

// outcome is the labels of the counter.
type outcome struct {
	operation, exception string
	status               int
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
	var err error
	if r.count, err = meter.Int64Counter("roundtable.requests",
		metric.WithDescription("Requests answered, by operation, HTTP status and exception.")); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if r.duration, err = meter.Float64Histogram("roundtable.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from a request's header to the end of its answer, by operation."),
		metric.WithExplicitBucketBoundaries(durations...)); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if r.bytesIn, err = meter.Int64Counter("roundtable.request.size", metric.WithUnit("By"),
		metric.WithDescription("Bytes of request bodies, by operation.")); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if r.bytesOut, err = meter.Int64Counter("roundtable.response.size", metric.WithUnit("By"),
		metric.WithDescription("Bytes of answers, by operation.")); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return r, nil
}

// Observe counts a request.
func (r *Requests) Observe(ctx context.Context, o awsjson.Observation) {
	name := o.Operation
	if name == "" {
		name = "none"
	}
	key := outcome{operation: name, exception: o.Exception, status: o.Status}
	r.count.Add(ctx, 1, labels(&r.outcomes, key, func() attribute.Set {
		return attribute.NewSet(
			attribute.String("operation", key.operation),
			attribute.String("status", strconv.Itoa(key.status)),
			attribute.String("exception", key.exception),
		)
	}))
	byOperation := labels(&r.operation, name, func() attribute.Set {
		return attribute.NewSet(attribute.String("operation", name))
	})
	r.duration.Record(ctx, time.Since(o.Start).Seconds(), byOperation)
	r.bytesIn.Add(ctx, int64(o.In), byOperation)
	r.bytesOut.Add(ctx, int64(o.Out), byOperation)
}

// labels is the labels for a key, made once: operations, exceptions and
// statuses are few, and none of them is what a client sends.
func labels(made *sync.Map, key any, set func() attribute.Set) metric.MeasurementOption {
	if option, ok := made.Load(key); ok {
		return option.(metric.MeasurementOption)
	}
	option, _ := made.LoadOrStore(key, metric.WithAttributeSet(set()))
	return option.(metric.MeasurementOption)
}
