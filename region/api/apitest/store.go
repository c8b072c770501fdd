// Package apitest is a region of one process, one partition a table, for tests
// of the front door: real state machines on a real engine in memory, without
// Raft or network. Requests take the same evaluation path as in production.
package apitest

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Region is the region's name.
const Region = "eu-test-1"

// Store is the region. It is safe for concurrent use.
type Store struct {
	engine *engine.Engine

	mu     sync.Mutex
	tables map[string]*catalog.Table
	parts  map[string]*machine.Partition // by table id
	made   int
	// Fail, if set, decides the fate of a command before it is applied.
	Fail func(t *catalog.Table, cmd *command.Command) error
	// FailGet is Fail for reads.
	FailGet func(ctx context.Context, t *catalog.Table, key []byte) error
}

// New makes a region that ends with the test.
func New(t testing.TB) *Store {
	t.Helper()
	return open(t, engine.Options{InMemory: true})
}

// NewOnDisk is New with the items in files, once Checkpoint was called.
func NewOnDisk(t testing.TB) *Store {
	t.Helper()
	return open(t, engine.Options{Dir: t.TempDir(), MemoryBudget: 256 << 20})
}

// Checkpoint has the engine write everything out.
func (s *Store) Checkpoint() error { return s.engine.Checkpoint() }

func open(t testing.TB, o engine.Options) *Store {
	t.Helper()
	e, err := engine.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Store{engine: e, tables: map[string]*catalog.Table{}, parts: map[string]*machine.Partition{}}
}

// Lookup returns a table by name.
func (s *Store) Lookup(name string) (*catalog.Table, error) {
	if t, ok := s.Table(name); ok {
		return t, nil
	}
	return nil, storage.Errorf(storage.ResourceNotFound, "table %s not found", name)
}

// Table is Lookup for those who do not ask why.
func (s *Store) Table(name string) (*catalog.Table, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tables[name]
	return t, ok
}

// TableNames lists the tables.
func (s *Store) TableNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.tables))
	for name := range s.tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// CreateTable makes a table. What it returns is CREATING; the table is ACTIVE.
func (s *Store) CreateTable(_ context.Context, table schema.Table, global *catalog.Global) (*catalog.Table, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.tables[table.Name]; ok {
		return nil, storage.Errorf(storage.ResourceInUse, "Table already exists: %s", table.Name)
	}
	s.made++
	table.ID = fmt.Sprintf("00000000-0000-4000-8000-%012d", s.made)
	table.CreatedMillis = time.Now().UnixMilli()
	binary.BigEndian.PutUint64(table.HashSeed[:], uint64(s.made))
	part, err := machine.Create(s.engine, machine.Keyspace(s.made), machine.Meta{Group: uint64(s.made), Table: table.ID}, Region)
	if err != nil {
		return nil, err
	}
	s.parts[table.ID] = part
	s.tables[table.Name] = &catalog.Table{Table: table, Status: catalog.Active, Global: global}
	created := *s.tables[table.Name]
	created.Status = catalog.Creating
	return &created, nil
}

// UpdateTable changes a table. A table set to DELETING is gone at once.
func (s *Store) UpdateTable(_ context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.tables[name]
	if !ok {
		return nil, storage.Errorf(storage.ResourceNotFound, "Requested resource not found: Table: %s not found", name)
	}
	t := *old
	if err := change(&t); err != nil {
		return nil, err
	}
	s.tables[name] = &t
	if t.Status == catalog.Deleting {
		delete(s.tables, name)
	}
	return &t, nil
}

// SetStatus changes a table's status, as a job would.
func (s *Store) SetStatus(name string, status catalog.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := *s.tables[name]
	t.Status = status
	s.tables[name] = &t
}

// Execute applies one command.
func (s *Store) Execute(_ context.Context, t *catalog.Table, cmd *command.Command) (command.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Fail != nil {
		if err := s.Fail(t, cmd); err != nil {
			return command.Result{}, err
		}
	}
	part, ok := s.parts[t.ID]
	if !ok {
		return command.Result{}, storage.Errorf(storage.ResourceNotFound, "Requested resource not found")
	}
	batch := command.AppendBatch(nil, version.FromMillis(time.Now().UnixMilli()), [][]byte{cmd.Append(nil)})
	results, err := part.Apply([]machine.Entry{{Index: part.Meta().AppliedIndex + 1, Term: 1, Data: batch}})
	if err != nil {
		return command.Result{}, err
	}
	return results[0][0], nil
}

// ExecuteAll applies commands one by one.
func (s *Store) ExecuteAll(ctx context.Context, cmds []router.TableCommand) []router.Outcome {
	outcomes := make([]router.Outcome, len(cmds))
	for i, c := range cmds {
		outcomes[i].Result, outcomes[i].Err = s.Execute(ctx, c.Table, c.Command)
	}
	return outcomes
}

// Get reads one item.
func (s *Store) Get(ctx context.Context, t *catalog.Table, key []byte, _ bool) (item.Encoded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.FailGet != nil {
		if err := s.FailGet(ctx, t, key); err != nil {
			return nil, err
		}
	}
	stored, err := s.parts[t.ID].Get(key)
	if err != nil || !stored.Exists {
		return nil, err
	}
	return stored.Item, nil
}

// Page reads a page.
func (s *Store) Page(_ context.Context, t *catalog.Table, req machine.PageRequest, _ bool) (machine.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[t.ID].Page(req)
}
