// Package replication makes the regions of a deployment converge. It composes
// the packages below it, one instance for each node:
//
//   - a link to every other region, and the server for links from there;
//   - for each partition that this node leads, of a global table, one sender to
//     each other region of the table;
//   - a receiver, which merges what other regions ship;
//   - the manager of global tables, which works where the catalog is led.
//
// What it promises: once regions can reach each other for long enough, all of
// them hold the same items, and of each item the state with the greatest
// version that any region ever made. Nothing is ordered between items, and no
// region waits for another.
//
// It knows its region by the interface Cluster and other regions by their
// addresses. It does not know requests or errors of DynamoDB's API beyond the
// texts of global tables.
package replication

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/replication/globaltable"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/replication/receiver"
	"github.com/roundtabledb/roundtable/replication/sender"
)

// Cluster is what replication needs of this node and its region.
type Cluster interface {
	receiver.Applier
	globaltable.Tables
	globaltable.Catalog

	// Lead returns a partition if this node leads its group now, with the term
	// in which it does.
	Lead(group cluster.GroupID) (p sender.Partition, term uint64, ok bool)
	// LeadershipChanged returns a channel that is closed when this node begins
	// or ceases to lead a group. Taken before Lead, it misses nothing.
	LeadershipChanged() <-chan struct{}
	// Coordinator reports whether this node leads the catalog.
	Coordinator() bool
	// Progress asks the nodes of the region, this one included, for
	// Replicator.Progress.
	Progress(ctx context.Context, globalID, remote string) ([]sender.Status, error)
}

// Config says who replicates with whom.
type Config struct {
	// Cluster is this node's part of its region.
	Cluster Cluster
	// Self is who this node is.
	Self link.Identity
	// Remotes is the addresses of nodes in each other region.
	Remotes map[string][]string
	// Dial opens a connection to an address in a region. Encryption is its
	// business. Default: TCP.
	Dial func(ctx context.Context, region, address string) (net.Conn, error)
	// MaxSkew is how far versions from elsewhere may be ahead of this node's
	// clock. Default 500 ms.
	MaxSkew time.Duration
	// MaxBacklog is how many changes of a partition may wait for a region
	// before a scan takes their place. Default 5 million.
	MaxBacklog uint64
	// Lanes is how many connections lead to each region. Default 2.
	Lanes int
	// Now is this node's clock. Default time.Now.
	Now func() time.Time
	// Logger. Default: none.
	Logger *slog.Logger
}

func (c *Config) ensureDefaults() {
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Replicator is one node's part in replication. It is safe for concurrent use.
type Replicator struct {
	config   Config
	links    map[string]*link.Link
	server   *link.Server
	receiver *receiver.Receiver
	tables   *globaltable.Manager

	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu struct {
		sync.Mutex
		senders map[route]*running
		meters  map[receiver.Source]*sender.Meter // by region shipped to
	}
}

// Start begins to replicate. Links from other regions are served once the
// Replicator is registered with a gRPC server. The caller must Close it.
func Start(c Config) (*Replicator, error) {
	c.ensureDefaults()
	r := &Replicator{config: c, links: map[string]*link.Link{}}
	r.mu.senders = map[route]*running{}
	r.mu.meters = map[receiver.Source]*sender.Meter{}
	r.receiver = receiver.New(receiver.Options{
		Region:  c.Self.Region,
		Table:   func(globalID string) (*catalog.Table, bool) { return r.tables.Table(globalID) },
		Applier: c.Cluster,
		MaxSkew: c.MaxSkew,
		Now:     c.Now,
		Logger:  c.Logger,
	})
	if err := r.connect(); err != nil {
		for _, l := range r.links {
			l.Close()
		}
		return nil, err
	}
	r.tables = globaltable.Start(globaltable.Options{
		Self:        c.Self.Region,
		Remotes:     slices.Collect(maps.Keys(c.Remotes)),
		Catalog:     c.Cluster,
		Tables:      c.Cluster,
		Link:        func(region string) globaltable.Link { return r.links[region] },
		Coordinator: c.Cluster.Coordinator,
		Progress:    c.Cluster.Progress,
		Now:         c.Now,
		Logger:      c.Logger,
	})
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.tasks.Go(func() { r.reconcile(ctx) })
	return r, nil
}

// connect makes the server and the links.
func (r *Replicator) connect() error {
	var err error
	r.server, err = link.NewServer(link.ServerOptions{
		Self:    r.config.Self,
		Known:   func(region string) bool { return r.config.Remotes[region] != nil },
		Handler: handler{r},
		Logger:  r.config.Logger,
	})
	if err != nil {
		return err
	}
	for region, addresses := range r.config.Remotes {
		r.links[region], err = link.Open(link.Options{
			Self:      r.config.Self,
			Remote:    region,
			Addresses: addresses,
			Dial: func(ctx context.Context, address string) (net.Conn, error) {
				return r.config.Dial(ctx, region, address)
			},
			Lanes:  r.config.Lanes,
			Logger: r.config.Logger,
		})
		if err != nil {
			delete(r.links, region)
			return fmt.Errorf("replication: %w", err)
		}
	}
	return nil
}

// Close stops replicating, with cursors stored where this node still leads,
// and waits for everything. It must come before the node's Close.
func (r *Replicator) Close() {
	r.cancel()
	r.tasks.Wait()
	r.tables.Close()
	r.server.Close()
	for _, l := range r.links {
		l.Close()
	}
}

// Register offers the service for other regions on a gRPC server, which should
// be made with link.GRPCServerOptions.
func (r *Replicator) Register(s grpc.ServiceRegistrar) { r.server.Register(s) }

// Tables is the manager of global tables.
func (r *Replicator) Tables() *globaltable.Manager { return r.tables }

// Pause cuts the links to and from a region at this node, as if the network
// had failed, until Resume.
func (r *Replicator) Pause(region string) error {
	l, ok := r.links[region]
	if !ok {
		return errUnknownRegion(region)
	}
	l.Pause()
	r.server.Pause(region)
	return nil
}

// Resume ends a Pause.
func (r *Replicator) Resume(region string) error {
	l, ok := r.links[region]
	if !ok {
		return errUnknownRegion(region)
	}
	r.server.Resume(region)
	l.Resume()
	return nil
}

func errUnknownRegion(region string) error {
	return fmt.Errorf("replication: region %q is not configured", region)
}

// handler is what the server does with requests of other regions.
type handler struct{ r *Replicator }

var _ link.Handler = handler{}

func (h handler) Receive(ctx context.Context, from string, s *link.Shipment) link.Verdict {
	return h.r.receiver.Receive(ctx, from, s)
}

func (h handler) Exchange(ctx context.Context, from string, tables []byte) ([]byte, error) {
	return h.r.tables.Exchange(ctx, from, tables)
}

func (h handler) Inquire(_ context.Context, _ string, table string) (link.Presence, error) {
	return h.r.tables.Inquire(table), nil
}
