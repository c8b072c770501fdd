// Package receiver applies what other regions ship: it turns the states of a
// shipment into Merge commands on this region's own keys and has the router
// carry them out.
//
// A shipment is done when every state in it is committed here or has lost to a
// newer one. Everything else (a table that is not there yet, a region that is
// not a member, a partition without a leader, a clock far ahead) is answered
// with a time to come again, never with a loss: the sender keeps its cursor.
// Duplicates and reordering are harmless, because a Merge compares versions.
// The package does not know how shipments travel or when they are sent.
package receiver

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/router"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Applier carries out commands on the tables of this region, side by side.
type Applier interface {
	ExecuteAll(ctx context.Context, cmds []router.TableCommand) []router.Outcome
}

var _ Applier = (*router.Router)(nil)

// Options says what a Receiver stands on.
type Options struct {
	// Region is this region's name.
	Region string
	// Table finds this region's table of a global table by its global id.
	Table func(globalID string) (*catalog.Table, bool)
	// Applier carries out the merges.
	Applier Applier
	// MaxSkew is how far a version may be ahead of this node's clock. A state
	// further ahead is parked: it comes again until its time has come. Taking
	// it over at once would let a clock that is wrong win against every write
	// of the time until then. Default 500 ms.
	MaxSkew time.Duration
	// Now is this node's clock. Default time.Now.
	Now func() time.Time
	// Logger hears of parked states and failed merges. Default: none.
	Logger *slog.Logger
}

const (
	// applyTimeout bounds the merges of one shipment.
	applyTimeout = 10 * time.Second

	// When a shipment should come again: soon where only this region's
	// partitions were not ready, later where the catalog must change first.
	retryMerge  = 200 * time.Millisecond
	retryTable  = 500 * time.Millisecond
	retryBroken = 2 * time.Second
	minPark     = 50 * time.Millisecond
	maxPark     = 5 * time.Second
)

// Counters is what became of the states that one region shipped for one table.
type Counters struct {
	// Accepted replaced what was here. Behind were older than what was here:
	// conflicts that this region's state won, or late deliveries. Identical
	// were here already.
	Accepted, Behind, Identical uint64
	// Parked counts states that were too far ahead of the clock, each time
	// that they came. Failed counts states whose merge was not done.
	Parked, Failed uint64
	// Ahead is by how much the newest version of the last shipment was ahead
	// of this node's clock; not positive when all is well.
	Ahead time.Duration
}

// Source is a region that ships and a global table that it ships for.
type Source struct {
	Region  string
	TableID string
}

// Receiver applies shipments. It is safe for concurrent use.
type Receiver struct {
	options Options

	mu struct {
		sync.Mutex
		counters map[Source]*Counters
	}
}

