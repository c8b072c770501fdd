// Package regional is a node of package cluster in the form that replication
// needs: it tells which partitions the node leads, proposes to them, and asks
// the other nodes of the region how far they are.
//
// It adds no behaviour of its own to either side.
package regional

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/replication"
	"github.com/roundtabledb/roundtable/replication/sender"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// Node implements replication.Cluster.
type Node struct {
	node       *node.Node
	replicator atomic.Pointer[replication.Replicator]

	mu struct {
		sync.Mutex
		led chan struct{} // closed and replaced when the node's leaderships change
	}
}

var _ replication.Cluster = (*Node)(nil)

// New makes the adapter of a node that has not started yet.
func New(n *node.Node) *Node {
	r := &Node{node: n}
	r.mu.led = make(chan struct{})
	n.Transport().Handle(transport.ReplicationProgress, r.serveProgress)
	n.Host().OnLeader(func(cluster.GroupID, bool, uint64) {
		r.mu.Lock()
		defer r.mu.Unlock()
		close(r.mu.led)
		r.mu.led = make(chan struct{})
	})
	return r
}

// Serve makes the node tell the others how far a replicator is.
func (r *Node) Serve(replicator *replication.Replicator) { r.replicator.Store(replicator) }

// ExecuteAll carries out commands on the region's tables.
func (r *Node) ExecuteAll(ctx context.Context, cmds []router.TableCommand) []router.Outcome {
	return r.node.Router().ExecuteAll(ctx, cmds)
}

// CreateTable enters a table that begins with a replica set.
func (r *Node) CreateTable(ctx context.Context, table schema.Table, global *catalog.Global) (*catalog.Table, error) {
	return r.node.CreateTable(ctx, table, global)
}

// UpdateTable changes a table's record.
func (r *Node) UpdateTable(ctx context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error) {
	return r.node.UpdateTable(ctx, name, change)
}

// State is the region's catalog as the node knows it.
func (r *Node) State() *catalog.State { return r.node.Catalog().State() }

// Changed is closed at the next change of State.
func (r *Node) Changed() <-chan struct{} { return r.node.Catalog().Changed() }

// LeadershipChanged is closed when the node begins or ceases to lead a group.
func (r *Node) LeadershipChanged() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.led
}

// Lead returns a partition that the node leads, and in which term.
func (r *Node) Lead(id cluster.GroupID) (sender.Partition, uint64, bool) {
	g, ok := r.node.Host().Group(id)
	if !ok {
		return nil, 0, false
	}
	term, ok := g.Leading()
	return partition{g}, term, ok
}

// Coordinator reports whether the node leads the catalog.
func (r *Node) Coordinator() bool {
	g, ok := r.node.Host().Group(cluster.CatalogGroup)
	return ok && g.IsLeader()
}

// progressQuery asks a node for Replicator.Progress.
type progressQuery struct {
	GlobalID string `json:"globalId"`
	Remote   string `json:"remote"`
}

// progressTimeout is how long Progress waits for the slowest node.
const progressTimeout = 3 * time.Second

// Progress asks every node of the region. What a node that does not answer
// would say is missing.
func (r *Node) Progress(ctx context.Context, globalID, remote string) ([]sender.Status, error) {
	query, err := json.Marshal(progressQuery{globalID, remote})
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	var mu sync.Mutex
	var all []sender.Status
	var wg sync.WaitGroup
	for _, id := range r.State().NodeIDs() {
		wg.Go(func() {
			var some []sender.Status
			body, err := r.node.Transport().CallWait(asking, id, transport.Control, transport.ReplicationProgress, 0, query)
			if err != nil || json.Unmarshal(body, &some) != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, some...)
		})
	}
	wg.Wait()
	return all, ctx.Err()
}

func (r *Node) serveProgress(_ cluster.NodeID, _ cluster.GroupID, body []byte, reply transport.Reply) {
	replicator := r.replicator.Load()
	var query progressQuery
	if err := json.Unmarshal(body, &query); err != nil || replicator == nil {
		reply(nil, storage.Errorf(storage.Unavailable, "replication does not run here"))
		return
	}
	reply(json.Marshal(replicator.Progress(query.GlobalID, query.Remote)))
}

// partition is a group as a sender needs it.
type partition struct{ g *group.Group }

func (p partition) ID() uint64 { return uint64(p.g.ID()) }

func (p partition) Head() uint64 { return p.g.Machine().Meta().NextSeq - 1 }

func (p partition) Writes() uint64 { return p.g.Writes() }

func (p partition) Changed() <-chan struct{} { return p.g.Machine().Changed() }

func (p partition) Changes(after uint64, max int) ([]change.Change, error) {
	return p.g.Machine().Changes(after, max)
}

func (p partition) Get(key []byte) (machine.Stored, error) { return p.g.Machine().Get(key) }

func (p partition) Page(q machine.PageRequest) (machine.Page, error) { return p.g.Machine().Page(q) }

func (p partition) Consumers() (map[string]machine.ConsumerState, error) {
	return p.g.Machine().Consumers(), nil
}

func (p partition) Propose(ctx context.Context, cmd *command.Command) (command.Result, error) {
	type answer struct {
		result command.Result
		err    error
	}
	done := make(chan answer, 1)
	p.g.Propose(cmd.Append(nil), func(result command.Result, err error) { done <- answer{result, err} })
	select {
	case a := <-done:
		return a.result, a.err
	case <-ctx.Done():
		return command.Result{}, storage.Errorf(storage.Ambiguous, "replication: %w", context.Cause(ctx))
	}
}
