package replication

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/replication/receiver"
	"github.com/roundtabledb/roundtable/replication/sender"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// reconcileEvery is how often a node looks whether the right senders run,
// besides at every change.
const reconcileEvery = 5 * time.Second

// route is where a sender ships from and to.
type route struct {
	group  cluster.GroupID
	remote string
}

// plan is what a sender is to be started with.
type plan struct {
	table     *catalog.Table
	partition sender.Partition
	term      uint64
	// members is the replica set as far as it matters to senders. When it
	// changes, the sender is replaced.
	members string
}

// running is a sender and what it was started with.
type running struct {
	plan
	*sender.Sender
}

// reconcile keeps a sender running on every route that this node should ship
// on, and none on others, until ctx ends.
func (r *Replicator) reconcile(ctx context.Context) {
	var forgetting sync.WaitGroup
	defer forgetting.Wait()
	for {
		changed, led := r.config.Cluster.Changed(), r.config.Cluster.LeadershipChanged()
		plans := r.plans()
		r.apply(plans)
		forgetting.Go(func() { r.forget(ctx) })
		timer := time.NewTimer(reconcileEvery)
		select {
		case <-changed:
		case <-led:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			r.apply(nil)
			return
		}
		timer.Stop()
		// One at a time: what it proposes must not pile up.
		forgetting.Wait()
	}
}

// plans is every route that this node should ship on.
func (r *Replicator) plans() map[route]plan {
	plans := map[route]plan{}
	for _, t := range r.config.Cluster.State().Tables {
		if t.Global == nil || t.Status == catalog.Deleting || !t.Global.Members[r.config.Self.Region].Present {
			continue
		}
		members := fingerprint(t.Global)
		for _, p := range t.Partitions {
			partition, term, ok := r.config.Cluster.Lead(p.Group)
			if !ok {
				continue
			}
			for remote, member := range t.Global.Members {
				if member.Present && r.links[remote] != nil {
					plans[route{p.Group, remote}] = plan{table: t, partition: partition, term: term, members: members}
				}
			}
		}
	}
	return plans
}

// fingerprint is a replica set as far as it matters to senders.
func fingerprint(g *catalog.Global) string {
	var all []string
	for region, m := range g.Members {
		all = append(all, fmt.Sprintf("%s %v %t\n", region, m.Version, m.Present))
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

// apply stops senders that should not run, or not as they are, and starts
// those that are missing.
func (r *Replicator) apply(plans map[route]plan) {
	for _, s := range r.stop(plans) {
		s.Wait()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, p := range plans {
		if r.mu.senders[at] == nil {
			r.mu.senders[at] = &running{plan: p, Sender: r.startLocked(at, p)}
		}
	}
}

// stop asks the senders that should not run, or not as they are, to end.
func (r *Replicator) stop(plans map[route]plan) (stopping []*running) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, s := range r.mu.senders {
		p, ok := plans[at]
		if ok && p.term == s.term && p.members == s.members && !s.Ended() {
			continue
		}
		_, term, leads := r.config.Cluster.Lead(at.group)
		s.Stop(leads && term == s.term)
		stopping = append(stopping, s)
		delete(r.mu.senders, at)
	}
	return stopping
}

func (r *Replicator) startLocked(at route, p plan) *sender.Sender {
	source := receiver.Source{Region: at.remote, TableID: p.table.Global.ID}
	if r.mu.meters[source] == nil {
		r.mu.meters[source] = &sender.Meter{}
	}
	return sender.Start(sender.Options{
		Partition:  p.partition,
		Table:      &p.table.Table,
		Global:     p.table.Global,
		Self:       r.config.Self.Region,
		Remote:     at.remote,
		Link:       r.links[at.remote],
		Meter:      r.mu.meters[source],
		MaxBacklog: r.config.MaxBacklog,
		Now:        r.config.Now,
		Logger:     r.config.Logger,
	})
}

// forget removes the consumers of regions that have left, from the partitions
// that this node leads.
func (r *Replicator) forget(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, reconcileEvery)
	defer cancel()
	for _, t := range r.config.Cluster.State().Tables {
		if t.Global == nil {
			continue
		}
		for _, p := range t.Partitions {
			partition, _, ok := r.config.Cluster.Lead(p.Group)
			if !ok {
				continue
			}
			if err := forgetAt(ctx, partition, t.Global); err != nil && ctx.Err() == nil {
				r.config.Logger.Warn("replication: a region that left is still remembered, will try again", "table", t.Name, "group", p.Group, "error", err)
			}
		}
	}
}

// forgetAt removes consumers from one partition. Whether a region has left is
// judged by the departure on record, never by its absence: this node's catalog
// may be older than the consumer, and a consumer that is removed and comes
// back has missed tombstones.
func forgetAt(ctx context.Context, p sender.Partition, g *catalog.Global) error {
	consumers, err := p.Consumers()
	if err != nil {
		return err
	}
	for name, state := range consumers {
		region, ok := strings.CutPrefix(name, machine.RegionPrefix)
		if !ok {
			continue
		}
		member, ok := g.Members[region]
		if !ok || member.Present || !member.Version.Newer(sender.Joined(state)) {
			continue
		}
		remove := command.ConsumerChange{Name: name, Op: command.Remove}
		result, err := p.Propose(ctx, &command.Command{Kind: command.Consumer, Consumer: remove})
		if err != nil {
			return err
		}
		if result.Err != nil {
			return result.Err
		}
	}
	return nil
}

// Progress is how far this node's senders for a global table toward a region
// are.
func (r *Replicator) Progress(globalID, remote string) []sender.Status {
	var all []sender.Status
	for at, s := range r.senders() {
		if at.remote == remote && s.table.Global.ID == globalID {
			all = append(all, s.Status())
		}
	}
	return all
}

// senders is the senders that run now.
func (r *Replicator) senders() map[route]*running {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.mu.senders)
}
