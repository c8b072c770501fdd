package globaltable

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/storage"
)

// AddReplica invites a region to a table, which becomes a global table if it
// is not one yet. When it returns nil the decision is recorded; the rest
// happens by and by. Errors have DynamoDB's texts for the Create action of
// UpdateTable's ReplicaUpdates, as observed on the service.
func (m *Manager) AddReplica(ctx context.Context, table, region string) error {
	if err := m.checkRegion(region); err != nil {
		return err
	}
	// Looked at before the other region is asked, and again when it counts.
	if t, ok := m.options.Catalog.State().Tables[table]; ok {
		if err := addable(t, region); err != nil {
			return err
		}
		if err := m.checkAbsent(ctx, table, region); err != nil {
			return err
		}
	}
	_, err := m.options.Tables.UpdateTable(ctx, table, func(t *catalog.Table) error {
		if err := addable(t, region); err != nil {
			return err
		}
		now := m.options.Now().UnixMilli()
		if t.Global == nil {
			t.Global = found(t, m.options.Self, now)
		}
		t.Global.Members[region] = catalog.Member{
			Version: stamp(t.Global, m.options.Self, now), Present: true, Status: catalog.ReplicaCreating,
		}
		t.Status = catalog.Updating
		return nil
	})
	return err
}

// addable reports whether a region can be invited to a table.
func addable(t *catalog.Table, region string) error {
	if t.Global != nil && t.Global.Members[region].Present {
		return alreadyThere(t.Name)
	}
	if t.Status != catalog.Active {
		return inUse()
	}
	return nil
}

// RemoveReplica removes a region from a global table; its copy of the table is
// deleted. When it returns nil the decision is recorded; the rest happens by
// and by. Errors have DynamoDB's texts for the Delete action of UpdateTable's
// ReplicaUpdates.
func (m *Manager) RemoveReplica(ctx context.Context, table, region string) error {
	if err := m.checkRegion(region); err != nil {
		return err
	}
	_, err := m.options.Tables.UpdateTable(ctx, table, func(t *catalog.Table) error {
		if t.Global == nil || !t.Global.Members[region].Present {
			return storage.Validationf("Update global table operation failed because one or more replicas were not part of the global table. Please retry the request without these replicas: [%s].", region)
		}
		if t.Status != catalog.Active {
			return inUse()
		}
		t.Global.Members[region] = removed(t.Global, m.options.Self, m.options.Now().UnixMilli())
		t.Status = catalog.Updating
		return nil
	})
	return err
}

// Leave removes this region from a global table and deletes its copy, as
// DeleteTable does on a replica. For a table that has no other replica it
// reports false and does nothing: delete it as any other table.
func (m *Manager) Leave(ctx context.Context, table string) (bool, error) {
	left := false
	_, err := m.options.Tables.UpdateTable(ctx, table, func(t *catalog.Table) error {
		left = false
		if t.Global == nil || len(others(t.Global, m.options.Self)) == 0 {
			return errUnchanged
		}
		if t.Status != catalog.Active {
			return inUse()
		}
		if t.DeletionProtection {
			return storage.Validationf("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
		}
		t.Global.Members[m.options.Self] = removed(t.Global, m.options.Self, m.options.Now().UnixMilli())
		t.Status = catalog.Updating
		left = true
		return nil
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return false, err
	}
	return left, nil
}

// removed is a member that has just been removed.
func removed(g *catalog.Global, by string, nowMillis int64) catalog.Member {
	return catalog.Member{Version: stamp(g, by, nowMillis), Status: catalog.ReplicaDeleting}
}

func (m *Manager) checkRegion(region string) error {
	if region == m.options.Self {
		return storage.Validationf("Cannot add or delete the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required.")
	}
	if !slices.Contains(m.options.Remotes, region) {
		all := slices.Sorted(slices.Values(append([]string{m.options.Self}, m.options.Remotes...)))
		return storage.Validationf("Region %s is not supported. The latest version of global tables are only supported in the following regions: [%s]", region, strings.Join(all, ", "))
	}
	return nil
}

// checkAbsent makes sure that the region has no table of that name, one that
// is being deleted included.
func (m *Manager) checkAbsent(ctx context.Context, table, region string) error {
	presence, err := m.options.Link(region).Inquire(ctx, table)
	if err != nil {
		return err
	}
	if presence.Exists {
		return alreadyThere(table)
	}
	return nil
}

// alreadyThere has the text of the service, its grammar included.
func alreadyThere(table string) error {
	return storage.Validationf("Failed to create a the new replica of table with name: '%s' because one or more replicas already existed as tables.", table)
}

func inUse() error {
	return storage.Errorf(storage.ResourceInUse, "The resource which you are attempting to change is in use.")
}
