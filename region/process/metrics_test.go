package process

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/roundtabledb/roundtable/replication"
)

// Tables are added up, the oldest change counts, and a region is told of before
// any table has a replica there.
func TestReplicationIsMeasuredByRegion(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	err := registry.Register(replicationCollector{func() replication.Metrics {
		return replication.Metrics{
			Links: map[string]bool{"eu": true, "ap": false},
			Outgoing: []replication.Outgoing{
				{Table: "a", Region: "eu", Pending: 3, Lag: 2 * time.Second},
				{Table: "b", Region: "eu", Pending: 4, Lag: time.Second},
			},
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		name := strings.TrimPrefix(f.GetName(), "roundtable_replication_")
		for _, m := range f.GetMetric() {
			got[name+" "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"link_up eu": 1, "pending_changes eu": 7, "lag_seconds eu": 2,
		"link_up ap": 0, "pending_changes ap": 0, "lag_seconds ap": 0,
	}
	for name, v := range want {
		if g, ok := got[name]; !ok || g != v {
			t.Errorf("%s is %v (there: %v), want %v", name, g, ok, v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
