package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/roundtabledb/roundtable/region/process"
)

func statusCommand() *cobra.Command {
	var endpoints []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what regions look like now",
		Long: `Shows the nodes, tables, partitions and leaders of a region, and how far other
regions are behind it. It asks one node, which asks the others. Nodes answer on
their operations port (serve), or on the API's (dev and demo).`,
		Example: `  roundtable status
  roundtable status --endpoint http://10.0.1.5:8080
  roundtable status --endpoint http://127.0.0.1:8001 --endpoint http://127.0.0.1:8002 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			return status(cmd.Context(), endpoints, asJSON)
		},
	}
	cmd.Flags().StringArrayVar(&endpoints, "endpoint", []string{"http://127.0.0.1:8000"}, "where to ask; more than once for several regions")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func status(ctx context.Context, endpoints []string, asJSON bool) error {
	var all []process.Status
	for _, e := range endpoints {
		s, err := ask(ctx, e)
		if err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
		all = append(all, s)
	}
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	for i, s := range all {
		if i > 0 {
			fmt.Println()
		}
		if err := show(os.Stdout, s); err != nil {
			return err
		}
	}
	return nil
}

func ask(ctx context.Context, endpoint string) (process.Status, error) {
	var s process.Status
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/status", nil)
	if err != nil {
		return s, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return s, err
	}
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s: is this the operations port of a node?", resp.Status)
	}
	if err := json.Unmarshal(body, &s); err != nil || s.Region == "" {
		return s, errors.Join(errors.New("the answer is not a status: is this the operations port of a node?"), err)
	}
	return s, nil
}

// show prints a region as tables for people.
func show(out io.Writer, s process.Status) error {
	w := tabwriter.NewWriter(out, 2, 4, 2, ' ', 0)
	fmt.Fprintf(w, "REGION %s\tas node %s sees it\n\n", s.Region, s.Node)
	fmt.Fprintln(w, "NODE\tZONE\tADDRESS\tSTATE\tPEERS\tLEADS")
	for _, n := range s.Nodes {
		state, leads := "up", 0
		if !n.Reachable {
			state = "does not answer"
		}
		for _, p := range n.Peers {
			if p.Leads {
				leads++
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\n", n.ID, orDash(n.Zone), n.Address, state, len(n.Peers), leads)
	}
	fmt.Fprintln(w, "\nTABLE\tSTATUS\tGROUP\tLEADER\tPEERS\tITEMS\tBYTES")
	for _, t := range s.Tables {
		for _, p := range t.Partitions {
			var peers []string
			for _, id := range p.Peers {
				peers = append(peers, string(id))
			}
			leader := string(p.Leader)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", t.Name, t.Status, p.Group, orDash(leader), strings.Join(peers, " "), p.Items, p.Bytes)
		}
	}
	if len(s.Replication) > 0 {
		fmt.Fprintln(w, "\nTO REGION\tLINKED NODES\tPENDING CHANGES\tLAG")
		for _, r := range s.Replication {
			fmt.Fprintf(w, "%s\t%d of %d\t%d\t%s\n", r.Region, r.Linked, len(s.Nodes), r.Pending, r.Lag.Round(time.Millisecond))
		}
	}
	return w.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
