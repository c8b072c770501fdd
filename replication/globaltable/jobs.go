package globaltable

import (
	"context"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/storage/version"
)

const (
	// jobEvery is how often the coordinator looks for work, besides at every
	// change; jobTimeout bounds one round.
	jobEvery   = time.Second
	jobTimeout = 30 * time.Second
	// farewell is how long a region that leaves tries to tell another member,
	// and how long the others wait to hear that a removed one has gone. After
	// that it goes on without; the news arrives when the regions meet again.
	farewell = time.Minute
)

// work does the jobs of the region's global tables while this node is the
// coordinator.
func (m *Manager) work(ctx context.Context) {
	for ctx.Err() == nil {
		changed := m.options.Catalog.Changed()
		if m.options.Coordinator() {
			m.round(ctx)
		}
		if !await(ctx, jobEvery, changed, nil) {
			return
		}
	}
}

// round carries every global table one step on.
func (m *Manager) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	s := m.options.Catalog.State()
	for _, name := range s.TableNames() {
		t := s.Tables[name]
		if t.Global == nil || t.Status == catalog.Deleting {
			continue
		}
		if err := m.step(ctx, t); err != nil && ctx.Err() == nil {
			m.options.Logger.Warn("globaltable: a job is not done, will try again", "table", name, "error", err)
		}
	}
}

