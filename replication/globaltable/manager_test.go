package globaltable

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/replication/sender"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// place is a region whose catalog is a value, and in which everything that
// others do happens at once.
type place struct {
	name    string
	state   *catalog.State
	manager *Manager
	world   *places
}

// places is some regions that can call each other.
type places struct {
	byName map[string]*place
	names  []string
	now    time.Time
}

func newPlaces(names ...string) *places {
	ps := &places{byName: map[string]*place{}, names: names, now: time.UnixMilli(1_800_000_000_000)}
	for _, name := range names {
		p := &place{name: name, world: ps, state: &catalog.State{Revision: 1, Tables: map[string]*catalog.Table{}}}
		p.manager = newManager(Options{
			Self:    name,
			Remotes: slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name }),
			Catalog: p, Tables: p,
			Link:        func(region string) Link { return call{from: name, to: ps.byName[region]} },
			Coordinator: func() bool { return true },
			Progress:    p.progress,
			Now:         func() time.Time { return ps.now },
		})
		ps.byName[name] = p
	}
	return ps
}

func (p *place) State() *catalog.State    { return p.state }
func (p *place) Changed() <-chan struct{} { return nil }

func (p *place) CreateTable(_ context.Context, s schema.Table, g *catalog.Global) (*catalog.Table, error) {
	if _, ok := p.state.Tables[s.Name]; ok {
		return nil, storage.Errorf(storage.ResourceInUse, "Table already exists: %s", s.Name)
	}
	s.ID = fmt.Sprintf("%s-%d", p.name, p.state.Revision)
	t := &catalog.Table{Table: s, Status: catalog.Creating, Global: g, Partitions: []*catalog.Partition{{Group: 2}}}
	p.put(t)
	return t, nil
}

func (p *place) UpdateTable(_ context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error) {
	old, ok := p.state.Tables[name]
	if !ok {
		return nil, storage.Errorf(storage.ResourceNotFound, "Requested resource not found: Table: %s not found", name)
	}
	t := *old
	t.Global = old.Global.Clone()
	if err := change(&t); err != nil {
		return nil, err
	}
	p.put(&t)
	return &t, nil
}

func (p *place) put(t *catalog.Table) {
	next := &catalog.State{Revision: p.state.Revision + 1, Tables: map[string]*catalog.Table{t.Name: t}}
	for name, other := range p.state.Tables {
		if name != t.Name {
			next.Tables[name] = other
		}
	}
	p.state = next
}

// jobs does what a node does to tables.
func (p *place) jobs() {
	for _, t := range p.state.Tables {
		switch {
		case t.Status == catalog.Deleting:
			p.state = &catalog.State{Revision: p.state.Revision + 1, Tables: map[string]*catalog.Table{}}
		case t.Status != catalog.Active && t.Global.Settled(p.name):
			_, _ = p.UpdateTable(context.Background(), t.Name, func(t *catalog.Table) error {
				t.Status = catalog.Active
				return nil
			})
		}
	}
}

func (p *place) table() *catalog.Table { return p.state.Tables["orders"] }

// progress says that all senders are done.
func (p *place) progress(_ context.Context, globalID, remote string) ([]sender.Status, error) {
	t, ok := p.manager.Table(globalID)
	if !ok {
		return nil, nil
	}
	return []sender.Status{{
		Group: uint64(cluster.GroupID(2)), Joined: t.Global.Members[remote].Version, Registered: true, CaughtUp: true,
	}}, nil
}

// call is a link that calls.
type call struct {
	from string
	to   *place
}

func (c call) Up() bool                 { return true }
func (c call) Reached() <-chan struct{} { return nil }
func (c call) Exchange(ctx context.Context, tables []byte) ([]byte, error) {
	return c.to.manager.Exchange(ctx, c.from, tables)
}
func (c call) Inquire(_ context.Context, table string) (link.Presence, error) {
	return c.to.manager.Inquire(table), nil
}

func (ps *places) exchange(a, b string) error {
	return ps.byName[a].manager.exchange(context.Background(), b, call{from: a, to: ps.byName[b]})
}

