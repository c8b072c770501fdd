package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/region/process"
)

// serveSettings is what `roundtable serve` can be told.
type serveSettings struct {
	nodeID, region, zone, cluster string
	dataDir                       string
	apiListen                     string
	peerListen, peerAdvertise     string
	gossipListen, gossipAdvertise string
	gossipKey                     string
	opsListen                     string
	pprof                         bool
	seeds                         []string
	expect                        int
	remotes                       []string
	credentials                   string
	anyCredentials                bool
	partitions                    int
	memoryMB                      int64
	maxSkew                       time.Duration
	drainTimeout                  time.Duration
	logLevel, logFormat           string
	group                         group.Tuning
	checkpointEvery               time.Duration
}

func serveCommand() *cobra.Command {
	var s serveSettings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run one node of one region",
		Long: `Runs one node of one region. Nodes of a region find each other by gossip: give
each the gossip address of another one as a seed. The first nodes found the
region when as many as --expect are there; later ones join. A node keeps its
identity in its data directory and comes back under it.

Every flag is also a key of the configuration file, and a variable:
--data-dir is data-dir and ROUNDTABLE_DATA_DIR. A flag counts more than a
variable, and a variable more than the file.

SIGTERM and SIGINT drain the node: it hands its leaderships over, finishes what
it is doing and exits. SIGHUP reads the credentials file again.`,
		Example: `  roundtable serve --node-id a --region eu-west-1 --data-dir /var/lib/roundtable \
      --credentials /etc/roundtable/credentials --expect 1

  roundtable serve --config node.yaml

  # node.yaml
  node-id: a
  region: eu-west-1
  data-dir: /var/lib/roundtable
  credentials: /etc/roundtable/credentials
  peer-advertise: 10.0.1.5:7000
  gossip-advertise: 10.0.1.5:7001
  seeds: [10.0.1.6:7001, 10.0.1.7:7001]
  remotes:
    us-east-1: [10.1.1.5:7000, 10.1.1.6:7000]`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := settle(cmd); err != nil {
				return err
			}
			return serve(cmd.Context(), s)
		},
	}
	s.flags(cmd)
	return cmd
}

func (s *serveSettings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String(configFlag, "", "read settings from this YAML file")
	f.StringVar(&s.nodeID, "node-id", "", "name of the node within its region; never give it to another disk")
	f.StringVar(&s.region, "region", "", "name of the region")
	f.StringVar(&s.zone, "zone", "", "what fails together with this node: a rack, a data centre")
	f.StringVar(&s.cluster, "cluster", "roundtable", "name that all regions of a deployment share")
	f.StringVar(&s.dataDir, "data-dir", "", "where the node keeps everything")
	f.StringVar(&s.apiListen, "api-listen", ":8000", "where DynamoDB clients connect")
	f.StringVar(&s.peerListen, "peer-listen", ":7000", "where other nodes and other regions connect")
	f.StringVar(&s.peerAdvertise, "peer-advertise", "", "address of peer-listen as other nodes dial it (default: a found one)")
	f.StringVar(&s.gossipListen, "gossip-listen", ":7001", "where gossip arrives, UDP and TCP")
	f.StringVar(&s.gossipAdvertise, "gossip-advertise", "", "address of gossip-listen as other nodes dial it (default: a found one)")
	f.StringVar(&s.gossipKey, "gossip-key", "", "16, 24 or 32 bytes that encrypt the gossip")
	f.StringVar(&s.opsListen, "ops-listen", ":8080", "where operators connect: /healthz /readyz /metrics /status; empty for nowhere")
	f.BoolVar(&s.pprof, "pprof", false, "let operators take profiles of the process, at /debug/pprof/")
	f.StringSliceVar(&s.seeds, "seeds", nil, "gossip addresses of other nodes of the region")
	f.IntVar(&s.expect, "expect", 0, "how many nodes found the region (default 1 without seeds, 3 with)")
	f.StringArrayVar(&s.remotes, "remotes", nil, "region=host:port of a node's peer address in another region; more than once")
	f.StringVar(&s.credentials, "credentials", "", "file of access keys, in the form of ~/.aws/credentials")
	f.BoolVar(&s.anyCredentials, "any-credentials", false, "let everybody in; for tests")
	f.IntVar(&s.partitions, "partitions", 0, "partitions of a new table (default: one for every three nodes of the region)")
	f.Int64Var(&s.memoryMB, "memory-mb", 1024, "memory for the node, in MiB, not counting the files that the system caches")
	f.DurationVar(&s.maxSkew, "max-skew", 500*time.Millisecond, "how far clocks of other regions may be ahead before their changes have to wait")
	f.DurationVar(&s.drainTimeout, "drain-timeout", 20*time.Second, "how long to finish what is under way when told to stop")
	f.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "text", "text or json")
	s.advanced(f)
}

// advanced adds settings for which the defaults are right, but in tests. Help
// does not show them.
func (s *serveSettings) advanced(f *pflag.FlagSet) {
	f.Uint64Var(&s.group.TrailingLogs, "trailing-logs", 0, "entries of each group's log that are kept for nodes that lag (default 8192)")
	f.Uint64Var(&s.group.SnapshotThreshold, "snapshot-threshold", 0, "entries after which a log is cut (default 2048)")
	f.DurationVar(&s.group.SnapshotInterval, "snapshot-interval", 0, "how often logs are looked at, to cut them (default 30s)")
	f.DurationVar(&s.checkpointEvery, "checkpoint-every", 0, "how often state is made durable, so that logs may be cut (default 10s)")
	for _, name := range []string{"trailing-logs", "snapshot-threshold", "snapshot-interval", "checkpoint-every"} {
		f.Lookup(name).Hidden = true
	}
}

