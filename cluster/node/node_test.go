package node_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/member/memnet"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/cluster/placement"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/e2e/sim/simnet"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// region is a region under test, within a synctest bubble.
type region struct {
	t      *testing.T
	net    *simnet.Network
	gossip *memnet.Network
	dirs   map[cluster.NodeID]string
	nodes  map[cluster.NodeID]*node.Node
	// leading tunes how leaders move.
	leading placement.LeadTuning
	tap     transport.Tap
}

func newRegion(t *testing.T) *region {
	net := simnet.New(1)
	r := &region{
		t: t, net: net, gossip: memnet.New(net.Link),
		dirs: map[cluster.NodeID]string{}, nodes: map[cluster.NodeID]*node.Node{},
	}
	return r
}

// open makes a node that has not met the others yet.
func (r *region) open(id cluster.NodeID, expect int) (*node.Node, error) {
	r.t.Helper()
	if r.dirs[id] == "" {
		r.dirs[id] = r.t.TempDir()
	}
	host := string(id)
	listener, err := r.net.Listen(host + ":7000")
	if err != nil {
		r.t.Fatal(err)
	}
	gossip := fmt.Sprintf("10.0.0.%d:7001", id[0]-'a'+1)
	packets, err := r.gossip.Attach(host, gossip)
	if err != nil {
		r.t.Fatal(err)
	}
	return node.New(node.Config{
		ID: id, Region: "eu", Dir: r.dirs[id],
		Listener: listener, Dial: r.net.Dialer(host), Expect: expect, Partitions: expect,
		Gossip:  &node.Gossip{Bind: gossip, Advertise: gossip, Seeds: []string{"10.0.0.1:7001"}, Transport: packets},
		Leaders: r.leading, Tap: r.tap,
		Fatal: func(err error) { r.t.Errorf("node %s: fatal: %v", id, err) },
	})
}

// start starts nodes side by side, each expecting a number of founders.
func (r *region) start(expect int, ids ...cluster.NodeID) {
	r.t.Helper()
	failed := make(chan error, len(ids))
	for _, id := range ids {
		n, err := r.open(id, expect)
		if err != nil {
			r.t.Fatalf("open node %s: %v", id, err)
		}
		r.nodes[id] = n
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			failed <- n.Start(ctx)
		}()
	}
	for range ids {
		if err := <-failed; err != nil {
			r.t.Fatalf("start: %v", err)
		}
	}
}

func (r *region) stop(id cluster.NodeID) {
	if n := r.nodes[id]; n != nil {
		if err := n.Close(); err != nil {
			r.t.Errorf("close node %s: %v", id, err)
		}
		delete(r.nodes, id)
	}
}

func (r *region) stopAll() {
	for id := range r.nodes {
		r.stop(id)
	}
	// A probe of memberlist that was under way ends by its own timeout, after
	// Close; the bubble waits for it.
	<-time.After(10 * time.Second)
}

// table creates a table and waits until it is active everywhere.
func (r *region) table(at cluster.NodeID, name string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := r.nodes[at].CreateTable(ctx, schema.Table{
		Name:       name,
		Partition:  schema.KeyAttribute{Name: "id", Kind: item.S},
		Attributes: []schema.KeyAttribute{{Name: "id", Kind: item.S}},
	}, nil)
	if err != nil {
		r.t.Fatalf("create table: %v", err)
	}
	for id, n := range r.nodes {
		_, err := n.Catalog().Await(ctx, func(s *catalog.State) bool {
			t, ok := s.Tables[name]
			return ok && t.Status == catalog.Active
		})
		if err != nil {
			r.t.Fatalf("node %s waits for the table: %v", id, err)
		}
	}
}

func key(t *testing.T, table *catalog.Table, id string) (item.Item, []byte) {
	t.Helper()
	it := item.NewItem(item.Attribute{Name: "id", Value: item.String(id)})
	k, err := table.EncodeKey(it)
	if err != nil {
		t.Fatal(err)
	}
	return it, k
}

func (r *region) put(at cluster.NodeID, table, id, value string) {
	r.t.Helper()
	n := r.nodes[at]
	t, ok := n.Router().Table(table)
	if !ok {
		r.t.Fatalf("node %s does not know table %s", at, table)
	}
	it, k := key(r.t, t, id)
	result, err := n.Router().Execute(context.Background(), t, &command.Command{
		Kind: command.Put, Key: k, Item: item.Encode(it.With("v", item.String(value))),
	})
	if err != nil || result.Err != nil {
		r.t.Fatalf("put %s at %s: %v %v", id, at, err, result.Err)
	}
}

