package globaltable

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/storage/version"
)

func at(ms int64, region string) version.Version {
	return version.Version{Time: version.FromMillis(ms), Region: region}
}

// drawGlobal makes a view of one replica set. As in truth, a version says
// whether its member is present and what its settings are.
func drawGlobal(t *rapid.T, label string) *catalog.Global {
	g := &catalog.Global{ID: "g", Members: map[string]catalog.Member{}}
	regions := []string{"amber", "birch", "cedar"}
	for _, region := range regions {
		ms := rapid.Int64Range(0, 4).Draw(t, label+region)
		if ms == 0 {
			continue
		}
		m := catalog.Member{Version: at(ms, "amber"), Present: ms%2 == 1}
		statuses := []string{catalog.ReplicaDeleting, ""}
		if m.Present {
			statuses = []string{catalog.ReplicaCreating, catalog.ReplicaActive}
		}
		m.Status = rapid.SampledFrom(statuses).Draw(t, "status")
		for _, source := range regions {
			if rapid.Bool().Draw(t, "source") {
				m.Sources = union(m.Sources, []string{source})
			}
		}
		g.Members[region] = m
	}
	ms := rapid.Int64Range(0, 3).Draw(t, "settings")
	g.Settings = catalog.Settings{Version: at(ms, "amber"), BillingMode: "PROVISIONED", ReadUnits: ms}
	return g
}

func TestMergeConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawGlobal(t, "a"), drawGlobal(t, "b"), drawGlobal(t, "c")
		same := func(law string, x, y *catalog.Global) {
			if !equal(x, y) {
				t.Fatalf("%s:\n%s", law, cmp.Diff(x, y, cmpopts.EquateEmpty()))
			}
		}
		before := a.Clone()
		same("commutative", merge(a, b), merge(b, a))
		same("associative", merge(merge(a, b), c), merge(a, merge(b, c)))
		same("idempotent", merge(a, a), a)
		same("absorbing", merge(merge(a, b), b), merge(a, b))
		same("does not change what it is given", a, before)
	})
}

func TestStampIsNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGlobal(t, "g")
		v := stamp(g, "birch", rapid.Int64Range(0, 10).Draw(t, "now"))
		for region, m := range g.Members {
			if !v.Newer(m.Version) {
				t.Fatalf("%v is not newer than %v of %s", v, m.Version, region)
			}
		}
		if !v.Newer(g.Settings.Version) {
			t.Fatalf("%v is not newer than the settings' %v", v, g.Settings.Version)
		}
	})
}
