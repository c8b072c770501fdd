package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// The monitor is calm whatever the node does, and the other threads are exact
// again when it rests no more, those that were started at rest as well.
func TestSlack(t *testing.T) {
	if err := os.WriteFile("/proc/"+strconv.Itoa(monitor)+"/timerslack_ns", []byte(calm), 0); err != nil {
		t.Skip("threads may not be told to be late here:", err)
	}
	defer setSlack(false)
	for _, resting := range []bool{false, true, false} {
		before := threads() // others may start meanwhile
		setSlack(resting)
		seen := 0
		for _, id := range before {
			got, err := os.ReadFile("/proc/" + strconv.Itoa(id) + "/timerslack_ns")
			if err != nil {
				continue // it has ended
			}
			want := exact
			if id == monitor {
				want = calm
			} else if resting {
				want = loose
			}
			if seen++; strings.TrimSpace(string(got)) != want {
				t.Errorf("at rest %v: thread %d has %s, not %s", resting, id, strings.TrimSpace(string(got)), want)
			}
		}
		if seen < 2 {
			t.Errorf("%d threads", seen)
		}
	}
}
