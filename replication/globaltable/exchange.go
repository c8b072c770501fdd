package globaltable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// record is one global table as regions tell each other of it.
type record struct {
	// Table is the schema that a region gives the table when it joins.
	Table  schema.Table    `json:"table"`
	Global *catalog.Global `json:"global"`
}

// view is what one region tells another: the tables that both have to do with.
type view struct {
	Tables []record `json:"tables"`
}

// recordOf leaves out what every region has for itself.
func recordOf(t *catalog.Table) record {
	r := record{Table: t.Table, Global: t.Global}
	r.Table.ID, r.Table.HashSeed, r.Table.CreatedMillis = "", [16]byte{}, 0
	r.Table.Tags, r.Table.DeletionProtection = nil, false
	return r
}

// viewFor is this region's view of the tables that another region is or was a
// member of, in order of name.
func (m *Manager) viewFor(region string) view {
	v := view{Tables: []record{}}
	for _, t := range m.options.Catalog.State().Tables {
		if t.Global == nil {
			continue
		}
		if _, ok := t.Global.Members[region]; ok {
			v.Tables = append(v.Tables, recordOf(t))
		}
	}
	slices.SortFunc(v.Tables, func(a, b record) int { return strings.Compare(a.Table.Name, b.Table.Name) })
	return v
}

// Exchange takes in another region's view and returns this region's. It may
// run on any node.
func (m *Manager) Exchange(ctx context.Context, from string, tables []byte) ([]byte, error) {
	if m.options.Catalog.State().Revision == 0 {
		return nil, storage.Errorf(storage.Unavailable, "this node does not know the catalog yet")
	}
	theirs, err := parseView(tables)
	if err != nil {
		return nil, fmt.Errorf("globaltable: region %s: %w", from, err)
	}
	strangers, err := m.adoptAll(ctx, theirs)
	if err != nil {
		return nil, err
	}
	mine := m.viewFor(from)
	mine.Tables = append(mine.Tables, strangers...)
	return json.Marshal(mine)
}

func parseView(b []byte) (view, error) {
	var v view
	if err := json.Unmarshal(b, &v); err != nil {
		return view{}, fmt.Errorf("view: %w", err)
	}
	for _, r := range v.Tables {
		if r.Global == nil || r.Global.ID == "" || r.Global.Members == nil {
			return view{}, fmt.Errorf("view: table %q has no replica set", r.Table.Name)
		}
	}
	return v, nil
}

// adoptAll takes in a view. It returns the records of tables that this region
// does not have, with what it has to say to them.
func (m *Manager) adoptAll(ctx context.Context, v view) (strangers []record, err error) {
	for _, r := range v.Tables {
		stranger, err := m.adopt(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("globaltable: table %s: %w", r.Table.Name, err)
		}
		if stranger != nil {
			strangers = append(strangers, *stranger)
		}
	}
	return strangers, nil
}

// errUnchanged ends an update that turned out to change nothing.
var errUnchanged = errors.New("globaltable: nothing to change")

// adopt takes in another region's record of a table.
func (m *Manager) adopt(ctx context.Context, r record) (stranger *record, err error) {
	t, ok := m.Table(r.Global.ID)
	if !ok {
		return m.adoptStranger(ctx, r)
	}
	if equal(merge(t.Global, r.Global), t.Global) {
		return nil, nil
	}
	return nil, m.update(ctx, t, func(t *catalog.Table) error {
		merged := merge(t.Global, r.Global)
		if equal(merged, t.Global) {
			return errUnchanged
		}
		t.Global = merged
		settle(t)
		return nil
	})
}

// adoptStranger takes in the record of a table that this region does not have:
// it creates the table if it is invited, refuses if another table has the
// name, and confirms that the table is gone if it has been removed.
func (m *Manager) adoptStranger(ctx context.Context, r record) (*record, error) {
	self, ok := r.Global.Members[m.options.Self]
	answer := record{Table: r.Table, Global: r.Global.Clone()}
	switch {
	case !ok:
	case self.Present && self.Status == catalog.ReplicaCreating:
		if _, taken := m.options.Catalog.State().Tables[r.Table.Name]; !taken {
			return nil, m.create(ctx, r)
		}
		m.options.Logger.Warn("globaltable: another table has this name, replica refused", "table", r.Table.Name)
		answer.Global.Members[m.options.Self] = catalog.Member{
			Version: stamp(r.Global, m.options.Self, m.options.Now().UnixMilli()),
		}
	case !self.Present:
		self.Status = ""
		answer.Global.Members[m.options.Self] = self
	}
	return &answer, nil
}

// create makes the table of a replica set that this region is invited to.
func (m *Manager) create(ctx context.Context, r record) error {
	t := catalog.Table{Table: r.Table, Global: r.Global.Clone()}
	settle(&t)
	m.options.Logger.Info("globaltable: joining", "table", t.Name, "id", t.Global.ID)
	if _, err := m.options.Tables.CreateTable(ctx, t.Table, t.Global); err != nil {
		return fmt.Errorf("create replica: %w", err)
	}
	return nil
}

// exchangeEvery is how often regions exchange their views when nothing
// changes, and exchangeTimeout bounds one exchange.
const (
	exchangeEvery   = 5 * time.Second
	exchangeTimeout = 5 * time.Second
)

// tell exchanges views with one region: after every change of the catalog,
// whenever it is reached again, and every few seconds.
func (m *Manager) tell(ctx context.Context, region string) {
	var last struct {
		revision uint64
		at       time.Time
	}
	l := m.options.Link(region)
	for ctx.Err() == nil {
		changed, reached := m.options.Catalog.Changed(), l.Reached()
		revision, now := m.options.Catalog.State().Revision, time.Now()
		stale := revision != last.revision || now.Sub(last.at) >= exchangeEvery
		if stale && m.options.Coordinator() && l.Up() {
			err := m.exchange(ctx, region, l)
			if err == nil {
				last.revision, last.at = revision, now
			} else if ctx.Err() == nil {
				m.options.Logger.Debug("globaltable: no exchange", "region", region, "error", err)
			}
		}
		if !await(ctx, time.Second, changed, reached) {
			return
		}
	}
}

func (m *Manager) exchange(ctx context.Context, region string, l Link) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	mine, err := json.Marshal(m.viewFor(region))
	if err != nil {
		return err
	}
	reply, err := l.Exchange(ctx, mine)
	if err != nil {
		return err
	}
	theirs, err := parseView(reply)
	if err != nil {
		return err
	}
	m.heard(region, theirs)
	_, err = m.adoptAll(ctx, theirs)
	return err
}

// Inquire says what this region has under a table's name.
func (m *Manager) Inquire(table string) link.Presence {
	t, ok := m.options.Catalog.State().Tables[table]
	if !ok {
		return link.Presence{}
	}
	p := link.Presence{Exists: true}
	if t.Global != nil {
		p.GlobalID = t.Global.ID
	}
	return p
}