// step does what can be done for one table.
func (m *Manager) step(ctx context.Context, t *catalog.Table) error {
	self := t.Global.Members[m.options.Self]
	if !self.Present {
		return m.leave(ctx, t)
	}
	if err := m.shareSettings(ctx, t); err != nil {
		return err
	}
	if self.Status == catalog.ReplicaCreating {
		return m.arrive(ctx, t)
	}
	for region, member := range t.Global.Members {
		var err error
		switch {
		case region == m.options.Self:
		case member.Present && member.Status == catalog.ReplicaCreating:
			err = m.vouch(ctx, t, region)
		case !member.Present && member.Status == catalog.ReplicaDeleting:
			err = m.forget(ctx, t, region)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leave deletes this region's table, once another member knows that it left.
func (m *Manager) leave(ctx context.Context, t *catalog.Table) error {
	self := t.Global.Members[m.options.Self]
	if orphaned(t.Global, m.options.Self) {
		return m.stay(ctx, t)
	}
	last := len(others(t.Global, m.options.Self)) == 0
	if !last && !m.knows(t.Global.ID, self.Version) && !m.overdue(self.Version) {
		return nil
	}
	m.options.Logger.Info("globaltable: leaving", "table", t.Name, "id", t.Global.ID)
	return m.update(ctx, t, func(t *catalog.Table) error {
		if t.Global.Members[m.options.Self].Version != self.Version {
			return errUnchanged
		}
		t.Status = catalog.Deleting
		return nil
	})
}

// stay takes back a removal that would have left no replica at all. The region
// becomes a new member, to which the others ship everything again.
func (m *Manager) stay(ctx context.Context, t *catalog.Table) error {
	m.options.Logger.Warn("globaltable: removed, but nobody else is left: staying", "table", t.Name, "id", t.Global.ID)
	return m.update(ctx, t, func(t *catalog.Table) error {
		if !orphaned(t.Global, m.options.Self) {
			return errUnchanged
		}
		t.Global.Members[m.options.Self] = catalog.Member{
			Version: stamp(t.Global, m.options.Self, m.options.Now().UnixMilli()), Present: true, Status: catalog.ReplicaActive,
		}
		return nil
	})
}

// heard notes what another region's view says of this region's membership.
func (m *Manager) heard(region string, v view) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range v.Tables {
		if r.Global.Members[region].Present {
			m.mu.heard[r.Global.ID] = r.Global.Members[m.options.Self].Version
		}
	}
}

func (m *Manager) knows(globalID string, v version.Version) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	heard, ok := m.mu.heard[globalID]
	return ok && !v.Newer(heard)
}

func (m *Manager) overdue(decided version.Version) bool {
	return m.options.Now().Sub(time.UnixMilli(decided.Time.Millis())) > farewell
}

// arrive makes this region's replica ACTIVE once it has everything, and once
// its own writes and deletes are kept for every other member.
func (m *Manager) arrive(ctx context.Context, t *catalog.Table) error {
	if !filled(t.Global, m.options.Self) {
		return nil
	}
	for _, region := range others(t.Global, m.options.Self) {
		ready, err := m.shipping(ctx, t, region, false)
		if err != nil || !ready {
			return err
		}
	}
	joined := t.Global.Members[m.options.Self].Version
	m.options.Logger.Info("globaltable: joined", "table", t.Name, "id", t.Global.ID)
	return m.update(ctx, t, func(t *catalog.Table) error {
		self := t.Global.Members[m.options.Self]
		if self.Version != joined || self.Status != catalog.ReplicaCreating || !filled(t.Global, m.options.Self) {
			return errUnchanged
		}
		self.Status = catalog.ReplicaActive
		t.Global.Members[m.options.Self] = self
		return nil
	})
}

// vouch says that a new member has everything that this region can give it.
func (m *Manager) vouch(ctx context.Context, t *catalog.Table, region string) error {
	if slices.Contains(t.Global.Members[region].Sources, m.options.Self) {
		return nil
	}
	ready, err := m.shipping(ctx, t, region, true)
	if err != nil || !ready {
		return err
	}
	joined := t.Global.Members[region].Version
	return m.update(ctx, t, func(t *catalog.Table) error {
		member := t.Global.Members[region]
		if member.Version != joined || member.Status != catalog.ReplicaCreating {
			return errUnchanged
		}
		member.Sources = union(member.Sources, []string{m.options.Self})
		t.Global.Members[region] = member
		return nil
	})
}

// shipping reports whether every partition of a table has a sender toward a
// region that keeps its changes, and, if asked, has caught up.
func (m *Manager) shipping(ctx context.Context, t *catalog.Table, region string, caughtUp bool) (bool, error) {
	statuses, err := m.options.Progress(ctx, t.Global.ID, region)
	if err != nil {
		return false, err
	}
	ready := map[uint64]bool{}
	for _, st := range statuses {
		if st.Joined == t.Global.Members[region].Version && st.Registered && (st.CaughtUp || !caughtUp) {
			ready[st.Group] = true
		}
	}
	for _, p := range t.Partitions {
		if !ready[uint64(p.Group)] {
			return false, nil
		}
	}
	return len(t.Partitions) > 0, nil
}

// forget waits no longer for a removed member that is not heard of.
func (m *Manager) forget(ctx context.Context, t *catalog.Table, region string) error {
	removed := t.Global.Members[region].Version
	if !m.overdue(removed) {
		return nil
	}
	m.options.Logger.Warn("globaltable: a removed region does not answer, going on without", "table", t.Name, "region", region)
	return m.update(ctx, t, func(t *catalog.Table) error {
		member := t.Global.Members[region]
		if member.Version != removed || member.Status != catalog.ReplicaDeleting {
			return errUnchanged
		}
		member.Status = ""
		t.Global.Members[region] = member
		return nil
	})
}

// shareSettings takes settings that were changed in this region over into the
// replica set.
func (m *Manager) shareSettings(ctx context.Context, t *catalog.Table) error {
	if agreed(t) {
		return nil
	}
	return m.update(ctx, t, func(t *catalog.Table) error {
		if agreed(t) {
			return errUnchanged
		}
		v := stamp(t.Global, m.options.Self, m.options.Now().UnixMilli())
		t.Global.Settings = settingsOf(t)
		t.Global.Settings.Version = v
		return nil
	})
}

// agreed reports whether a table has the settings of its replica set.
func agreed(t *catalog.Table) bool {
	mine := settingsOf(t)
	mine.Version = t.Global.Settings.Version
	return mine == t.Global.Settings
}