// settle lets everything happen that can happen.
func (ps *places) settle(t interface{ Fatal(...any) }) {
	for range 12 {
		ps.now = ps.now.Add(time.Second)
		for _, a := range ps.names {
			ps.byName[a].manager.round(context.Background())
			ps.byName[a].jobs()
			for _, b := range ps.names {
				if a == b {
					continue
				}
				if err := ps.exchange(a, b); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// found makes a table in a region.
func (ps *places) found(region string) {
	p := ps.byName[region]
	_, _ = p.CreateTable(context.Background(), schema.Table{Name: "orders", BillingMode: "PAY_PER_REQUEST"}, nil)
	p.jobs()
}

// TestRegionsAgree adds and removes replicas anywhere, while regions exchange
// views in any order. In the end all agree, and exactly the members have the
// table.
func TestRegionsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		ps := newPlaces("amber", "birch", "cedar", "dogwood")
		ps.found("amber")
		region := rapid.SampledFrom(ps.names)
		left := false
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				_ = ps.byName[region.Draw(t, "by")].manager.AddReplica(ctx, "orders", region.Draw(t, "region"))
			},
			"remove": func(t *rapid.T) {
				_ = ps.byName[region.Draw(t, "by")].manager.RemoveReplica(ctx, "orders", region.Draw(t, "region"))
			},
			"leave": func(t *rapid.T) {
				ok, _ := ps.byName[region.Draw(t, "region")].manager.Leave(ctx, "orders")
				left = left || ok
			},
			"exchange": func(t *rapid.T) {
				a, b := region.Draw(t, "from"), region.Draw(t, "to")
				if a != b {
					if err := ps.exchange(a, b); err != nil && !strings.Contains(err.Error(), "already exists") {
						t.Fatal(err)
					}
				}
			},
			"work": func(t *rapid.T) {
				p := ps.byName[region.Draw(t, "region")]
				p.manager.round(ctx)
				p.jobs()
			},
			"pass": func(*rapid.T) { ps.now = ps.now.Add(10 * time.Millisecond) },
		})
		ps.settle(t)

		var view *catalog.Global
		have := map[string]bool{}
		for _, name := range ps.names {
			table := ps.byName[name].table()
			if table == nil {
				continue
			}
			have[name] = true
			if table.Status != catalog.Active {
				t.Fatalf("%s: table is %s: %+v", name, table.Status, table.Global)
			}
			if view != nil && table.Global != nil && !equal(view, table.Global) {
				t.Fatalf("views differ: %+v and %+v", view, table.Global)
			}
			view = table.Global
		}
		if len(have) == 0 && !left {
			t.Fatal("the last replica is gone, and nobody deleted it")
		}
		if view == nil {
			return
		}
		for name, m := range view.Members {
			if m.Present != have[name] || m.Present && m.Status != catalog.ReplicaActive || !m.Present && m.Status != "" {
				t.Fatalf("%s is %+v, and has the table: %v", name, m, have[name])
			}
		}
	})
}

