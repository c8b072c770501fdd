package check

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Kept checks that no acknowledged write vanishes. Each key has one writer,
// who writes growing numbers; so what is stored at the end must be at least
// the last number that was acknowledged, and at most the last that was tried.
// It is safe for concurrent use.
type Kept struct {
	mu    sync.Mutex
	acked map[string]int
	tried map[string]int
}

// NewKept begins a check.
func NewKept() *Kept {
	return &Kept{acked: map[string]int{}, tried: map[string]int{}}
}

// Try notes that a number is about to be written.
func (k *Kept) Try(key string, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried[key] = n
}

// Ack notes that a number was acknowledged.
func (k *Kept) Ack(key string, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.acked[key] = n
}

// Acked is how many keys have an acknowledged write, and the sum of the
// numbers acknowledged last, which is how many writes were if numbers begin at
// one and grow by one.
func (k *Kept) Acked() (keys, writes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.acked {
		writes += n
	}
	return len(k.acked), writes
}

// Check compares with what is stored, 0 standing for no item.
func (k *Kept) Check(stored map[string]int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var findings []string
	for _, key := range slices.Sorted(maps.Keys(k.tried)) {
		switch n := stored[key]; {
		case n < k.acked[key]:
			findings = append(findings, fmt.Sprintf("%s: %d was acknowledged, %d is stored", key, k.acked[key], n))
		case n > k.tried[key]:
			findings = append(findings, fmt.Sprintf("%s: %d is stored, the last one written was %d", key, n, k.tried[key]))
		}
	}
	return report("no acknowledged write vanishes", findings)
}
