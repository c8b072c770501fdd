package replication_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/replication"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/replication/sender"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
	"github.com/roundtabledb/roundtable/storage/version"
)

// partition is a real state machine with a log that commits at once.
type partition struct {
	mu      sync.Mutex
	machine *machine.Partition
	index   uint64
	clock   version.Clock
	now     func() time.Time
}

func (p *partition) execute(cmd *command.Command) (command.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index++
	t := p.clock.Now(p.now().UnixMilli())
	batch := command.AppendBatch(nil, t, [][]byte{cmd.Append(nil)})
	results, err := p.machine.Apply([]machine.Entry{{Index: p.index, Term: 1, Data: batch}})
	if err != nil {
		return command.Result{}, err
	}
	p.clock.Observe(p.machine.Meta().MaxTime)
	return results[0][0], nil
}

// region is one region: a catalog and partitions that all of its nodes share,
// with leaders that the test appoints.
type region struct {
	t       *testing.T
	name    string
	engine  *engine.Engine
	catalog *catalog.Catalog
	faults  machine.Faults
	// layout is how many partitions a table gets here, and seed its hash seed.
	layout int
	seed   byte
	// ahead is by how much this region's clock is.
	ahead atomic.Int64

	jobs   sync.WaitGroup
	cancel context.CancelFunc

	mu struct {
		sync.Mutex
		partitions map[cluster.GroupID]*partition
		leaders    map[cluster.GroupID]int // index of a node
		terms      map[cluster.GroupID]uint64
		led        chan struct{}
		received   int // states merged, whatever became of them
		refuse     bool
	}
	nodes []*node
}

// node is one node of a region.
type node struct {
	region  *region
	index   int
	address string
	wan     *wan

	replicator atomic.Pointer[replication.Replicator] // nil while the node is down
	down       atomic.Bool                            // on the test's own account
	listener   *listener
	server     *grpc.Server
}

