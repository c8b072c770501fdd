package load

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// In a bubble an operation takes exactly as long as it says.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int64
		var cpu time.Duration
		o := Options{Clients: 4, WarmUp: time.Second, Duration: 10 * time.Second, Weight: 5, CPU: func() time.Duration {
			cpu += time.Second
			return cpu
		}}
		s, err := Run(t.Context(), o, func(int) (Client, error) {
			return &slow{10 * time.Millisecond, &closed}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// An operation that straddles a bound does not count: at most two of a
		// client.
		if s.PerSecond < 4*5*99.8 || s.PerSecond > 4*5*100 {
			t.Errorf("%v/s, not 2000", s.PerSecond)
		}
		if s.P50 < 9.9 || s.P50 > 10.1 || s.P99 < 9.9 || s.P99 > 10.1 {
			t.Errorf("p50 %v, p99 %v, not 10 ms", s.P50, s.P99)
		}
		if want := 1e6 / (s.PerSecond * 10); s.ServerCPU < want*0.99 || s.ServerCPU > want*1.01 {
			t.Errorf("%v µs an operation, not %v", s.ServerCPU, want)
		}
		if closed.Load() != 4 {
			t.Errorf("%d of 4 clients were closed", closed.Load())
		}
	})
}

type slow struct {
	takes  time.Duration
	closed *atomic.Int64
}

func (s *slow) Do(ctx context.Context) error { Pause(ctx, s.takes); return ctx.Err() }
func (s *slow) Close()                       { s.closed.Add(1) }

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		o := Options{Clients: 2, Duration: time.Second}
		var n atomic.Int64
		s, err := Run(t.Context(), o, func(int) (Client, error) {
			return Func(func(ctx context.Context) error {
				Pause(ctx, time.Millisecond)
				if n.Add(1)%10 == 0 {
					return broken
				}
				return nil
			}), nil
		})
		if err != nil || s.Errors == 0 || !errors.Is(s.First, broken) {
			t.Errorf("%+v, %v", s, err)
		}
		_, err = Run(t.Context(), o, func(int) (Client, error) {
			return Func(func(context.Context) error { return broken }), nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("a run in which nothing succeeds: %v", err)
		}
		_, err = Run(t.Context(), o, func(n int) (Client, error) {
			if n == 1 {
				return nil, broken
			}
			return &slow{time.Millisecond, new(atomic.Int64)}, nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("a client that cannot connect: %v", err)
		}
	})
}
