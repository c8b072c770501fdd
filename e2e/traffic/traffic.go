// Package traffic is what clients do to a deployment under test: operations on
// few items, from a seed, one after the other, each with its outcome noted for
// the checkers of package check.
//
// It knows neither how a Store is reached nor what is broken meanwhile, so the
// simulator and the tests of real processes share it. What a client attempts
// comes from its seed, but for the value that a Swap expects, which is the one
// the client saw last.
package traffic

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Key names an item: its table and a name within it.
type Key struct{ Table, Name string }

// String names the item for checkers.
func (k Key) String() string { return k.Table + "/" + k.Name }

// Operation is one operation on an item.
type Operation struct {
	Key  Key
	Kind check.Kind
	// Tag is unique among all operations. What an operation writes carries it.
	Tag string
	// Value is what a Write or a Swap writes, Expect what a Swap expects.
	Value, Expect string
	// Weak is a Read that may be answered with what was.
	Weak bool
}

// Answer is what a Store said to an operation.
type Answer struct {
	Outcome check.Outcome
	// Refusal says of a refused operation that its condition was evaluated.
	Refusal bool
	// Value is what was read, or what an Add came to.
	Value string
	// State is the state of the item after the operation, as far as the Store
	// tells: its version, and the tag of the operation that made it, "" for
	// none. A refusal has the version alone.
	State check.State
	// Wrote says that the operation made State.
	Wrote bool
}

// Store carries operations out.
type Store interface {
	Do(ctx context.Context, op Operation) Answer
}

// Shares says how often a client does what. They are relative to each other.
type Shares struct{ Read, WeakRead, Write, Delete, Swap, Add int }

// The shares for items that hold any value, and for those that hold a number.
var (
	Registers = Shares{Read: 4, WeakRead: 1, Write: 4, Delete: 2, Swap: 3}
	Counters  = Shares{Read: 3, WeakRead: 1, Delete: 1, Add: 6}
)

// Target is items of one kind that a client works on.
type Target struct {
	Table string
	// Names is the items.
	Names []string
	// Renew is how often the items are replaced by others, so that no item's
	// history grows beyond what can be checked. 0 is never.
	Renew time.Duration
	Shares
}

// Script is what one client attempts.
type Script struct {
	id      int
	random  *rand.Rand
	targets []Target
	pause   time.Duration
	count   int
	// seen is the value that the client saw last of each item.
	seen map[Key]string
}

// NewScript makes the script of a client. Clients of one seed with different
// ids attempt different things. pause is the mean time between operations.
func NewScript(seed uint64, id int, pause time.Duration, targets ...Target) *Script {
	return &Script{
		id: id, random: rand.New(rand.NewPCG(seed, uint64(id))), targets: targets, pause: pause,
		seen: map[Key]string{},
	}
}

// Pause is how long the client thinks before its next operation.
func (s *Script) Pause() time.Duration {
	if s.pause <= 0 {
		return 0
	}
	return time.Duration(s.random.Int64N(int64(2 * s.pause)))
}

// Patience is how long the client waits for the answer to its next operation:
// mostly not long, so that a node that does not answer does not end the
// traffic, and sometimes for as long as a node may try.
func (s *Script) Patience() time.Duration {
	if s.random.IntN(8) == 0 {
		return 12 * time.Second
	}
	return 100*time.Millisecond + time.Duration(s.random.Int64N(int64(3*time.Second)))
}

// Choose draws a number below n, for what only the caller can decide.
func (s *Script) Choose(n int) int { return s.random.IntN(n) }

// Next is the next operation, so long after the traffic began.
func (s *Script) Next(elapsed time.Duration) Operation {
	t := &s.targets[s.random.IntN(len(s.targets))]
	s.count++
	op := Operation{Tag: fmt.Sprintf("%d.%d", s.id, s.count)}
	op.Key = Key{t.Table, t.Names[s.random.IntN(len(t.Names))]}
	if t.Renew > 0 {
		op.Key.Name += "." + strconv.Itoa(int(elapsed/t.Renew))
	}
	op.Kind, op.Weak = t.draw(s.random)
	switch op.Kind {
	case check.Write:
		op.Value = op.Tag
	case check.Swap:
		op.Value, op.Expect = op.Tag, s.seen[op.Key]
	}
	return op
}

func (s Shares) draw(r *rand.Rand) (kind check.Kind, weak bool) {
	at := r.IntN(s.Read + s.WeakRead + s.Write + s.Delete + s.Swap + s.Add)
	for _, c := range []struct {
		share int
		kind  check.Kind
		weak  bool
	}{
		{s.Read, check.Read, false}, {s.WeakRead, check.Read, true}, {s.Write, check.Write, false},
		{s.Delete, check.Delete, false}, {s.Swap, check.Swap, false}, {s.Add, check.Add, false},
	} {
		if at < c.share {
			return c.kind, c.weak
		}
		at -= c.share
	}
	return check.Read, false
}

// Learn takes in what came of an operation.
func (s *Script) Learn(op Operation, a Answer) {
	switch {
	case a.Outcome != check.Done:
	case op.Kind == check.Write || op.Kind == check.Swap:
		s.seen[op.Key] = op.Value
	case op.Kind == check.Delete:
		delete(s.seen, op.Key)
	default:
		s.seen[op.Key] = a.Value
	}
}

// Journal is what clients of one region did, in the form that each checker
// wants. A nil checker is left out.
type Journal struct {
	Region string
	// Linear gets the operations on items that only this region writes.
	Linear *check.History
	// Newest gets the writes of items that regions share, Versions all sights
	// of them.
	Newest   *check.Newest
	Versions *check.Versions
	// Owns says whether only this region writes an item, Shares whether other
	// regions have it, too.
	Owns, Shares func(Key) bool
}

// Do has a store carry out an operation of a client, and notes it.
func (j *Journal) Do(ctx context.Context, store Store, client int, op Operation) Answer {
	entry := check.Operation{Client: client, Key: op.Key.String(), Kind: op.Kind, Value: op.Value, Expect: op.Expect}
	start := time.Now()
	entry = j.Linear.Begin(entry)
	a := store.Do(ctx, op)
	entry.Outcome, entry.Refusal, entry.Seen = a.Outcome, a.Refusal, a.Value
	if j.Owns(op.Key) && !op.Weak {
		j.Linear.End(entry)
	}
	if j.Shares(op.Key) {
		j.note(op, a, start)
	}
	return a
}

func (j *Journal) note(op Operation, a Answer, start time.Time) {
	sight := check.Sight{Region: j.Region, Key: op.Key.String(), State: a.State, Wrote: a.Wrote, Weak: op.Weak, Start: start, End: time.Now()}
	switch {
	case a.Outcome == check.Unknown && op.Kind != check.Read:
		tag := op.Tag
		if op.Kind == check.Delete {
			tag = ""
		}
		j.Newest.Unknown(sight.Key, tag)
	case a.Outcome == check.Done:
		j.Versions.Saw(sight)
		if a.Wrote {
			j.Newest.Ack(sight.Key, a.State)
		}
	}
}

// State makes the State of an Answer.
func State(v version.Version, tag string) check.State { return check.State{Version: v, Value: tag} }
