package benchtest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

// Sender is a client of the load generator.
type Sender interface {
	Do(context.Context, *workload.Request) (conflicts int, err error)
	Interrupt()
	Close()
}

// Dial makes a client of a store whose tables are Plain and Sorted.
type Dial func(t testing.TB, s *Store, items *workload.Items) Sender

// The tables of the suite.
const (
	Plain  = "plain"
	Sorted = "sorted"
)

// TestSender is what every client must do.
func TestSender(t *testing.T, d Dial) {
	t.Run("EveryOperation", d.testEveryOperation)
	t.Run("LargeItems", d.testLargeItems)
	t.Run("ReadModifyWriteConflict", d.testReadModifyWriteConflict)
	t.Run("Missing", d.testMissing)
	t.Run("Unprocessed", d.testUnprocessed)
	t.Run("Chunked", d.testChunked)
	t.Run("Interrupt", d.testInterrupt)
}

const keys = 200

type fixture struct {
	dial   Dial
	store  *Store
	client Sender
	items  *workload.Items
	keys   *workload.Keys
}

func (d Dial) fixture(t testing.TB, sizes string) *fixture {
	t.Helper()
	parsed, err := workload.ParseSizes(sizes)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{dial: d, store: New(t), keys: workload.NewKeys(keys)}
	if f.items, err = workload.NewItems(parsed, keys); err != nil {
		t.Fatal(err)
	}
	f.store.Create(Plain, false)
	f.store.Create(Sorted, true)
	f.client = d(t, f.store, f.items)
	t.Cleanup(f.client.Close)
	return f
}

func (f *fixture) generator(t testing.TB, mix string) *workload.Generator {
	t.Helper()
	m, err := workload.ParseMix(mix)
	if err != nil {
		t.Fatal(err)
	}
	return workload.NewGenerator(m, f.items, f.keys, false, 1, 2)
}

func (f *fixture) load(t testing.TB, mix string) {
	t.Helper()
	g := f.generator(t, mix)
	for key := uint64(0); key < keys; {
		q := g.Load(key, keys)
		if _, err := f.client.Do(context.Background(), q); err != nil {
			t.Fatal(err)
		}
		key += uint64(len(q.Keys))
	}
}

// Every operation is understood, on both kinds of tables, and each item that is
// written has the size it should have.
func (d Dial) testEveryOperation(t *testing.T) {
	want := map[string]string{
		"put": "PutItem", "insert": "PutItem", "get-strong": "GetItem, strong", "get-eventual": "GetItem",
		"update": "UpdateItem", "read-modify-write": "UpdateItem", "delete": "DeleteItem",
		"query": "Query", "scan": "Scan", "batch-write": "BatchWriteItem", "batch-get": "BatchGetItem",
	}
	for _, name := range workload.Names() {
		for _, mix := range []string{name, name + "=99,query=1"} {
			t.Run(mix, func(t *testing.T) {
				f := d.fixture(t, "256")
				f.load(t, mix)
				g := f.generator(t, mix)
				before := f.store.Asked(want[name])
				for range 50 {
					q := g.Next()
					conflicts, err := f.client.Do(context.Background(), q)
					if err != nil || conflicts > 0 {
						t.Fatalf("%v: %v, %d conflicts", q.Op, err, conflicts)
					}
					g.Done(q, true)
				}
				if got := f.store.Asked(want[name]) - before; got < 30 {
					t.Errorf("asked %d times for %s", got, want[name])
				}
				for _, table := range f.store.Tables() {
					for _, item := range f.store.Items(table) {
						size := 0
						for name, value := range item {
							size += len(name) + len(value.S)
						}
						if size != 256 {
							t.Fatalf("an item of %d bytes in %s", size, table)
						}
					}
				}
			})
		}
	}
}

