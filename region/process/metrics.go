package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/roundtabledb/roundtable/region/telemetry"
	"github.com/roundtabledb/roundtable/replication"
	"github.com/roundtabledb/roundtable/replication/sender"
)

// replicationMetrics shows what replication at this node measures, for the
// partitions that the node leads. All of it is read when somebody looks. Labels
// are the other region and the table.
type replicationMetrics struct {
	read func() replication.Metrics

	up, pending, scanning metric.Int64ObservableGauge
	lag, ahead            metric.Float64ObservableGauge
	shipped, retried      metric.Int64ObservableCounter
	received              metric.Int64ObservableCounter
	latency               *prometheus.Desc

	registration metric.Registration
	registry     prometheus.Registerer
}

// observeReplication makes the instruments. They end with close.
func observeReplication(t *telemetry.Telemetry, read func() replication.Metrics) (*replicationMetrics, error) {
	m := &replicationMetrics{read: read, registry: t.Registry()}
	meter := t.Meters().Meter("github.com/roundtabledb/roundtable/replication")
	var errs [8]error
	m.up, errs[0] = meter.Int64ObservableGauge("roundtable.replication.link.up",
		metric.WithDescription("1 if this node has a working link to the other region, else 0."))
	m.pending, errs[1] = meter.Int64ObservableGauge("roundtable.replication.pending.changes", metric.WithUnit("{change}"),
		metric.WithDescription("Changes that the other region has not acknowledged."))
	m.scanning, errs[2] = meter.Int64ObservableGauge("roundtable.replication.scanning", metric.WithUnit("{partition}"),
		metric.WithDescription("Partitions that are still being copied to the other region whole."))
	m.lag, errs[3] = meter.Float64ObservableGauge("roundtable.replication.lag", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest change that the other region has not acknowledged."))
	m.ahead, errs[4] = meter.Float64ObservableGauge("roundtable.replication.ahead", metric.WithUnit("s"),
		metric.WithDescription("How far the other region's latest versions are ahead of this node's clock."))
	m.shipped, errs[5] = meter.Int64ObservableCounter("roundtable.replication.shipped", metric.WithUnit("{state}"),
		metric.WithDescription("States of items that the other region acknowledged."))
	m.retried, errs[6] = meter.Int64ObservableCounter("roundtable.replication.retried", metric.WithUnit("{shipment}"),
		metric.WithDescription("Shipments that the other region asked for again."))
	m.received, errs[7] = meter.Int64ObservableCounter("roundtable.replication.received", metric.WithUnit("{state}"),
		metric.WithDescription("States of items from the other region, by outcome: accepted; behind, which a newer state here won against; identical; parked; failed."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("metrics of replication: %w", err)
	}
	var err error
	m.registration, err = meter.RegisterCallback(m.observe, m.up, m.pending, m.scanning, m.lag, m.ahead, m.shipped, m.retried, m.received)
	if err != nil {
		return nil, fmt.Errorf("metrics of replication: %w", err)
	}
	m.latency = prometheus.NewDesc("roundtable_replication_latency_seconds",
		"Time from a change in this region to its acknowledgement by the other.", []string{"remote_region", "table"}, nil)
	if err := m.registry.Register(m); err != nil {
		return nil, errors.Join(fmt.Errorf("metrics of replication: %w", err), m.registration.Unregister())
	}
	return m, nil
}

func (m *replicationMetrics) close() error {
	m.registry.Unregister(m)
	return m.registration.Unregister()
}

func (m *replicationMetrics) observe(_ context.Context, o metric.Observer) error {
	now := m.read()
	for region, up := range now.Links {
		var n int64
		if up {
			n = 1
		}
		o.ObserveInt64(m.up, n, metric.WithAttributes(attribute.String("remote_region", region)))
	}
	for _, out := range now.Outgoing {
		whose := labels(out.Region, out.Table)
		o.ObserveInt64(m.pending, int64(out.Pending), whose)
		o.ObserveInt64(m.scanning, int64(out.Scanning), whose)
		o.ObserveFloat64(m.lag, out.Lag.Seconds(), whose)
		o.ObserveInt64(m.shipped, int64(out.States), whose)
		o.ObserveInt64(m.retried, int64(out.Retries), whose)
	}
	for _, in := range now.Incoming {
		o.ObserveFloat64(m.ahead, in.Ahead.Seconds(), labels(in.Region, in.Table))
		for outcome, n := range map[string]uint64{
			"accepted": in.Accepted, "behind": in.Behind, "identical": in.Identical, "parked": in.Parked, "failed": in.Failed,
		} {
			o.ObserveInt64(m.received, int64(n), labels(in.Region, in.Table, attribute.String("outcome", outcome)))
		}
	}
	return nil
}

func labels(region, table string, more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(more, attribute.String("remote_region", region), attribute.String("table", table))...)
}

// Describe tells Prometheus of the latency: OpenTelemetry has no histogram that
// is read rather than recorded.
func (m *replicationMetrics) Describe(descs chan<- *prometheus.Desc) { descs <- m.latency }

// Collect gives Prometheus the latencies.
func (m *replicationMetrics) Collect(metrics chan<- prometheus.Metric) {
	for _, out := range m.read().Outgoing {
		metrics <- latencyHistogram(m.latency, out.Latency, out.Region, out.Table)
	}
}

// latencyHistogram turns buckets of powers of two milliseconds into Prometheus's,
// which count everything below their bound.
func latencyHistogram(desc *prometheus.Desc, l sender.Latency, labels ...string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(l.Buckets))
	var below uint64
	for i, n := range l.Buckets[:len(l.Buckets)-1] {
		below += n
		buckets[(time.Duration(1<<i) * time.Millisecond).Seconds()] = below
	}
	return prometheus.MustNewConstHistogram(desc, l.Count, l.Sum.Seconds(), buckets, labels...)
}
