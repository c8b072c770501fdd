package process

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/fault"
	"github.com/roundtabledb/roundtable/e2e/harness"
	"github.com/roundtabledb/roundtable/e2e/traffic/sdk"
)

func TestNineNodes(t *testing.T) {
	d := harness.Start(t, harness.Options{Regions: 3, Nodes: 3, Delay: 10 * time.Millisecond})
	sdk.GlobalTable(t, d, "nine")

	t.Run("each killed in turn", func(t *testing.T) {
		ctx := within(t, 4*time.Minute)
		c := sdk.StartCrowd(ctx, d, "nine", "turn")
		for _, r := range d.Regions {
			for _, n := range r.Nodes {
				must(t, fault.Kill(n).During(ctx, func() error { return c.Progress(ctx, 10, r) }))
				must(t, c.Progress(ctx, 3, r))
			}
		}
		c.Stop(t)
	})
	t.Run("all killed at once", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		c := sdk.StartCrowd(ctx, d, "nine", "all")
		for range 2 {
			must(t, c.Progress(ctx, 10))
			must(t, fault.Kill(d.Nodes()...).During(ctx, func() error { return nil }))
		}
		must(t, c.Progress(ctx, 10))
		c.Stop(t)
	})
	t.Run("region cut off", func(t *testing.T) {
		cutFor := cutDuration(t)
		ctx := within(t, cutFor+2*time.Minute)
		cut := d.Regions[2]
		c := sdk.StartCrowd(ctx, d, "nine", "cut")
		must(t, c.Progress(ctx, 3))
		must(t, fault.Cut(d, cut.Name).During(ctx, func() error {
			moved := d.WAN.Moved(cut.Name, d.Regions[0].Name)
			wait(ctx, cutFor)
			if now := d.WAN.Moved(cut.Name, d.Regions[0].Name); now != moved {
				t.Errorf("%d bytes left a region that is cut off", now-moved)
			}
			if err := c.Progress(ctx, 3); err != nil {
				return err
			}
			var violation *check.Violation
			if _, err := sdk.Same(ctx, d, "nine"); !errors.As(err, &violation) {
				t.Errorf("both sides of the cut write, and the comparison says %v", err)
			}
			return nil
		}))
		c.Stop(t)
	})
	t.Run("one way cut off", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		c := sdk.StartCrowd(ctx, d, "nine", "way")
		from, to := d.Regions[0].Name, d.Regions[1].Name
		must(t, fault.CutWay(d, from, to).During(ctx, func() error { return c.Progress(ctx, 50) }))
		c.Stop(t)
	})
}

// cutDuration is how long a region is cut off: ROUNDTABLE_CUT, or 15 s.
func cutDuration(t *testing.T) time.Duration {
	t.Helper()
	given := os.Getenv("ROUNDTABLE_CUT")
	if given == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(given)
	must(t, err)
	return d
}

// wait lets a time pass.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
