package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteTable writes results for people.
func WriteTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workload\tclients\top/s\tlowest\thighest\tp50 ms\tp99 ms\tp99.9 ms\tmax ms\tserver µs/op\tclient µs/op\terrors\t")
	for i := range results {
		r := &results[i]
		server := "-"
		if r.ServerCPU > 0 {
			server = fmt.Sprintf("%.1f", r.ServerCPU)
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t%.1f\t%d\t\n",
			r.Workload, r.Clients, r.PerSecond, r.Lowest, r.Highest, r.P50, r.P99, r.P999, r.Max, server, r.ClientCPU, r.Errors)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range results {
		if r := &results[i]; r.FirstError != "" {
			if _, err := fmt.Fprintf(w, "%s, %d clients: the first error was: %s\n", r.Workload, r.Clients, r.FirstError); err != nil {
				return err
			}
		}
	}
	return nil
}
