package wire

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/benchtest"
	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

const keys = 200

type fixture struct {
	store  *benchtest.Store
	client *Client
	items  *workload.Items
	keys   *workload.Keys
}

func newFixture(t testing.TB, sizes string) *fixture {
	t.Helper()
	parsed, err := workload.ParseSizes(sizes)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{store: benchtest.New(t), keys: workload.NewKeys(keys)}
	if f.items, err = workload.NewItems(parsed, keys); err != nil {
		t.Fatal(err)
	}
	f.store.Create("plain", false)
	f.store.Create("sorted", true)
	u, err := url.Parse(f.store.URL)
	if err != nil {
		t.Fatal(err)
	}
	f.client = New(Options{
		URL: u, Region: benchtest.Region, AccessKey: benchtest.AccessKey, SecretKey: benchtest.SecretKey,
		Table: "plain", Sorted: "sorted", Items: f.items,
	})
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
	for key := range uint64(keys) {
		if _, err := f.client.Do(context.Background(), g.Load(key)); err != nil {
			t.Fatal(err)
		}
	}
}

// Every operation is understood, on both kinds of tables, and each item that is
// written has the size it should have.
func TestEveryOperation(t *testing.T) {
	want := map[string]string{
		"put": "PutItem", "insert": "PutItem", "get-strong": "GetItem, strong", "get-eventual": "GetItem",
		"update": "UpdateItem", "read-modify-write": "UpdateItem", "delete": "DeleteItem",
		"query": "Query", "scan": "Scan", "batch-write": "BatchWriteItem", "batch-get": "BatchGetItem",
	}
	for _, name := range workload.Names() {
		for _, mix := range []string{name, name + "=99,query=1"} {
			t.Run(mix, func(t *testing.T) {
				f := newFixture(t, "256")
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

func TestLargeItems(t *testing.T) {
	f := newFixture(t, "409600")
	g := f.generator(t, "put")
	for key := range uint64(3) {
		if _, err := f.client.Do(context.Background(), g.Load(key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, item := range f.store.Items("plain") {
		if len(item["v"].S) < 409_000 {
			t.Errorf("an item of %d bytes", len(item["v"].S))
		}
	}
	if q := f.generator(t, "get-strong").Load(0); true {
		q.Op = workload.GetStrong
		if _, err := f.client.Do(context.Background(), q); err != nil {
			t.Error(err)
		}
	}
}

// A read-modify-write that another has overtaken reads again.
func TestReadModifyWriteConflict(t *testing.T) {
	f := newFixture(t, "256")
	f.load(t, "put")
	rival := New(f.client.Options)
	defer rival.Close()
	q := f.generator(t, "read-modify-write").Next()
	overtake := f.generator(t, "put").Load(q.Keys[0])
	var updates atomic.Int64
	f.store.Before = func(operation string) {
		if operation == "UpdateItem" && updates.Add(1) <= 2 {
			overtake = f.generator(t, "put").Load(q.Keys[0])
			overtake.Values[0] = append([]byte{byte('0' + updates.Load())}, overtake.Values[0][1:]...)
			if _, err := rival.Do(context.Background(), overtake); err != nil {
				t.Error(err)
			}
		}
	}
	conflicts, err := f.client.Do(context.Background(), q)
	if err != nil || conflicts != 2 {
		t.Errorf("%d conflicts, %v", conflicts, err)
	}
	found := false
	for _, item := range f.store.Items("plain") {
		found = found || item["v"].S == string(q.Values[0])
	}
	if !found {
		t.Error("the value was not written")
	}
}

// What was written must be there, unless others delete.
func TestMissing(t *testing.T) {
	f := newFixture(t, "256")
	for _, mix := range []string{"get-strong", "get-eventual", "read-modify-write", "query", "batch-get"} {
		if _, err := f.client.Do(context.Background(), f.generator(t, mix).Next()); !errors.Is(err, ErrMissing) {
			t.Errorf("%s of an empty table: %v", mix, err)
		}
		q := f.generator(t, mix).Next()
		q.Lenient = true
		if _, err := f.client.Do(context.Background(), q); err != nil {
			t.Errorf("%s of an empty table that others delete from: %v", mix, err)
		}
	}
}

func TestUnprocessed(t *testing.T) {
	f := newFixture(t, "256")
	f.load(t, "put")
	f.store.Leave.Store(true)
	for _, mix := range []string{"batch-write", "batch-get"} {
		if _, err := f.client.Do(context.Background(), f.generator(t, mix).Next()); !errors.Is(err, ErrUnprocessed) {
			t.Errorf("%s in part: %v", mix, err)
		}
	}
}

func TestChunked(t *testing.T) {
	f := newFixture(t, "20000")
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
func TestInterrupt(t *testing.T) {
	f := newFixture(t, "256")
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

func TestAfter(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"Item":{"v":{"S":"abc"}}}`, `abc"}}}`},
		{`{"Item": {"v": {"S": "abc"}}}`, `abc"}}}`},
		{"{\"v\" :\n\t{ \"S\":\"abc", `abc`},
		{`{"v":{"N":"1"}}`, ""},
		{`{}`, ""},
	} {
		rest, found := after([]byte(c.text), `"v"`, ":", "{", `"S"`, ":", `"`)
		if string(rest) != c.want || found != (c.want != "") {
			t.Errorf("%s: %q, %v", c.text, rest, found)
		}
	}
	if got := appendRevision(nil, []byte(`{"v":{"S":"0123456789abcdefgh"}}`)); string(got) != "0123456789abcdef" {
		t.Errorf("revision %q", got)
	}
	if got := appendRevision(nil, []byte(`{"v":{"S":"01`)); string(got) != "" {
		t.Errorf("revision of half an answer: %q", got)
	}
}

// The cost of a request without the network.
func BenchmarkRequest(b *testing.B) {
	for _, mix := range []string{"put", "get-strong", "update", "query", "batch-write"} {
		b.Run(mix, func(b *testing.B) {
			f := newFixture(b, "256")
			g := f.generator(b, mix)
			build := map[workload.Operation]func(*workload.Request) []byte{
				workload.Put:        f.client.putItem,
				workload.GetStrong:  func(q *workload.Request) []byte { return f.client.getItem(q, true) },
				workload.Update:     func(q *workload.Request) []byte { return f.client.updateItem(q, nil) },
				workload.Query:      f.client.query,
				workload.BatchWrite: f.client.batchWrite,
			}
			b.ReportAllocs()
			for b.Loop() {
				q := g.Next()
				f.client.head = f.client.signer.appendHead(f.client.head[:0], "PutItem", build[q.Op](q), time.Now())
			}
		})
	}
}
