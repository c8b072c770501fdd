package workload

import (
	"errors"
	"math/rand/v2"
	"slices"
)

// BatchItems is how many items a batch has, MaxRange how many items a Query or
// Scan asks for at most; as in YCSB, each number from 1 is as likely.
const (
	BatchItems = 25
	MaxRange   = 100
)

// RevisionBytes is how much of the beginning of a value tells it from others:
// values are random.
const RevisionBytes = 16

// MaxConflicts is when a read-modify-write gives up.
const MaxConflicts = 1000

// What a request may end with although it was answered.
var (
	ErrMissing     = errors.New("an item that was written is not there")
	ErrUnprocessed = errors.New("the batch was not carried out as a whole")
)

// Request is an operation on certain items.
type Request struct {
	Op Operation
	// Sorted says that it goes to the table with a sort key.
	Sorted bool
	// Keys are its items: those of a batch, otherwise one, which is where a
	// Query begins and what a Scan begins behind.
	Keys []uint64
	// Values are what the items' v becomes, if the operation writes.
	Values [][]byte
	// Limit is how many items a Query or Scan asks for.
	Limit int
	// Lenient says that items may be missing: others delete them.
	Lenient bool
	// Class is the size of the item, an index into Sizes.Bytes, and -1 for an
	// operation on several.
	Class int
}

// Generator makes requests for one client.
type Generator struct {
	mix    Mix
	items  *Items
	keys   *Keys
	choose func(*rand.Rand) uint64
	rand   *rand.Rand
	// request is reused.
	request Request
}

// NewGenerator returns a generator of a mix. Keys are chosen by Zipf's law if
// zipfian, and evenly otherwise, unless the mix has its own way.
func NewGenerator(mix Mix, items *Items, keys *Keys, zipfian bool, seed1, seed2 uint64) *Generator {
	g := &Generator{mix: mix, items: items, keys: keys, rand: rand.New(rand.NewPCG(seed1, seed2))}
	switch {
	case mix.latest:
		g.choose = keys.latest
	case zipfian:
		g.choose = keys.popular
	default:
		g.choose = keys.uniform
	}
	g.request.Sorted = mix.Sorted()
	g.request.Lenient = mix.Has(Delete)
	return g
}

// Next returns the next request, which is valid until the one after it. Done
// must be told what came of it.
func (g *Generator) Next() *Request {
	q := &g.request
	q.Op = g.mix.next(g.rand)
	q.Keys, q.Values, q.Limit, q.Class = q.Keys[:0], q.Values[:0], 0, -1
	switch q.Op {
	case Insert:
		q.Keys = append(q.Keys, g.keys.insert())
	case BatchWrite, BatchGet:
		g.batch()
	default:
		q.Keys = append(q.Keys, g.choose(g.rand))
	}
	switch q.Op {
	case Query, Scan:
		q.Limit = 1 + g.rand.IntN(MaxRange)
	case BatchWrite, BatchGet:
	default:
		q.Class = g.items.sizes.class(q.Keys[0])
	}
	if q.Op.Writes() {
		for _, key := range q.Keys {
			q.Values = append(q.Values, g.items.value(key, q.Sorted, g.rand))
		}
	}
	return q
}

// batch chooses keys for a batch, which must not have one twice.
func (g *Generator) batch() {
	q := &g.request
	for range min(BatchItems, g.keys.loaded) {
		key := g.choose(g.rand)
		for slices.Contains(q.Keys, key) {
			key = (key + 1) % g.keys.loaded
		}
		q.Keys = append(q.Keys, key)
	}
}

// Done says whether the request has succeeded.
func (g *Generator) Done(q *Request, ok bool) {
	if q.Op == Insert {
		g.keys.Inserted(q.Keys[0], ok)
	}
}

// maxLoad is how many bytes of values a request of Load has, if it has more than
// one item. Batches of the largest items are more than servers like.
const maxLoad = 256 << 10

// Load returns a request that fills the table with keys from one to before
// another: a batch of as many as fit.
func (g *Generator) Load(from, to uint64) *Request {
	q := &g.request
	q.Op, q.Class, q.Limit = BatchWrite, -1, 0
	q.Keys, q.Values = q.Keys[:0], q.Values[:0]
	size := 0
	for key := from; key < min(to, from+BatchItems); key++ {
		value := g.items.value(key, q.Sorted, g.rand)
		if size += len(value); size > maxLoad && len(q.Keys) > 0 {
			break
		}
		q.Keys, q.Values = append(q.Keys, key), append(q.Values, value)
	}
	return q
}
