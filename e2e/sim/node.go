package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/member/memnet"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/replication"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/replication/regional"
)

// logSegment is the size of the log's files: so small that nodes fill, clean
// and remove some in the time that they have.
const logSegment = 256 << 10

// Node is one machine: a disk, a clock and a place in the network. The process
// on it comes and goes.
type Node struct {
	region *Region
	index  int
	id     cluster.NodeID
	host   string
	gossip string
	// skew is by how much this node's clock is off, besides its region's.
	skew atomic.Int64
	disk disk

	mu      sync.Mutex
	running *Process // nil while the machine is off
	lives   int
}

// Process is one life of a node.
type Process struct {
	node       *Node
	Node       *node.Node
	Replicator *replication.Replicator
	dir        string
	// ctx ends with the process.
	ctx     context.Context
	cancel  context.CancelFunc
	gossip  *memnet.Transport
	started chan struct{} // closed when the node is a member of its region
	joining sync.WaitGroup
}

func newNode(r *Region, index int) *Node {
	host := fmt.Sprintf("%s-%d", r.Name, index+1)
	return &Node{
		region: r, index: index, id: cluster.NodeID(host), host: host,
		gossip: fmt.Sprintf("10.0.%d.%d:7946", r.index+1, index+1),
		disk:   newDisk(r.world.options.Network.Sync, r.world.options.Seed, host),
	}
}

func (n *Node) address() string { return n.host + ":7000" }

// now is the machine's clock.
func (n *Node) now() time.Time {
	return time.Now().Add(time.Duration(n.region.skew.Load() + n.skew.Load()))
}

// process is what runs on the machine, nil when nothing does.
func (n *Node) process() *Process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.running
}

// Up returns the process when it is a member of its region.
func (n *Node) Up() (*Process, bool) {
	p := n.process()
	if p == nil {
		return nil, false
	}
	select {
	case <-p.started:
		return p, p.ctx.Err() == nil
	default:
		return nil, false
	}
}

// Boot starts the process on what the disk holds. It does not wait for it to
// join its region.
func (n *Node) Boot() error {
	w := n.region.world
	n.lives++
	p := &Process{node: n, started: make(chan struct{}), dir: filepath.Join(w.options.Dir, fmt.Sprintf("%s.%d", n.host, n.lives))}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if err := n.disk.mount(p.dir); err != nil {
		return fmt.Errorf("boot %s: %w", n.host, err)
	}
	if err := p.open(); err != nil {
		return fmt.Errorf("boot %s: %w", n.host, err)
	}
	n.mu.Lock()
	n.running = p
	n.mu.Unlock()
	p.joining.Go(func() {
		if err := p.Node.Start(p.ctx); err == nil {
			close(p.started)
		} else if p.ctx.Err() == nil {
			p.fatal(fmt.Errorf("start: %w", err))
		}
	})
	return nil
}

// open makes the node and its part in replication, as package process does.
func (p *Process) open() error {
	n := p.node
	w := n.region.world
	listener, err := w.net.Listen(n.address())
	if err != nil {
		return err
	}
	if p.gossip, err = w.gossip.Attach(n.host, n.gossip); err != nil {
		return err
	}
	p.Node, err = node.New(node.Config{
		ID: n.id, Region: n.region.Name, Dir: p.dir, LogFS: n.disk.log,
		MemoryBudget: 32 << 20, LogSegmentBytes: logSegment,
		Listener: listener, Dial: p.dial, ServerOptions: link.GRPCServerOptions(),
		Gossip: &node.Gossip{
			Bind: n.gossip, Advertise: n.gossip, Transport: p.gossip,
			Seeds: []string{n.region.Nodes[0].gossip, n.region.Nodes[1].gossip},
		},
		Expect: nodesPerRegion, Partitions: w.options.Partitions,
		Group: w.options.Tuning, Leaders: w.options.Leaders, CheckpointEvery: w.options.CheckpointEvery,
		Now: n.now, Tap: w.loss.tap(n.region),
		Faults: w.options.Faults[n.region.Name],
		Fatal:  p.fatal, Logger: p.logger(),
	})
	if err != nil {
		return err
	}
	adapter := regional.New(p.Node)
	p.Replicator, err = replication.Start(replication.Config{
		Cluster: adapter,
		Self:    link.Identity{Region: n.region.Name, Cluster: "sim", Node: string(n.id)},
		Remotes: w.remotes(n.region),
		Dial:    func(ctx context.Context, _, address string) (net.Conn, error) { return p.dial(ctx, address) },
		Now:     n.now,
		Logger:  p.logger(),
	})
	if err != nil {
		return errors.Join(err, p.Node.Close())
	}
	adapter.Serve(p.Replicator)
	p.Replicator.Register(p.Node.Server())
	return nil
}

