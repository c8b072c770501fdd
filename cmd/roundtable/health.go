package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func healthCommand() *cobra.Command {
	var endpoint string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Exit 0 if a node is ready for requests",
		Long: `Asks a node whether it is ready for requests, and exits 0 if it is. It is for
health checks in images that hold nothing but this program.`,
		Example: `  roundtable health
  roundtable health --endpoint http://10.0.1.5:8080 --wait 30s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			return health(cmd.Context(), endpoint, wait)
		},
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", "http://127.0.0.1:8080", "the node's operations port")
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait until it is ready")
	return cmd
}

func health(ctx context.Context, endpoint string, wait time.Duration) error {
	giveUp := time.Now().Add(wait)
	for {
		err := ready(ctx, endpoint)
		if err == nil || time.Now().After(giveUp) {
			return err
		}
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func ready(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	reason, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return fmt.Errorf("%s is not ready: %s", endpoint, strings.TrimSpace(string(reason)))
}
