package sim

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/traffic"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
)

// renewEvery is how long clients work on the same items, where each operation
// is checked against every other.
const renewEvery = 15 * time.Second

// sharedItems are items of the orders that all regions write.
var sharedItems = []string{"s0", "s1", "s2"}

// Traffic is the clients of a World and what they noted.
type Traffic struct {
	world    *World
	begin    time.Time
	Newest   *check.Newest
	Versions *check.Versions
	// Kept is the diaries in the orders, Own those in each region's ledger.
	Kept     *check.Kept
	Own      map[string]*check.Kept
	Journals []*traffic.Journal

	running sync.WaitGroup
	mu      struct {
		sync.Mutex
		Tally
	}
}

// Tally counts operations by what came of them.
type Tally struct{ Done, Refused, Unknown int }

// NewTraffic makes the notebooks for the clients of a world.
func NewTraffic(w *World) *Traffic {
	t := &Traffic{
		world: w, begin: time.Now(),
		Newest: check.NewNewest(), Versions: check.NewVersions(), Kept: check.NewKept(),
		Own: map[string]*check.Kept{},
	}
	for _, r := range w.Regions {
		t.Own[r.Name] = check.NewKept()
		t.Journals = append(t.Journals, &traffic.Journal{
			Region: r.Name, Linear: check.NewHistory(), Newest: t.Newest, Versions: t.Versions,
			Owns:   func(k traffic.Key) bool { return k.Table == Ledger || strings.HasPrefix(k.Name, r.Name) },
			Shares: func(k traffic.Key) bool { return k.Table == Orders },
		})
	}
	return t
}

// Run has clients work until ctx ends, and waits for them.
//
// What is linearizable is a region's own writes. So items of the ledger and
// those of the orders that only one region writes go to its history; those that
// all regions write, and sights of other regions' items, are checked by their
// versions.
func (t *Traffic) Run(ctx context.Context, p Plan) {
	for i, r := range t.world.Regions {
		own := func(name string) []string { return []string{r.Name + "-" + name} }
		var others []string
		for _, other := range t.world.Regions {
			if other != r {
				others = append(others, other.Name+"-x", other.Name+"-n")
			}
		}
		for c := range p.Clients {
			script := traffic.NewScript(p.Seed, i*100+c, p.Pause,
				traffic.Target{Table: Ledger, Names: []string{"x", "y"}, Renew: renewEvery, Shares: traffic.Registers},
				traffic.Target{Table: Ledger, Names: []string{"n"}, Renew: renewEvery, Shares: traffic.Counters},
				traffic.Target{Table: Orders, Names: own("x"), Renew: renewEvery, Shares: traffic.Registers},
				traffic.Target{Table: Orders, Names: own("n"), Renew: renewEvery, Shares: traffic.Counters},
				traffic.Target{Table: Orders, Names: sharedItems, Shares: traffic.Registers},
				traffic.Target{Table: Orders, Names: sharedItems, Shares: traffic.Registers},
				traffic.Target{Table: Orders, Names: others, Renew: renewEvery, Shares: traffic.Shares{Read: 2, WeakRead: 1}},
			)
			t.running.Go(func() { t.client(ctx, r, t.Journals[i], i*100+c, script) })
		}
		for d := range p.Diarists {
			name := fmt.Sprintf("%s-diary%d", r.Name, d)
			script := traffic.NewScript(p.Seed, i*100+50+d, p.Pause)
			t.running.Go(func() { t.diarist(ctx, r, name, script) })
		}
	}
	t.running.Wait()
}

// client works through a script, each operation at one of the nodes of a
// region. Operations that a node cannot even take are skipped.
func (t *Traffic) client(ctx context.Context, r *Region, j *traffic.Journal, id int, script *traffic.Script) {
	for rest(ctx, script.Pause()) {
		op := script.Next(time.Since(t.begin))
		patience, at, paged := script.Patience(), r.Nodes[script.Choose(nodesPerRegion)], script.Choose(4) == 0
		p, ok := at.Up()
		if !ok || op.Key.Table == Orders && !r.member.Load() {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		a := j.Do(ctx, Store{process: p, paged: paged}, id, op)
		cancel()
		script.Learn(op, a)
		t.count(a.Outcome)
	}
}

func (t *Traffic) count(o check.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch o {
	case check.Done:
		t.mu.Done++
	case check.Refused:
		t.mu.Refused++
	default:
		t.mu.Unknown++
	}
}

// Tally is what came of the operations so far.
func (t *Traffic) Tally() Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.Tally
}

// diarist writes one entry after the other, each into an item of its own, so
// that none is covered by a later one; in the ledger and in the orders by
// turns.
func (t *Traffic) diarist(ctx context.Context, r *Region, name string, script *traffic.Script) {
	for n := 1; rest(ctx, script.Pause()); n++ {
		patience, at := script.Patience(), r.Nodes[script.Choose(nodesPerRegion)]
		key := traffic.Key{Table: Ledger, Name: fmt.Sprintf("%s.%d", name, n)}
		if n%2 == 0 {
			key.Table = Orders
		}
		p, ok := at.Up()
		if !ok || key.Table == Orders && !r.member.Load() {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		outcome := t.enter(ctx, p, key, n)
		cancel()
		t.count(outcome)
	}
}

// enter writes one entry of a diary, which is not there yet.
func (t *Traffic) enter(ctx context.Context, p *Process, at traffic.Key, n int) check.Outcome {
	table, ok := p.Node.Router().Table(at.Table)
	if !ok {
		return check.Refused
	}
	attributes := keyOf(&table.Table, at.Name)
	key, err := table.EncodeKey(attributes)
	if err != nil {
		panic(err)
	}
	absent, err := expr.ParseCondition("attribute_not_exists(n)", &expr.Bindings{})
	if err != nil {
		panic(err)
	}
	entry := attributes.With(attributeNumber, item.Num(item.NumberFromInt(int64(n)))).With(attributeTag, item.String(at.Name))
	kept := t.Kept
	if at.Table == Ledger {
		kept = t.Own[p.node.region.Name]
	}
	kept.Try(at.String(), n)
	result, err := p.Node.Router().Execute(ctx, table, &command.Command{
		Kind: command.Put, Key: key, Condition: absent, Item: item.Encode(entry),
	})
	switch {
	case p.ctx.Err() != nil || storage.KindOf(err) == storage.Ambiguous:
		t.Newest.Unknown(at.String(), at.Name)
		return check.Unknown
	case err != nil:
		return check.Refused
	case result.Err != nil:
		// Nobody else writes here, and this client does so once.
		t.world.unexpected(fmt.Errorf("%s: entry %v is refused: %w", p.node.host, at, result.Err))
		return check.Unknown
	}
	kept.Ack(at.String(), n)
	if at.Table == Orders {
		t.Newest.Ack(at.String(), traffic.State(result.Version, at.Name))
	}
	return check.Done
}

// rest waits, and reports false when ctx ended meanwhile.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
