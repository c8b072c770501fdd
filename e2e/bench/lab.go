package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench"
	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// lab is where goals are measured.
type lab struct {
	settings settings
	progress *progress
	rows     []judge.Row
	// self is this program, binary the one that is measured. dir is for this run
	// alone and goes at its end.
	self, binary, dir string
	// goal is the one that is being measured; opened is what it has started.
	goal   int
	opened []io.Closer
	folder int

	rounds           int
	warmUp, duration time.Duration
	keys             int

	dynaliteProgram string
	noDynalite      error
}

func newLab(s settings) (*lab, error) {
	l := &lab{
		settings: s, progress: newProgress(os.Stderr),
		rounds: 5, warmUp: time.Second, duration: 3 * time.Second, keys: 10_000,
	}
	if s.quick {
		l.rounds, l.warmUp, l.duration, l.keys = 3, 200*time.Millisecond, 800*time.Millisecond, 2_000
	}
	if s.rounds > 0 {
		l.rounds = s.rounds
	}
	if s.duration > 0 {
		l.duration = s.duration
	}
	var err error
	if l.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if l.binary, err = filepath.Abs(s.binary); err != nil {
		return nil, err
	}
	if _, err := os.Stat(l.binary); err != nil {
		return nil, fmt.Errorf("make build first: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.dir, "run-")
	if err != nil {
		return nil, err
	}
	l.dir, err = filepath.Abs(dir)
	return l, err
}

// scaled is a part of a long time, scaledCount one of a large amount, as the
// command line asks for.
func (l *lab) scaled(d time.Duration) time.Duration {
	return max(time.Second, time.Duration(float64(d)*l.settings.scale))
}

func (l *lab) scaledCount(n int) int { return max(1, int(float64(n)*l.settings.scale)) }

// noteScale makes sure that a part is not taken for the whole.
func (l *lab) noteScale(r judge.Row) judge.Row {
	if l.settings.scale == 1 {
		return r
	}
	return r.With("at %v of the scale", l.settings.scale)
}

// tell adds rows to the results.
func (l *lab) tell(rows ...judge.Row) { l.rows = append(l.rows, rows...) }

// newDir makes a folder for a server.
func (l *lab) newDir(name string) (string, error) {
	l.folder++
	dir := filepath.Join(l.dir, fmt.Sprintf("%d-%s", l.folder, name))
	return dir, os.MkdirAll(dir, 0o755)
}

// keep remembers what must be closed when the goal is done.
func (l *lab) keep(c io.Closer) { l.opened = append(l.opened, c) }

// cleanUp ends what a goal has started and removes what that has stored.
func (l *lab) cleanUp() error {
	var errs []error
	for _, c := range slices.Backward(l.opened) {
		errs = append(errs, c.Close())
	}
	l.opened = nil
	entries, err := os.ReadDir(l.dir)
	errs = append(errs, err)
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(l.dir, e.Name())))
	}
	return errors.Join(errs...)
}

func (l *lab) close() error { return os.RemoveAll(l.dir) }

// closer makes a function what lab.keep takes.
type closer func() error

// Close calls c.
func (c closer) Close() error { return c() }

// region starts a region that ends with the goal.
func (l *lab) region(ctx context.Context, nodes int, arguments ...string) (*server.Region, error) {
	l.progress.say("start %d nodes of Roundtable", nodes)
	dir, err := l.newDir("region")
	if err != nil {
		return nil, err
	}
	r, err := server.NewRegion(server.RegionOptions{
		Binary: l.binary, Dir: dir, Name: "local-1", Nodes: nodes, Arguments: arguments,
	})
	if err != nil {
		return nil, err
	}
	l.keepRegion(r)
	return r, r.Start(ctx)
}

// keepRegion ends a region with the goal. A node that has ended before is an
// error: what was measured then is not what was meant.
func (l *lab) keepRegion(r *server.Region) {
	l.keep(closer(func() error { return errors.Join(r.Ended(), r.Kill()) }))
}

// peerOf starts a peer that ends with the goal. A peer that is missing is the
// zero value and a reason, not an error.
func peerOf[T io.Closer](l *lab, name string, start func(dir string) (T, error)) (p T, missing error, err error) {
	l.progress.say("start %s", name)
	dir, err := l.newDir("peer")
	if err != nil {
		return p, nil, err
	}
	p, err = start(dir)
	if peer.Missing(err) {
		return p, err, nil
	}
	if err == nil {
		l.keep(p)
	}
	return p, nil, err
}

// measurement is one thing that each round measures, in one go.
type measurement struct {
	// names are those of the samples that it takes.
	names   []string
	measure func(ctx context.Context) ([]load.Sample, error)
}

// one measures one thing with clients that speak for themselves.
func (l *lab) one(name string, clients int, o load.Options, open func(n int) (load.Client, error)) measurement {
	o.Clients, o.WarmUp, o.Duration = clients, l.warmUp, l.duration
	return measurement{[]string{name}, func(ctx context.Context) ([]load.Sample, error) {
		s, err := load.Run(ctx, o, open)
		return []load.Sample{s}, err
	}}
}

// processorOf is a load.Options for servers with process ids.
func processorOf(pids []int) load.Options {
	return load.Options{CPU: func() time.Duration { return bench.CPU(pids...) }}
}

// inRounds measures everything once in each round, always in turn, so that what
// is compared is measured at about the same time.
func (l *lab) inRounds(ctx context.Context, all []measurement) (map[string]series, error) {
	taken := map[string]series{}
	for n := range l.rounds {
		for _, m := range all {
			l.progress.say("round %d of %d: %s", n+1, l.rounds, joined(m.names))
			samples, err := m.measure(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", joined(m.names), err)
			}
			for i, name := range m.names {
				taken[name] = append(taken[name], samples[i])
			}
		}
	}
	return taken, nil
}

// durationOf is about how long rounds of so many samples take.
func (l *lab) durationOf(samples int) time.Duration {
	return time.Duration(l.rounds*samples) * (l.warmUp + l.duration)
}

func joined(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
}

// series is what the rounds measured of one thing.
type series []load.Sample

func (s series) of(value func(load.Sample) float64) []float64 {
	var all []float64
	for _, sample := range s {
		all = append(all, value(sample))
	}
	return all
}

func (s series) perSecond() []float64 {
	return s.of(func(x load.Sample) float64 { return x.PerSecond })
}
func (s series) p50() []float64 { return s.of(func(x load.Sample) float64 { return x.P50 }) }
func (s series) p99() []float64 { return s.of(func(x load.Sample) float64 { return x.P99 }) }
func (s series) serverCPU() []float64 {
	return s.of(func(x load.Sample) float64 { return x.ServerCPU })
}

// errors says what failed, if anything did.
func (s series) errors() string {
	var n int64
	var first error
	for _, sample := range s {
		if n += sample.Errors; first == nil {
			first = sample.First
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d operations failed, the first with: %v", n, first)
}

// beside judges one number of a series by the same of a peer. A peer that was
// not measured is missing.
func (l *lab) beside(name, unit string, ours series, peerName string, theirs series, missing error,
	value func(series) []float64, target judge.Target) {
	row := judge.Beside(l.goal, name, unit, value(ours), peerName, value(theirs), target)
	if missing != nil {
		row = row.With("%v", missing)
	}
	if e := ours.errors(); e != "" {
		row = row.With("%s", e)
	}
	if e := theirs.errors(); e != "" {
		row = row.With("%s: %s", peerName, e)
	}
	l.tell(row)
}
