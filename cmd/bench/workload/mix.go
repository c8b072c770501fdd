// Package workload says what a benchmark asks for: which operations, on which
// keys, with items of what size. It sends nothing and measures nothing, so that
// every way of sending asks for the same.
package workload

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Operation is what a request asks for.
type Operation uint8

// The operations. ReadModifyWrite is a strong GetItem and then an UpdateItem on
// condition that nobody has written meanwhile, again if somebody has.
const (
	Put    Operation = iota // an item that may be there
	Insert                  // an item that was never there
	GetStrong
	GetEventual
	Update
	ReadModifyWrite
	Delete
	Query
	Scan
	BatchWrite
	BatchGet
	Operations // how many there are
)

var names = [Operations]string{
	"put", "insert", "get-strong", "get-eventual", "update", "read-modify-write", "delete",
	"query", "scan", "batch-write", "batch-get",
}

func (o Operation) String() string { return names[o] }

// Names are the names of all operations.
func Names() []string { return slices.Clone(names[:]) }

// Writes says whether the operation needs a value for each of its items.
func (o Operation) Writes() bool {
	switch o {
	case Put, Insert, Update, ReadModifyWrite, BatchWrite:
		return true
	}
	return false
}

// Mix is a mix of operations.
type Mix struct {
	Name string
	// upTo[i] is the probability of operation i or one before it.
	upTo [Operations]float64
	// latest makes the items written last the popular ones.
	latest bool
}

// named are mixes that have a name. Those of YCSB (Cooper and others,
// Benchmarking cloud serving systems with YCSB, 2010) read strongly; their
// authors leave that to the store.
var named = map[string]string{
	"mixed":  "get-strong=50,put=50",
	"ycsb-a": "get-strong=50,update=50",
	"ycsb-b": "get-strong=95,update=5",
	"ycsb-c": "get-strong=100",
	"ycsb-d": "get-strong=95,insert=5", // and reads are of the latest
	"ycsb-e": "query=95,insert=5",
	"ycsb-f": "get-strong=50,read-modify-write=50",
}

// ParseMix reads the name of an operation, a named mix, or a mix such as
// get-eventual=90,put=10.
func ParseMix(s string) (Mix, error) {
	m := Mix{Name: s, latest: s == "ycsb-d"}
	text := s
	if n, ok := named[s]; ok {
		text = n
	}
	var share [Operations]float64
	var total float64
	for part := range strings.SplitSeq(text, ",") {
		name, percent, err := cutShare(part)
		op := slices.Index(names[:], name)
		if err != nil || op < 0 {
			return m, fmt.Errorf("workload %q: %q is not one of %s, with a percentage or without", s, part, strings.Join(names[:], ", "))
		}
		share[op] += percent
		total += percent
	}
	if total <= 0 {
		return m, fmt.Errorf("workload %q does nothing", s)
	}
	var sum float64
	for i := range share {
		sum += share[i]
		m.upTo[i] = sum / total
	}
	return m, nil
}

// cutShare reads a=90, or a, which is all.
func cutShare(part string) (what string, percent float64, err error) {
	what, weight, given := strings.Cut(part, "=")
	if !given {
		return what, 100, nil
	}
	percent, err = strconv.ParseFloat(weight, 64)
	if err == nil && !(percent >= 0 && percent <= 1e9) {
		err = strconv.ErrRange
	}
	return what, percent, err
}

// Has says whether the operation is in the mix.
func (m *Mix) Has(op Operation) bool {
	before := 0.0
	if op > 0 {
		before = m.upTo[op-1]
	}
	return m.upTo[op] > before
}

// Sorted says whether the mix needs a table with a sort key: it asks for ranges.
func (m *Mix) Sorted() bool { return m.Has(Query) }

func (m *Mix) next(r *rand.Rand) Operation {
	x := r.Float64()
	for i, limit := range m.upTo {
		if x < limit {
			return Operation(i)
		}
	}
	// x is below 1, but the last limit may be, too, by an error of rounding.
	return Operation(slices.Index(m.upTo[:], slices.Max(m.upTo[:])))
}
