package sender

import (
	"fmt"
	"testing"
	"time"
)

// drains lets seconds pass in which clients write, acknowledges everything, and
// returns how many states came in each.
func (f *fixture) drains(seconds, writes int) []int {
	all := make([]int, seconds)
	for i := range all {
		for range 100 {
			f.partition.writes.Add(uint64(writes / 100))
			time.Sleep(10 * time.Millisecond)
			all[i] += len(f.link.acknowledge())
		}
	}
	return all
}

// TestBacklogKeepsPace makes a region come back after a while in which clients
// went on to write.
func TestBacklogKeepsPace(t *testing.T) {
	for _, test := range []struct{ writes, least, most int }{
		{writes: 1500, least: 2700, most: 3300},
		{writes: 100, least: 900, most: 1100}, // the floor
	} {
		t.Run(fmt.Sprintf("%d writes a second", test.writes), func(t *testing.T) {
			shipping(t, nil, func(f *fixture) {
				f.comeBack(test.writes)
				// The first second begins with what was read before its age was known.
				for i, n := range f.drains(3, test.writes)[1:] {
					if n < test.least || n > test.most {
						t.Errorf("%d states in second %d", n, i+1)
					}
				}
			})
		})
	}
	t.Run("no writes", func(t *testing.T) {
		shipping(t, nil, func(f *fixture) {
			f.comeBack(0)
			if n := len(f.link.acknowledge()); n < backlogStates {
				t.Errorf("only %d states at once", n)
			}
		})
	})
}

const backlogStates = 20_000

// comeBack gives the sender a backlog and a link, while clients write.
func (f *fixture) comeBack(writes int) {
	f.link.acknowledge()
	f.link.setDown(true)
	for i := range backlogStates {
		f.put(fmt.Sprint(i), "v")
	}
	time.Sleep(backlogAge)
	f.partition.writes.Add(uint64(writes))
	time.Sleep(paceEvery)
	f.put("one more", "v") // wakes the sender
	f.link.acknowledge()
	f.link.setDown(false)
}

// TestBurstIsNoBacklog writes much more than before at once: that is to be
// shipped as soon as it can be.
func TestBurstIsNoBacklog(t *testing.T) {
	shipping(t, nil, func(f *fixture) {
		f.link.acknowledge()
		f.drains(3, 100)
		for i := range 5000 {
			f.put(fmt.Sprint(i), "v")
		}
		if n := len(f.link.acknowledge()); n != 5000 {
			t.Errorf("%d states were shipped at once", n)
		}
	})
}

// TestScanKeepsPace lets a region join while clients write.
func TestScanKeepsPace(t *testing.T) {
	shipping(t, func(f *fixture) {
		for i := range backlogStates {
			f.put(fmt.Sprint(i), "v")
		}
		f.link.setDown(true)
	}, func(f *fixture) {
		f.drains(2, 1000)
		f.put("one more", "v") // wakes the sender
		f.link.acknowledge()
		f.link.setDown(false)
		for i, n := range f.drains(3, 1000)[1:] {
			if n < 1800 || n > 2200 {
				t.Errorf("%d states in second %d", n, i+1)
			}
		}
	})
}
