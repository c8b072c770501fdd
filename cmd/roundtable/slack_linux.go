package main

import (
	"os"
	"slices"
	"strconv"
)

// The kernel may wake a thread late, by its timer slack (PR_SET_TIMERSLACK, here
// through /proc), with something else that is due then.
const (
	// exact is the kernel's own slack, in nanoseconds.
	exact = "50000"
	// calm is that of Go's monitor thread, loose that of all others at rest.
	calm, loose = "5000000", "10000000"
)

// monitor is Go's monitor thread. The runtime starts it first, so it has the
// lowest id after the main thread's. Should that change, some other thread's
// timers become less exact.
var monitor = firstThread()

func firstThread() int {
	ids := threads()
	ids = slices.DeleteFunc(ids, func(id int) bool { return id == os.Getpid() })
	if len(ids) == 0 {
		return 0
	}
	return slices.Min(ids)
}

// threads returns those of this process. What cannot be known or set here costs
// nothing but time.
func threads() []int {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	var ids []int
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// setSlack lets the threads that there are sleep longer: Go's monitor always, the
// others if the node rests.
//
// The monitor sleeps 20 µs at a time for a millisecond after the process was idle,
// to take processors away from threads that the kernel keeps. A node under load is
// idle for a moment between any two batches, so the thread wakes up more than four
// thousand times a second, and on a machine with few cores each time is a switch
// away from somebody's work: with three nodes and 64 clients on two cores, a fifth
// of the processor time of a put. What it is late for then is a goroutine behind
// another's long system call; nodes wait for sockets and for the log's disk without
// such calls.
//
// The others sleep until the next of Raft's timers is due, of which a node with many
// groups has hundreds a second. At rest several fire together.
//
// A new thread gets the slack of the one that starts it, which may be the monitor:
// so this has to be done again from time to time.
func setSlack(resting bool) {
	for _, id := range threads() {
		slack := exact
		switch {
		case id == monitor:
			slack = calm
		case resting:
			slack = loose
		}
		_ = os.WriteFile("/proc/"+strconv.Itoa(id)+"/timerslack_ns", []byte(slack), 0)
	}
}
