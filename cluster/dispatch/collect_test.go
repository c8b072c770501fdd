package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A timer that is used again goes off when it should, whatever became of it
// before.
func TestLookTimersAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d Dispatcher
		for _, used := range []time.Duration{0, lookEvery / 2, lookEvery, 3 * lookEvery} {
			look := d.lookTimer()
			time.Sleep(used)
			d.putLookTimer(look)
			time.Sleep(2 * lookEvery)
			begin := time.Now()
			look = d.lookTimer()
			<-look.C
			if took := time.Since(begin); took != lookEvery {
				t.Errorf("used for %v before, a timer goes off after %v", used, took)
			}
			d.putLookTimer(look)
		}
	})
}

// BenchmarkCollect is a round of one call that another goroutine answers.
func BenchmarkCollect(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var d Dispatcher
	c := &call{}
	pending := []*call{c}
	asked, done := make(chan struct{}), make(chan answer, 1)
	defer close(asked)
	go func() {
		for range asked {
			done <- answer{call: c}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		c.open = true
		asked <- struct{}{}
		d.collect(ctx, pending, done)
	}
}
