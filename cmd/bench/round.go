package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// round is what was measured of one case once.
type round struct {
	elapsed              time.Duration
	latency              *hdrhistogram.Histogram // microseconds
	done, errors         int64
	firstError           error
	serverCPU, clientCPU time.Duration
}

func (r *round) perSecond() float64 { return float64(r.done) / r.elapsed.Seconds() }

// perOperation is a processor time, in microseconds an operation.
func (r *round) perOperation(cpu time.Duration) float64 {
	return float64(cpu.Microseconds()) / float64(max(1, r.done+r.errors))
}

// maxLatency is the longest latency that is told from longer ones.
const maxLatency = 10 * time.Minute

// meter takes what clients measure.
type meter struct {
	// measuring is set after the warm-up.
	measuring    atomic.Bool
	done, errors atomic.Int64

	mu         sync.Mutex
	latency    *hdrhistogram.Histogram
	firstError error
}

// add takes latencies in microseconds.
func (m *meter) add(latencies []uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range latencies {
		_ = m.latency.RecordValue(min(int64(l), maxLatency.Microseconds()))
	}
}

// reset forgets the warm-up.
func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done.Store(0)
	m.errors.Store(0)
	m.firstError = nil
}

func (m *meter) fail(err error) {
	m.errors.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.firstError == nil {
		m.firstError = err
	}
}

// round measures one case once.
func (b *bench) round(ctx context.Context, w Workload, clients int, label string) (round, error) {
	m := &meter{latency: hdrhistogram.New(1, maxLatency.Microseconds(), 3)}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	begin := time.Now()
	for n := range clients {
		c := b.newClient(n)
		wg.Go(func() {
			defer c.close()
			c.loop(running, &w, m, b.schedule(begin, n, clients))
		})
	}
	if !b.tell(ctx, m, label+", warming up", b.WarmUp) {
		cancel()
		wg.Wait()
		return round{}, ctx.Err()
	}
	m.reset()
	server, client := cpuOf(b.Processes), ownCPU()
	start := time.Now()
	m.measuring.Store(true)
	finished := b.tell(ctx, m, label, b.Duration)
	r := round{elapsed: time.Since(start), done: m.done.Load(), errors: m.errors.Load(), latency: m.latency}
	r.serverCPU, r.clientCPU = cpuOf(b.Processes)-server, ownCPU()-client
	cancel()
	wg.Wait()
	r.firstError = m.firstError
	if !finished {
		return round{}, ctx.Err()
	}
	if r.done == 0 && r.firstError != nil {
		return round{}, fmt.Errorf("%s: nothing succeeded: %w", label, r.firstError)
	}
	return r, nil
}

// tell shows how it goes, for as long as it goes, and reports whether that was
// to the end.
func (b *bench) tell(ctx context.Context, m *meter, label string, d time.Duration) bool {
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := m.done.Load()
	for {
		select {
		case <-tick.C:
			now := m.done.Load()
			fmt.Fprintf(b.Progress, "\r\x1b[K%s: %d/s, %d errors", label, now-before, m.errors.Load())
			before = now
		case <-end.C:
			fmt.Fprint(b.Progress, "\r\x1b[K")
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// schedule is when a client begins its operations: at begin, and then each
// interval. Without an interval it is whenever the one before has ended.
type schedule struct {
	next     time.Time
	interval time.Duration
}

func (b *bench) schedule(begin time.Time, n, clients int) schedule {
	if b.Rate <= 0 {
		return schedule{}
	}
	interval := time.Duration(float64(clients) / b.Rate * float64(time.Second))
	return schedule{next: begin.Add(interval * time.Duration(n) / time.Duration(clients)), interval: interval}
}

// wait returns when the next operation was due.
func (s *schedule) wait(ctx context.Context) time.Time {
	if s.interval == 0 {
		return time.Now()
	}
	due := s.next
	s.next = due.Add(s.interval)
	if d := time.Until(due); d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	return due
}

// errorPause keeps a client that is refused from asking all the time.
const errorPause = 10 * time.Millisecond

// loop carries out operations until ctx ends.
func (c *client) loop(ctx context.Context, w *Workload, m *meter, s schedule) {
	keys := &c.bench.keys
	latencies := make([]uint32, 0, 256)
	defer func() { m.add(latencies) }()
	for ctx.Err() == nil {
		due := s.wait(ctx)
		measuring := m.measuring.Load()
		op, key := w.next(c.rand), keys.next(c.rand)
		err := c.do(ctx, op, key)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			m.fail(err)
			time.Sleep(errorPause)
			continue
		}
		m.done.Add(1)
		if !measuring {
			continue // it began before what is measured
		}
		latencies = append(latencies, uint32(min(time.Since(due), maxLatency).Microseconds()))
		if len(latencies) == cap(latencies) {
			m.add(latencies)
			latencies = latencies[:0]
		}
	}
}
