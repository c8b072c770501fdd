package sender

import (
	"math/bits"
	"sync"
	"time"
)

// Latency is a distribution of times from a change in this region to its
// acknowledgement by another.
type Latency struct {
	Count    uint64
	Sum, Max time.Duration
	// Buckets counts by power of two: bucket 0 is below 1 ms, bucket i from
	// 2^(i-1) ms to 2^i ms, the last everything above.
	Buckets [24]uint64
}

// Quantile is an upper bound of the q-quantile, within a factor of two.
func (l *Latency) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(l.Count))
	var seen uint64
	for i, n := range l.Buckets {
		if seen += n; seen > rank {
			return min(time.Duration(1<<i)*time.Millisecond, l.Max)
		}
	}
	return l.Max
}

// Meter measures what the senders of one table to one region do. It is safe
// for concurrent use; the zero value is ready.
type Meter struct {
	mu struct {
		sync.Mutex
		latency         Latency
		states, retries uint64
	}
}

// Totals is what a Meter has measured since the node started.
type Totals struct {
	// Latency is of changes only: states shipped by a scan have no time.
	Latency Latency
	// States is how many states were acknowledged.
	States uint64
	// Retries is how many shipments were told to come again.
	Retries uint64
}

// Totals returns what was measured so far.
func (m *Meter) Totals() Totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Totals{Latency: m.mu.latency, States: m.mu.states, Retries: m.mu.retries}
}

// acknowledged counts the states of a shipment, and how long ago the changes
// among them were made.
func (m *Meter) acknowledged(states int, madeMillis []int64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.states += uint64(states)
	l := &m.mu.latency
	for _, made := range madeMillis {
		ms := max(now.UnixMilli()-made, 0)
		d := time.Duration(ms) * time.Millisecond
		l.Count++
		l.Sum += d
		l.Max = max(l.Max, d)
		l.Buckets[min(bits.Len64(uint64(ms)), len(l.Buckets)-1)]++
	}
}

func (m *Meter) retried() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.retries++
}
