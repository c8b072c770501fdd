package replication

import (
	"cmp"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/replication/receiver"
	"github.com/roundtabledb/roundtable/replication/sender"
)

// Metrics is what replication at one node measures. Counters count since the
// node started; a region's figure is the sum, or for lags the maximum, over its
// nodes.
type Metrics struct {
	Outgoing []Outgoing
	Incoming []Incoming
	// Links says for each other region whether it can be reached.
	Links map[string]bool
}

// Outgoing is what this node ships for one global table to one region.
type Outgoing struct {
	Table, GlobalID, Region string
	// Senders is how many partitions this node ships for, Scanning how many of
	// these have not come to following changes yet.
	Senders, Scanning int
	// Pending is how many changes the region lacks, and Lag the age of the
	// oldest: DynamoDB's PendingReplicationCount, and ReplicationLatency as far
	// as it is still growing.
	Pending uint64
	Lag     time.Duration
	// Totals has the distribution of ReplicationLatency, among others.
	sender.Totals
}

// Incoming is what this node received for one global table from one region.
type Incoming struct {
	Table, GlobalID, Region string
	receiver.Counters
}

// Metrics returns what was measured so far, in order of table and region.
func (r *Replicator) Metrics() Metrics {
	m := Metrics{Links: map[string]bool{}}
	for region, l := range r.links {
		m.Links[region] = l.Up()
	}
	m.Outgoing = r.outgoing()
	for source, counters := range r.receiver.Counters() {
		in := Incoming{GlobalID: source.TableID, Region: source.Region, Counters: counters}
		if t, ok := r.tables.Table(source.TableID); ok {
			in.Table = t.Name
		}
		m.Incoming = append(m.Incoming, in)
	}
	slices.SortFunc(m.Outgoing, func(a, b Outgoing) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.GlobalID, b.GlobalID), cmp.Compare(a.Region, b.Region))
	})
	slices.SortFunc(m.Incoming, func(a, b Incoming) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.GlobalID, b.GlobalID), cmp.Compare(a.Region, b.Region))
	})
	return m
}

func (r *Replicator) outgoing() []Outgoing {
	totals := map[receiver.Source]*Outgoing{}
	senders := r.senders() // first: each of them has a meter
	r.mu.Lock()
	for source, meter := range r.mu.meters {
		totals[source] = &Outgoing{GlobalID: source.TableID, Region: source.Region, Totals: meter.Totals()}
	}
	r.mu.Unlock()
	for at, s := range senders {
		out := totals[receiver.Source{Region: at.remote, TableID: s.table.Global.ID}]
		status := s.Status()
		out.Table = s.table.Name
		out.Senders++
		if status.Phase != sender.Feed {
			out.Scanning++
		}
		out.Pending += status.Pending
		out.Lag = max(out.Lag, status.Lag)
	}
	all := make([]Outgoing, 0, len(totals))
	for _, out := range totals {
		if t, ok := r.tables.Table(out.GlobalID); ok {
			out.Table = t.Name
		}
		all = append(all, *out)
	}
	return all
}
