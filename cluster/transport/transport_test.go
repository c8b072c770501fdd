package transport_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/roundtabledb/roundtable/cluster"
)

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		a := c.add("a", handleEcho)
		c.add("b", handleEcho)
		for _, to := range []string{"a", "b"} {
			if err := a.echo(context.Background(), cluster.NodeID(to), "hello "+to); err != nil {
				t.Error(err)
			}
		}
	})
}
