package globaltable

import (
	"maps"
	"slices"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/storage/version"
)

// merge brings two views of one replica set together. It is commutative,
// associative and idempotent, so regions that exchange views in any order end
// with the same one.
func merge(a, b *catalog.Global) *catalog.Global {
	out := a.Clone()
	for region, member := range b.Members {
		if mine, ok := out.Members[region]; ok {
			member = mergeMember(mine, member)
		}
		out.Members[region] = member
	}
	if b.Settings.Version.Newer(out.Settings.Version) {
		out.Settings = b.Settings
	}
	return out
}

// mergeMember: the greater version wins. Within one version a member only goes
// forward, and collects sources.
func mergeMember(a, b catalog.Member) catalog.Member {
	switch {
	case a.Version.Newer(b.Version):
		return a
	case b.Version.Newer(a.Version):
		return b
	}
	if progress(b) > progress(a) {
		a.Status = b.Status
	}
	a.Sources = union(a.Sources, b.Sources)
	return a
}

// progress orders the statuses that a member goes through. A member that was
// removed ends without a status.
func progress(m catalog.Member) int {
	switch m.Status {
	case catalog.ReplicaActive:
		return 1
	case "":
		return 2
	default:
		return 0
	}
}

func union(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func equal(a, b *catalog.Global) bool {
	return a.ID == b.ID && a.Settings == b.Settings &&
		maps.EqualFunc(a.Members, b.Members, func(x, y catalog.Member) bool {
			return x.Version == y.Version && x.Present == y.Present && x.Status == y.Status && slices.Equal(x.Sources, y.Sources)
		})
}

// stamp is a version for the next decision about a replica set, made in a
// region at a time: greater than every one before.
func stamp(g *catalog.Global, region string, nowMillis int64) version.Version {
	t := version.FromMillis(nowMillis)
	for _, m := range g.Members {
		t = max(t, m.Version.Time.Next())
	}
	t = max(t, g.Settings.Version.Time.Next())
	return version.Version{Time: t, Region: region}
}

// found is the replica set of a table of one region.
func found(t *catalog.Table, region string, nowMillis int64) *catalog.Global {
	g := &catalog.Global{ID: t.ID, Members: map[string]catalog.Member{}}
	g.Members[region] = catalog.Member{Version: stamp(g, region, nowMillis), Present: true, Status: catalog.ReplicaActive}
	g.Settings = settingsOf(t)
	g.Settings.Version = stamp(g, region, nowMillis)
	return g
}

// others lists the present members besides region, in order.
func others(g *catalog.Global, region string) []string {
	var names []string
	for name, m := range g.Members {
		if m.Present && name != region {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// orphaned reports whether a region was removed by others in a way that left
// no replica at all: regions that could not reach each other have removed one
// another. The first of them that finds out becomes a member by its own
// decision, which nobody else can make for it; then the rest follow.
func orphaned(g *catalog.Global, region string) bool {
	self := g.Members[region]
	if self.Present || self.Version.Region == region {
		return false
	}
	rest := others(g, region)
	for _, name := range rest {
		if v := g.Members[name].Version; v.Region == name && v.Newer(self.Version) {
			return true
		}
	}
	return len(rest) == 0
}

// filled reports whether all regions that a new member can get states from
// have shipped them.
func filled(g *catalog.Global, region string) bool {
	for name, m := range g.Members {
		if name != region && m.Present && m.Status == catalog.ReplicaActive && !slices.Contains(g.Members[region].Sources, name) {
			return false
		}
	}
	return true
}

// settingsOf is a table's settings that all regions share, without a version.
func settingsOf(t *catalog.Table) catalog.Settings {
	return catalog.Settings{BillingMode: t.BillingMode, ReadUnits: t.ReadUnits, WriteUnits: t.WriteUnits}
}

// settle makes a table have the settings that its replica set has.
func settle(t *catalog.Table) {
	s := t.Global.Settings
	if !s.Version.IsZero() {
		t.BillingMode, t.ReadUnits, t.WriteUnits = s.BillingMode, s.ReadUnits, s.WriteUnits
	}
}
