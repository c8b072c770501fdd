package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/cmd/bench/benchtest"
)

func TestParseSweep(t *testing.T) {
	got, err := ParseSweep("10%,2500,0.5%")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Load{{Percent: 10}, {PerSecond: 2500}, {Percent: .5}}, got); diff != "" {
		t.Error(diff)
	}
	if got, err = ParseSweep("500..1700,5%..10%"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Load{{PerSecond: 500}, {PerSecond: 1000}, {PerSecond: 1500}, {Percent: 5}, {Percent: 10}}, got); diff != "" {
		t.Error(diff)
	}
	if got, err = ParseSweep(Tenths); err != nil || len(got) != 10 || got[9].Percent != 100 {
		t.Errorf("%s is %v, %v", Tenths, got, err)
	}
	for _, bad := range []string{"", "x", "10%%", "0", "-5", "10%,", "NaN", "Inf", "5..10%", "10%..", "20..10", "..", "1..1000000"} {
		if _, err := ParseSweep(bad); err == nil {
			t.Errorf("%q is a sweep", bad)
		}
	}
}

func TestSweptRates(t *testing.T) {
	cases := []variant{{workload: 0, clients: 4}, {workload: 1, clients: 4}}
	closed := []Result{{PerSecond: 1000}, {PerSecond: 500}}
	got := swept(cases, closed, []Load{{Percent: 100}, {Percent: 10}, {PerSecond: 70}})
	want := []variant{{0, 4, 70}, {0, 4, 100}, {0, 4, 1000}, {1, 4, 50}, {1, 4, 70}, {1, 4, 500}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(variant{})); diff != "" {
		t.Error(diff)
	}
}

func TestSweep(t *testing.T) {
	store := benchtest.New(t)
	o := options(t, store.URL, "put", "get-eventual=90,put=10")
	var err error
	if o.Sweep, err = ParseSweep("20%,10%,300"); err != nil {
		t.Fatal(err)
	}
	results, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	var rates []float64
	for _, r := range results {
		rates = append(rates, r.Rate)
	}
	if len(rates) != 8 || rates[0] != 0 || rates[1] != 0 || rates[2] <= 0 || rates[3] < rates[2] || rates[4] < rates[3] {
		t.Errorf("rates %v", rates)
	}
	o.Rate = 5
	if _, err := Run(context.Background(), o); err == nil {
		t.Error("a rate and a sweep are not refused")
	}
}

func TestPlot(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "plots")
	files, err := Plot(folder, []Result{
		{Workload: "get-eventual=90,put=10", Clients: 64, Rate: 300, Rounds: 3, PerSecond: 299, P50: 1, P99: 2, P999: 3},
		{Workload: "get-eventual=90,put=10", Clients: 64, Rate: 600, Rounds: 3, PerSecond: 590, P50: 2, P99: 9, P999: 30},
		{Workload: "put", Clients: 1, PerSecond: 500, P50: 1, P99: 2, P999: 3, Corrected: &Latency{P50: 1, P99: 77, P999: 78}},
		{Workload: "put", Clients: 9, PerSecond: 900, P50: 1, P99: 2, P999: 3, Corrected: &Latency{P50: 1, P99: 88, P999: 89}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(folder, "get-eventual-90-put-10.svg"), filepath.Join(folder, "put.svg")}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Fatal(diff)
	}
	for i, parts := range [][]string{
		{"open loop, at most 64", "medians of 3 rounds", "600/s offered: 590/s, p99.9 30.00 ms"},
		{"closed loop, 1 to 9 clients", "9 clients: 900/s, p99 88.00 ms"},
	} {
		text, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if points := strings.Count(string(text), "<circle"); points != 6 {
			t.Errorf("%d points of three latencies at two loads", points)
		}
		for _, part := range parts {
			if !strings.Contains(string(text), part) {
				t.Errorf("%q is not in %s:\n%s", part, files[i], text)
			}
		}
	}
}

func TestCurves(t *testing.T) {
	point := func(w string, clients int, rate float64) Result {
		return Result{Workload: w, Clients: clients, Rate: rate, PerSecond: 100, P50: 1, P99: 2, P999: 3}
	}
	var names []string
	for _, c := range curves([]Result{
		point("put", 1, 0), point("put", 64, 0), // over clients
		point("scan", 64, 0),                                               // one point
		point("mixed", 8, 0), point("mixed", 8, 50), point("mixed", 8, 90), // the closed loop of a sweep
		point("ycsb-a", 8, 50), point("ycsb-a", 16, 50), point("ycsb-a", 8, 90), point("ycsb-a", 16, 90),
		{Workload: "query", Rate: 10}, {Workload: "query", Rate: 20}, // nothing succeeded
	}) {
		names = append(names, c.name)
		if len(c.points) != 2 {
			t.Errorf("%s has %d points", c.name, len(c.points))
		}
	}
	if diff := cmp.Diff([]string{"put", "mixed", "ycsb-a-8-clients", "ycsb-a-16-clients"}, names); diff != "" {
		t.Error(diff)
	}
}
