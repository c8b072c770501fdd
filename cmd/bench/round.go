package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

// variant is what is measured: a workload with a number of clients, in a closed
// loop or at a rate.
type variant struct {
	workload, clients int
	rate              float64
}

func (b *bench) label(v variant) string {
	label := fmt.Sprintf("%s, %d clients", b.Workloads[v.workload].Name, v.clients)
	if v.rate > 0 {
		label += fmt.Sprintf(", %.0f/s", v.rate)
	}
	return label
}

// round is what was measured of one variant once.
type round struct {
	elapsed                             time.Duration
	total                               *hdrhistogram.Histogram // microseconds
	kinds                               []*hdrhistogram.Histogram
	done, errors, conflicts, unfinished int64
	firstError                          error
	serverCPU, clientCPU                time.Duration
}

func (r *round) perSecond() float64 { return float64(r.done) / r.elapsed.Seconds() }

// perOperation is a processor time, in microseconds an operation.
func (r *round) perOperation(cpu time.Duration) float64 {
	return float64(cpu.Microseconds()) / float64(max(1, r.done+r.errors))
}

// drainTime is how long operations under way may take after the end of a round.
const drainTime = 10 * time.Second

// round measures one variant once: it warms up, measures, and waits for what is
// still under way, so that a stall at the end counts like any other. p takes its
// profiles of what is measured.
func (b *bench) round(ctx context.Context, v variant, label string, p profiler) (round, error) {
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newMeter(len(b.ItemSizes.Bytes()))
	var open *openLoop
	if v.rate > 0 {
		open = newOpenLoop(time.Now(), v.rate)
	}
	clients := b.spawn(running, v, m, open)
	if !b.tell(ctx, m, label+", warming up", b.WarmUp) {
		cancel()
		clients.Wait()
		return round{}, ctx.Err()
	}
	m.reset()
	profiles := p.begin(ctx)
	server, client := CPU(b.Processes...), OwnCPU()
	start := time.Now()
	m.measuring.Store(true)
	finished := b.tell(ctx, m, label, b.Duration)
	end := time.Now()
	r := round{elapsed: end.Sub(start), done: m.done.Load(), errors: m.errors.Load(), conflicts: m.conflicts.Load()}
	r.serverCPU, r.clientCPU = CPU(b.Processes...)-server, OwnCPU()-client

	m.ended.Store(true)
	if open != nil {
		open.stop(end)
	}
	drained := time.AfterFunc(drainTime, cancel)
	clients.Wait()
	drained.Stop()
	if open != nil {
		m.abandonUnbegun(open.untaken(), time.Now())
	}
	err := profiles() // they come a little after what they are of
	if !finished {
		return round{}, ctx.Err()
	}
	if err != nil {
		return round{}, err
	}
	r.take(m)
	if r.done == 0 && r.firstError != nil {
		return round{}, fmt.Errorf("%s: nothing succeeded: %w", label, r.firstError)
	}
	return r, nil
}

// take takes over what the meter has, when nobody adds to it any more.
func (r *round) take(m *meter) {
	r.total = m.total()
	m.mu.Lock()
	defer m.mu.Unlock()
	r.kinds, r.unfinished, r.firstError = m.mu.kinds, m.mu.unfinished, m.mu.firstError
	r.errors = m.errors.Load() // those that timed out in the end, too
}

// spawn starts the clients and, for an open loop, what paces them.
func (b *bench) spawn(ctx context.Context, v variant, m *meter, open *openLoop) *sync.WaitGroup {
	var wg sync.WaitGroup
	var p pace = closedLoop{&m.ended}
	if open != nil {
		p = open
		wg.Go(func() { open.run(ctx) })
	}
	senders := b.senders(v.clients)
	for n := range v.clients {
		c := b.newClient(n, b.Workloads[v.workload], senders(n))
		wg.Go(func() { c.loop(ctx, m, p) })
	}
	return &wg
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

// sender carries out requests, one at a time.
type sender interface {
	// Do carries out a request. Conflicts are how often it had to begin again
	// because others had written.
	Do(context.Context, *workload.Request) (conflicts int, err error)
	// Interrupt ends what Do is doing; others than Do's caller call it.
	Interrupt()
	Close()
}

// client sends what a generator makes.
type client struct {
	sender
	generator *workload.Generator
}

// errorPause keeps a client that is refused from asking all the time.
const errorPause = 10 * time.Millisecond

// loop carries out operations until there are no more, or ctx ends.
func (c *client) loop(ctx context.Context, m *meter, p pace) {
	defer c.Close()
	defer context.AfterFunc(ctx, c.Interrupt)()
	samples := make([]sample, 0, 256)
	defer func() { m.add(samples) }()
	for {
		due, more := p.next()
		if !more {
			return
		}
		measuring := m.measuring.Load()
		q := c.generator.Next()
		conflicts, err := c.Do(ctx, q)
		s := sample{kind: m.kind(q), micros: uint32(micros(time.Since(due)))}
		c.generator.Done(q, err == nil)
		switch {
		case err != nil && ctx.Err() != nil:
			if measuring {
				m.abandon(s)
			}
			return
		case err != nil:
			m.fail(err)
			pause(ctx, errorPause)
			continue
		}
		m.done.Add(1)
		if conflicts > 0 {
			m.conflicts.Add(int64(conflicts))
		}
		if !measuring {
			continue // it began before what is measured
		}
		if samples = append(samples, s); len(samples) == cap(samples) {
			m.add(samples)
			samples = samples[:0]
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