// New makes a receiver.
func New(o Options) *Receiver {
	if o.MaxSkew == 0 {
		o.MaxSkew = 500 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Receiver{options: o}
	r.mu.counters = map[Source]*Counters{}
	return r
}

// Receive applies a shipment and returns the verdict on it. It keeps nothing
// of s.
func (r *Receiver) Receive(ctx context.Context, from string, s *link.Shipment) link.Verdict {
	table, ok := r.options.Table(s.Table)
	if !ok {
		return later(retryTable, "region %s has no table of global table %s", r.options.Region, s.Table)
	}
	if err := r.admit(table, from, s); err != nil {
		return later(retryTable, "%v", err)
	}
	m, err := r.merges(table, s)
	if err != nil {
		r.options.Logger.Error("receiver: a shipment makes no sense", "region", from, "table", table.Name, "group", s.Source, "error", err)
		return later(retryBroken, "%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	count, failure := m.apply(ctx, r.options.Applier)
	r.record(Source{Region: from, TableID: s.Table}, count)

	verdict := link.Verdict{
		Accepted:  int(count.Accepted),
		Behind:    int(count.Behind),
		Identical: int(count.Identical),
	}
	switch {
	case failure != nil:
		r.options.Logger.Debug("receiver: merges failed", "region", from, "table", table.Name, "count", count.Failed, "error", failure)
		verdict.RetryAfter, verdict.Reason = retryMerge, failure.Error()
	case count.Parked > 0:
		r.options.Logger.Warn("receiver: versions are ahead of the clock", "region", from, "table", table.Name, "count", count.Parked, "ahead", count.Ahead)
		verdict.RetryAfter = min(max(count.Ahead-r.options.MaxSkew, minPark), maxPark)
		verdict.Reason = fmt.Sprintf("%d states are up to %v ahead of the clock", count.Parked, count.Ahead)
	default:
		verdict.Done = true
	}
	return verdict
}

func later(d time.Duration, format string, args ...any) link.Verdict {
	return link.Verdict{RetryAfter: d, Reason: fmt.Sprintf(format, args...)}
}

// admit makes sure that both regions are the members of the table's replica
// set that the sender takes them for.
func (r *Receiver) admit(t *catalog.Table, from string, s *link.Shipment) error {
	if t.Status == catalog.Deleting {
		return fmt.Errorf("table %s is being deleted in region %s", t.Name, r.options.Region)
	}
	for _, m := range []struct {
		region string
		joined version.Version
	}{{from, s.SourceJoined}, {r.options.Region, s.TargetJoined}} {
		member, ok := t.Global.Members[m.region]
		if !ok || !member.Present || member.Version != m.joined {
			return fmt.Errorf("region %s is not the member of table %s that joined at %v, as region %s knows it", m.region, t.Name, m.joined, r.options.Region)
		}
	}
	return nil
}

// merges is the work that a shipment makes.
type merges struct {
	commands []router.TableCommand
	parked   int
	ahead    time.Duration
}

// merges makes the commands of a shipment, without those of states whose time
// has not come.
func (r *Receiver) merges(t *catalog.Table, s *link.Shipment) (*merges, error) {
	states, err := s.States()
	if err != nil {
		return nil, err
	}
	now := r.options.Now()
	m := &merges{commands: make([]router.TableCommand, 0, len(states)), ahead: -1 << 63}
	commands := make([]command.Command, len(states))
	for i, st := range states {
		ahead := time.UnixMilli(st.Version.Time.Millis()).Sub(now)
		m.ahead = max(m.ahead, ahead)
		if ahead > r.options.MaxSkew {
			m.parked++
			continue
		}
		key, err := encodeKey(&t.Table, st.Item)
		if err != nil {
			return nil, fmt.Errorf("state %d of version %v: %w", i, st.Version, err)
		}
		cmd := &commands[i]
		cmd.Kind, cmd.Key, cmd.Version = command.Merge, key, st.Version
		if !st.Tombstone {
			cmd.Item = st.Item
		}
		m.commands = append(m.commands, router.TableCommand{Table: t, Command: cmd})
	}
	return m, nil
}

// encodeKey is this region's key of a state.
func encodeKey(t *schema.Table, e item.Encoded) ([]byte, error) {
	attributes := make([]item.Attribute, 0, 2)
	names := []string{t.Partition.Name}
	if t.Sort != nil {
		names = append(names, t.Sort.Name)
	}
	for _, name := range names {
		value, ok, err := e.Attribute(name)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("key attribute %q is missing", name)
		}
		attributes = append(attributes, item.Attribute{Name: name, Value: value})
	}
	return t.EncodeKey(item.NewItem(attributes...))
}

// apply carries the merges out. The error is that of one which failed.
func (m *merges) apply(ctx context.Context, a Applier) (Counters, error) {
	count := Counters{Parked: uint64(m.parked), Ahead: m.ahead}
	if len(m.commands) == 0 {
		return count, nil
	}
	var failure error
	for i, out := range a.ExecuteAll(ctx, m.commands) {
		switch {
		case out.Err != nil:
			count.Failed++
			failure = out.Err
		case out.Result.Err != nil:
			count.Failed++
			failure = out.Result.Err
		case out.Result.Applied:
			count.Accepted++
		case out.Result.Version == m.commands[i].Command.Version:
			count.Identical++
		default:
			count.Behind++
		}
	}
	return count, failure
}

func (r *Receiver) record(from Source, c Counters) {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := r.mu.counters[from]
	if total == nil {
		total = &Counters{}
		r.mu.counters[from] = total
	}
	total.Accepted += c.Accepted
	total.Behind += c.Behind
	total.Identical += c.Identical
	total.Parked += c.Parked
	total.Failed += c.Failed
	total.Ahead = c.Ahead
}

// Counters is what became of all states received since the node started.
func (r *Receiver) Counters() map[Source]Counters {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[Source]Counters, len(r.mu.counters))
	for from, c := range r.mu.counters {
		all[from] = *c
	}
	return all
}
