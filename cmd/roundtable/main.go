// Command roundtable runs Roundtable: a node of a region, a whole deployment to
// try things on, or a look at one that runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	setSlack(false)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "roundtable:", err)
		}
		os.Exit(1)
	}
}

// errReported is an error that the user has been told of already.
var errReported = errors.New("reported")

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "roundtable",
		Short: "A DynamoDB-compatible database whose every region takes reads and writes",
		Long: `Roundtable is a self-hosted, DynamoDB-compatible database. Every region takes
reads and writes for every table, regions replicate to each other, and the last
writer wins. Any AWS SDK, and the AWS CLI, is a client: change the endpoint.`,
		Example: `  roundtable dev                       one node on 127.0.0.1:8000, for development
  roundtable demo                      three regions in one process, and a tour of them
  roundtable serve --config node.yaml  one node of a real region
  roundtable status                    what a region looks like now`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	cmd.AddCommand(devCommand(), serveCommand(), demoCommand(), tourCommand(), statusCommand(), healthCommand(), benchCommand())
	return cmd
}

// version is what the module system or the version control knows of the build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return v + " " + s.Value[:12]
		}
	}
	return v
}