func (d Dial) testLargeItems(t *testing.T) {
	f := d.fixture(t, "409600")
	g := f.generator(t, "put")
	q := *g.Next()
	if _, err := f.client.Do(context.Background(), &q); err != nil {
		t.Fatal(err)
	}
	items := f.store.Items(Plain)
	if len(items) != 1 || len(items[0]["v"].S) < 409_000 {
		t.Errorf("%d items, or a small one", len(items))
	}
	q.Op = workload.GetStrong
	if _, err := f.client.Do(context.Background(), &q); err != nil {
		t.Error(err)
	}
}

// A read-modify-write that another has overtaken reads again.
func (d Dial) testReadModifyWriteConflict(t *testing.T) {
	f := d.fixture(t, "256")
	f.load(t, "put")
	rival := f.dial(t, f.store, f.items)
	defer rival.Close()
	q := f.generator(t, "read-modify-write").Next()
	var updates atomic.Int64
	f.store.Before = func(operation string) {
		if operation == "UpdateItem" && updates.Add(1) <= 2 {
			overtake := workload.Request{Op: workload.Put, Keys: q.Keys}
			value := append([]byte{byte('0' + updates.Load())}, q.Values[0][1:]...)
			overtake.Values = append(overtake.Values, value)
			if _, err := rival.Do(context.Background(), &overtake); err != nil {
				t.Error(err)
			}
		}
	}
	conflicts, err := f.client.Do(context.Background(), q)
	if err != nil || conflicts != 2 {
		t.Errorf("%d conflicts, %v", conflicts, err)
	}
	found := false
	for _, item := range f.store.Items(Plain) {
		found = found || item["v"].S == string(q.Values[0])
	}
	if !found {
		t.Error("the value was not written")
	}
}

// What was written must be there, unless others delete.
func (d Dial) testMissing(t *testing.T) {
	f := d.fixture(t, "256")
	for _, mix := range []string{"get-strong", "get-eventual", "read-modify-write", "query", "batch-get"} {
		if _, err := f.client.Do(context.Background(), f.generator(t, mix).Next()); !errors.Is(err, workload.ErrMissing) {
			t.Errorf("%s of an empty table: %v", mix, err)
		}
		q := f.generator(t, mix).Next()
		q.Lenient = true
		if _, err := f.client.Do(context.Background(), q); err != nil {
			t.Errorf("%s of an empty table that others delete from: %v", mix, err)
		}
	}
}

func (d Dial) testUnprocessed(t *testing.T) {
	f := d.fixture(t, "256")
	f.load(t, "put")
	f.store.Leave.Store(true)
	for _, mix := range []string{"batch-write", "batch-get"} {
		if _, err := f.client.Do(context.Background(), f.generator(t, mix).Next()); !errors.Is(err, workload.ErrUnprocessed) {
			t.Errorf("%s in part: %v", mix, err)
		}
	}
}

func (d Dial) testChunked(t *testing.T) {
	f := d.fixture(t, "20000")
	f.store.Chunked.Store(true)
	f.load(t, "put")
	g := f.generator(t, "get-eventual=1,batch-get=1")
	for range 10 {
		if _, err := f.client.Do(context.Background(), g.Next()); err != nil {
			t.Fatal(err)
		}
	}
}

// An interrupted client ends at once, and begins nothing more.
func (d Dial) testInterrupt(t *testing.T) {
	f := d.fixture(t, "256")
	asked, release := make(chan bool), make(chan bool)
	f.store.Before = func(string) { asked <- true; <-release }
	defer close(release)
	failed := make(chan error)
	q := f.generator(t, "put").Next()
	go func() {
		_, err := f.client.Do(context.Background(), q)
		failed <- err
	}()
	<-asked
	f.client.Interrupt()
	select {
	case err := <-failed:
		if err == nil {
			t.Error("an interrupted request succeeded")
		}
	case <-time.After(time.Minute):
		t.Fatal("an interrupted request does not end")
	}
	if _, err := f.client.Do(context.Background(), q); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("after the interruption: %v", err)
	}
}