// TestRequests has the texts of the service.
func TestRequests(t *testing.T) {
	ctx := context.Background()
	ps := newPlaces("amber", "birch", "cedar")
	ps.found("amber")
	m := ps.byName["amber"].manager
	check := func(what string, err error, kind storage.Kind, text string) {
		t.Helper()
		if storage.KindOf(err) != kind || err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("the local region", m.AddReplica(ctx, "orders", "amber"), storage.Validation,
		"Cannot add or delete the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required.")
	check("an unknown region", m.AddReplica(ctx, "orders", "elm"), storage.Validation,
		"Region elm is not supported. The latest version of global tables are only supported in the following regions: [amber, birch, cedar]")
	check("an unknown table", m.AddReplica(ctx, "other", "birch"), storage.ResourceNotFound, "Table: other not found")
	check("a region that is no member", m.RemoveReplica(ctx, "orders", "birch"), storage.Validation,
		"Update global table operation failed because one or more replicas were not part of the global table. Please retry the request without these replicas: [birch].")

	exists := "Failed to create a the new replica of table with name: 'orders' because one or more replicas already existed as tables."
	ps.found("birch") // a table of its own
	check("a table of that name", m.AddReplica(ctx, "orders", "birch"), storage.Validation, exists)

	if err := m.AddReplica(ctx, "orders", "cedar"); err != nil {
		t.Fatal(err)
	}
	check("a member", m.AddReplica(ctx, "orders", "cedar"), storage.Validation, exists)
	check("while another joins", m.RemoveReplica(ctx, "orders", "cedar"), storage.ResourceInUse,
		"The resource which you are attempting to change is in use.")
	ps.settle(t)
	if err := m.RemoveReplica(ctx, "orders", "cedar"); err != nil {
		t.Fatal(err)
	}
	check("a member that is leaving", m.RemoveReplica(ctx, "orders", "cedar"), storage.Validation, "not part of the global table")
	ps.settle(t)
	if ok, err := m.Leave(ctx, "orders"); ok || err != nil {
		t.Errorf("the last replica leaves: %v, %v", ok, err)
	}
}

// TestNameTaken invites a region in which another table gets the name first.
func TestNameTaken(t *testing.T) {
	ps := newPlaces("amber", "birch")
	ps.found("amber")
	if err := ps.byName["amber"].manager.AddReplica(context.Background(), "orders", "birch"); err != nil {
		t.Fatal(err)
	}
	ps.found("birch")
	ps.settle(t)
	if g := ps.byName["amber"].table(); g.Global.Members["birch"].Present || g.Status != catalog.Active {
		t.Errorf("%s %+v", g.Status, g.Global)
	}
	if other := ps.byName["birch"].table(); other.Global != nil {
		t.Errorf("a foreign table was taken over: %+v", other.Global)
	}
}

// TestMutualRemoval cuts two regions from each other, and in each the other is
// given up for lost.
func TestMutualRemoval(t *testing.T) {
	ctx := context.Background()
	ps := newPlaces("amber", "birch")
	ps.found("amber")
	if err := ps.byName["amber"].manager.AddReplica(ctx, "orders", "birch"); err != nil {
		t.Fatal(err)
	}
	ps.settle(t)
	for _, pair := range [][2]string{{"amber", "birch"}, {"birch", "amber"}} {
		if err := ps.byName[pair[0]].manager.RemoveReplica(ctx, "orders", pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	before := ps.byName["amber"].table().Global.Members["amber"].Version
	ps.settle(t)
	for _, name := range ps.names {
		table := ps.byName[name].table()
		if table == nil {
			t.Fatalf("%s has lost its table", name)
		}
		for _, member := range ps.names {
			if m := table.Global.Members[member]; !m.Present || m.Status != catalog.ReplicaActive {
				t.Errorf("%s takes %s for %+v", name, member, m)
			}
		}
	}
	if !ps.byName["birch"].table().Global.Members["amber"].Version.Newer(before) {
		t.Error("amber is the member that it was: what it missed will not be shipped")
	}
}

// TestUnheardOf removes a region that never answers.
func TestUnheardOf(t *testing.T) {
	ctx := context.Background()
	ps := newPlaces("amber", "birch")
	ps.found("amber")
	if err := ps.byName["amber"].manager.AddReplica(ctx, "orders", "birch"); err != nil {
		t.Fatal(err)
	}
	ps.settle(t)
	amber := ps.byName["amber"]
	if err := amber.manager.RemoveReplica(ctx, "orders", "birch"); err != nil {
		t.Fatal(err)
	}
	amber.manager.round(ctx)
	amber.jobs()
	if s := amber.table().Status; s != catalog.Updating {
		t.Errorf("while birch may still answer the table is %s", s)
	}
	ps.now = ps.now.Add(farewell + time.Second)
	amber.manager.round(ctx)
	amber.jobs()
	if s := amber.table().Status; s != catalog.Active {
		t.Errorf("when birch has not answered for long the table is %s", s)
	}
	ps.settle(t) // it answers after all
	if ps.byName["birch"].table() != nil {
		t.Error("birch was removed and kept its table")
	}
}

func TestViewsAreChecked(t *testing.T) {
	ps := newPlaces("amber", "birch")
	for _, body := range []string{"", "{", `{"tables":[{"table":{"name":"orders"}}]}`, `{"tables":[{"table":{"name":"orders"},"global":{"id":"g"}}]}`} {
		if _, err := ps.byName["amber"].manager.Exchange(context.Background(), "birch", []byte(body)); err == nil {
			t.Errorf("accepted: %q", body)
		}
	}
	ps.byName["amber"].state = &catalog.State{}
	body, _ := json.Marshal(view{})
	if _, err := ps.byName["amber"].manager.Exchange(context.Background(), "birch", body); storage.KindOf(err) != storage.Unavailable {
		t.Errorf("a node without catalog: %v", err)
	}
}
