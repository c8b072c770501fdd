package judge

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{5, 1, 3}, 3},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{1, 1, 1000}, 1},
	} {
		if got := Median(c.values); got != c.want {
			t.Errorf("median of %v: %v, not %v", c.values, got, c.want)
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("nothing has a median")
	}
}

// The median stands in the middle, and does not care about the order.
func TestMedianInTheMiddle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 20).Draw(t, "values")
		before := slices.Clone(values)
		m := Median(values)
		if !slices.Equal(values, before) {
			t.Fatal("the values were moved")
		}
		var below, above int
		for _, v := range values {
			if v < m {
				below++
			}
			if v > m {
				above++
			}
		}
		if below > len(values)/2 || above > len(values)/2 {
			t.Fatalf("%d below and %d above %v in %v", below, above, m, values)
		}
		slices.Reverse(values)
		if Median(values) != m {
			t.Fatal("the order matters")
		}
	})
}

// Noise that falls on both sides of a round cancels out in its ratio, which the
// ratio of two medians would not show.
func TestRatioIsByRound(t *testing.T) {
	r := Beside(1, "put", "op/s", []float64{100, 10, 30}, "etcd", []float64{50, 5, 10}, AtLeast(2))
	if *r.Ratio != 2 || *r.Lowest != 2 || *r.Highest != 3 || !*r.Met {
		t.Errorf("ratio %v (%v-%v), met %v", *r.Ratio, *r.Lowest, *r.Highest, *r.Met)
	}
	if *r.Value != 30 || *r.PeerValue != 10 || r.Rounds != 3 {
		t.Errorf("%+v", r)
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		target           Target
		text             string
		below, at, above bool
	}{
		{AtLeast(2), ">= 2", false, true, true},
		{AtMost(0.5), "<= 0.5", true, true, false},
		{Above(1), "> 1", false, false, true},
		{Below(120), "< 120", true, false, false},
	} {
		if c.target.String() != c.text {
			t.Errorf("%s is written %q", c.text, c.target)
		}
		b := c.target.bound
		for x, want := range map[float64]bool{b * 0.99: c.below, b: c.at, b * 1.01: c.above} {
			if got := *Alone(7, "x", "MB", []float64{x}, c.target).Met; got != want {
				t.Errorf("%v %s: %v", x, c.target, got)
			}
		}
	}
}

// What was not measured is not judged.
func TestNoVerdictWithoutNumbers(t *testing.T) {
	for name, r := range map[string]Row{
		"peer missing":  Beside(1, "put", "op/s", []float64{5}, "dynalite", nil, AtLeast(1)),
		"nothing":       Alone(7, "idle", "MB", nil, Below(120)),
		"no target":     Beside(1, "put", "op/s", []float64{5}, "redis", []float64{5}, Target{}),
		"peer of zeros": Beside(1, "put", "op/s", []float64{5}, "etcd", []float64{0}, AtLeast(1)),
	} {
		if r.Met != nil {
			t.Errorf("%s: met %v", name, *r.Met)
		}
	}
}

// rows is one of each kind.
func rows() []Row {
	return []Row{
		Beside(1, "PutItem, 64 clients", "op/s", []float64{21000, 24000, 22500}, "etcd, leader", []float64{10500, 10000, 10000}, AtLeast(2)),
		Beside(1, "PutItem, 64 clients, server CPU", "µs", []float64{60, 59}, "etcd, leader", []float64{100, 110}, AtMost(0.5)),
		Beside(1, "PutItem, 64 clients", "op/s", []float64{21000}, "dynalite in memory", nil, AtLeast(1)).With("dynalite is missing: %s", "no npm"),
		Beside(1, "PutItem, 64 clients", "op/s", []float64{21000}, "redis, appendfsync always", []float64{70000}, Target{}),
		Alone(7, "idle node, resident", "MB", []float64{80.25, 81, 79}, Below(120)),
		Alone(4, "1,000 groups start", "s", nil, AtMost(20)).With("failed").With("twice"),
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := WriteJSON(&out, rows()); err != nil {
		t.Fatal(err)
	}
	golden(t, "latest.json", out.Bytes())
	out.Reset()
	if err := WriteJSON(&out, nil); err != nil || out.String() != "[]\n" {
		t.Errorf("no rows: %q, %v", out.String(), err)
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := WriteTable(&out, rows()); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.txt", out.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
