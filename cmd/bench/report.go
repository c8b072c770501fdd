package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"unicode/utf8"
)

// WriteTable writes results for people.
func WriteTable(w io.Writer, results []Result) error {
	width := nameWidth(results)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%-*s\tclients\toffered/s\top/s\tlowest\thighest\tp50 ms\tp99 ms\tp99.9 ms\tmax ms\tp99* ms\tserver µs/op\tclient µs/op\terrors\t\n", width, "workload")
	for i := range results {
		r := &results[i]
		fmt.Fprintf(t, "%-*s\t%d\t%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t%s\t%.1f\t%d\t\n",
			width, r.Workload, r.Clients, known("%.0f", r.Rate), r.PerSecond, r.Lowest, r.Highest,
			r.P50, r.P99, r.P999, r.Max, known("%.2f", r.corrected()), known("%.1f", r.ServerCPU), r.ClientCPU, r.Errors)
		if len(r.Kinds) < 2 {
			continue
		}
		for _, k := range r.Kinds {
			fmt.Fprintf(t, "%-*s\t\t\t%.0f\t\t\t%.2f\t%.2f\t%.2f\t%.2f\t\t\t\t\t\n", width, k.name(), k.PerSecond, k.P50, k.P99, k.P999, k.Max)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return writeNotes(w, results)
}

// nameWidth is the width of the first column, which alone begins at the left.
func nameWidth(results []Result) int {
	width := len("workload")
	for i := range results {
		width = max(width, utf8.RuneCountInString(results[i].Workload))
		for _, k := range results[i].Kinds {
			width = max(width, utf8.RuneCountInString(k.name()))
		}
	}
	return width
}

// writeNotes writes what the table has no room for.
func writeNotes(w io.Writer, results []Result) error {
	var err error
	note := func(format string, a ...any) {
		_, e := fmt.Fprintf(w, format+"\n", a...)
		err = cmp.Or(err, e)
	}
	if slices.ContainsFunc(results, func(r Result) bool { return r.Corrected != nil }) {
		note("p99* is the p99 of a closed loop corrected for coordinated omission")
	}
	for i := range results {
		r := &results[i]
		label := fmt.Sprintf("%s, %d clients", r.Workload, r.Clients)
		if r.Rate > 0 {
			label += fmt.Sprintf(", %.0f/s", r.Rate)
		}
		if r.Conflicts > 0 {
			note("%s: %d times a read-modify-write began again, because another had written", label, r.Conflicts)
		}
		if r.Unfinished > 0 {
			note("%s: %d operations had not ended %v after the end; they count with the time until then", label, r.Unfinished, drainTime)
		}
		if r.FirstError != "" {
			note("%s: the first error was: %s", label, r.FirstError)
		}
	}
	return err
}

func (r *Result) corrected() float64 {
	if r.Corrected == nil {
		return 0
	}
	return r.Corrected.P99
}

// name is a kind in the table, indented below its case.
func (k *Kind) name() string {
	if k.ItemBytes == 0 {
		return "  " + k.Operation
	}
	return fmt.Sprintf("  %s, %d bytes", k.Operation, k.ItemBytes)
}

// known formats a number, unless it is 0.
func known(format string, x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf(format, x)
}
