package catalog

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage/schema"
)

func rec(t *testing.T, revision uint64, body any) record {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return record{Revision: revision, Body: text}
}

func TestNextKeepsWhatDidNotChange(t *testing.T) {
	table := &Table{Table: schema.Table{Name: "orders", ID: "t1"}, Status: Creating}
	one := &Partition{Group: 2, TableID: "t1", Hi: []byte{0x80}}
	two := &Partition{Group: 3, TableID: "t1", Lo: []byte{0x80}}
	first, err := emptyState().next(1, []string{headKey, tableKey("orders"), groupKey(2), groupKey(3)}, map[string]record{
		headKey:            rec(t, 1, head{NextGroup: 4}),
		tableKey("orders"): rec(t, 1, table),
		groupKey(2):        rec(t, 1, one),
		groupKey(3):        rec(t, 1, two),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := first.Tables["orders"]
	if len(got.Partitions) != 2 || got.Partitions[0].Group != 2 || got.Partitions[1].Group != 3 {
		t.Fatalf("partitions of the table: %v", got.Partitions)
	}

	active := *table
	active.Status = Active
	second, err := first.next(2, []string{headKey, tableKey("orders"), groupKey(3)}, map[string]record{
		headKey:            rec(t, 2, head{NextGroup: 4}),
		tableKey("orders"): rec(t, 2, active),
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := second.Tables["orders"].Status; s != Active {
		t.Errorf("status after the change: %s", s)
	}
	if n := len(second.Tables["orders"].Partitions); n != 1 {
		t.Errorf("a deleted partition is still there: %d", n)
	}
	if second.Groups[3] != first.Groups[3] {
		t.Error("an unchanged record was parsed again")
	}
	if first.Tables["orders"].Status != Creating || len(first.Tables["orders"].Partitions) != 2 {
		t.Error("a state changed after it was published")
	}
}

func TestNextRefusesAMissingRecord(t *testing.T) {
	if _, err := emptyState().next(1, []string{headKey, nodeKey("a")}, map[string]record{headKey: rec(t, 1, head{})}); err == nil {
		t.Error("a revision without one of its records was accepted")
	}
}

func TestFindAgreesWithContains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		present := [256]bool{}
		for _, c := range rapid.SliceOfN(rapid.ByteRange(1, 255), 0, 20).Draw(t, "cuts") {
			present[c] = true
		}
		last := &Partition{Group: 1}
		table := &Table{Partitions: []*Partition{last}}
		for c, ok := range present {
			if ok {
				last.Hi = []byte{byte(c)}
				last = &Partition{Group: last.Group + 1, Lo: last.Hi}
				table.Partitions = append(table.Partitions, last)
			}
		}
		key := rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "key")
		found := table.Find(key)
		var want []cluster.GroupID
		for _, p := range table.Partitions {
			if p.Contains(key) {
				want = append(want, p.Group)
			}
		}
		if len(want) != 1 || found == nil || found.Group != want[0] {
			t.Fatalf("Find(%x) = %v, the ranges say %v", key, found, want)
		}
	})
}

func TestSettled(t *testing.T) {
	set := func(members map[string]Member) *Global { return &Global{Members: members} }
	here := Member{Present: true, Status: ReplicaActive}
	for _, tt := range []struct {
		name string
		g    *Global
		want bool
	}{
		{"no replica set", nil, true},
		{"all active", set(map[string]Member{"a": here, "b": here}), true},
		{"another is being created", set(map[string]Member{"a": here, "b": {Present: true, Status: ReplicaCreating}}), false},
		{"this one is being created", set(map[string]Member{"a": {Present: true, Status: ReplicaCreating}}), false},
		{"another is being deleted", set(map[string]Member{"a": here, "b": {Status: ReplicaDeleting}}), false},
		{"another is gone", set(map[string]Member{"a": here, "b": {}}), true},
	} {
		if got := tt.g.Settled("a"); got != tt.want {
			t.Errorf("%s: Settled = %v", tt.name, got)
		}
	}
}
