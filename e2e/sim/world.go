// Package sim runs whole deployments in virtual time: regions of real nodes
// with real replication, on a simulated network and simulated disks, while
// clients work and things break. It is for testing/synctest bubbles.
//
// What breaks, when and where, and what the clients attempt, all come from a
// seed: the same seed means the same faults and the same traffic. How the
// goroutines of the nodes interleave does not, so a seed that failed may have
// to be run more than once to fail again.
//
// At the end everything is healed, and the checkers of package check compare
// what clients saw with what the regions hold. The package knows how to break
// a deployment and how to ask it; what is right is the checkers' business.
package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/member"
	"github.com/roundtabledb/roundtable/cluster/member/memnet"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/cluster/placement"
	"github.com/roundtabledb/roundtable/e2e/sim/simnet"
)

// regionNames are the regions of a World, as far as it has that many.
var regionNames = []string{"amber", "birch", "cedar"}

// nodesPerRegion is how many nodes a region has: each group has a peer on all
// of them.
const nodesPerRegion = 3

// Options says what a World is made of.
type Options struct {
	Seed uint64
	// Regions is how many regions there are, three at the most.
	Regions int
	// Dir is a directory for the state of the nodes, on a fast disk.
	Dir string
	// Partitions is how many partitions a table has in each region.
	Partitions int
	// Network is how far regions and nodes are from each other.
	Network Distances
	// Tuning, Leaders and CheckpointEvery are those of all nodes.
	Tuning          group.Tuning
	Leaders         placement.LeadTuning
	CheckpointEvery time.Duration
	// Faults make the nodes of the regions named here wrong: negative controls.
	Faults map[string]node.Faults
	// Log takes what happens.
	Log *Log
}

// Distances is what bytes take, one way.
type Distances struct {
	// Near is between nodes of a region, Far between regions: the least, and
	// how much more it can be.
	Near, NearJitter, Far, FarJitter time.Duration
	// Sync is what a disk takes to make something durable, at the most.
	Sync time.Duration
}

// World is some regions with everything between them. Its methods that start,
// kill or change something are for one goroutine, the controller; the bubble
// must have no other that calls synctest.Wait.
type World struct {
	options Options
	log     *Log
	begin   time.Time
	net     *simnet.Network
	gossip  *memnet.Network
	loss    *loss
	Regions []*Region

	// tasks is what goes on beside the controller: among others, processes that
	// were killed are cleared away.
	tasks sync.WaitGroup

	mu struct {
		sync.Mutex
		surprises []error
	}
}

// Region is one region of a World.
type Region struct {
	world *World
	index int
	Name  string
	Nodes []*Node
	// skew is by how much the clocks of the region are off, in nanoseconds.
	skew atomic.Int64
	// member is set once the region shares the orders.
	member atomic.Bool
}

// New makes a World in which nothing runs yet.
func New(o Options) *World {
	net := simnet.New(o.Seed)
	w := &World{
		options: o, log: o.Log, begin: time.Now(),
		net: net, gossip: memnet.New(net.Link), loss: newLoss(o.Seed),
	}
	o.Log.begin = w.begin
	for i := range o.Regions {
		r := &Region{world: w, index: i, Name: regionNames[i]}
		for j := range nodesPerRegion {
			r.Nodes = append(r.Nodes, newNode(r, j))
		}
		w.Regions = append(w.Regions, r)
	}
	w.lay()
	return w
}

// lay gives every path of the network its length.
func (w *World) lay() {
	d := w.options.Network
	for _, a := range w.nodes() {
		for _, b := range w.nodes() {
			switch {
			case a == b:
			case a.region == b.region:
				w.net.SetDelay(a.host, b.host, d.Near, d.NearJitter)
			default:
				w.net.SetDelay(a.host, b.host, d.Far, d.FarJitter)
			}
		}
	}
}

// nodes is every node of every region.
func (w *World) nodes() []*Node {
	var all []*Node
	for _, r := range w.Regions {
		all = append(all, r.Nodes...)
	}
	return all
}

// Start starts every node and waits until all are members of their regions.
func (w *World) Start(ctx context.Context) error {
	for _, n := range w.nodes() {
		if err := n.Boot(); err != nil {
			return err
		}
	}
	return w.awaitStarted(ctx)
}

func (w *World) awaitStarted(ctx context.Context) error {
	for _, n := range w.nodes() {
		if p := n.process(); p != nil {
			select {
			case <-p.started:
			case <-ctx.Done():
				return fmt.Errorf("node %s does not start: %w", n.host, context.Cause(ctx))
			}
		}
	}
	return nil
}

// Close stops everything and waits for it.
func (w *World) Close() error {
	var mu sync.Mutex
	var failed []error
	for _, n := range w.nodes() {
		w.background(func() {
			err := n.Stop(false)
			mu.Lock()
			defer mu.Unlock()
			failed = append(failed, err)
		})
	}
	w.tasks.Wait()
	// Probes of memberlist end by their own timeout.
	time.Sleep(member.Linger)
	return errors.Join(failed...)
}

// remotes is where the nodes of the other regions are.
func (w *World) remotes(self *Region) map[string][]string {
	all := map[string][]string{}
	for _, r := range w.Regions {
		if r == self {
			continue
		}
		for _, n := range r.Nodes {
			all[r.Name] = append(all[r.Name], n.address())
		}
	}
	return all
}

// Await waits until a condition holds, which is asked for every so often.
func (w *World) Await(ctx context.Context, every time.Duration, ok func() bool) error {
	for !ok() {
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// unexpected notes what must not happen whatever breaks.
func (w *World) unexpected(err error) {
	w.log.Notef("unexpected: %v", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.mu.surprises) < 20 {
		w.mu.surprises = append(w.mu.surprises, err)
	}
}

// Surprises is what happened that must not happen, whatever breaks: a node
// that gave up, an answer that makes no sense.
func (w *World) Surprises() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.mu.surprises...)
}

// Elapsed is how long the World has existed.
func (w *World) Elapsed() time.Duration { return time.Since(w.begin) }

// Log keeps what happened in a World. It is safe for concurrent use.
type Log struct {
	begin time.Time
	mu    sync.Mutex
	lines []line
}

type line struct {
	text string
	// detail is of interest only when something went wrong.
	detail bool
}

// Notef adds a line, with the virtual time.
func (l *Log) Notef(format string, args ...any) { l.add(false, fmt.Sprintf(format, args...)) }

func (l *Log) add(detail bool, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := time.Since(l.begin).Round(time.Microsecond)
	l.lines = append(l.lines, line{fmt.Sprintf("%14s  %s", at, text), detail})
}

// Lines returns what was noted, with detail also what the nodes logged.
func (l *Log) Lines(detail bool) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, line := range l.lines {
		if detail || !line.detail {
			lines = append(lines, line.text)
		}
	}
	return lines
}

// FastDir makes a directory in memory where there is such a file system, and
// else where temporary files go. The caller removes it.
func FastDir() (string, error) {
	for _, parent := range []string{"/dev/shm", os.TempDir()} {
		if dir, err := os.MkdirTemp(parent, "roundtable-sim-"); err == nil {
			return filepath.Clean(dir), nil
		}
	}
	return "", fmt.Errorf("no directory for the simulator's state")
}
