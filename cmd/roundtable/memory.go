package main

import (
	"fmt"
	"math"
	"runtime/debug"
)

// memory is how a node's memory is shared out.
type memory struct{ engine, log int64 }

// leastMemoryMB is what a node can work with.
const leastMemoryMB = 128

// shareMemory shares a node's memory out. The storage engine has a quarter and
// the log's cache an eighth. The rest is for requests under way, for what Badger
// takes to write a table, and for garbage, of which Go lets as much gather as there
// is of anything else.
func shareMemory(mb int64) (memory, error) {
	if mb < leastMemoryMB {
		return memory{}, fmt.Errorf("--memory-mb %d is not enough: a node needs %d or more", mb, leastMemoryMB)
	}
	total := mb << 20
	return memory{engine: total / 4, log: min(total/8, 64<<20)}, nil
}

// limitMemory has Go collect garbage in time to stay within a node's memory,
// unless GOMEMLIMIT says something else.
func limitMemory(mb int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(mb << 20)
	}
}
