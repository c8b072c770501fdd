// Package load drives anything with clients that each have one operation under
// way, and measures it the way cmd/bench measures a DynamoDB endpoint: so that
// peers that speak other protocols can stand beside it.
package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Sample is what was measured once.
type Sample struct {
	PerSecond float64 // operations that succeeded
	P50, P99  float64 // milliseconds
	// ServerCPU is the servers' processor time an operation, in µs; 0 when it is
	// not known.
	ServerCPU float64
	Errors    int64
	First     error // the first of them
}

// Options say how to measure.
type Options struct {
	Clients          int
	WarmUp, Duration time.Duration
	// CPU is the processor time that the servers have used so far; nil when
	// that is not known.
	CPU func() time.Duration
	// Weight is how many operations one call counts for; 0 means one.
	Weight int
}

// Client carries out one operation at a time.
type Client interface {
	Do(ctx context.Context) error
	Close()
}

// Func is a Client that needs no closing.
type Func func(ctx context.Context) error

// Do calls f.
func (f Func) Do(ctx context.Context) error { return f(ctx) }

// Close does nothing.
func (f Func) Close() {}

// longest is the longest latency that is told from longer ones, in µs.
const longest = int64(time.Minute / time.Microsecond)

// meter is what clients measure together.
type meter struct {
	measuring    atomic.Bool
	done, errors atomic.Int64

	mu struct {
		sync.Mutex
		first   error
		latency *hdrhistogram.Histogram
	}
}

func newMeter() *meter {
	m := &meter{}
	m.mu.latency = hdrhistogram.New(1, longest, 3)
	return m
}

// Run measures once. open makes the n-th client.
func Run(ctx context.Context, o Options, open func(n int) (Client, error)) (Sample, error) {
	m := newMeter()
	running, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for n := range o.Clients {
		c, err := open(n)
		if err != nil {
			stop()
			wg.Wait()
			return Sample{}, fmt.Errorf("client %d: %w", n, err)
		}
		wg.Go(func() {
			defer c.Close()
			m.loop(running, c)
		})
	}
	Pause(running, o.WarmUp)
	cpu := o.cpu()
	begin := time.Now()
	m.measuring.Store(true)
	Pause(running, o.Duration)
	m.measuring.Store(false)
	elapsed, cpu := time.Since(begin), o.cpu()-cpu
	stop()
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return Sample{}, err
	}
	return m.sample(elapsed, cpu, max(1, o.Weight))
}

func (o *Options) cpu() time.Duration {
	if o.CPU == nil {
		return 0
	}
	return o.CPU()
}

// loop carries out operations until ctx ends. What was begun before the
// measurement, or ends after it, does not count.
func (m *meter) loop(ctx context.Context, c Client) {
	latency := hdrhistogram.New(1, longest, 3)
	for ctx.Err() == nil {
		counts := m.measuring.Load()
		begin := time.Now()
		err := c.Do(ctx)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				m.fail(err, counts)
				Pause(ctx, 10*time.Millisecond)
			}
		case counts && m.measuring.Load():
			m.done.Add(1)
			_ = latency.RecordValue(min(time.Since(begin).Microseconds(), longest))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.latency.Merge(latency)
}

// fail counts a failure, unless it was in the warm-up. The first one is of
// interest wherever it was.
func (m *meter) fail(err error, counts bool) {
	if counts {
		m.errors.Add(1)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.first == nil {
		m.mu.first = err
	}
}

func (m *meter) sample(elapsed, cpu time.Duration, weight int) (Sample, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	done := m.done.Load()
	if done == 0 {
		return Sample{}, fmt.Errorf("nothing succeeded in %v: %w", elapsed.Round(time.Millisecond), m.mu.first)
	}
	operations := float64(done) * float64(weight)
	return Sample{
		PerSecond: operations / elapsed.Seconds(),
		P50:       float64(m.mu.latency.ValueAtQuantile(50)) / 1e3,
		P99:       float64(m.mu.latency.ValueAtQuantile(99)) / 1e3,
		ServerCPU: float64(cpu.Microseconds()) / operations,
		Errors:    m.errors.Load(),
		First:     m.mu.first,
	}, nil
}

// Pause waits, but not longer than ctx, and reports whether it waited to the
// end.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
