package sim

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// Apply makes an event happen. Those that find nothing to happen to, such as a
// kill of a node that is down, do nothing.
func (w *World) Apply(ctx context.Context, e Event) error {
	w.log.Notef("%s", e)
	if err := w.apply(ctx, e); err != nil {
		return fmt.Errorf("%s: %w", e, err)
	}
	return nil
}

func (w *World) apply(ctx context.Context, e Event) error {
	r := w.Regions[e.Region]
	n := r.Nodes[e.Node]
	switch e.Kind {
	case Kill, PowerLoss:
		return n.Kill(e.Kind == PowerLoss)
	case KillLeader:
		return r.killLeader(e.Node)
	case KillAll, PowerLossAll:
		return r.Kill(e.Kind == PowerLossAll)
	case Restart:
		return n.Stop(true)
	case Boot:
		return n.bootIfDown()
	case BootAll:
		return r.Boot()
	case Loss:
		w.loss.set(r, e.Weather)
	case Disk:
		n.disk.slow.most.Store(int64(e.Amount))
	case Clock:
		n.skew.Store(int64(e.Amount))
	case ClockAll:
		r.skew.Store(int64(e.Amount))
	case Handover:
		if p, ok := n.Up(); ok {
			w.background(func() { _ = p.Node.Host().TransferAll(ctx) }) // as far as it goes
		}
	case JoinEvent:
		w.background(func() {
			if err := w.Join(ctx, r); err == nil {
				w.log.Notef("%s has joined", r.Name)
			}
		})
	default:
		w.applyToNetwork(e)
	}
	return nil
}

// applyToNetwork is the part of apply that is about paths.
func (w *World) applyToNetwork(e Event) {
	a, b := w.Regions[e.Region], w.Regions[e.Other]
	n, m := a.Nodes[e.Node], b.Nodes[e.OtherNode]
	switch e.Kind {
	case CutPath:
		w.net.Cut(n.host, m.host)
	case CutWay:
		w.net.CutOneWay(n.host, m.host)
	case CutNode:
		for _, other := range a.Nodes {
			w.net.Cut(n.host, other.host)
		}
	case Reset:
		w.net.Reset(n.host, m.host)
	case CutRegions:
		w.between(a, b, w.net.Cut)
	case CutWayRegion:
		w.between(a, b, w.net.CutOneWay)
	case Isolate:
		for _, other := range w.Regions {
			if other != a {
				w.between(a, other, w.net.Cut)
			}
		}
	case HealNodes:
		w.between(a, a, w.net.Heal)
	case HealRegions:
		for i, a := range w.Regions {
			for _, b := range w.Regions[:i] {
				w.between(a, b, w.net.Heal)
			}
		}
	case Distance:
		jitter := w.options.Network.FarJitter
		w.between(a, b, func(x, y string) {
			w.net.SetDelay(x, y, e.Amount, jitter)
			w.net.SetDelay(y, x, e.Amount, jitter)
		})
	default:
		panic(fmt.Sprintf("sim: nobody knows what %q is", e.Kind))
	}
}

// between does something to every path from one region to another.
func (w *World) between(a, b *Region, do func(from, to string)) {
	for _, n := range a.Nodes {
		for _, m := range b.Nodes {
			if n != m {
				do(n.host, m.host)
			}
		}
	}
}

// background does what takes longer than the controller can wait.
func (w *World) background(f func()) { w.tasks.Go(f) }

func (n *Node) bootIfDown() error {
	if n.process() != nil {
		return nil
	}
	return n.Boot()
}

// Boot starts the nodes of the region that are down.
func (r *Region) Boot() error {
	for _, n := range r.Nodes {
		if err := n.bootIfDown(); err != nil {
			return err
		}
	}
	return nil
}

// killLeader kills the node that leads a partition, by number.
func (r *Region) killLeader(partition int) error {
	for _, n := range r.Nodes {
		p, ok := n.Up()
		if !ok {
			continue
		}
		groups := p.Node.Host().Groups()
		if len(groups) == 0 {
			continue
		}
		leader, ok := groups[partition%len(groups)].Leader()
		if !ok {
			continue
		}
		for _, n := range r.Nodes {
			if n.id == leader.Node {
				return n.Kill(false)
			}
		}
	}
	return nil
}

// Calm undoes every mishap, and waits until every node is a member of its
// region again and can serve.
func (w *World) Calm(ctx context.Context) error {
	w.net.HealAll()
	w.lay()
	for _, r := range w.Regions {
		w.loss.set(r, Weather{})
		r.skew.Store(0)
		for _, n := range r.Nodes {
			n.skew.Store(0)
			n.disk.slow.most.Store(int64(w.options.Network.Sync))
		}
		if err := r.Boot(); err != nil {
			return err
		}
	}
	if err := w.awaitStarted(ctx); err != nil {
		return err
	}
	var last error
	err := w.Await(ctx, glance, func() bool {
		for _, n := range w.nodes() {
			if last = n.ready(); last != nil {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("after all was healed: %w", last)
	}
	return nil
}

// ready says why a node cannot serve.
func (n *Node) ready() error {
	p, ok := n.Up()
	if !ok {
		return fmt.Errorf("%s is not a member of its region", n.host)
	}
	if err := p.Node.Ready(); err != nil {
		return fmt.Errorf("%s: %w", n.host, err)
	}
	return nil
}

// patience is how long healed regions get to become what they should be.
const patience = 10 * time.Minute

// describe notes how every peer is, and where every goroutine, for whoever has
// to find out why something did not go on.
func (w *World) describe() {
	stacks := make([]byte, 64<<20)
	w.log.add(true, string(stacks[:runtime.Stack(stacks, true)]))
	for _, n := range w.nodes() {
		p, ok := n.Up()
		if !ok {
			w.log.Notef("%s is down, or not a member of its region", n.host)
			continue
		}
		for _, g := range p.Node.Host().Groups() {
			leader, _ := g.Leader()
			meta := g.Machine().Meta()
			members, err := g.Configuration()
			w.log.Notef("%s %v: leads %t, follows %v in term %d, last entry %d, applied %d, changes %d to %d, members %v %v",
				n.host, g.ID(), g.IsLeader(), leader, g.Term(), g.LastIndex(), meta.AppliedIndex, meta.FirstSeq, meta.NextSeq, members, err)
		}
	}
}