func newRegion(t *testing.T, name string, nodes int, w *wan) *region {
	e, err := engine.Open(engine.Options{InMemory: true, MemoryBudget: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r := &region{t: t, name: name, engine: e, layout: 1, seed: name[0]}
	r.mu.partitions = map[cluster.GroupID]*partition{}
	r.mu.leaders = map[cluster.GroupID]int{}
	r.mu.led = make(chan struct{})
	r.mu.terms = map[cluster.GroupID]uint64{}
	r.hold(cluster.CatalogGroup, "", nil, nil)
	r.catalog = catalog.Open(catalogSource{r}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.jobs.Go(func() { r.runJobs(ctx) })
	for i := range nodes {
		r.nodes = append(r.nodes, &node{region: r, index: i, address: fmt.Sprintf("%s/%d", name, i), wan: w})
	}
	return r
}

func (r *region) clock() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }

func (r *region) setAhead(d time.Duration) { r.ahead.Store(int64(d)) }

// hold creates a partition, led by the first node.
func (r *region) hold(group cluster.GroupID, table string, lo, hi []byte) {
	m, err := machine.Create(r.engine, machine.Keyspace(group), machine.Meta{Group: uint64(group), Table: table, Lo: lo, Hi: hi}, r.name)
	if err != nil {
		r.t.Error(err)
		return
	}
	m.Inject(r.faults)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.partitions[group] = &partition{machine: m, now: r.clock}
	r.mu.leaders[group] = int(group) % max(1, len(r.nodes))
	r.signalLocked()
}

func (r *region) partition(group cluster.GroupID) *partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.partitions[group]
}

func (r *region) signalLocked() {
	close(r.mu.led)
	r.mu.led = make(chan struct{})
}

// appoint makes a node the leader of a group, in a new term; -1 is none.
func (r *region) appoint(group cluster.GroupID, node int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.leaders[group] = node
	r.mu.terms[group]++
	r.signalLocked()
}

// runJobs does what a node's jobs do to tables: see package node.
func (r *region) runJobs(ctx context.Context) {
	for {
		changed := r.catalog.Changed()
		for _, t := range r.catalog.State().Tables {
			switch {
			case t.Status == catalog.Deleting:
				_ = r.catalog.Update(ctx, func(txn *catalog.Txn) error { txn.DeleteTable(t.Name); return nil })
			case t.Status != catalog.Active && t.Global.Settled(r.name):
				_, _ = r.UpdateTable(ctx, t.Name, func(t *catalog.Table) error { t.Status = catalog.Active; return nil })
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (r *region) close() {
	for _, n := range r.nodes {
		n.stop()
	}
	r.cancel()
	r.jobs.Wait()
	r.catalog.Close()
	if err := r.engine.Close(); err != nil {
		r.t.Error(err)
	}
}

// CreateTable is as package node's, with this region's own layout and seed.
func (r *region) CreateTable(ctx context.Context, s schema.Table, global *catalog.Global) (*catalog.Table, error) {
	s.ID = fmt.Sprintf("%s-%s-%d", r.name, s.Name, time.Now().UnixNano())
	s.HashSeed[0] = r.seed
	record := &catalog.Table{Table: s, Status: catalog.Creating, Global: global}
	var born []*catalog.Partition
	err := r.catalog.Update(ctx, func(txn *catalog.Txn) error {
		born = nil
		if _, ok := txn.Table(s.Name); ok {
			return storage.Errorf(storage.ResourceInUse, "Table already exists: %s", s.Name)
		}
		txn.PutTable(record)
		for i := range r.layout {
			p := &catalog.Partition{Group: txn.NewGroup(), TableID: s.ID}
			if i > 0 {
				p.Lo = []byte{byte(256 * i / r.layout)}
			}
			if i < r.layout-1 {
				p.Hi = []byte{byte(256 * (i + 1) / r.layout)}
			}
			txn.PutPartition(p)
			born = append(born, p)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range born {
		r.hold(p.Group, s.ID, p.Lo, p.Hi)
	}
	return record, nil
}

func (r *region) UpdateTable(ctx context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error) {
	var changed *catalog.Table
	err := r.catalog.Update(ctx, func(txn *catalog.Txn) error {
		table, ok := txn.Table(name)
		if !ok {
			return storage.Errorf(storage.ResourceNotFound, "Requested resource not found: Table: %s not found", name)
		}
		if err := change(table); err != nil {
			return err
		}
		txn.PutTable(table)
		changed = table
		return nil
	})
	return changed, err
}

// ExecuteAll is as package router's.
func (r *region) ExecuteAll(_ context.Context, cmds []router.TableCommand) []router.Outcome {
	outcomes := make([]router.Outcome, len(cmds))
	for i, c := range cmds {
		r.mu.Lock()
		refuse := r.mu.refuse
		if c.Command.Kind == command.Merge && !refuse {
			r.mu.received++
		}
		r.mu.Unlock()
		t, ok := r.catalog.State().TableByID(c.Table.ID)
		if !ok || refuse {
			outcomes[i].Err = storage.Errorf(storage.Unavailable, "no such table, or no leader")
			continue
		}
		p := r.partition(t.Find(c.Command.Key).Group)
		if p == nil {
			outcomes[i].Err = storage.Errorf(storage.Unavailable, "the partition is not there yet")
			continue
		}
		outcomes[i].Result, outcomes[i].Err = p.execute(c.Command)
	}
	return outcomes
}

// catalogSource gives the catalog its group.
type catalogSource struct{ r *region }

func (s catalogSource) Local() *machine.Partition {
	return s.r.partition(cluster.CatalogGroup).machine
}

func (s catalogSource) Watch(context.Context, uint64) (catalog.Delta, error) {
	return catalog.Delta{}, errors.New("not needed")
}

func (s catalogSource) Get(_ context.Context, key []byte) (machine.Stored, error) {
	return s.Local().Get(key)
}

func (s catalogSource) Execute(_ context.Context, cmd *command.Command) (command.Result, error) {
	return s.r.partition(cluster.CatalogGroup).execute(cmd)
}

// start makes a node replicate with the other regions.
func (n *node) start(remotes map[string][]string, tune func(*replication.Config)) {
	c := replication.Config{
		Cluster: n,
		Self:    link.Identity{Region: n.region.name, Cluster: "test", Node: n.address},
		Remotes: remotes,
		Dial: func(ctx context.Context, region, address string) (net.Conn, error) {
			return n.wan.dial(ctx, n.region.name, region, address)
		},
		Now: n.region.clock,
	}
	if tune != nil {
		tune(&c)
	}
	r, err := replication.Start(c)
	if err != nil {
		n.region.t.Fatal(err)
	}
	n.replicator.Store(r)
	n.listener = n.wan.listen(n.address)
	n.server = grpc.NewServer(link.GRPCServerOptions()...)
	r.Register(n.server)
	n.region.jobs.Go(func() { _ = n.server.Serve(n.listener) })
}

func (n *node) stop() {
	if r := n.replicator.Swap(nil); r != nil {
		r.Close()
		n.server.Stop()
	}
}

// The methods of replication.Cluster.

func (n *node) ExecuteAll(ctx context.Context, cmds []router.TableCommand) []router.Outcome {
	return n.region.ExecuteAll(ctx, cmds)
}

func (n *node) CreateTable(ctx context.Context, s schema.Table, g *catalog.Global) (*catalog.Table, error) {
	return n.region.CreateTable(ctx, s, g)
}

func (n *node) UpdateTable(ctx context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error) {
	return n.region.UpdateTable(ctx, name, change)
}

func (n *node) State() *catalog.State    { return n.region.catalog.State() }
func (n *node) Changed() <-chan struct{} { return n.region.catalog.Changed() }

func (n *node) leads(group cluster.GroupID) (term uint64, ok bool) {
	n.region.mu.Lock()
	defer n.region.mu.Unlock()
	leader, ok := n.region.mu.leaders[group]
	return n.region.mu.terms[group], ok && leader == n.index
}

func (n *node) Lead(group cluster.GroupID) (sender.Partition, uint64, bool) {
	term, ok := n.leads(group)
	p := n.region.partition(group)
	if !ok || p == nil {
		return nil, 0, false
	}
	return ledPartition{node: n, group: group, term: term, partition: p}, term, true
}

func (n *node) LeadershipChanged() <-chan struct{} {
	n.region.mu.Lock()
	defer n.region.mu.Unlock()
	return n.region.mu.led
}

func (n *node) Coordinator() bool {
	_, ok := n.leads(cluster.CatalogGroup)
	return ok
}

func (n *node) Progress(_ context.Context, globalID, remote string) ([]sender.Status, error) {
	var all []sender.Status
	for _, m := range n.region.nodes {
		if r := m.replicator.Load(); r != nil {
			all = append(all, r.Progress(globalID, remote)...)
		}
	}
	return all, nil
}

// ledPartition is a partition in a term of a leader.
type ledPartition struct {
	*partition
	node  *node
	group cluster.GroupID
	term  uint64
}

func (p ledPartition) ID() uint64               { return uint64(p.group) }
func (p ledPartition) Writes() uint64           { return 0 }
func (p ledPartition) Head() uint64             { return p.machine.Meta().NextSeq - 1 }
func (p ledPartition) Changed() <-chan struct{} { return p.machine.Changed() }

func (p ledPartition) Changes(after uint64, max int) ([]change.Change, error) {
	return p.machine.Changes(after, max)
}
func (p ledPartition) Get(key []byte) (machine.Stored, error) { return p.machine.Get(key) }
func (p ledPartition) Page(r machine.PageRequest) (machine.Page, error) {
	return p.machine.Page(r)
}
func (p ledPartition) Consumers() (map[string]machine.ConsumerState, error) {
	return p.machine.Consumers(), nil
}

func (p ledPartition) Propose(_ context.Context, cmd *command.Command) (command.Result, error) {
	if term, ok := p.node.leads(p.group); !ok || term != p.term {
		return command.Result{}, storage.Errorf(storage.NotLeader, "another node leads")
	}
	return p.execute(cmd)
}
