// Package fault is what can happen to a deployment of real processes, by name:
// processes that die, stop or hang, networks that are cut or slow, disks that
// are full or damaged.
//
// A Fault begins and ends. When it has ended, everything is as it was, but for
// what the system under test made of it, which is the business of others.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

// Fault is something that happens for a while.
type Fault struct {
	Name string
	// Begin makes it happen, End makes it good again and waits until the nodes
	// concerned are ready.
	Begin, End func(ctx context.Context) error
}

// During has a fault last while f runs. The fault is ended even if f fails.
func (f Fault) During(ctx context.Context, do func() error) error {
	err := f.Begin(ctx)
	if err == nil {
		err = do()
	}
	if err = errors.Join(err, f.End(ctx)); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}

func names(nodes []*harness.Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name())
	}
	return strings.Join(all, " ")
}

// Kill kills nodes at once (kill -9), and starts them again.
func Kill(nodes ...*harness.Node) Fault {
	return Fault{
		Name:  "kill " + names(nodes),
		Begin: func(context.Context) error { return harness.Kill(nodes...) },
		End:   func(ctx context.Context) error { return harness.Restart(ctx, nodes...) },
	}
}

// Terminate asks a node to stop, as an upgrade does, and starts it again.
func Terminate(node *harness.Node) Fault {
	return Fault{
		Name: "terminate " + node.Name(),
		Begin: func(ctx context.Context) error {
			return node.Process().Terminate(ctx)
		},
		End: node.Restart,
	}
}

// Pause stops nodes where they stand (SIGSTOP), as a long pause of a virtual
// machine does, and lets them go on.
func Pause(nodes ...*harness.Node) Fault {
	return Fault{
		Name: "pause " + names(nodes),
		Begin: func(context.Context) error {
			var errs []error
			for _, n := range nodes {
				errs = append(errs, n.Process().Pause())
			}
			return errors.Join(errs...)
		},
		End: func(ctx context.Context) error {
			var errs []error
			for _, n := range nodes {
				errs = append(errs, n.Process().Resume(), n.Ready(ctx))
			}
			return errors.Join(errs...)
		},
	}
}

// Cut separates a region from all others.
func Cut(d *harness.Deployment, region string) Fault {
	return network("cut "+region, func() { d.WAN.Cut(region) }, func() { d.WAN.Heal(region) })
}

// CutWay drops what one region sends to another.
func CutWay(d *harness.Deployment, from, to string) Fault {
	return network("cut "+from+" to "+to, func() { d.WAN.CutWay(from, to) }, func() { d.WAN.HealWay(from, to) })
}

// Slow makes the way between regions take longer.
func Slow(d *harness.Deployment, usual, delay time.Duration) Fault {
	return network(fmt.Sprintf("slow the WAN to %v", delay), func() { d.WAN.Delay(delay) }, func() { d.WAN.Delay(usual) })
}

func network(name string, begin, end func()) Fault {
	return Fault{
		Name:  name,
		Begin: func(context.Context) error { begin(); return nil },
		End:   func(context.Context) error { end(); return nil },
	}
}
