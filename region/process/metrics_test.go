package process

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/region/telemetry"
	"github.com/roundtabledb/roundtable/replication"
	"github.com/roundtabledb/roundtable/replication/receiver"
	"github.com/roundtabledb/roundtable/replication/sender"
)

// TestReplicationIsMeasuredByRegionAndTable reads what Prometheus would.
func TestReplicationIsMeasuredByRegionAndTable(t *testing.T) {
	measured, err := telemetry.New(telemetry.Options{Region: "us", Node: "a"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := observeReplication(measured, func() replication.Metrics {
		latency := sender.Latency{Count: 3, Sum: 7 * time.Millisecond, Max: 5 * time.Millisecond}
		latency.Buckets[0], latency.Buckets[1], latency.Buckets[3] = 1, 1, 1
		return replication.Metrics{
			Links: map[string]bool{"eu": true, "ap": false},
			Outgoing: []replication.Outgoing{
				{Table: "a", Region: "eu", Pending: 3, Lag: 2 * time.Second, Scanning: 1, Totals: sender.Totals{States: 9, Retries: 1, Latency: latency}},
				{Table: "b", Region: "eu"},
			},
			Incoming: []replication.Incoming{
				{Table: "a", Region: "eu", Counters: receiver.Counters{Accepted: 5, Behind: 4, Identical: 3, Parked: 2, Failed: 1, Ahead: -time.Second}},
			},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	page := func() map[string]bool {
		w := httptest.NewRecorder()
		measured.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		lines := map[string]bool{}
		for line := range strings.Lines(w.Body.String()) {
			if strings.HasPrefix(line, "roundtable_replication_") && (!strings.Contains(line, "_bucket") || strings.Contains(line, `le="0.00`)) {
				lines[strings.TrimSpace(strings.TrimPrefix(line, "roundtable_replication_"))] = true
			}
		}
		return lines
	}
	want := []string{
		`ahead_seconds{remote_region="eu",table="a"} -1`,
		`lag_seconds{remote_region="eu",table="a"} 2`,
		`lag_seconds{remote_region="eu",table="b"} 0`,
		`latency_seconds_bucket{remote_region="eu",table="a",le="0.001"} 1`,
		`latency_seconds_bucket{remote_region="eu",table="a",le="0.002"} 2`,
		`latency_seconds_bucket{remote_region="eu",table="a",le="0.004"} 2`,
		`latency_seconds_bucket{remote_region="eu",table="a",le="0.008"} 3`,
		`latency_seconds_bucket{remote_region="eu",table="b",le="0.001"} 0`,
		`latency_seconds_bucket{remote_region="eu",table="b",le="0.002"} 0`,
		`latency_seconds_bucket{remote_region="eu",table="b",le="0.004"} 0`,
		`latency_seconds_bucket{remote_region="eu",table="b",le="0.008"} 0`,
		`latency_seconds_count{remote_region="eu",table="a"} 3`,
		`latency_seconds_count{remote_region="eu",table="b"} 0`,
		`latency_seconds_sum{remote_region="eu",table="a"} 0.007`,
		`latency_seconds_sum{remote_region="eu",table="b"} 0`,
		`link_up{remote_region="ap"} 0`,
		`link_up{remote_region="eu"} 1`,
		`pending_changes{remote_region="eu",table="a"} 3`,
		`pending_changes{remote_region="eu",table="b"} 0`,
		`received_total{outcome="accepted",remote_region="eu",table="a"} 5`,
		`received_total{outcome="behind",remote_region="eu",table="a"} 4`,
		`received_total{outcome="failed",remote_region="eu",table="a"} 1`,
		`received_total{outcome="identical",remote_region="eu",table="a"} 3`,
		`received_total{outcome="parked",remote_region="eu",table="a"} 2`,
		`retried_total{remote_region="eu",table="a"} 1`,
		`retried_total{remote_region="eu",table="b"} 0`,
		`scanning{remote_region="eu",table="a"} 1`,
		`scanning{remote_region="eu",table="b"} 0`,
		`shipped_total{remote_region="eu",table="a"} 9`,
		`shipped_total{remote_region="eu",table="b"} 0`,
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(page()))); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	if got := page(); len(got) != 0 {
		t.Errorf("still there after close: %v", got)
	}
}
