package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/traffic"
	"github.com/roundtabledb/roundtable/replication/sender"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// Holding is what a region holds, by item.
type Holding struct {
	// Exact is every record of the orders, byte for byte, tombstones included,
	// in a form that does not depend on where a region keeps it. States is the
	// same as checkers want it.
	Exact  map[string]string
	States map[string]check.State
	// Numbers is the items of both tables that have one.
	Numbers map[string]int
}

// Hold reads the tables of every region.
func (w *World) Hold(ctx context.Context) (map[string]Holding, error) {
	all := map[string]Holding{}
	for _, r := range w.Regions {
		p, ok := r.Nodes[0].Up()
		if !ok {
			return nil, fmt.Errorf("%s is down", r.Nodes[0].host)
		}
		h := Holding{Exact: map[string]string{}, States: map[string]check.State{}, Numbers: map[string]int{}}
		for _, table := range []string{Ledger, Orders} {
			if err := p.hold(ctx, table, &h); err != nil {
				return nil, fmt.Errorf("scan of the %s of %s: %w", table, r.Name, err)
			}
		}
		all[r.Name] = h
	}
	return all, nil
}

func (p *Process) hold(ctx context.Context, table string, h *Holding) error {
	t, ok := p.Node.Router().Table(table)
	if !ok {
		return errors.New("no such table")
	}
	for at := (machine.PageRequest{WithTombstones: true, Limit: 100}); ; {
		page, err := p.Node.Router().Page(ctx, t, at, true)
		if err != nil {
			return err
		}
		for _, stored := range page.Stored {
			if err := h.add(t, stored); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		at.Lo = append(slices.Clone(page.Last), 0)
	}
}

func (h *Holding) add(t *catalog.Table, stored machine.Stored) error {
	attributes, err := t.DecodeKey(stored.Key)
	if err != nil {
		return err
	}
	id := traffic.Key{Table: t.Name, Name: attributes.Get("id").Str()}.String()
	value, tag, err := content(stored.Item)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(value); err == nil {
		h.Numbers[id] = n
	}
	if t.Name == Orders {
		h.Exact[id] = fmt.Sprintf("%x %v %t %x", item.Encode(attributes), stored.Version, stored.Tombstone, []byte(stored.Item))
		h.States[id] = check.State{Version: stored.Version, Value: tag}
	}
	return nil
}

// unshipped says what a region still has to tell another.
func (w *World) unshipped(ctx context.Context) error {
	members, err := w.Members()
	if err != nil {
		return err
	}
	if len(members) != len(w.Regions) {
		return fmt.Errorf("%v are the members", members)
	}
	for _, r := range w.Regions {
		p, ok := r.Nodes[0].Up()
		if !ok {
			return fmt.Errorf("%s is down", r.Nodes[0].host)
		}
		t, _ := p.Node.Router().Table(Orders)
		for _, remote := range members {
			if remote == r.Name {
				continue
			}
			if err := r.unshippedTo(ctx, t, remote); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Region) unshippedTo(ctx context.Context, t *catalog.Table, remote string) error {
	joined := t.Global.Members[remote].Version
	shipped := map[uint64]bool{}
	for _, n := range r.Nodes {
		p, ok := n.Up()
		if !ok {
			continue
		}
		for _, st := range p.Replicator.Progress(t.Global.ID, remote) {
			if st.Phase != sender.Feed || st.Pending > 0 || st.Joined != joined {
				return fmt.Errorf("%s: %v to %s: %+v", r.Name, cluster.GroupID(st.Group), remote, st)
			}
			shipped[st.Group] = true
		}
	}
	for _, p := range t.Partitions {
		if !shipped[uint64(p.Group)] {
			return fmt.Errorf("%s: nobody ships %v to %s", r.Name, p.Group, remote)
		}
	}
	return ctx.Err()
}

// heads is the newest change of each group, as far as its peers have got.
func (w *World) heads() map[string]uint64 {
	newest := map[string]uint64{}
	for _, r := range w.Regions {
		for _, n := range r.Nodes {
			p, ok := n.Up()
			if !ok {
				continue
			}
			for _, g := range p.Node.Host().Groups() {
				at := fmt.Sprintf("%s, %v", r.Name, g.ID())
				newest[at] = max(newest[at], g.Machine().Meta().NextSeq)
			}
		}
	}
	return newest
}

// ComparePeers waits until the peers of each group have applied the same
// entries, and reports those that then hold different bytes.
func (w *World) ComparePeers(ctx context.Context) error {
	var errs []error
	for _, r := range w.Regions {
		p, ok := r.Nodes[0].Up()
		if !ok {
			return fmt.Errorf("%s is down", r.Nodes[0].host)
		}
		for _, id := range slices.Sorted(maps.Keys(p.Node.Catalog().State().Groups)) {
			if err := r.comparePeers(ctx, id); err != nil {
				errs = append(errs, fmt.Errorf("%s, %v: %w", r.Name, id, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (r *Region) comparePeers(ctx context.Context, id cluster.GroupID) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var at, sums [nodesPerRegion]uint64
	var failed error
	even := func() bool {
		for i, n := range r.Nodes {
			p, ok := n.Up()
			if !ok {
				failed = fmt.Errorf("%s is down", n.host)
				return false
			}
			g, ok := p.Node.Host().Group(id)
			if !ok {
				failed = fmt.Errorf("%s has no peer", n.host)
				return false
			}
			if at[i], sums[i], failed = g.Machine().Hash(); failed != nil {
				return false
			}
		}
		return at[0] == at[1] && at[1] == at[2]
	}
	if err := r.world.Await(ctx, glance, even); err != nil {
		if failed != nil {
			return failed
		}
		return fmt.Errorf("peers do not come to the same entry, but to %v", at)
	}
	if sums[0] != sums[1] || sums[1] != sums[2] {
		return &check.Violation{Promise: "peers of a group hold the same", Detail: fmt.Sprintf("at entry %d, their hashes are %x", at[0], sums)}
	}
	return r.count(id)
}

// count counts what a group holds, which does not change meanwhile, as one peer has
// it.
func (r *Region) count(id cluster.GroupID) error {
	p, ok := r.Nodes[0].Up()
	if !ok {
		return fmt.Errorf("%s is down", r.Nodes[0].host)
	}
	g, ok := p.Node.Host().Group(id)
	if !ok {
		return fmt.Errorf("%s has no peer", r.Nodes[0].host)
	}
	m := g.Machine().Meta()
	said := check.Count{Items: m.Items, Bytes: m.Bytes, Tombstones: m.Tombstones}
	var found check.Count
	for at := (machine.PageRequest{WithTombstones: true}); ; {
		page, err := g.Machine().Page(at)
		if err != nil {
			return err
		}
		for _, s := range page.Stored {
			if s.Tombstone {
				found.Tombstones++
			} else {
				found.Items++
				found.Bytes += int64(s.Size)
			}
		}
		if !page.More {
			break
		}
		at.Lo = append(slices.Clone(page.Last), 0)
	}
	if g.Machine().Meta().AppliedIndex != m.AppliedIndex {
		return nil // somebody still writes: a job, at its own time
	}
	return check.Counted(said, found)
}

// checkFor is how long one history may take to be checked, in real time.
const checkFor = 30 * time.Second

// Check reports every promise that the run saw broken.
func (rec *Record) Check() error {
	errs := []error{rec.Err, rec.Peers}
	if rec.Held == nil {
		return errors.Join(append(errs, errors.New("there is nothing to check"))...)
	}
	for _, name := range slices.Sorted(maps.Keys(rec.Held)) {
		h := rec.Held[name]
		errs = append(errs, rec.Newest.Check(name, h.States), rec.checkKept(name, h))
		if err := check.Linearizable(rec.Histories[name], checkFor); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	errs = append(errs, rec.Converged(), rec.Versions.Check())
	return errors.Join(errs...)
}

// Converged checks that all regions held the same orders in the end.
func (rec *Record) Converged() error {
	exact := map[string]map[string]string{}
	for region, h := range rec.Held {
		exact[region] = h.Exact
	}
	return check.Converged(exact)
}

func (rec *Record) checkKept(region string, h Holding) error {
	if err := errors.Join(rec.Kept.Check(h.Numbers), rec.Own[region].Check(h.Numbers)); err != nil {
		return fmt.Errorf("%s: %w", region, err)
	}
	return nil
}

// Operations is how many operations were checked for linearizability.
func (rec *Record) Operations() int {
	n := 0
	for _, h := range rec.Histories {
		n += len(h)
	}
	return n
}
