package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/roundtabledb/roundtable/cmd/bench"
)

// benchSettings is what `roundtable bench` can be told.
type benchSettings struct {
	bench.Options
	workloads []string
	itemBytes string
	sweep     string
	plot      string
	local     int
	dir       string
	serve     []string
	json      string
}

func benchCommand() *cobra.Command {
	var s benchSettings
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a region, or any other DynamoDB endpoint",
		Long: `Measures how many operations a second DynamoDB endpoints carry out and how long
each takes. With --local it starts a region of its own, of real nodes on this
machine, and also measures the processor time that they spend on an operation.

Each workload is run with each number of clients, round by round; a number in
the table is the median of the rounds. A workload is an operation, a mix of them
in percent, or the name of a mix:

  put, insert            PutItem of one of the keys, or of a new one
  get-strong, get-eventual
  update                 UpdateItem that sets an attribute
  read-modify-write      strong GetItem, then UpdateItem on condition that
                         nobody has written since, and again if somebody has
  delete                 DeleteItem; the items are put back after the case
  query                  up to 100 items of a partition key, from a sort key on
  scan                   up to 100 items, from some key on
  batch-write, batch-get 25 items

  mixed                  get-strong=50,put=50
  ycsb-a                 get-strong=50,update=50
  ycsb-b                 get-strong=95,update=5
  ycsb-c                 get-strong=100
  ycsb-d                 get-strong=95,insert=5, reads mostly of what is new
  ycsb-e                 query=95,insert=5
  ycsb-f                 get-strong=50,read-modify-write=50

YCSB's own runs choose keys by Zipf's law: add --zipfian. With --item-bytes
256=95,100000=4,400000=1 so many percent of the keys have items of that size, and
the table tells the latency of each size.

The clients are spread over the endpoints and each has one request under way: a
closed loop, whose latencies leave out what other callers would have waited while
the server stalled; p99* puts that in. With --rate requests are begun at that
rate whatever becomes of the ones before, by any client that is free, and a
latency counts from when its request was due. --sweep does that at ten rates up to
what the closed loop has reached, or at rates that you give; with --plot it draws
the latencies over them. Without --sweep, --plot draws them over --clients.

With --cpu-profile the nodes of --local serve profiles, and one of each node is
taken while a case is measured in the first round: <case>-node-<n>.pb.gz, where
cases count from 1 as in the table. "go tool pprof" reads and merges them. A node
that is profiled is a little slower.`,
		Example: `  roundtable bench --local 3
  roundtable bench --local 3 --clients 1,64,256 --workload put --rounds 5 --json result.json
  roundtable bench --local 3 --workload ycsb-a --workload ycsb-e --zipfian --rate 2000
  roundtable bench --local 3 --workload put --clients 256 --sweep --plot plots
  roundtable bench --local 3 --workload put --clients 1,4,16,64,256 --plot plots
  roundtable bench --local 3 --workload mixed --item-bytes 256=95,100000=4,400000=1
  roundtable bench --local 3 --workload put --clients 64 --duration 15s --cpu-profile profiles

  roundtable bench --endpoint http://10.0.1.5:8000 --endpoint http://10.0.1.6:8000 \
      --region eu-west-1 --access-key K --secret-key S \
      --workload get-eventual=90,put=10 --clients 64 --rate 5000 --zipfian --keys 1000000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			return s.run(cmd.Context())
		},
	}
	s.flags(cmd)
	return cmd
}

func (s *benchSettings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.local, "local", 0, "start a region of so many nodes and measure that")
	f.StringVar(&s.dir, "dir", "", "where the nodes of --local store their data (default: where temporary files go)")
	f.StringArrayVar(&s.serve, "serve", nil, "further argument of \"roundtable serve\" for the nodes of --local; more than once")
	f.StringArrayVar(&s.Endpoints, "endpoint", nil, "URL of an endpoint; more than once")
	f.StringVar(&s.Region, "region", "us-east-1", "region that requests are signed for")
	f.StringVar(&s.AccessKey, "access-key", "", "access key id")
	f.StringVar(&s.SecretKey, "secret-key", "", "secret access key")
	f.IntSliceVar(&s.Processes, "pid", nil, "process of a server, to measure its processor time; more than once")
	f.StringVar(&s.Table, "table", "roundtable-bench", "table to work on, and with -sorted behind it for ranges; it is made if need be, and deleted then")
	f.StringArrayVar(&s.workloads, "workload", []string{"put", "get-strong", "get-eventual"}, "what to measure; more than once")
	f.IntSliceVar(&s.Clients, "clients", []int{64, 256}, "numbers of clients")
	f.StringVar(&s.itemBytes, "item-bytes", "256", "size of an item, 34 to 409600, or a mix such as 256=95,100000=5")
	f.IntVar(&s.Keys, "keys", 10_000, "number of keys")
	f.BoolVar(&s.Zipfian, "zipfian", false, "make some keys much more popular than others")
	f.Float64Var(&s.Rate, "rate", 0, "requests to begin each second (default: as many as go)")
	f.StringVar(&s.sweep, "sweep", "", "measure at these rates, a second or in percent of what a closed loop reaches: --sweep, --sweep=50%,90%, --sweep=1000..8000")
	f.Lookup("sweep").NoOptDefVal = bench.Tenths
	f.BoolVar(&s.SDK, "sdk", false, "send with the AWS SDK for Go, as an application does (about 100 µs of client CPU a request)")
	f.IntVar(&s.Rounds, "rounds", 3, "how often to measure each case")
	f.DurationVar(&s.WarmUp, "warm-up", time.Second, "how long to run a case before it is measured")
	f.DurationVar(&s.Duration, "duration", 5*time.Second, "how long to measure a case each time")
	f.StringVar(&s.CPUProfiles, "cpu-profile", "", "folder for CPU profiles of the nodes of --local, one of each node and case")
	f.StringVar(&s.plot, "plot", "", "folder to draw latency over throughput into, an SVG file for each workload")
	f.StringVar(&s.json, "json", "", "file to write the results to, - for standard output in the place of the table")
}

func (s *benchSettings) run(ctx context.Context) (err error) {
	for _, w := range s.workloads {
		workload, err := bench.ParseWorkload(w)
		if err != nil {
			return err
		}
		s.Workloads = append(s.Workloads, workload)
	}
	if s.ItemSizes, err = bench.ParseSizes(s.itemBytes); err != nil {
		return err
	}
	if s.sweep != "" {
		if s.Sweep, err = bench.ParseSweep(s.sweep); err != nil {
			return err
		}
	}
	if (s.local > 0) == (len(s.Endpoints) > 0) {
		return errors.New("give --local a number of nodes, or --endpoint at least once; see roundtable bench --help")
	}
	if s.CPUProfiles != "" && s.local == 0 {
		return errors.New("--cpu-profile takes profiles of the nodes of --local; of others, get /debug/pprof/profile from their operators' port, which serve --pprof offers")
	}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		s.Progress = os.Stderr // the progress is one line that changes
	}
	if s.local > 0 {
		region, err := s.start(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, region.Close()) }()
		region.Use(&s.Options)
	}
	results, err := bench.Run(ctx, s.Options)
	if err != nil {
		return err
	}
	return s.report(results)
}

// start starts a region and tells how fast the disk is that it stands on.
func (s *benchSettings) start(ctx context.Context) (*bench.Local, error) {
	sync, err := bench.SyncTime(s.dir)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "4 KiB written and synced: p50 %v\n", sync)
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	serve := s.serve
	if s.CPUProfiles != "" {
		serve = append(slices.Clone(serve), "--pprof")
	}
	return bench.StartLocal(ctx, binary, s.dir, s.local, serve)
}

func (s *benchSettings) report(results []bench.Result) error {
	if s.plot != "" {
		files, err := bench.Plot(s.plot, results)
		if err != nil {
			return err
		}
		if len(files) == 0 {
			fmt.Fprintln(os.Stderr, "there is nothing to draw a line through: give --sweep, or several numbers of --clients")
		}
		for _, f := range files {
			fmt.Fprintln(os.Stderr, f)
		}
	}
	if s.json != "-" {
		if err := bench.WriteTable(os.Stdout, results); err != nil {
			return err
		}
	}
	var out io.Writer
	switch s.json {
	case "":
		return nil
	case "-":
		out = os.Stdout
	default:
		f, err := os.Create(s.json)
		if err != nil {
			return err
		}
		defer f.Close()
		out = f
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(results)
}
