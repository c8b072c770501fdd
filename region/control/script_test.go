package control_test

import (
	"context"
	"testing"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/region/control"
	"github.com/roundtabledb/roundtable/storage"
)

// regions is a test's other regions: a replica is ACTIVE when it was asked for.
type regions struct{ store *apitest.Store }

func (r regions) AddReplica(ctx context.Context, table, region string) error {
	return r.set(ctx, table, region, catalog.Member{Present: true, Status: "ACTIVE"})
}

func (r regions) RemoveReplica(ctx context.Context, table, region string) error {
	t, _ := r.store.Table(table)
	if t.Global == nil || !t.Global.Members[region].Present {
		return storage.Validationf("Replica %s is not part of the global table", region)
	}
	return r.set(ctx, table, region, catalog.Member{})
}

// Leave marks this region as gone. In production the table follows, once the
// other regions know.
func (r regions) Leave(ctx context.Context, table string) (bool, error) {
	t, _ := r.store.Table(table)
	for region, m := range t.Global.Members {
		if region != apitest.Region && m.Present {
			return true, r.set(ctx, table, apitest.Region, catalog.Member{Status: "DELETING"})
		}
	}
	return false, nil
}

func (r regions) set(ctx context.Context, table, region string, m catalog.Member) error {
	_, err := r.store.UpdateTable(ctx, table, func(t *catalog.Table) error {
		g := t.Global.Clone()
		if g == nil {
			g = &catalog.Global{ID: t.ID, Members: map[string]catalog.Member{apitest.Region: {Present: true, Status: "ACTIVE"}}}
		}
		g.Members[region] = m
		t.Global = g
		return nil
	})
	return err
}

func TestScripts(t *testing.T) {
	apitest.Run(t, "testdata/*.txt", func(s *apitest.Store) awsjson.Targets {
		return control.New(control.Options{Region: apitest.Region, Home: constraint.Home{Region: apitest.Region, Account: "000000000000"}, Tables: s, Replicas: regions{s}}).Targets()
	})
}
