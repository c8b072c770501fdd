package transport

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/storage"
)

// timed adds a call whose end is told to done.
func (o *outbox) timed(t *testing.T, timeout time.Duration, done func(error)) *call {
	t.Helper()
	c := &call{method: FirstTestMethod, body: []byte{1}, done: func(_ []byte, err error) { done(err) }}
	if err := o.add(c, timeout, Verdict{}); err != nil {
		t.Fatal(err)
	}
	return c
}

// alarmed reports whether the timer of an outbox runs.
func (o *outbox) alarmed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.alarm == nil || !o.mu.alarm.Stop() {
		return false
	}
	o.mu.alarm.Reset(time.Until(o.mu.rings))
	return true
}

// Each call ends when its time is up, whatever others there are and whatever
// becomes of them.
func TestCallsExpireInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.init("b", Client)
		defer o.close()
		begin := time.Now()
		var mu sync.Mutex
		var got []string
		add := func(timeout time.Duration) *call {
			return o.timed(t, timeout, func(err error) {
				mu.Lock()
				defer mu.Unlock()
				end := "answered"
				if err != nil {
					end = storage.KindOf(err).String()
					if want := fmt.Sprintf("node b did not answer on lane client within %v", timeout); !strings.Contains(err.Error(), want) {
						t.Errorf("the error does not say %q: %v", want, err)
					}
				}
				got = append(got, fmt.Sprintf("%v after %v", end, time.Since(begin)))
			})
		}
		answer := func(c *call) { o.end(o.claim(c.id), nil, nil) }
		first := add(5 * time.Second)
		add(6 * time.Second)
		o.take(nil) // sends both
		time.Sleep(time.Second)
		add(5 * time.Second)        // together with the second
		add(500 * time.Millisecond) // before all others
		time.Sleep(time.Second)
		answer(first) // for which the timer is wound up
		add(time.Minute)
		add(-1)
		time.Sleep(time.Hour)
		answer(add(time.Minute)) // which leaves none
		time.Sleep(time.Hour)
		add(time.Second)
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		want := []string{
			"unavailable after 1.5s", "answered after 2s", "unavailable after 2s", "ambiguous after 6s", "unavailable after 6s",
			"unavailable after 1m2s", "answered after 1h0m2s", "unavailable after 2h0m3s",
		}
		if got, want := strings.Join(got, "\n"), strings.Join(want, "\n"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// Where many calls end one by one, none is late by more than a moment for each of
// them, and none is early.
func TestManyCallsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 10_000
		var o outbox
		o.init("b", Client)
		defer o.close()
		rng := rand.New(rand.NewPCG(1, 2))
		var left sync.WaitGroup
		for range calls {
			left.Add(1)
			timeout := 10*time.Millisecond + time.Duration(rng.Int64N(int64(time.Second)))
			deadline := time.Now().Add(timeout)
			o.timed(t, timeout, func(error) {
				defer left.Done()
				if late := time.Since(deadline); late < 0 || late > calls*lookCost {
					t.Errorf("a timeout of %v was late by %v", timeout, late)
				}
			})
			if rng.IntN(100) == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		left.Wait()
	})
}

// An outbox without calls has no timer.
func TestNoCallsNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.init("b", Client)
		ignore := func(error) {}
		want := func(what string, want bool) {
			t.Helper()
			if o.alarmed() != want {
				t.Errorf("%s: the timer runs: %v", what, !want)
			}
		}
		want("at first", false)
		a, b := o.timed(t, time.Second, ignore), o.timed(t, time.Minute, ignore)
		want("with two calls", true)
		o.end(o.claim(a.id), nil, nil)
		want("with one call", true)
		o.end(o.claim(b.id), nil, nil)
		want("answered", false)
		o.timed(t, time.Second, ignore)
		time.Sleep(2 * time.Second)
		want("timed out", false)
		o.timed(t, time.Second, ignore)
		o.fail(true, errClosed())
		want("failed", false)
		o.timed(t, time.Second, ignore)
		o.close()
		want("closed", false)
		if err := o.add(&call{}, time.Second, Verdict{}); err == nil {
			t.Error("a closed outbox takes calls")
		}
		want("closed, after another call", false)
	})
}

// Each call has one outcome when answers, timeouts and the end of the outbox
// meet.
func TestExpiryMeetsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outbox
		o.init("b", Client)
		var callers sync.WaitGroup
		var mu sync.Mutex
		outcomes, accepted := 0, 0
		for i := range 8 {
			callers.Go(func() {
				rng := rand.New(rand.NewPCG(3, uint64(i)))
				for range 500 {
					c := &call{body: []byte{1}, done: func([]byte, error) {
						mu.Lock()
						defer mu.Unlock()
						outcomes++
					}}
					if o.add(c, time.Duration(rng.IntN(4))*time.Millisecond, Verdict{}) != nil {
						return
					}
					mu.Lock()
					accepted++
					mu.Unlock()
					time.Sleep(time.Duration(rng.IntN(4)) * time.Millisecond)
					if c := o.claim(c.id); c != nil {
						o.end(c, nil, nil)
					}
				}
			})
		}
		time.Sleep(400 * time.Millisecond)
		o.close()
		callers.Wait()
		mu.Lock()
		defer mu.Unlock()
		if outcomes != accepted || accepted < 1000 {
			t.Errorf("%d outcomes of %d calls", outcomes, accepted)
		}
	})
}
