package wire

import (
	"net/url"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/benchtest"
	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

func dialStore(t testing.TB, s *benchtest.Store, items *workload.Items) benchtest.Sender {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{
		URL: u, Region: benchtest.Region, AccessKey: benchtest.AccessKey, SecretKey: benchtest.SecretKey,
		Table: benchtest.Plain, Sorted: benchtest.Sorted, Items: items,
	})
}

func TestClient(t *testing.T) { benchtest.TestSender(t, dialStore) }

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

func newGenerator(b *testing.B, mix string) (*Client, *workload.Generator) {
	b.Helper()
	m, err := workload.ParseMix(mix)
	if err != nil {
		b.Fatal(err)
	}
	sizes, err := workload.OneSize(256)
	if err != nil {
		b.Fatal(err)
	}
	items, err := workload.NewItems(sizes, 10_000)
	if err != nil {
		b.Fatal(err)
	}
	c := dialStore(b, benchtest.New(b), items).(*Client)
	return c, workload.NewGenerator(m, items, workload.NewKeys(10_000), false, 1, 2)
}

// The cost of a request without the network.
func BenchmarkRequest(b *testing.B) {
	for _, mix := range []string{"put", "get-strong", "update", "query", "batch-write"} {
		b.Run(mix, func(b *testing.B) {
			c, g := newGenerator(b, mix)
			build := map[workload.Operation]func(*workload.Request) []byte{
				workload.Put:        c.putItem,
				workload.GetStrong:  func(q *workload.Request) []byte { return c.getItem(q, true) },
				workload.Update:     func(q *workload.Request) []byte { return c.updateItem(q, nil) },
				workload.Query:      c.query,
				workload.BatchWrite: c.batchWrite,
			}
			b.ReportAllocs()
			for b.Loop() {
				q := g.Next()
				c.head = c.signer.appendHead(c.head[:0], "PutItem", build[q.Op](q), time.Now())
			}
		})
	}
}
