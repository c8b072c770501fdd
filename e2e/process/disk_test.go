package process

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/fault"
	"github.com/roundtabledb/roundtable/e2e/harness"
	"github.com/roundtabledb/roundtable/e2e/traffic/sdk"
)

// ended waits until a node has stopped by itself, not in good order, and with
// words for the operator.
func ended(t *testing.T, ctx context.Context, n *harness.Node, words ...string) {
	t.Helper()
	if err := n.Process().Wait(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("%s: %v, want another exit code than 0", n.Name(), err)
	}
	for _, w := range words {
		if !strings.Contains(n.Process().Output(), w) {
			t.Errorf("%s ended without the words %q", n.Name(), w)
		}
	}
}

// A node whose disk fills stops, says why, and has everything when there is
// space again.
func TestFullDisk(t *testing.T) {
	disk := fault.NewDisk(t, 320)
	d := harness.Start(t, harness.Options{Nodes: 1, Dir: func(string, string) string { return filepath.Join(disk.Dir, "data") }})
	n := d.Nodes()[0]
	ctx := within(t, 2*time.Minute)
	client := sdk.NodeClient(n)
	must(t, sdk.CreateTable(ctx, client, "full"))
	c := sdk.StartCounters(ctx, client, "full", "k", 4)
	must(t, c.Progress(ctx, 20))

	must(t, disk.Fill(64<<20))
	ended(t, ctx, n, "the node cannot go on", "MiB are left")
	c.Stop()
	t.Log(c)

	must(t, n.Start())
	ended(t, ctx, n, "MiB are left")

	must(t, disk.Free())
	must(t, n.Restart(ctx))
	must(t, c.Check(ctx, client))
	must(t, put(ctx, client, "full", "after", 1))
}

// A write that was under way when the power went was never acknowledged, and
// is cut off.
func TestTornLog(t *testing.T) {
	d := harness.Start(t, harness.Options{Nodes: 1})
	n := d.Nodes()[0]
	ctx := within(t, time.Minute)
	client := sdk.NodeClient(n)
	must(t, sdk.CreateTable(ctx, client, "torn"))
	for range 2 {
		c := sdk.StartCounters(ctx, client, "torn", "k", 4)
		must(t, c.Progress(ctx, 10))
		must(t, n.Process().Kill())
		c.Stop()
		must(t, fault.Tear(n.Dir))
		must(t, n.Restart(ctx))
		must(t, c.Check(ctx, client))
	}
}

// What was durable and is unreadable now may have been acknowledged: the node
// must not pretend otherwise, and says what to do.
func TestDamagedLog(t *testing.T) {
	d := harness.Start(t, harness.Options{})
	r := d.Regions[0]
	ctx := within(t, time.Minute)
	must(t, sdk.CreateTable(ctx, sdk.Client(r), "damaged"))
	c := sdk.StartCounters(ctx, sdk.Client(r), "damaged", "k", 4)
	must(t, c.Progress(ctx, 20))
	n := r.Nodes[1]
	must(t, n.Process().Kill())
	must(t, fault.Flip(n.Dir))
	must(t, n.Start())
	ended(t, ctx, n, "the log is damaged", "join under a new name")
	must(t, c.Progress(ctx, 20))
	c.Stop()
	t.Log(c)
	must(t, c.Check(ctx, sdk.Client(r)))
}
