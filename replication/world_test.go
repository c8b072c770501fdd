package replication_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/replication"
	"github.com/roundtabledb/roundtable/replication/sender"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
	"github.com/roundtabledb/roundtable/storage/version"
)

const tableName = "orders"

// world is some regions with a network between them, and an oracle that knows
// the newest acknowledged state of every item.
type world struct {
	t       *testing.T
	wan     *wan
	names   []string
	regions map[string]*region
	tune    func(*replication.Config)

	mu     sync.Mutex
	newest map[string]state // by key attributes
}

// state is an item in a region, or in the oracle.
type state struct {
	version   version.Version
	tombstone bool
	item      string
}

type option func(*world)

// nodesPerRegion is how many nodes a region has. Partitions are spread over
// them.
const nodesPerRegion = 2

func newWorld(t *testing.T, names []string, options ...option) *world {
	w := &world{
		t: t, names: names, regions: map[string]*region{}, newest: map[string]state{},
		wan: newWAN(40 * time.Millisecond),
	}
	for i, name := range names {
		w.regions[name] = newRegion(t, name, nodesPerRegion, w.wan)
		// Regions need not agree on where items are.
		w.regions[name].layout = i + 1
	}
	for _, o := range options {
		o(w)
	}
	for _, r := range w.regions {
		for _, n := range r.nodes {
			n.start(w.remotes(r.name), w.tune)
		}
	}
	return w
}

func (w *world) remotes(self string) map[string][]string {
	remotes := map[string][]string{}
	for name, r := range w.regions {
		if name == self {
			continue
		}
		for _, n := range r.nodes {
			remotes[name] = append(remotes[name], n.address)
		}
	}
	return remotes
}

func (w *world) close() {
	// All nodes first: a region that is gone would keep the others trying.
	for _, name := range w.names {
		w.regions[name].close()
	}
}

// await waits for a condition, which must come true within an hour of virtual
// time.
func (w *world) await(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(time.Hour)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("waited for an hour: %s\n%s", what, w.describe())
		}
	}
}

func (w *world) pass(d time.Duration) { <-time.After(d) }

func (w *world) describe() string {
	var out string
	for _, name := range w.names {
		t, ok := w.regions[name].table()
		if !ok {
			out += fmt.Sprintf("%s: no table\n", name)
			continue
		}
		out += fmt.Sprintf("%s: %s %+v\n", name, t.Status, t.Global)
		for _, n := range w.regions[name].nodes {
			replicator := n.replicator.Load()
			if replicator == nil || t.Global == nil {
				continue
			}
			for _, remote := range w.names {
				for _, st := range replicator.Progress(t.Global.ID, remote) {
					out += fmt.Sprintf("  node %d: %+v\n", n.index, st)
				}
			}
		}
	}
	return out
}

func (r *region) table() (*catalog.Table, bool) {
	t, ok := r.catalog.State().Tables[tableName]
	return t, ok
}

// coordinator is the replicator of the node that leads the catalog.
func (r *region) coordinator() *replication.Replicator {
	for _, n := range r.nodes {
		if n.Coordinator() {
			return n.replicator.Load()
		}
	}
	r.t.Fatal("nobody coordinates")
	return nil
}

// found creates the table in the first region given and adds the others.
func (w *world) found(regions ...string) {
	w.t.Helper()
	first := w.regions[regions[0]]
	s := schema.Table{
		Name:        tableName,
		Partition:   schema.KeyAttribute{Name: "id", Kind: item.S},
		Sort:        &schema.KeyAttribute{Name: "line", Kind: item.N},
		BillingMode: "PAY_PER_REQUEST",
	}
	if _, err := first.CreateTable(context.Background(), s, nil); err != nil {
		w.t.Fatal(err)
	}
	w.await("the table is there", func() bool {
		t, ok := first.table()
		return ok && t.Status == catalog.Active
	})
	for _, name := range regions[1:] {
		w.add(regions[0], name)
	}
}

// add adds a replica and waits until all members agree that it is complete.
func (w *world) add(by, name string) {
	w.t.Helper()
	w.await(name+" can be reached", func() bool { return w.regions[by].coordinator().Metrics().Links[name] })
	if err := w.regions[by].coordinator().Tables().AddReplica(context.Background(), tableName, name); err != nil {
		w.t.Fatalf("add %s: %v", name, err)
	}
	w.await(name+" joins", func() bool { return w.member(by, name).Status == catalog.ReplicaActive && w.settled() })
}

func (w *world) member(in, name string) catalog.Member {
	t, ok := w.regions[in].table()
	if !ok || t.Global == nil {
		return catalog.Member{}
	}
	return t.Global.Members[name]
}

// settled reports whether all members are complete and agree on the members.
func (w *world) settled() bool {
	var members []string
	for _, name := range w.names {
		t, ok := w.regions[name].table()
		if !ok {
			continue
		}
		if t.Status != catalog.Active || !t.Global.Settled(name) {
			return false
		}
		var present []string
		for region, m := range t.Global.Members {
			if m.Present && m.Status != catalog.ReplicaActive {
				return false
			}
			if m.Present {
				present = append(present, region)
			}
		}
		slices.Sort(present)
		if members != nil && !slices.Equal(members, present) {
			return false
		}
		members = present
	}
	return true
}

// key is the key attributes of an item.
func key(id string, line int64) item.Item {
	return item.NewItem(
		item.Attribute{Name: "id", Value: item.String(id)},
		item.Attribute{Name: "line", Value: item.Num(item.NumberFromInt(line))},
	)
}