// serve runs the node until ctx ends or the node fails.
func serve(ctx context.Context, s serveSettings) error {
	logger, err := newLogger(s.logLevel, s.logFormat)
	if err != nil {
		return err
	}
	config, err := s.config(logger)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	config.Node.Fatal = func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	limitMemory(s.memoryMB)
	procs := newProcessors()
	defer procs.close()
	config.Node.Background = procs.background
	p, err := process.New(config)
	if err != nil {
		return err
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)

	logger.Info("starting", "version", version(), "region", s.region, "node", s.nodeID, "api", s.apiListen, "peer", config.Node.Address)
	started := make(chan error, 1)
	up := false
	go func() { started <- p.Start(ctx) }()
	for {
		select {
		case err := <-started:
			if err != nil && ctx.Err() == nil {
				return errors.Join(err, p.Close())
			}
			if up = true; err == nil {
				logger.Info("ready", "api", s.apiListen)
			}
		case err := <-failed:
			// What is acknowledged is durable. Nothing that this process could
			// still do would make it more so.
			logger.Error("the node cannot go on", "error", err)
			os.Exit(1)
		case <-reload:
			if err := p.Reload(); err != nil {
				logger.Error("the old credentials stay in force", "error", err)
			}
		case <-ctx.Done():
			if !up {
				<-started // which ctx ends, too
			}
			return stop(p, s.drainTimeout, logger)
		}
	}
}

// stop drains and closes a process.
func stop(p *process.Process, patience time.Duration, logger *slog.Logger) error {
	logger.Info("draining")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Drain(ctx); err != nil {
		logger.Warn("not everything was handed over in time", "error", err)
	}
	err := p.Close()
	logger.Info("stopped")
	return err
}

// config makes listeners and the configuration of a process.
func (s *serveSettings) config(logger *slog.Logger) (process.Config, error) {
	var c process.Config
	switch {
	case s.nodeID == "" || s.region == "" || s.dataDir == "":
		return c, errors.New("a node needs --node-id, --region and --data-dir; see roundtable serve --help")
	case s.credentials == "" && !s.anyCredentials:
		return c, errors.New("nobody could call: give --credentials a file of access keys, or --any-credentials to let everybody in")
	}
	memory, err := shareMemory(s.memoryMB)
	if err != nil {
		return c, err
	}
	regions, err := remotes(s.remotes)
	if err != nil {
		return c, err
	}
	if _, ok := regions[s.region]; ok {
		return c, fmt.Errorf("region %s is its own remote: remotes are the other regions", s.region)
	}
	c = process.Config{
		Cluster:     s.cluster,
		Remotes:     regions,
		MaxSkew:     s.maxSkew,
		Credentials: s.credentials,
		Profile:     s.pprof,
		Logger:      logger,
		Node: node.Config{
			ID: cluster.NodeID(s.nodeID), Region: s.region, Zone: s.zone,
			Dir: s.dataDir, MemoryBudget: memory.engine, LogCacheBytes: memory.log,
			Address: s.peerAdvertise, Expect: s.expect, Partitions: s.partitions,
			Group: s.group, CheckpointEvery: s.checkpointEvery,
			Gossip: &node.Gossip{
				Bind: s.gossipListen, Advertise: s.gossipAdvertise,
				Seeds: s.seeds, Key: []byte(s.gossipKey),
			},
			Logger: logger,
		},
	}
	if c.Node.Address, err = advertised(s.peerAdvertise, s.peerListen); err != nil {
		return c, err
	}
	if c.Node.Gossip.Advertise, err = advertised(s.gossipAdvertise, s.gossipListen); err != nil {
		return c, err
	}
	return c, s.listen(&c)
}

// listen opens the listeners, all or none.
func (s *serveSettings) listen(c *process.Config) error {
	var opened []net.Listener
	for _, at := range []struct {
		flag, address string
		into          *net.Listener
	}{
		{"api-listen", s.apiListen, &c.API},
		{"peer-listen", s.peerListen, &c.Node.Listener},
		{"ops-listen", s.opsListen, &c.Operations},
	} {
		if at.address == "" {
			continue
		}
		l, err := net.Listen("tcp", at.address)
		if err != nil {
			for _, l := range opened {
				l.Close()
			}
			return fmt.Errorf("--%s: %w", at.flag, err)
		}
		opened = append(opened, l)
		*at.into = l
	}
	return nil
}

// advertised is the address that others dial: the one given, else the one
// listened on, with this machine's address in the place of all addresses.
func advertised(given, listen string) (string, error) {
	if given != "" {
		return given, nil
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("listen address %q: %w", listen, err)
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return listen, nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("find this machine's address: %w", err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			return net.JoinHostPort(ip.IP.String(), port), nil
		}
	}
	return net.JoinHostPort("127.0.0.1", port), nil
}

func newLogger(level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	}
	return nil, fmt.Errorf("--log-format %q is neither text nor json", format)
}
