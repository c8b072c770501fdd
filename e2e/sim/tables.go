package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// The tables of a World. Each region has a ledger of its own; all share the
// orders.
const (
	Ledger = "ledger"
	Orders = "orders"
)

// glance is how often the controller looks whether something has happened.
const glance = 250 * time.Millisecond

// CreateTables creates the ledger of each region, and the orders in the first
// region and in those that are to share them from the beginning.
func (w *World) CreateTables(ctx context.Context, shared int) error {
	for _, r := range w.Regions {
		if err := r.create(ctx, Ledger); err != nil {
			return err
		}
	}
	if err := w.Regions[0].create(ctx, Orders); err != nil {
		return err
	}
	for _, r := range w.Regions[1:shared] {
		if err := w.Join(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (r *Region) create(ctx context.Context, name string) error {
	table := schema.Table{
		Name:        name,
		Partition:   schema.KeyAttribute{Name: "id", Kind: item.S},
		Attributes:  []schema.KeyAttribute{{Name: "id", Kind: item.S}},
		BillingMode: "PAY_PER_REQUEST",
	}
	if name == Orders {
		table.Sort = &schema.KeyAttribute{Name: "line", Kind: item.N}
		table.Attributes = append(table.Attributes, *table.Sort)
	}
	p, ok := r.Nodes[0].Up()
	if !ok {
		return fmt.Errorf("create %s: node %s is not up", name, r.Nodes[0].host)
	}
	if _, err := p.Node.CreateTable(ctx, table, nil); err != nil {
		return fmt.Errorf("create %s in %s: %w", name, r.Name, err)
	}
	return r.world.Await(ctx, glance, func() bool { return r.holds(name) })
}

// holds reports whether every node of the region knows a table as ready.
func (r *Region) holds(name string) bool {
	for _, n := range r.Nodes {
		p, ok := n.Up()
		if !ok {
			return false
		}
		t, ok := p.Node.Router().Table(name)
		if !ok || t.Status != catalog.Active {
			return false
		}
		if t.Global != nil && t.Global.Members[r.Name].Status != catalog.ReplicaActive {
			return false
		}
	}
	return true
}

// Join makes the orders of the first region those of another too, and waits
// until it has them. It goes on trying while things are broken.
func (w *World) Join(ctx context.Context, r *Region) error {
	joined := func() bool {
		for _, n := range w.Regions[0].Nodes {
			p, ok := n.Up()
			if !ok || !p.leadsCatalog() {
				continue
			}
			if t, ok := p.Node.Router().Table(Orders); ok && t.Global != nil && t.Global.Members[r.Name].Present {
				return r.holds(Orders) && w.Regions[0].holds(Orders)
			}
			try, cancel := context.WithTimeout(ctx, 5*time.Second)
			err := p.Replicator.Tables().AddReplica(try, Orders, r.Name)
			cancel()
			w.log.Notef("%s invites %s to the orders: %v", n.host, r.Name, err)
		}
		return false
	}
	if err := w.Await(ctx, glance, joined); err != nil {
		return fmt.Errorf("region %s joins: %w", r.Name, err)
	}
	w.Regions[0].member.Store(true)
	r.member.Store(true)
	return nil
}

func (p *Process) leadsCatalog() bool {
	g, ok := p.Node.Host().Group(1)
	return ok && g.IsLeader()
}

// Members is the regions that share the orders, as they all say, or an error
// while they do not agree.
func (w *World) Members() ([]string, error) {
	var agreed []string
	for _, r := range w.Regions {
		for _, n := range r.Nodes {
			p, ok := n.Up()
			if !ok {
				return nil, fmt.Errorf("%s is down", n.host)
			}
			t, ok := p.Node.Router().Table(Orders)
			if !ok || t.Global == nil {
				continue
			}
			var present []string
			for name, m := range t.Global.Members {
				if m.Present && m.Status != catalog.ReplicaActive {
					return nil, fmt.Errorf("to %s, %s is %s", n.host, name, m.Status)
				}
				if m.Present {
					present = append(present, name)
				}
			}
			slices.Sort(present)
			if agreed != nil && !slices.Equal(agreed, present) {
				return nil, fmt.Errorf("%v and %v are the members", agreed, present)
			}
			agreed = present
		}
	}
	if len(agreed) == 0 {
		return nil, errors.New("nobody has the orders")
	}
	return agreed, nil
}