// write puts an item in a region, or deletes it when value is empty, and tells
// the oracle.
func (w *world) write(name string, k item.Item, value string) command.Result {
	w.t.Helper()
	r := w.regions[name]
	t, ok := r.table()
	if !ok || t.Status == catalog.Creating {
		w.t.Errorf("%s takes no writes", name)
		return command.Result{}
	}
	encoded, err := t.EncodeKey(k)
	if err != nil {
		w.t.Error(err)
		return command.Result{}
	}
	cmd := &command.Command{Kind: command.Delete, Key: encoded}
	st := state{tombstone: true}
	if value != "" {
		cmd.Kind, cmd.Item = command.Put, item.Encode(k.With("value", item.String(value)))
		st = state{item: string(cmd.Item)}
	}
	out := r.ExecuteAll(context.Background(), []router.TableCommand{{Table: t, Command: cmd}})[0]
	if storage.KindOf(out.Err) == storage.Unavailable {
		return out.Result // certainly not done
	}
	if out.Err != nil || out.Result.Err != nil {
		w.t.Errorf("write in %s: %v %v", name, out.Err, out.Result.Err)
		return out.Result
	}
	if out.Result.Applied {
		st.version = out.Result.Version
		w.note(k, st)
	}
	return out.Result
}

func (w *world) note(k item.Item, st state) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := string(item.Encode(k))
	if st.version.Newer(w.newest[id].version) {
		w.newest[id] = st
	}
}

// held is everything that a region holds, by key attributes.
func (r *region) held() map[string]state {
	states := map[string]state{}
	t, ok := r.table()
	if !ok {
		return states
	}
	for _, p := range t.Partitions {
		for at := (machine.PageRequest{WithTombstones: true}); ; {
			page, err := r.partition(p.Group).machine.Page(at)
			if err != nil {
				r.t.Fatal(err)
			}
			for _, st := range page.Stored {
				k, err := t.DecodeKey(st.Key)
				if err != nil {
					r.t.Fatal(err)
				}
				states[string(item.Encode(k))] = state{version: st.Version, tombstone: st.Tombstone, item: string(st.Item)}
			}
			if !page.More {
				break
			}
			at.Lo = append(slices.Clone(page.Last), 0)
		}
	}
	return states
}

// quiet reports whether every member has everything of every other.
func (w *world) quiet() bool {
	for _, name := range w.names {
		r := w.regions[name]
		t, ok := r.table()
		if !ok || t.Global == nil {
			continue
		}
		for remote, m := range t.Global.Members {
			if remote == name || !m.Present {
				continue
			}
			idle := map[uint64]bool{}
			statuses, _ := r.nodes[0].Progress(context.Background(), t.Global.ID, remote)
			for _, st := range statuses {
				idle[st.Group] = st.Phase == sender.Feed && st.Pending == 0 && st.Joined == m.Version
			}
			for _, p := range t.Partitions {
				if !idle[uint64(p.Group)] {
					return false
				}
			}
		}
	}
	return true
}

// difference compares all regions that have the table with the oracle. It
// returns "" when all is as it should be.
func (w *world) difference() string {
	w.mu.Lock()
	newest := maps.Clone(w.newest)
	w.mu.Unlock()
	for _, name := range w.names {
		if _, ok := w.regions[name].table(); !ok {
			continue
		}
		held := w.regions[name].held()
		for id, want := range newest {
			got, ok := held[id]
			// An item that was deleted before its region was one of several, or
			// never shipped, leaves no trace.
			if !ok && want.tombstone {
				continue
			}
			if got != want {
				return fmt.Sprintf("%s: item %q is %+v, want %+v", name, id, got, want)
			}
		}
		for id := range held {
			if _, ok := newest[id]; !ok {
				return fmt.Sprintf("%s: item %q was never written", name, id)
			}
		}
	}
	return ""
}

// converged waits until nothing is under way and checks against the oracle.
func (w *world) converged() {
	w.t.Helper()
	w.await("everything is shipped", w.quiet)
	if d := w.difference(); d != "" {
		w.t.Fatal(d)
	}
}

// groups is the groups of a region's table.
func (r *region) groups() []cluster.GroupID {
	var groups []cluster.GroupID
	if t, ok := r.table(); ok {
		for _, p := range t.Partitions {
			groups = append(groups, p.Group)
		}
	}
	return groups
}

func (w *world) remove(by, name string) {
	w.t.Helper()
	if err := w.regions[by].coordinator().Tables().RemoveReplica(context.Background(), tableName, name); err != nil {
		w.t.Fatalf("remove %s: %v", name, err)
	}
	w.await(name+" is gone", func() bool {
		_, ok := w.regions[name].table()
		return !ok && w.settled()
	})
}

type config = replication.Config

func tuned(f func(*config)) option { return func(w *world) { w.tune = f } }

func (r *region) setRefuse(refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.refuse = refuse
}

func (r *region) merged() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.received
}

// incoming sums what the nodes of a region have received.
func (r *region) incoming() (total replication.Incoming) {
	for _, n := range r.nodes {
		for _, in := range n.replicator.Load().Metrics().Incoming {
			total.Accepted += in.Accepted
			total.Behind += in.Behind
			total.Identical += in.Identical
			total.Parked += in.Parked
		}
	}
	return total
}