func (r *region) get(at cluster.NodeID, table, id string) string {
	r.t.Helper()
	n := r.nodes[at]
	t, ok := n.Router().Table(table)
	if !ok {
		r.t.Fatalf("node %s does not know table %s", at, table)
	}
	_, k := key(r.t, t, id)
	e, err := n.Router().Get(context.Background(), t, k, true)
	if err != nil {
		r.t.Fatalf("get %s at %s: %v", id, at, err)
	}
	if e == nil {
		return ""
	}
	v, _, err := e.Attribute("v")
	if err != nil {
		r.t.Fatal(err)
	}
	return v.Str()
}

func TestThreeNodesFoundARegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.start(3, "a", "b", "c")
		r.table("b", "orders")
		for i := range 30 {
			at := []cluster.NodeID{"a", "b", "c"}[i%3]
			r.put(at, "orders", fmt.Sprint(i), fmt.Sprint("value ", i))
		}
		for i := range 30 {
			at := []cluster.NodeID{"b", "c", "a"}[i%3]
			if got, want := r.get(at, "orders", fmt.Sprint(i)), fmt.Sprint("value ", i); got != want {
				t.Errorf("item %d at %s: %q, want %q", i, at, got, want)
			}
		}
		table, _ := r.nodes["a"].Router().Table("orders")
		if len(table.Partitions) != 3 {
			t.Errorf("the table has %d partitions, want 3", len(table.Partitions))
		}
		page, err := r.nodes["c"].Router().Page(t.Context(), table, machine.PageRequest{}, true)
		if err != nil || page.Count != 30 || page.More {
			t.Errorf("scan: %d items, more %v, error %v; want all 30", page.Count, page.More, err)
		}
	})
}

// A table that is created when the first node has hardly started is laid out
// over all that found the region, and each of them leads a part of it.
func TestATableMadeAtOnceIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		ids := []cluster.NodeID{"a", "b", "c"}
		started := map[cluster.NodeID]chan error{}
		for _, id := range ids {
			n, err := r.open(id, len(ids))
			if err != nil {
				t.Fatal(err)
			}
			r.nodes[id], started[id] = n, make(chan error, 1)
			go func() { started[id] <- n.Start(t.Context()) }()
		}
		if err := <-started["a"]; err != nil {
			t.Fatal(err)
		}
		r.table("a", "orders")
		for _, id := range ids[1:] {
			if err := <-started[id]; err != nil {
				t.Fatal(err)
			}
		}
		table, ok := r.nodes["a"].Router().Table("orders")
		if !ok {
			t.Fatal("the table is not known")
		}
		first := map[cluster.NodeID]int{}
		for _, p := range table.Partitions {
			first[p.Birth[0].Node]++
			if len(p.Birth) != 3 {
				t.Errorf("a partition begins on %v", p.Birth)
			}
		}
		if len(table.Partitions) != 3 || len(first) != 3 {
			t.Errorf("%d partitions are to be led by %v", len(table.Partitions), first)
		}
	})
}

// TestATableThatCannotBeKnown: a node that cannot ask the catalog does not say
// that there is no table.
func TestATableThatCannotBeKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.start(3, "a", "b", "c")
		r.table("b", "orders")
		r.net.Cut("c", "a")
		r.net.Cut("c", "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		create := schema.Table{
			Name:       "late",
			Partition:  schema.KeyAttribute{Name: "id", Kind: item.S},
			Attributes: []schema.KeyAttribute{{Name: "id", Kind: item.S}},
		}
		for { // while another catalog leader is elected
			if _, err := r.nodes["a"].CreateTable(ctx, create, nil); err == nil || ctx.Err() != nil {
				break
			}
		}
		if _, err := r.nodes["c"].Router().Lookup("orders"); err != nil {
			t.Errorf("a table that the node knows: %v", err)
		}
		if _, err := r.nodes["c"].Router().Lookup("late"); storage.KindOf(err) != storage.Unavailable {
			t.Errorf("a table of which the node has not heard: %v, want that it is not known", err)
		}
		r.net.HealAll()
		if _, err := r.nodes["c"].Catalog().Await(ctx, func(s *catalog.State) bool { return s.Tables["late"] != nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := r.nodes["c"].Router().Lookup("late"); err != nil {
			t.Errorf("after healing: %v", err)
		}
		if _, err := r.nodes["c"].Router().Lookup("never"); storage.KindOf(err) != storage.ResourceNotFound {
			t.Errorf("a table that nobody has made: %v", err)
		}
	})
}

