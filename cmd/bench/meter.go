package bench

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

// maxLatency is the longest latency that is told from longer ones.
const maxLatency = 10 * time.Minute

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency.Microseconds(), 3)
}

func micros(d time.Duration) int64 { return min(max(0, d), maxLatency).Microseconds() }

// sample is how long an operation took.
type sample struct {
	kind   int32
	micros uint32
}

// meter takes what clients measure.
type meter struct {
	// sizes is how many item sizes there are.
	sizes int
	// measuring is set after the warm-up, ended when no more operations begin.
	measuring, ended atomic.Bool
	// done counts what has succeeded, conflicts how often a read-modify-write
	// has begun again.
	done, errors, conflicts atomic.Int64

	mu struct {
		sync.Mutex
		kinds      []*hdrhistogram.Histogram // nil where there is nothing
		unfinished int64
		// unbegun are the latencies, so far, of what nobody has begun.
		unbegun    *hdrhistogram.Histogram
		firstError error
	}
}

func newMeter(sizes int) *meter {
	m := &meter{sizes: sizes}
	m.mu.kinds = make([]*hdrhistogram.Histogram, int(workload.Operations)*(sizes+1))
	return m
}

// kind numbers the combinations of an operation and the size of its item.
func (m *meter) kind(q *workload.Request) int32 {
	return int32(int(q.Op)*(m.sizes+1) + q.Class + 1)
}

// ofKind is the inverse of kind.
func (m *meter) ofKind(kind int) (op workload.Operation, class int) {
	return workload.Operation(kind / (m.sizes + 1)), kind%(m.sizes+1) - 1
}

func (m *meter) add(samples []sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range samples {
		m.recordLocked(s)
	}
}

func (m *meter) recordLocked(s sample) {
	h := m.mu.kinds[s.kind]
	if h == nil {
		h = newHistogram()
		m.mu.kinds[s.kind] = h
	}
	_ = h.RecordValue(int64(s.micros)) // it is within the bounds
}

// abandon takes an operation that had not ended when it was given up: it took
// at least so long.
func (m *meter) abandon(s sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.unfinished++
	m.recordLocked(s)
}

// abandonUnbegun takes operations that were due and that nobody has begun.
func (m *meter) abandonUnbegun(due []time.Time, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.unfinished += int64(len(due))
	if m.mu.unbegun == nil {
		m.mu.unbegun = newHistogram()
	}
	for _, d := range due {
		_ = m.mu.unbegun.RecordValue(micros(now.Sub(d)))
	}
}

// reset forgets the warm-up.
func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done.Store(0)
	m.errors.Store(0)
	m.conflicts.Store(0)
	m.mu.firstError = nil
}

func (m *meter) fail(err error) {
	m.errors.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.firstError == nil {
		m.mu.firstError = err
	}
}

// total is the histogram of everything.
func (m *meter) total() *hdrhistogram.Histogram {
	m.mu.Lock()
	defer m.mu.Unlock()
	total := newHistogram()
	for _, h := range append(m.mu.kinds[:len(m.mu.kinds):len(m.mu.kinds)], m.mu.unbegun) {
		if h != nil {
			total.Merge(h)
		}
	}
	return total
}

// corrected is a histogram of a closed loop in which each client would have
// begun an operation every interval, had none held it up: a latency of ten
// intervals stands for nine more of nine intervals, of eight, and so on. It is
// the correction of Gil Tene's HdrHistogram.
func corrected(h *hdrhistogram.Histogram, interval time.Duration) *hdrhistogram.Histogram {
	c := newHistogram()
	step := max(1, interval.Microseconds())
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		// The bar is all values from From to To; its latencies are told by To.
		for v := bar.To; v == bar.To || v >= step; v -= step {
			_ = c.RecordValues(min(v, maxLatency.Microseconds()), bar.Count)
		}
	}
	return c
}
