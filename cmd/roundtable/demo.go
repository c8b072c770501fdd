package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/roundtabledb/roundtable/cmd/tour"
)

// demoRegions are the regions of the demo, in the order of their ports.
var demoRegions = []string{"us-east-1", "eu-west-1", "ap-northeast-1"}

const demoNodes = 3

func demoCommand() *cobra.Command {
	var d demo
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run three regions in one process, and take a tour of them",
		Long: `Runs three regions of three nodes each in one process: us-east-1, eu-west-1 and
ap-northeast-1, with real gRPC over loopback between nodes and regions and a
simulated delay between regions. Then it takes a tour through the public API: a
table with replicas, writes seen everywhere, conflicts, a node lost under load, a
region cut off and healed, and the same items everywhere in the end.

It stays up afterwards and prints commands to try, unless --once is given. With
--once it exits 0 only if every check held.`,
		Example: `  roundtable demo
  roundtable demo --once
  roundtable demo --wan-delay 120ms --port 9001`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			return d.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&d.once, "once", false, "take the tour and exit")
	f.IntVar(&d.port, "port", 8001, "port of the first region's DynamoDB endpoint; the others follow")
	f.DurationVar(&d.wanDelay, "wan-delay", 40*time.Millisecond, "delay between regions, one way")
	f.StringVar(&d.data, "data", filepath.Join(".roundtable", "demo"), "data directory; removed at the start")
	f.StringVar(&d.logLevel, "log-level", "error", "debug, info, warn or error")
	return cmd
}

func (d *demo) run(ctx context.Context) error {
	logger, err := newLogger(d.logLevel, "text")
	if err != nil {
		return err
	}
	d.logger = logger
	fmt.Printf("Starting three regions of three nodes, %s apart, with data under %s\n", d.wanDelay, d.data)
	begin := time.Now()
	if err := d.start(ctx); err != nil {
		return errors.Join(err, d.close())
	}
	fmt.Printf("All nodes are ready after %s\n\n", time.Since(begin).Round(time.Millisecond))
	err = tour.Run(ctx, tour.Options{Regions: d.regions(), Environment: d, Out: os.Stdout})
	if err == nil && !d.once {
		d.invite()
		err = d.stay(ctx)
	}
	return errors.Join(reported(err), d.close())
}

// invite prints what to try.
func (d *demo) invite() {
	fmt.Print("\nThe regions stay up until you press Ctrl-C. Try:\n\n")
	fmt.Println("  export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any")
	first, last := d.regions()[0], d.regions()[len(demoRegions)-1]
	fmt.Printf("  aws dynamodb list-tables --endpoint-url %s --region %s\n", first.Endpoint, first.Name)
	fmt.Printf("  aws dynamodb put-item --endpoint-url %s --region %s --table-name TABLE --item '{\"pk\":{\"S\":\"hello\"},\"v\":{\"S\":\"world\"}}'\n", first.Endpoint, first.Name)
	fmt.Printf("  aws dynamodb get-item --endpoint-url %s --region %s --table-name TABLE --key '{\"pk\":{\"S\":\"hello\"}}'\n", last.Endpoint, last.Name)
	fmt.Printf("  %s status --endpoint %s\n", os.Args[0], first.Endpoint)
}

// stay waits for the user, or for a node that fails.
func (d *demo) stay(ctx context.Context) error {
	select {
	case err := <-d.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (d *demo) regions() []tour.Region {
	var all []tour.Region
	for i, name := range demoRegions {
		all = append(all, tour.Region{Name: name, Endpoint: fmt.Sprintf("http://127.0.0.1:%d", d.port+i)})
	}
	return all
}
