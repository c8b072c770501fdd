package receiver

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
	"github.com/roundtabledb/roundtable/storage/version"
)

var noon = time.UnixMilli(1_800_000_000_000)

func at(ms int64, region string) version.Version {
	return version.Version{Time: version.FromMillis(ms), Region: region}
}

// applier is a real state machine that commits at once, or fails.
type applier struct {
	machine *machine.Partition
	index   uint64
	fail    bool
}

func (a *applier) ExecuteAll(_ context.Context, cmds []router.TableCommand) []router.Outcome {
	outcomes := make([]router.Outcome, len(cmds))
	for i, c := range cmds {
		if a.fail {
			outcomes[i].Err = storage.Errorf(storage.Unavailable, "no leader")
			continue
		}
		a.index++
		batch := command.AppendBatch(nil, 1, [][]byte{c.Command.Append(nil)})
		results, err := a.machine.Apply([]machine.Entry{{Index: a.index, Term: 1, Data: batch}})
		if err != nil {
			outcomes[i].Err = err
			continue
		}
		outcomes[i].Result = results[0][0]
	}
	return outcomes
}

// T is what a test and a property have in common.
type T interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

type fixture struct {
	applier  *applier
	table    *catalog.Table
	receiver *Receiver
}

func newEngine(t *testing.T) *engine.Engine {
	e, err := engine.Open(engine.Options{InMemory: true, MemoryBudget: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func newFixture(t T, e *engine.Engine, ks machine.Keyspace) *fixture {
	t.Helper()
	m, err := machine.Create(e, ks, machine.Meta{Group: uint64(ks), Table: "t"}, "birch")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{applier: &applier{machine: m}, table: &catalog.Table{
		Table: schema.Table{
			Name: "orders", ID: "t",
			Partition: schema.KeyAttribute{Name: "id", Kind: item.S},
			Sort:      &schema.KeyAttribute{Name: "line", Kind: item.N},
		},
		Status: catalog.Active,
		Global: &catalog.Global{ID: "g", Members: map[string]catalog.Member{
			"amber": {Version: at(1, "amber"), Present: true}, "birch": {Version: at(2, "amber"), Present: true},
		}},
	}}
	f.receiver = New(Options{
		Region: "birch",
		Table: func(id string) (*catalog.Table, bool) {
			return f.table, f.table != nil && id == f.table.Global.ID
		},
		Applier: f.applier,
		Now:     func() time.Time { return noon },
	})
	return f
}

func key(id int) item.Item {
	return item.NewItem(
		item.Attribute{Name: "id", Value: item.String(fmt.Sprint("k", id))},
		item.Attribute{Name: "line", Value: item.Num(item.NumberFromInt(int64(id)))},
	)
}

func shipment(states ...link.State) *link.Shipment {
	s := &link.Shipment{Table: "g", Source: 1, SourceJoined: at(1, "amber"), TargetJoined: at(2, "amber")}
	for _, st := range states {
		s.Add(st)
	}
	return s
}

func live(id int, v version.Version) link.State {
	return link.State{Version: v, Item: item.Encode(key(id).With("v", item.String(v.String())))}
}

func dead(id int, v version.Version) link.State {
	return link.State{Version: v, Tombstone: true, Item: item.Encode(key(id))}
}

func (f *fixture) receive(s *link.Shipment) link.Verdict {
	return f.receiver.Receive(context.Background(), "amber", s)
}

func (f *fixture) stored(t T, id int) machine.Stored {
	t.Helper()
	encoded, err := f.table.EncodeKey(key(id))
	if err != nil {
		t.Fatal(err)
	}
	st, err := f.applier.machine.Get(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestAnyOrderGivesTheNewest delivers states in any order, any number of
// times, in shipments cut anywhere.
func TestAnyOrderGivesTheNewest(t *testing.T) {
	e := newEngine(t)
	keyspace := machine.Keyspace(1)
	rapid.Check(t, func(t *rapid.T) {
		keyspace++
		f := newFixture(t, e, keyspace)
		states := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) link.State {
			id := rapid.IntRange(0, 4).Draw(t, "key")
			v := at(rapid.Int64Range(1, 6).Draw(t, "ms"), rapid.SampledFrom([]string{"amber", "cedar"}).Draw(t, "origin"))
			// A version has one state, everywhere.
			if (v.Time.Millis()+int64(id))%3 == 0 {
				return dead(id, v)
			}
			return live(id, v)
		}), 1, 30).Draw(t, "states")
		newest := map[string]link.State{}
		for _, st := range states {
			k, err := f.table.Key(mustDecode(t, st.Item))
			if err != nil {
				t.Fatal(err)
			}
			id := string(item.Encode(k))
			if st.Version.Newer(newest[id].Version) {
				newest[id] = st
			}
		}
		delivered := rapid.Permutation(append(states, states...)).Draw(t, "order")
		total := 0
		for len(delivered) > 0 {
			n := rapid.IntRange(1, len(delivered)).Draw(t, "cut")
			v := f.receive(shipment(delivered[:n]...))
			if !v.Done || v.Accepted+v.Behind+v.Identical != n {
				t.Fatalf("%d states: %+v", n, v)
			}
			total += v.Accepted
			delivered = delivered[n:]
		}
		if total < len(newest) {
			t.Fatalf("%d states accepted for %d items", total, len(newest))
		}
		for id, want := range newest {
			encoded, err := f.table.EncodeKey(mustDecode(t, item.Encoded(id)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.applier.machine.Get(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if got.Version != want.Version || got.Tombstone != want.Tombstone || !want.Tombstone && string(got.Item) != string(want.Item) {
				t.Fatalf("item %q: %+v, want %+v", id, got, want)
			}
		}
	})
}

func mustDecode(t T, e item.Encoded) item.Item {
	it, err := e.Decode()
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func TestCounters(t *testing.T) {
	f := newFixture(t, newEngine(t), 1)
	f.receive(shipment(live(1, at(10, "amber")), live(2, at(10, "amber"))))
	f.receive(shipment(live(1, at(10, "amber")), live(2, at(9, "cedar")), dead(3, at(1, "amber"))))
	got := f.receiver.Counters()[Source{Region: "amber", TableID: "g"}]
	if got.Accepted != 3 || got.Behind != 1 || got.Identical != 1 || got.Failed != 0 || got.Parked != 0 {
		t.Errorf("%+v", got)
	}
}

// TestParksWhatIsAhead takes over the rest of the shipment all the same.
func TestParksWhatIsAhead(t *testing.T) {
	f := newFixture(t, newEngine(t), 1)
	ms := noon.UnixMilli()
	for _, tt := range []struct {
		ahead int64
		after time.Duration
	}{
		{501, minPark},
		{1500, time.Second},
		{3_600_000, maxPark},
	} {
		v := f.receive(shipment(live(1, at(ms+tt.ahead, "amber")), live(2, at(ms+500, "amber"))))
		if v.Done || v.RetryAfter != tt.after || v.Reason == "" {
			t.Errorf("%d ms ahead: %+v", tt.ahead, v)
		}
	}
	if f.stored(t, 1).Exists {
		t.Error("a state was taken over before its time")
	}
	if !f.stored(t, 2).Exists {
		t.Error("a state within the skew was held back")
	}
}

func TestWhatCannotBeDoneComesAgain(t *testing.T) {
	one := func() *link.Shipment { return shipment(live(1, at(1, "amber"))) }
	for _, tt := range []struct {
		name string
		do   func(*fixture, *link.Shipment)
	}{
		{"no table", func(f *fixture, _ *link.Shipment) { f.table = nil }},
		{"another table", func(_ *fixture, s *link.Shipment) { s.Table = "other" }},
		{"a table that is being deleted", func(f *fixture, _ *link.Shipment) { f.table.Status = catalog.Deleting }},
		{"a source that is no member", func(f *fixture, _ *link.Shipment) { delete(f.table.Global.Members, "amber") }},
		{"a source that left", func(f *fixture, _ *link.Shipment) {
			f.table.Global.Members["amber"] = catalog.Member{Version: at(1, "amber")}
		}},
		{"a source that left and came back", func(f *fixture, _ *link.Shipment) {
			f.table.Global.Members["amber"] = catalog.Member{Version: at(9, "birch"), Present: true}
		}},
		{"a shipment to the member before this one", func(_ *fixture, s *link.Shipment) { s.TargetJoined = at(1, "birch") }},
		{"no leader", func(f *fixture, _ *link.Shipment) { f.applier.fail = true }},
		{"an item without its key", func(_ *fixture, s *link.Shipment) {
			s.Add(link.State{Version: at(1, "amber"), Item: item.Encode(item.NewItem())})
		}},
		{"a wrong count", func(_ *fixture, s *link.Shipment) { s.Count++ }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, newEngine(t), 1)
			s := one()
			tt.do(f, s)
			v := f.receive(s)
			if v.Done || v.RetryAfter <= 0 || v.Reason == "" {
				t.Errorf("%+v", v)
			}
			if f.applier.index > 0 && tt.name != "no leader" {
				t.Error("something was merged")
			}
		})
	}
	f := newFixture(t, newEngine(t), 1)
	if v := f.receive(one()); !v.Done {
		t.Errorf("what can be done: %+v", v)
	}
}
