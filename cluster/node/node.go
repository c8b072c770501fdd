package node

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/dispatch"
	"github.com/roundtabledb/roundtable/cluster/duty"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/host"
	"github.com/roundtabledb/roundtable/cluster/member"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// Node is one running node. It is safe for concurrent use.
type Node struct {
	config   Config
	logger   *slog.Logger
	identity *identity

	engine     *engine.Engine
	log        *raftlog.Log
	transport  *transport.Transport
	host       *host.Host
	dispatcher *dispatch.Dispatcher
	catalog    *catalog.Catalog
	router     *router.Router
	members    atomic.Pointer[member.Members] // nil without gossip, and before Start
	server     *grpc.Server

	// ctx ends when the node closes; tasks is what runs until then.
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	// moves ends before ctx when the node is drained; moving is what runs until then.
	moves     context.Context
	stopMoves context.CancelFunc
	moving    sync.WaitGroup
	// gossiped wakes whoever waits for other nodes: one came or went.
	gossiped chan struct{}

	describe atomic.Pointer[func() any] // see Describe
	sizes    sizes

	closing sync.Once
	closed  error
}

// New opens a node's disk and prepares everything that needs no other node.
// Other services may be registered with Server before Start.
func New(c Config) (*Node, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	n := &Node{config: c, logger: c.Logger, gossiped: make(chan struct{}, 1)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.moves, n.stopMoves = context.WithCancel(n.ctx)
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// open opens what is on disk, from the bottom up.
func (n *Node) open() error {
	if !n.config.InMemory {
		if err := makeDir(n.config.Dir); err != nil {
			return err
		}
	}
	var err error
	if n.identity, err = loadIdentity(&n.config); err != nil {
		return err
	}
	state := ""
	if !n.config.InMemory {
		state = filepath.Join(n.config.Dir, "state")
	}
	n.engine, err = engine.Open(engine.Options{
		Dir:          state,
		InMemory:     n.config.InMemory,
		MemoryBudget: n.config.MemoryBudget,
		Stagger:      staggerOf(n.config.ID),
		Fatal:        n.config.Fatal,
		Logger:       n.logger,
		Background:   n.config.Background,
		Pause:        duty.New(n.ctx.Done()).Pause,
	})
	if err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	logOptions := raftlog.Options{
		Dir:          filepath.Join(n.config.Dir, "log"),
		SegmentBytes: n.config.LogSegmentBytes,
		CacheBytes:   n.config.LogCacheBytes,
		Fatal:        n.config.Fatal,
		Sync:         true,
	}
	if n.config.InMemory && n.config.LogFS == nil {
		n.config.LogFS = memfs.New()
	}
	if n.config.LogFS != nil {
		logOptions.FS, logOptions.Dir = n.config.LogFS, "log"
	}
	if n.log, err = raftlog.Open(logOptions); err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	// Groups send messages as soon as they are opened, and the catalog knows
	// addresses.
	n.catalog = catalog.New(catalogSource{n}, n.logger)
	n.transport = transport.New(transport.Options{
		Self:    n.config.ID,
		Dial:    n.config.Dial,
		Resolve: n.resolve,
		Logger:  n.logger,
		Tap:     n.config.Tap,
	})
	return n.openGroups()
}

func (n *Node) openGroups() error {
	var err error
	n.host, err = host.Open(host.Options{
		Node:            n.config.ID,
		Region:          n.config.Region,
		Engine:          n.engine,
		Log:             n.log,
		Transport:       n.transport,
		Fatal:           n.config.Fatal,
		CheckpointEvery: n.config.CheckpointEvery,
		Now:             n.config.Now,
		Tuning:          n.config.Group,
		Logger:          n.logger,
		GroupFaults: group.Faults{
			AckBeforeCommit: n.config.Faults.AckBeforeCommit,
			ReplayLog:       n.config.Faults.SkipAppliedCheck,
			CountUnsynced:   n.config.Faults.CountUnsynced,
			ReadBehind:      n.config.Faults.ReadBehind,
		},
		MachineFaults: machine.Faults{
			MergeBlindly:     n.config.Faults.MergeBlindly,
			SkipAppliedCheck: n.config.Faults.SkipAppliedCheck,
			BelievePriors:    n.config.Faults.BelievePriors,
		},
	})
	if err != nil {
		return fmt.Errorf("open groups: %w", err)
	}
	if n.dispatcher, err = dispatch.New(n.config.ID, n.host, n.transport); err != nil {
		return err
	}
	n.catalog.Follow()
	n.router = router.New(n.catalog, n.dispatcher)
	n.transport.Handle(transport.Catalog, n.serveCatalog)
	n.transport.Handle(transport.NodeStatus, n.serveStatus)
	n.transport.Handle(transport.Found, n.serveFound)
	n.server = grpc.NewServer(append(transport.ServerOptions(), n.config.ServerOptions...)...)
	n.transport.Register(n.server)
	return nil
}

// Start meets the other nodes: it serves, gossips, founds or joins the region
// and begins to do the node's part. It returns when the node holds the
// region's catalog, or with ctx.
func (n *Node) Start(ctx context.Context) error {
	n.task(func() {
		if err := n.server.Serve(n.config.Listener); err != nil && n.ctx.Err() == nil {
			n.config.Fatal(fmt.Errorf("serve other nodes on %s: %w", n.config.Listener.Addr(), err))
		}
	})
	if n.config.Gossip != nil {
		members, err := member.Start(n.gossip())
		if err != nil {
			return fmt.Errorf("gossip: %w", err)
		}
		n.members.Store(members)
	}
	if err := n.join(ctx); err != nil {
		return err
	}
	n.task(n.reconcile)
	n.task(n.runJobs)
	n.moving.Add(1)
	n.task(func() {
		defer n.moving.Done()
		(&mover{node: n}).run(n.moves)
	})
	return nil
}

func (n *Node) gossip() member.Options {
	facts := n.identity.read()
	return member.Options{
		Self: member.Meta{
			NodeID:   n.config.ID,
			Region:   n.config.Region,
			Zone:     n.config.Zone,
			Store:    facts.Store,
			PeerAddr: n.config.Address,
			Boot:     facts.Boot,
			Catalog:  facts.Catalog,
		},
		Seeds:         n.config.Gossip.Seeds,
		BindAddr:      n.config.Gossip.Bind,
		AdvertiseAddr: n.config.Gossip.Advertise,
		SecretKey:     n.config.Gossip.Key,
		Transport:     n.config.Gossip.Transport,
		OnChange:      n.noteGossip,
		Logger:        n.logger,
	}
}

// task runs f until the node closes. f must end with n.ctx.
func (n *Node) task(f func()) {
	n.tasks.Add(1)
	go func() {
		defer n.tasks.Done()
		f()
	}()
}

func (n *Node) noteGossip() {
	select {
	case n.gossiped <- struct{}{}:
	default:
	}
}

// resolve finds a node's address: by gossip, else where it was last.
func (n *Node) resolve(id cluster.NodeID) (string, bool) {
	if members := n.members.Load(); members != nil {
		if addr, ok := members.Address(id); ok {
			return addr, true
		}
	}
	if node, ok := n.catalog.State().Nodes[id]; ok {
		return node.Address, true
	}
	addr, ok := n.identity.read().Addresses[id]
	return addr, ok
}

// Router routes reads and commands to the region's tables.
func (n *Node) Router() *router.Router { return n.router }

// Catalog is the region's catalog.
func (n *Node) Catalog() *catalog.Catalog { return n.catalog }

// Host holds the node's groups.
func (n *Node) Host() *host.Host { return n.host }

// Transport carries messages between the region's nodes. Handlers may be set
// before Start.
func (n *Node) Transport() *transport.Transport { return n.transport }

// Server is the gRPC server that other nodes reach. Services may be registered
// before Start.
func (n *Node) Server() *grpc.Server { return n.server }

// ID is the node's.
func (n *Node) ID() cluster.NodeID { return n.config.ID }

// Region is the node's.
func (n *Node) Region() string { return n.config.Region }

// Drain hands leadership to other nodes and tells the region that this one
// goes away.
func (n *Node) Drain(ctx context.Context) error {
	n.stopMoves()
	n.moving.Wait()
	err := n.host.TransferAll(ctx)
	if members := n.members.Load(); members != nil {
		err = errors.Join(err, members.Leave(ctx))
	}
	return err
}

// Close stops the node and waits for everything that it started. What was
// acknowledged is durable, drained or not.
func (n *Node) Close() error {
	n.closing.Do(func() { n.closed = n.close() })
	return n.closed
}

// close takes apart what New and Start put together, in reverse.
func (n *Node) close() error {
	n.cancel()
	var errs []error
	if n.catalog != nil {
		n.catalog.Close()
	}
	if members := n.members.Load(); members != nil {
		errs = append(errs, members.Close())
	}
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	if n.server != nil {
		n.server.Stop()
	}
	if n.host != nil {
		errs = append(errs, n.host.Close())
	}
	n.tasks.Wait()
	if n.dispatcher != nil {
		n.dispatcher.Close()
	}
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	if n.engine != nil {
		errs = append(errs, n.engine.Close())
	}
	if err := n.config.Listener.Close(); !errors.Is(err, net.ErrClosed) {
		errs = append(errs, err) // the server has closed it if it ever served
	}
	return errors.Join(errs...)
}

// staggerOf tells nodes apart that flush the same writes.
func staggerOf(id cluster.NodeID) int {
	h := fnv.New32a()
	_, _ = io.WriteString(h, string(id))
	return int(h.Sum32() % (engine.MaxStagger + 1))
}
