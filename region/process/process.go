// Package process composes everything that one process runs: a node of a
// region, its part in replication, and its front door.
//
// It decides nothing: it starts the parts in an order in which each finds what
// it needs, and stops them in reverse.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/region/auth"
	"github.com/roundtabledb/roundtable/region/server"
	"github.com/roundtabledb/roundtable/region/telemetry"
	"github.com/roundtabledb/roundtable/replication"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/replication/regional"
)

// Config says what a process runs.
type Config struct {
	// Node is the node of the region.
	Node node.Config
	// Cluster is the name that all regions of the deployment share. The default
	// is "roundtable".
	Cluster string
	// Remotes is addresses of nodes in each other region.
	Remotes map[string][]string
	// DialRemote opens connections to them; the default dials TCP.
	DialRemote func(ctx context.Context, region, address string) (net.Conn, error)
	// MaxSkew is how far clocks of other regions may be ahead of this node's.
	// 0 means the default.
	MaxSkew time.Duration

	// API is where clients connect, Operations where operators do; nil for
	// nowhere. The process closes both.
	API, Operations net.Listener
	// OperationsOnAPI serves operators where clients connect, too.
	OperationsOnAPI bool
	// Profile serves Go's profiles to operators.
	Profile bool
	// Credentials is the file of access keys. Empty lets everybody in, and takes
	// requests and ARNs of any region for this one's.
	Credentials string

	Logger *slog.Logger
}

// Process is a running process. It is safe for concurrent use.
type Process struct {
	config     Config
	node       *node.Node
	replicator *replication.Replicator
	regional   *regional.Node
	verifier   *auth.Verifier
	telemetry  *telemetry.Telemetry
	metrics    *replicationMetrics
	server     *server.Server
}

// New opens what is on the node's disk. The listeners belong to the process
// even when it fails.
func New(c Config) (*Process, error) {
	if c.Cluster == "" {
		c.Cluster = "roundtable"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Node.Logger = c.Logger
	c.Node.ServerOptions = link.GRPCServerOptions()
	p := &Process{config: c}
	if err := p.open(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Process) open() error {
	var err error
	p.verifier, err = auth.New(auth.Options{File: p.config.Credentials, Region: p.config.Node.Region, AcceptAny: p.anybody()})
	if err != nil {
		return err
	}
	p.telemetry, err = telemetry.New(telemetry.Options{Region: p.config.Node.Region, Node: string(p.config.Node.ID)})
	if err != nil {
		return err
	}
	if p.node, err = node.New(p.config.Node); err != nil {
		return err
	}
	p.regional = regional.New(p.node)
	p.replicator, err = replication.Start(replication.Config{
		Cluster: p.regional,
		Self:    link.Identity{Region: p.node.Region(), Cluster: p.config.Cluster, Node: string(p.node.ID())},
		Remotes: p.config.Remotes,
		Dial:    p.config.DialRemote,
		MaxSkew: p.config.MaxSkew,
		Logger:  p.config.Logger,
	})
	if err != nil {
		return err
	}
	if p.metrics, err = observeReplication(p.telemetry, p.replicator.Metrics); err != nil {
		return err
	}
	p.regional.Serve(p.replicator)
	p.node.Describe(p.report)
	p.replicator.Register(p.node.Server())
	return nil
}

// anybody reports whether the process lets everybody in, from whatever region
// they mean to call.
func (p *Process) anybody() bool { return p.config.Credentials == "" }

// Start joins the region and opens the front door: to operators at once, to
// clients when the node can answer them. It returns then, or with ctx.
func (p *Process) Start(ctx context.Context) error {
	var err error
	p.server, err = server.Prepare(server.Options{
		Region:          p.node.Region(),
		AnyHome:         p.anybody(),
		Node:            string(p.node.ID()),
		API:             p.config.API,
		Operations:      p.config.Operations,
		OperationsOnAPI: p.config.OperationsOnAPI,
		Store:           p.node.Router(),
		Tables:          p.node,
		TableSize:       p.node.TableSize,
		Replicas:        p.replicator.Tables(),
		Authenticate:    p.verifier.Authenticate,
		Telemetry:       p.telemetry,
		Profile:         p.config.Profile,
		Ready:           p.node.Ready,
		Status:          func(ctx context.Context) any { return p.Status(ctx) },
		Logger:          p.config.Logger,
	})
	if err != nil {
		return fmt.Errorf("open the front door: %w", err)
	}
	if err := p.node.Start(ctx); err != nil {
		return err
	}
	p.server.Open()
	return nil
}

// Node is the node of the region.
func (p *Process) Node() *node.Node { return p.node }

// Replicator is the node's part in replication.
func (p *Process) Replicator() *replication.Replicator { return p.replicator }

// Reload reads the credentials file again.
func (p *Process) Reload() error { return p.verifier.Reload() }

// Drain finishes what is under way and hands over what the node leads.
func (p *Process) Drain(ctx context.Context) error {
	var err error
	if p.server != nil {
		p.server.Drain()
	}
	err = p.node.Drain(ctx)
	if p.server != nil {
		err = errors.Join(err, p.server.Close(ctx))
		p.server = nil
	}
	return err
}

// Close stops everything, drained or not. What was acknowledged is durable.
func (p *Process) Close() error {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	var errs []error
	if p.server != nil {
		if err := p.server.Close(gone); !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
	} else {
		for _, l := range []net.Listener{p.config.API, p.config.Operations} {
			if l != nil {
				_ = l.Close() // drained, or never served
			}
		}
	}
	if p.metrics != nil {
		errs = append(errs, p.metrics.close())
	}
	if p.replicator != nil {
		p.replicator.Close()
	}
	if p.node != nil {
		errs = append(errs, p.node.Close())
	} else {
		_ = p.config.Node.Listener.Close()
	}
	if p.telemetry != nil {
		errs = append(errs, p.telemetry.Close(context.Background()))
	}
	return errors.Join(errs...)
}
