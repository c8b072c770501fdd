package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/roundtabledb/roundtable/cmd/tour"
)

func tourCommand() *cobra.Command {
	var (
		endpoints                    []string
		key, secret                  string
		cut, heal, stopNode, startIt string
		cutFor                       time.Duration
	)
	cmd := &cobra.Command{
		Use:   "tour",
		Short: "Take the tour of regions that run already",
		Long: `Takes the tour of "roundtable demo" on regions that run already, through their
public endpoints: a table with a replica in each region, writes seen everywhere,
conflicts, and the same items everywhere in the end. It exits 0 only if every
check held.

Given the commands that kill a node and cut a region off, it does that too. They
run in a shell with the region's name in $REGION.`,
		Example: `  roundtable tour --endpoint us-east-1=http://127.0.0.1:8001 \
      --endpoint eu-west-1=http://127.0.0.1:8002 --access-key K --secret-key S`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			o := tour.Options{AccessKey: key, SecretKey: secret, CutFor: cutFor, Out: os.Stdout}
			for _, e := range endpoints {
				region, endpoint, ok := strings.Cut(e, "=")
				if !ok {
					return fmt.Errorf("endpoint %q is not region=URL", e)
				}
				o.Regions = append(o.Regions, tour.Region{Name: region, Endpoint: endpoint})
			}
			switch given := nonEmpty(cut, heal, stopNode, startIt); given {
			case 0:
			case 4:
				o.Environment = shell{cut: cut, heal: heal, stop: stopNode, start: startIt}
			default:
				return errors.New("give all of --cut, --heal, --stop-node and --start-node, or none")
			}
			return reported(tour.Run(cmd.Context(), o))
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&endpoints, "endpoint", nil, "region=URL of a region's DynamoDB endpoint; once for each region")
	f.StringVar(&key, "access-key", "", "access key id")
	f.StringVar(&secret, "secret-key", "", "secret access key")
	f.StringVar(&cut, "cut", "", "command that separates $REGION from the others")
	f.StringVar(&heal, "heal", "", "command that connects it again")
	f.StringVar(&stopNode, "stop-node", "", "command that kills a node of $REGION")
	f.StringVar(&startIt, "start-node", "", "command that starts it again")
	f.DurationVar(&cutFor, "cut-for", 5*time.Second, "how long a region stays cut off")
	return cmd
}

func nonEmpty(all ...string) int {
	n := 0
	for _, s := range all {
		if s != "" {
			n++
		}
	}
	return n
}

// reported keeps main from saying again what the tour has said.
func reported(err error) error {
	if errors.Is(err, tour.ErrFailed) {
		return errReported
	}
	return err
}

// shell is an environment that commands change.
type shell struct{ cut, heal, stop, start string }

var _ tour.Environment = shell{}

func (s shell) StopNode(ctx context.Context, region string) error {
	return run(ctx, s.stop, region)
}

func (s shell) StartNode(ctx context.Context, region string) error {
	return run(ctx, s.start, region)
}

func (s shell) Cut(ctx context.Context, region string) error { return run(ctx, s.cut, region) }

func (s shell) Heal(ctx context.Context, region string) error { return run(ctx, s.heal, region) }

func run(ctx context.Context, command, region string) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Env = append(os.Environ(), "REGION="+region)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s (REGION=%s): %w\n%s", command, region, err, out)
	}
	return nil
}