// dial connects for as long as the process lives: what is left of one that was
// killed must not reach anybody.
func (p *Process) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	conn, err := p.node.region.world.net.Dial(ctx, p.node.host, address)
	if err == nil && p.ctx.Err() != nil {
		conn.Close()
		return nil, p.ctx.Err()
	}
	return conn, err
}

// fatal is how a node says that it cannot go on.
func (p *Process) fatal(err error) {
	if p.ctx.Err() != nil {
		return // nobody hears the dead
	}
	p.node.region.world.unexpected(fmt.Errorf("%s gives up: %w", p.node.host, err))
}

// Kill ends the process as kill -9 does, and with powerLoss as a power cut
// does: then the log loses what was not synced.
func (n *Node) Kill(powerLoss bool) error { return n.region.world.kill(powerLoss, n) }

// Kill ends the processes of all nodes of the region at one moment.
func (r *Region) Kill(powerLoss bool) error { return r.world.kill(powerLoss, r.Nodes...) }

// kill ends the processes of nodes at one moment.
//
// The bubble first comes to rest, so that nothing runs while the disks are
// looked at. Rest is not idleness: disks and networks take virtual time, so
// processes rest in the middle of writes, and of commits that wait for other
// nodes.
func (w *World) kill(powerLoss bool, nodes ...*Node) error {
	synctest.Wait()
	for _, n := range nodes {
		p := n.process()
		if p == nil {
			continue
		}
		var random *rand.Rand
		if powerLoss {
			random = rand.New(rand.NewPCG(w.options.Seed, uint64(n.lives)<<8|uint64(n.index)))
		}
		if err := n.disk.cut(p.dir, random); err != nil {
			return fmt.Errorf("kill %s: %w", n.host, err)
		}
	}
	for _, n := range nodes {
		if p := n.process(); p != nil {
			p.die()
		}
	}
	return nil
}

// die cuts a process off from everything. What is left of it fails as it
// likes: the disk is another now.
func (p *Process) die() {
	n := p.node
	w := n.region.world
	p.cancel()
	w.net.Crash(n.host)
	_ = p.gossip.Shutdown() // which cannot fail
	n.mu.Lock()
	n.running = nil
	n.mu.Unlock()
	w.background(func() {
		_ = p.close()
		_ = os.RemoveAll(p.dir)
	})
}

// Stop ends the process in order, with drain after it has handed over what it
// leads.
func (n *Node) Stop(drain bool) error {
	p := n.process()
	if p == nil {
		return nil
	}
	if _, up := n.Up(); up && drain {
		ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
		defer cancel()
		_ = p.Node.Drain(ctx) // others may be gone
	}
	p.cancel()
	n.mu.Lock()
	n.running = nil
	n.mu.Unlock()
	err := p.close()
	n.disk.unmount(p.dir)
	if err != nil {
		return fmt.Errorf("stop %s: %w", n.host, err)
	}
	return nil
}

func (p *Process) close() error {
	p.Replicator.Close()
	err := p.Node.Close()
	p.joining.Wait()
	return err
}

// logger notes what a node warns of.
func (p *Process) logger() *slog.Logger {
	return slog.New(&logHandler{log: p.node.region.world.log, host: p.node.host, level: logLevel()})
}
