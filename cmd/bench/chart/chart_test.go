package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden file")

func TestGolden(t *testing.T) {
	c := Chart{
		Title: `put & "get" <50%>`, Note: "a note", X: "operations a second", Y: "latency, ms",
		Series: []Series{
			{Name: "p50", Points: []Point{{1000, 0.9, "a"}, {8000, 1.5, "b"}, {15_500, 4, "c < d"}}},
			{Name: "p99", Points: []Point{{1000, 2, ""}, {8000, 7.5, ""}, {15_500, 180, ""}}},
			{Name: "p99.9", Points: []Point{{1000, 5, ""}, {8000, 20, ""}, {15_500, 190, ""}}},
		},
	}
	var got bytes.Buffer
	if err := c.Write(&got); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "chart.svg")
	if *rewrite {
		if err := os.WriteFile(file, got.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("-rewrite it if this is better:\n%s", diff)
	}
}

// Whatever is drawn is well-formed and within the axes.
func TestWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		point := rapid.Custom(func(t *rapid.T) Point {
			return Point{rapid.Float64Range(0, 1e8).Draw(t, "x"), rapid.Float64Range(1e-3, 1e6).Draw(t, "y"), rapid.String().Draw(t, "label")}
		})
		c := Chart{Series: []Series{{Name: "a", Points: rapid.SliceOfN(point, 1, 20).Draw(t, "points")}, {Name: "b"}}}
		d, err := c.frame()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.Series[0].Points {
			if x, y := d.x(p.X), d.y(p.Y); x < left-.01 || x > width-right+.01 || y < top-.01 || y > height-bottom+.01 {
				t.Fatalf("%v is drawn at %v, %v", p, x, y)
			}
		}
		if lines := d.maxX / d.stepX; lines > 11 {
			t.Fatalf("%v lines to %v", lines, d.maxX)
		}
		var out bytes.Buffer
		if err := c.Write(&out); err != nil {
			t.Fatal(err)
		}
		x := xml.NewDecoder(&out)
		for {
			if _, err := x.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestNothingToDraw(t *testing.T) {
	for name, points := range map[string][]Point{
		"none": nil, "zero latency": {{1, 0, ""}}, "negative": {{-1, 1, ""}},
		"infinite": {{math.Inf(1), 1, ""}}, "not a number": {{1, math.NaN(), ""}},
	} {
		c := Chart{Series: []Series{{Points: points}}}
		if err := c.Write(io.Discard); err == nil {
			t.Errorf("%s: drawn", name)
		}
	}
	many := Chart{Series: slices.Repeat([]Series{{Points: []Point{{1, 1, ""}}}}, len(colours)+1)}
	if err := many.Write(io.Discard); err == nil {
		t.Error("more series than colours are drawn")
	}
}

func TestRoundNumbers(t *testing.T) {
	for _, c := range []struct{ y, floor, ceil float64 }{
		{1, 1, 1}, {1.1, 1, 2}, {4, 2, 5}, {7, 5, 10}, {1000, 1000, 1000}, {999, 500, 1000}, {0.03, 0.02, 0.05},
	} {
		if f, u := floor125(c.y), ceil125(c.y); math.Abs(f-c.floor) > 1e-9 || math.Abs(u-c.ceil) > 1e-9 {
			t.Errorf("%v is between %v and %v", c.y, f, u)
		}
	}
	for x, want := range map[float64]string{0: "0", 0.5: "0.5", 500: "500", 25_000: "25,000", 1_250_000: "1,250,000"} {
		if got := number(x); got != want {
			t.Errorf("%v is written %s", x, got)
		}
	}
	for x, want := range map[float64]float64{1: .1, 15_500: 2000, 47_000: 5000, 100: 10, 0.7: .1} {
		if got := step(x); math.Abs(got-want) > 1e-9 {
			t.Errorf("a step of %v up to %v", got, x)
		}
	}
}
