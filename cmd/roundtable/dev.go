package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/region/process"
)

// devTuning is for a group whose only peer need not wait for others to speak.
var devTuning = group.Tuning{HeartbeatTimeout: 40 * time.Millisecond}

func devCommand() *cobra.Command {
	var (
		port     int
		data     string
		inMemory bool
		region   string
		logLevel string
	)
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run one node for development, where DynamoDB Local would be",
		Long: `Runs one node of one region on 127.0.0.1, for development and tests. It accepts
any credentials and any region, and all of them see the same tables.

Data is durable, under --data, unless --in-memory is given.`,
		Example: `  roundtable dev
  roundtable dev --port 9000 --in-memory
  aws dynamodb list-tables --endpoint-url http://127.0.0.1:8000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			if data == "" {
				data = filepath.Join(".roundtable", "dev")
			}
			return dev(cmd.Context(), port, data, inMemory, region, logLevel)
		},
	}
	f := cmd.Flags()
	f.IntVar(&port, "port", 8000, "port of the DynamoDB endpoint")
	f.StringVar(&data, "data", "", "data directory (default .roundtable/dev)")
	f.BoolVar(&inMemory, "in-memory", false, "keep everything in memory and forget it at the end")
	f.StringVar(&region, "region", "us-east-1", "name of the region, as it stands in ARNs")
	f.StringVar(&logLevel, "log-level", "warn", "debug, info, warn or error")
	return cmd
}

func dev(ctx context.Context, port int, data string, inMemory bool, region, logLevel string) error {
	logger, err := newLogger(logLevel, "text")
	if err != nil {
		return err
	}
	begin := time.Now()
	api, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("%w: choose another --port", err)
	}
	peer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	procs := newProcessors()
	defer procs.close()
	failed := make(chan error, 1)
	p, err := process.New(process.Config{
		API: api, OperationsOnAPI: true, Logger: logger,
		Node: node.Config{
			ID: "dev", Region: region, Dir: data, InMemory: inMemory, MemoryBudget: 48 << 20,
			Background: procs.background,
			Listener:   peer, Expect: 1, Partitions: 1, Group: devTuning,
			Fatal: func(err error) {
				select {
				case failed <- err:
				default:
				}
			},
			Logger: logger,
		},
	})
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		p.Close()
		return err
	}
	where := data
	if inMemory {
		where = "memory"
	}
	fmt.Printf("Roundtable is ready on http://%s after %s, with data in %s\n", api.Addr(), time.Since(begin).Round(time.Millisecond), where)
	fmt.Printf("Try:  aws dynamodb list-tables --endpoint-url http://%s --region %s\n", api.Addr(), region)
	select {
	case err := <-failed:
		fmt.Fprintln(os.Stderr, "roundtable: the node cannot go on:", err)
		os.Exit(1)
	case <-ctx.Done():
	}
	return stop(p, 5*time.Second, logger)
}
