package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

func (o *Options) validateProfiles() error {
	switch {
	case o.CPUProfiles == "":
		return nil
	case len(o.Operators) == 0:
		return errors.New("bench: no server to take CPU profiles of")
	case len(o.Sweep) > 0:
		return errors.New("bench: CPU profiles are of cases, not of the rates of a sweep: leave out the sweep, or give one rate")
	case o.Duration < time.Second:
		return fmt.Errorf("bench: a CPU profile takes whole seconds, a case only %v: give it a duration of 1s or more", o.Duration)
	}
	return nil
}

// makeProfilesFolder makes the folder before anything is measured, so that
// nobody waits for a run whose profiles cannot be written.
func (b *bench) makeProfilesFolder() error {
	if b.CPUProfiles == "" {
		return nil
	}
	if err := os.MkdirAll(b.CPUProfiles, 0o755); err != nil {
		return fmt.Errorf("bench: there is no folder for CPU profiles: choose another: %w", err)
	}
	return nil
}

// profiler takes a profile of each server while a case is measured. The zero
// profiler takes none.
type profiler struct {
	servers []string // URLs
	prefix  string   // of the files' names
	seconds int
}

// profiler returns the profiler of a case. Cases count from 1, in the order of
// the results.
func (b *bench) profiler(number int) profiler {
	return profiler{
		servers: b.Operators,
		prefix:  filepath.Join(b.CPUProfiles, fmt.Sprintf("%d-node-", number)),
		seconds: b.profiled,
	}
}

// begin begins to take the profiles. wait waits until all are written, or ctx
// has ended; whoever calls begin calls it.
func (p profiler) begin(ctx context.Context) (wait func() error) {
	errs := make([]error, len(p.servers))
	var wg sync.WaitGroup
	for i, server := range p.servers {
		name := fmt.Sprintf("%s%d.pb.gz", p.prefix, i+1)
		wg.Go(func() {
			if err := p.take(ctx, server, name); err != nil {
				errs[i] = fmt.Errorf("bench: CPU profile of node %d: %w", i+1, err)
			}
		})
	}
	return func() error {
		wg.Wait()
		return errors.Join(errs...)
	}
}

// take writes a profile of a server into a file.
func (p profiler) take(ctx context.Context, server, name string) error {
	profile, err := p.fetch(ctx, server)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, profile, 0o644); err != nil {
		return fmt.Errorf("make room, or choose another folder: %w", err)
	}
	return nil
}

func (p profiler) fetch(ctx context.Context, server string) ([]byte, error) {
	took := time.Duration(p.seconds) * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, took+drainTime,
		fmt.Errorf("it has not come %v after its end; if the node is too busy to answer, try fewer clients", drainTime))
	defer cancel()
	url := fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", server, p.seconds)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fetchError(ctx, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return nil, fetchError(ctx, fmt.Errorf("%s: %w", url, err))
	case answer.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s: not found: start the node with --pprof", url)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s: %s", url, answer.Status, bytes.TrimSpace(body[:min(len(body), 512)]))
	}
	return body, nil
}

// fetchError says why ctx has ended, if that is why something failed.
func fetchError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return err
}
