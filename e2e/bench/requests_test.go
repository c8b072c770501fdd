package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/cmd/bench"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
)

// item is an item as requests have it; all attributes are strings.
type item map[string]map[string]string

func (i item) size() int {
	n := 0
	for name, value := range i {
		n += len(name) + len(value["S"])
	}
	return n
}

// Items are of the usual size, as DynamoDB counts it, with a sort key or without.
func TestItemsHaveTheirSize(t *testing.T) {
	for name, make := range map[string]func(int) string{"plain": plainItem, "sorted": sortedItem} {
		keys := map[string]bool{}
		for i := range 1000 {
			var it item
			if err := json.Unmarshal([]byte(make(i)), &it); err != nil {
				t.Fatalf("%s: %v", make(i), err)
			}
			if it.size() != peer.ItemBytes {
				t.Fatalf("%s item %d has %d bytes", name, i, it.size())
			}
			keys[it["pk"]["S"]+"/"+it["sk"]["S"]] = true
		}
		if len(keys) != 1000 {
			t.Errorf("%s: 1000 items have %d keys", name, len(keys))
		}
	}
}

func TestParsePage(t *testing.T) {
	for _, c := range []struct {
		answer, last string
		count        int
		fails        bool
	}{
		{answer: `{"Count":2,"Items":[{"pk":{"S":"a"}},{"pk":{"S":"b"}}],"ScannedCount":2}`, count: 2},
		{answer: `{"Items":[],"LastEvaluatedKey":{"pk":{"S":"}\""}},"Count":0,"ScannedCount":7}`, last: `{"pk":{"S":"}\""}}`},
		{answer: `{"Items":[]}`, fails: true},
		{answer: `{"Count":"two"}`, fails: true},
	} {
		p, err := parsePage([]byte(c.answer))
		if c.fails != (err != nil) || err == nil && (p.count != c.count || string(p.last) != c.last) {
			t.Errorf("%s: %d, %s, %v", c.answer, p.count, p.last, err)
		}
	}
}

// shelf is as much of a table as tables are filled and scanned with.
type shelf struct {
	t        *testing.T
	perPage  int
	mu       sync.Mutex
	keys     []string
	refuse   int
	requests []string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	var request struct {
		RequestItems      map[string][]struct{ PutRequest struct{ Item item } }
		ExclusiveStartKey item
	}
	if err := json.Unmarshal(body, &request); err != nil {
		s.t.Errorf("%s: %v", body, err)
	}
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.requests = append(s.requests, name)
	answer := map[string]any{}
	switch {
	case name == "BatchWriteItem" && s.refuse > 0:
		s.refuse--
		answer["UnprocessedItems"] = request.RequestItems
	case name == "BatchWriteItem":
		for _, put := range request.RequestItems[table] {
			s.keys = append(s.keys, put.PutRequest.Item["pk"]["S"])
		}
		answer["UnprocessedItems"] = map[string]any{}
	case name == "Scan":
		from := 1 + slices.Index(s.keys, request.ExclusiveStartKey["pk"]["S"])
		to := min(from+s.perPage, len(s.keys))
		answer["Count"] = to - from
		if to < len(s.keys) {
			answer["LastEvaluatedKey"] = item{"pk": {"S": s.keys[to-1]}}
		}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		s.t.Error(err)
	}
}

// A table is filled with every item once, though batches be refused, and a scan
// goes over all of it.
func TestFillAndScan(t *testing.T) {
	s := &shelf{t: t, perPage: 7, refuse: 2}
	server := httptest.NewServer(s)
	defer server.Close()
	l := newTestLab(t)
	e := endpoints{name: "shelf", urls: []string{server.URL}, region: "r"}
	const n = 63
	if err := e.fill(t.Context(), l, n, plainItem); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for i := range n {
		want[peer.Key(uint64(i))] = 1
	}
	got := map[string]int{}
	for _, k := range s.keys {
		got[k]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	c, err := e.scanner(n)(0)
	if err != nil {
		t.Fatal(err)
	}
	s.requests = nil
	if err := c.Do(t.Context()); err != nil || len(s.requests) != n/s.perPage {
		t.Errorf("%v after %d pages", err, len(s.requests))
	}
	s.keys = s.keys[1:]
	if err := c.Do(t.Context()); err == nil {
		t.Error("nobody misses an item")
	}
}

// Of large mixes only the small items count.
func TestSmallKinds(t *testing.T) {
	r := bench.Result{Kinds: []bench.Kind{
		{Operation: "put", ItemBytes: 100_000, Latency: bench.Latency{P99: 90}},
		{Operation: "put", ItemBytes: 256, Latency: bench.Latency{P99: 3}},
		{Operation: "batch-write", Latency: bench.Latency{P99: 80}},
		{Operation: "get-strong", ItemBytes: 256, Latency: bench.Latency{P99: 2}},
	}}
	s, err := smallKinds(&r)
	if err != nil || s[0].P99 != 3 || s[1].P99 != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	r.Kinds = r.Kinds[:2]
	if _, err := smallKinds(&r); err == nil {
		t.Error("an operation that was not measured is not missed")
	}
}

// Puts are compared with etcd where it was faster, in everything.
func TestBetterEtcdCounts(t *testing.T) {
	l := newTestLab(t)
	p := puts{region: endpoints{name: "Roundtable"}}
	p.judgeEtcd(l, map[string]series{
		nameOf(p.region, "put", 64): {{PerSecond: 300, P99: 4, ServerCPU: 10}},
		etcdPut("all nodes", 64):    {{PerSecond: 100, P99: 1, ServerCPU: 100}},
		etcdPut("leader", 64):       {{PerSecond: 150, P99: 8, ServerCPU: 20}},
	}, 64)
	for i, ratio := range []float64{2, 0.5, 0.5} {
		if r := l.rows[i]; *r.Ratio != ratio || !*r.Met || !strings.Contains(r.Peer, "leader") {
			t.Errorf("%+v", r)
		}
	}
}

// A peer that is missing is said to be missing, and judges nothing.
func TestMissingPeer(t *testing.T) {
	l := newTestLab(t)
	p := puts{region: endpoints{name: "Roundtable"}, noEtcd: &peer.MissingError{Peer: "etcd", Err: errors.New("no package")}}
	p.judgeEtcd(l, map[string]series{nameOf(p.region, "put", 64): {{PerSecond: 300}}}, 64)
	for _, r := range l.rows {
		if r.Met != nil || r.Ratio != nil || r.PeerValue != nil || r.Note != "etcd is missing: no package" {
			t.Errorf("%+v", r)
		}
	}
}

func TestSeriesErrors(t *testing.T) {
	s := series{{}, {Errors: 2, First: errors.New("a")}, {Errors: 1, First: errors.New("b")}}
	if got := s.errors(); got != "3 operations failed, the first with: a" {
		t.Error(got)
	}
	if (series{load.Sample{}}).errors() != "" {
		t.Error("no error is an error")
	}
}
