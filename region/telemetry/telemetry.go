// Package telemetry is how a node is observed: it makes the OpenTelemetry
// providers that the other packages get their instruments from, serves metrics
// to Prometheus, and counts requests.
//
// Nothing in it is global: whoever wants to measure is given a provider.
// Instruments have few labels. What there is thousands of, such as partitions,
// is never one; it is told by the status page.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options configure a Telemetry.
type Options struct {
	// Region and Node say whose measurements these are.
	Region, Node string
	// Spans takes traces away. nil makes none.
	Spans sdktrace.SpanExporter
	// SampleRatio is the share of requests that are traced, unless their caller
	// has decided. 0 means 0.01.
	SampleRatio float64
}

// Telemetry is a node's measurements.
type Telemetry struct {
	registry *prometheus.Registry
	meters   *sdkmetric.MeterProvider
	tracers  *sdktrace.TracerProvider
}

// New makes a Telemetry.
func New(o Options) (*Telemetry, error) {
	whose := resource.NewSchemaless(
		attribute.String("service.name", "roundtable"),
		attribute.String("cloud.region", o.Region),
		attribute.String("service.instance.id", o.Node),
	)
	t := &Telemetry{registry: prometheus.NewRegistry()}
	if err := errors.Join(
		t.registry.Register(collectors.NewGoCollector()),
		t.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
	); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	exporter, err := otelprom.New(
		otelprom.WithRegisterer(t.registry),
		otelprom.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
		otelprom.WithoutScopeInfo(),
	)
	if err != nil {
		return nil, fmt.Errorf("telemetry: prometheus exporter: %w", err)
	}
	t.meters = sdkmetric.NewMeterProvider(sdkmetric.WithResource(whose), sdkmetric.WithReader(exporter))
	tracing := []sdktrace.TracerProviderOption{sdktrace.WithResource(whose), sdktrace.WithSampler(sdktrace.NeverSample())}
	if o.Spans != nil {
		if o.SampleRatio == 0 {
			o.SampleRatio = 0.01
		}
		tracing = append(tracing,
			sdktrace.WithBatcher(o.Spans),
			sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.SampleRatio))))
	}
	t.tracers = sdktrace.NewTracerProvider(tracing...)
	return t, nil
}

// Meters is where instruments come from.
func (t *Telemetry) Meters() metric.MeterProvider { return t.meters }

// Tracers is where spans come from.
func (t *Telemetry) Tracers() trace.TracerProvider { return t.tracers }

// Registry takes metrics that come in Prometheus's own form.
func (t *Telemetry) Registry() prometheus.Registerer { return t.registry }

// Handler serves the metrics to Prometheus.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{Registry: t.registry})
}

// Close delivers what is under way and ends the providers.
func (t *Telemetry) Close(ctx context.Context) error {
	return errors.Join(t.tracers.Shutdown(ctx), t.meters.Shutdown(ctx))
}
