package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/roundtabledb/roundtable/cmd/bench/chart"
)

// Plot draws latency over throughput into folder, and returns the files that it
// has made. A sweep makes a file for each workload and, if there are several,
// each number of clients, with a point for each rate. Where there are no rates,
// each workload has a file with a point for each number of clients; a workload
// with one point has none.
func Plot(folder string, results []Result) ([]string, error) {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, fmt.Errorf("bench: plot: %w", err)
	}
	var files []string
	for _, c := range curves(results) {
		var svg bytes.Buffer
		drawn := c.chart()
		if err := drawn.Write(&svg); err != nil {
			return files, fmt.Errorf("bench: plot %s: %w", c.name, err)
		}
		file := filepath.Join(folder, c.name+".svg")
		if err := os.WriteFile(file, svg.Bytes(), 0o666); err != nil {
			return files, fmt.Errorf("bench: plot: %w", err)
		}
		files = append(files, file)
	}
	return files, nil
}

// curve is what a file shows.
type curve struct {
	name   string // of the file, without its folder and .svg
	points []Result
}

// curves groups results by file, in their order.
func curves(results []Result) []curve {
	open, clients := map[string]bool{}, map[string]map[int]bool{}
	for _, r := range results {
		if r.Rate > 0 {
			open[r.Workload] = true
		}
		if clients[r.Workload] == nil {
			clients[r.Workload] = map[int]bool{}
		}
		clients[r.Workload][r.Clients] = true
	}
	var all []curve
	at := map[string]int{} // of a file's name
	for _, r := range results {
		if open[r.Workload] != (r.Rate > 0) || r.PerSecond == 0 {
			continue // a closed loop that a sweep began with is no point of it
		}
		name := fileName(r.Workload)
		if r.Rate > 0 && len(clients[r.Workload]) > 1 {
			name += fmt.Sprintf("-%d-clients", r.Clients)
		}
		if _, there := at[name]; !there {
			at[name] = len(all)
			all = append(all, curve{name: name})
		}
		c := &all[at[name]]
		c.points = append(c.points, r)
	}
	var lines []curve
	for _, c := range all {
		if len(c.points) > 1 {
			lines = append(lines, c)
		}
	}
	return lines
}

var notInNames = regexp.MustCompile(`[^a-zA-Z0-9.]+`)

// fileName makes a file's name of a workload's: get-eventual=90,put=10 is
// get-eventual-90-put-10.
func fileName(workload string) string {
	return strings.Trim(notInNames.ReplaceAllString(workload, "-"), "-")
}

func (c *curve) chart() *chart.Chart {
	first, last := &c.points[0], &c.points[len(c.points)-1]
	drawn := &chart.Chart{
		Title: first.Workload + ": latency over throughput",
		X:     "operations a second", Y: "latency, ms",
		Series: []chart.Series{{Name: "p50"}, {Name: "p99"}, {Name: "p99.9"}},
	}
	if first.Rate > 0 {
		drawn.Note = fmt.Sprintf("open loop, at most %d under way; latency counts from when a request was due", first.Clients)
	} else {
		drawn.Note = fmt.Sprintf("closed loop, %d to %d clients; latency corrected for coordinated omission", first.Clients, last.Clients)
	}
	if first.Rounds > 1 {
		drawn.Note += fmt.Sprintf("; medians of %d rounds", first.Rounds)
	}
	for i := range c.points {
		r := &c.points[i]
		l := Latency{P50: r.P50, P99: r.P99, P999: r.P999}
		load := fmt.Sprintf("%d clients", r.Clients)
		if r.Rate > 0 {
			load = fmt.Sprintf("%.0f/s offered", r.Rate)
		} else if r.Corrected != nil {
			l = *r.Corrected
		}
		for s, y := range []float64{l.P50, l.P99, l.P999} {
			series := &drawn.Series[s]
			series.Points = append(series.Points, chart.Point{
				X: r.PerSecond, Y: y,
				Label: fmt.Sprintf("%s: %.0f/s, %s %.2f ms", load, r.PerSecond, series.Name, y),
			})
		}
	}
	return drawn
}
