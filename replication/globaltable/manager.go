// Package globaltable keeps the replica sets of global tables: which regions
// have a table, and the way of a region in and out.
//
// A replica set is data that converges. Each region keeps its view in its own
// catalog, in the record of the table; regions exchange views and merge them,
// member by member. A region that finds itself invited creates the table, one
// that finds itself removed deletes it, and both say so in their own view. All
// of it is driven by the records alone, on whichever node leads the catalog at
// the time, so that it goes on after any crash.
//
// A member that joins is CREATING until every active member has shipped it
// everything; each says so by adding itself to the Sources of the new member,
// which then makes itself ACTIVE. A member that was removed is DELETING until
// its table is gone.
//
// The package does not know how states are shipped; it asks how far that is.
package globaltable

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/replication/sender"
	"github.com/roundtabledb/roundtable/storage/schema"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Catalog is this region's catalog, as this node follows it.
type Catalog interface {
	State() *catalog.State
	Changed() <-chan struct{}
}

var _ Catalog = (*catalog.Catalog)(nil)

// Tables changes the tables of this region. In production it is the node.
type Tables interface {
	// CreateTable enters a table that begins with a replica set.
	CreateTable(ctx context.Context, table schema.Table, global *catalog.Global) (*catalog.Table, error)
	// UpdateTable changes a table's record. An error of change is returned as
	// it is, and nothing is changed.
	UpdateTable(ctx context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error)
}

// Link asks another region. In production it is a link.Link.
type Link interface {
	Up() bool
	Reached() <-chan struct{}
	Exchange(ctx context.Context, tables []byte) ([]byte, error)
	Inquire(ctx context.Context, table string) (link.Presence, error)
}

var _ Link = (*link.Link)(nil)

// Options says what a Manager stands on.
type Options struct {
	// Self is this region, Remotes all others.
	Self    string
	Remotes []string
	Catalog Catalog
	Tables  Tables
	// Link finds the link to a remote region.
	Link func(region string) Link
	// Coordinator reports whether this node is the one of its region that does
	// the jobs now: the leader of the catalog.
	Coordinator func() bool
	// Progress asks all nodes of the region how far their senders for a global
	// table toward a remote region are.
	Progress func(ctx context.Context, globalID, remote string) ([]sender.Status, error)
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// Logger hears of joins and leaves. Default: none.
	Logger *slog.Logger
}

// Manager keeps the replica sets of one region's tables. Every node has one.
// It is safe for concurrent use.
type Manager struct {
	options Options
	cancel  context.CancelFunc
	tasks   sync.WaitGroup

	// index is the global tables of one state of the catalog, by their ids.
	index atomic.Pointer[index]

	mu struct {
		sync.Mutex
		// heard is, by global table, the version of this region's own
		// membership that some other present member is known to know.
		heard map[string]version.Version
	}
}

// Start begins to exchange views and to do the jobs. The caller must Close the
// manager.
func Start(o Options) *Manager {
	m := newManager(o)
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	for _, region := range m.options.Remotes {
		m.tasks.Go(func() { m.tell(ctx, region) })
	}
	m.tasks.Go(func() { m.work(ctx) })
	return m
}

func newManager(o Options) *Manager {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Remotes = slices.Sorted(slices.Values(o.Remotes))
	m := &Manager{options: o}
	m.mu.heard = map[string]version.Version{}
	return m
}

// Close stops the manager and waits for it. Links must be open until then.
func (m *Manager) Close() {
	m.cancel()
	m.tasks.Wait()
}

// index is the global tables of a state of the catalog.
type index struct {
	state  *catalog.State
	tables map[string]*catalog.Table
}

// Table finds this region's table of a global table.
func (m *Manager) Table(globalID string) (*catalog.Table, bool) {
	s := m.options.Catalog.State()
	at := m.index.Load()
	if at == nil || at.state != s {
		at = &index{state: s, tables: map[string]*catalog.Table{}}
		for _, t := range s.Tables {
			if t.Global != nil {
				at.tables[t.Global.ID] = t
			}
		}
		m.index.Store(at)
	}
	t, ok := at.tables[globalID]
	return t, ok
}

// await waits for one of the channels, for a time, or for ctx, of whose end
// false tells.
func await(ctx context.Context, d time.Duration, a, b <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-a:
	case <-b:
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return true
}

// update changes the record of a table, if it is still the same table.
func (m *Manager) update(ctx context.Context, t *catalog.Table, change func(*catalog.Table) error) error {
	_, err := m.options.Tables.UpdateTable(ctx, t.Name, func(current *catalog.Table) error {
		if current.ID != t.ID || current.Global == nil {
			return errUnchanged
		}
		return change(current)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}
