package process

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/roundtabledb/roundtable/replication"
)

var (
	linkUp = prometheus.NewDesc("roundtable_replication_link_up",
		"1 if this node has a working link to the other region, else 0.", []string{"remote_region"}, nil)
	pendingChanges = prometheus.NewDesc("roundtable_replication_pending_changes",
		"Changes of the partitions that this node leads which the other region has not acknowledged.", []string{"remote_region"}, nil)
	lagSeconds = prometheus.NewDesc("roundtable_replication_lag_seconds",
		"Age of the oldest of these changes, 0 if there is none.", []string{"remote_region"}, nil)
)

// replicationCollector tells Prometheus how far other regions are. It adds the
// tables up: the figures of one of them are told by the status page.
type replicationCollector struct {
	metrics func() replication.Metrics
}

var _ prometheus.Collector = replicationCollector{}

// Describe names the metrics.
func (replicationCollector) Describe(to chan<- *prometheus.Desc) {
	to <- linkUp
	to <- pendingChanges
	to <- lagSeconds
}

// Collect measures.
func (c replicationCollector) Collect(to chan<- prometheus.Metric) {
	type figures struct{ pending, lag float64 }
	m := c.metrics()
	by := map[string]figures{}
	for region := range m.Links {
		by[region] = figures{}
	}
	for _, o := range m.Outgoing {
		f := by[o.Region]
		by[o.Region] = figures{pending: f.pending + float64(o.Pending), lag: max(f.lag, o.Lag.Seconds())}
	}
	for region, f := range by {
		up := 0.0
		if m.Links[region] {
			up = 1
		}
		to <- prometheus.MustNewConstMetric(linkUp, prometheus.GaugeValue, up, region)
		to <- prometheus.MustNewConstMetric(pendingChanges, prometheus.GaugeValue, f.pending, region)
		to <- prometheus.MustNewConstMetric(lagSeconds, prometheus.GaugeValue, f.lag, region)
	}
}