// TestALeaderThatGoesSilent: whoever waits for an answer of a leader that died
// without a word goes on as soon as there is another one.
func TestALeaderThatGoesSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.start(3, "a", "b", "c")
		r.table("b", "orders")
		table, _ := r.nodes["a"].Router().Table("orders")
		for i := range 9 { // every node learns who leads
			r.put([]cluster.NodeID{"a", "b", "c"}[i%3], "orders", fmt.Sprint(i), "before")
		}
		g, ok := r.nodes["a"].Host().Group(table.Partitions[0].Group)
		if !ok {
			t.Fatal("node a has no peer of the first partition")
		}
		leader, _ := g.Leader()
		var at []cluster.NodeID
		for _, id := range []cluster.NodeID{"a", "b", "c"} {
			if id != leader.Node {
				r.net.Cut(string(id), string(leader.Node))
				at = append(at, id)
			}
		}
		begin := time.Now()
		for i := range 9 {
			r.put(at[i%2], "orders", fmt.Sprint(i), "after")
		}
		// An election for each partition that it led, and no timeout of a request.
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("it took %v of virtual time to write past the silent leader %s", took, leader.Node)
		}
		for i := range 9 {
			if v := r.get(at[0], "orders", fmt.Sprint(i)); v != "after" {
				t.Errorf("item %d is %q", i, v)
			}
		}
		r.net.HealAll()
	})
}

func TestARegionComesBackAfterAllNodesStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.start(3, "a", "b", "c")
		r.table("a", "orders")
		r.put("a", "orders", "k", "kept")
		r.stopAll()
		r.start(3, "c", "b")
		if got := r.get("c", "orders", "k"); got != "kept" {
			t.Errorf("after the restart of two nodes: %q", got)
		}
		r.start(3, "a")
		r.put("a", "orders", "k", "newer")
		if got := r.get("b", "orders", "k"); got != "newer" {
			t.Errorf("after the restart of the third: %q", got)
		}
	})
}

func TestARegionGrowsFromOneNodeToThree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.start(1, "a")
		r.table("a", "orders")
		r.put("a", "orders", "k", "v")
		r.start(0, "b", "c")

		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		for voters := func() int {
			least := 3
			for _, g := range r.nodes["a"].Host().Groups() {
				c, err := g.Configuration()
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for _, m := range c.Members {
					if m.Voter {
						n++
					}
				}
				least = min(least, n)
			}
			return least
		}; voters() < 3; {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				t.Fatal("the groups did not get three voters each")
			}
		}
		r.stop("a")
		if got := r.get("b", "orders", "k"); got != "v" {
			t.Errorf("without the founder: %q", got)
		}
	})
}

func TestANodeThatLostItsDiskIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.start(3, "a", "b", "c")
		r.stop("c")
		r.dirs["c"] = t.TempDir()
		n, err := r.open("c", 3)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := n.Start(ctx); err == nil || !strings.Contains(err.Error(), "new id") {
			t.Errorf("Start = %v; want a refusal that says to take a new id", err)
		}
	})
}

func TestADataDirectoryBelongsToOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.start(1, "a")
		r.stop("a")
		r.dirs["b"] = r.dirs["a"]
		if _, err := r.open("b", 3); err == nil || !strings.Contains(err.Error(), "belongs to node a") {
			t.Errorf("open = %v; want a refusal that names the owner", err)
		}
	})
}

// TestANodeInMemoryTouchesNoDisk: a data directory is no reason to use it.
func TestANodeInMemoryTouchesNoDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		listener, err := r.net.Listen("a:7000")
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "unused")
		n, err := node.New(node.Config{
			ID: "a", Region: "eu", Dir: dir, InMemory: true, Listener: listener, Expect: 1,
			Fatal: func(err error) { t.Errorf("fatal: %v", err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		r.nodes["a"] = n
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.table("a", "orders")
		r.put("a", "orders", "k", "v")
		if got := r.get("a", "orders", "k"); got != "v" {
			t.Errorf("read %q", got)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the data directory is there: %v", err)
		}
	})
}

// TestTableSizeCountsPartitionsElsewhere asks each of four nodes how large a
// table is, of which none of them holds every partition.
func TestTableSizeCountsPartitionsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		ids := []cluster.NodeID{"a", "b", "c", "d"}
		r.start(4, ids...)
		r.table("a", "orders")
		for i := range 40 {
			r.put("a", "orders", fmt.Sprint(i), "value")
		}
		<-time.After(time.Second) // followers hear of the last commit with a heartbeat
		partial := 0
		for _, id := range ids {
			n := r.nodes[id]
			table, _ := n.Router().Table("orders")
			for _, p := range table.Partitions {
				if _, ok := n.Host().Group(p.Group); !ok {
					partial++
					break
				}
			}
			if items, bytes := n.TableSize(table); items != 40 || bytes < 40*int64(len("idvvalue")) {
				t.Errorf("node %s: %d items, %d bytes", id, items, bytes)
			}
		}
		if partial == 0 {
			t.Error("every node holds every partition: the test shows nothing")
		}
		for i := range 20 {
			r.put("b", "orders", fmt.Sprint("more ", i), "value")
		}
		<-time.After(31 * time.Second)
		for _, id := range ids {
			table, _ := r.nodes[id].Router().Table("orders")
			if items, _ := r.nodes[id].TableSize(table); items != 60 {
				t.Errorf("node %s: %d items half a minute later", id, items)
			}
		}
	})
}
