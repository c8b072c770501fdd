package raftlog

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var barks []time.Duration
		var w watchdog
		w.init(10*time.Second, func() { barks = append(barks, time.Since(begin)) })
		time.Sleep(time.Minute)
		w.begin()
		time.Sleep(9900 * time.Millisecond)
		w.end()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(barks) > 0 {
			t.Fatalf("it barked after %v, without a commit that took too long", barks)
		}
		begin = time.Now()
		w.begin()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(barks) != 1 || barks[0] != 10*time.Second {
			t.Errorf("it barked after %v, want once after 10 s", barks)
		}
	})
}

// A process that was stopped finds its timer due when it goes on, once.
func TestWatchdogForgivesAPause(t *testing.T) {
	var barks int
	var w watchdog
	w.init(time.Hour, func() { barks++ })
	w.begin()
	w.tock()
	if w.end(); barks > 0 {
		t.Error("it barked at the first tick after a pause")
	}
	w.tock()
	w.begin()
	for range watchTicks {
		w.tock()
	}
	if w.end(); barks != 1 {
		t.Errorf("it barked %d times in as many ticks as a commit may take", barks)
	}
}
