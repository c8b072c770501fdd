package sdk

import (
	"net/url"
	"testing"

	"github.com/roundtabledb/roundtable/cmd/bench/benchtest"
	"github.com/roundtabledb/roundtable/cmd/bench/wire"
	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

func TestClient(t *testing.T) {
	benchtest.TestSender(t, func(t testing.TB, s *benchtest.Store, items *workload.Items) benchtest.Sender {
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		return NewService(wire.Options{
			URL: u, Region: benchtest.Region, AccessKey: benchtest.AccessKey, SecretKey: benchtest.SecretKey,
			Table: benchtest.Plain, Sorted: benchtest.Sorted, Items: items,
		}, 2).Client()
	})
}
