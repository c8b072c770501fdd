package main

import (
	"os"
	"slices"
	"strconv"
)

// monitorSlack is by how many nanoseconds the kernel may let Go's monitor thread
// oversleep.
const monitorSlack = "5000000"

// calmMonitor lets Go's monitor thread sleep longer.
//
// The runtime has a thread that sleeps 20 µs at a time for a millisecond after
// the process was idle, to take processors away from threads that the kernel
// keeps. A node under load is idle for a moment between any two batches, so the
// thread wakes up more than four thousand times a second, and on a machine with few
// cores each time is a switch away from somebody's work: with three nodes and 64
// clients on two cores, a fifth of the processor time of a put. The sleep is extended
// by the thread's timer slack (PR_SET_TIMERSLACK, here through /proc), so the slack
// lets the kernel wake it with something else. What it is late for then is a
// goroutine behind another's long system call, by the slack at most; nodes wait
// for sockets and for the log's disk without such calls.
//
// The runtime starts the thread first, so it has the lowest id after the main
// thread's. Should that change, some other thread's timers become less exact.
func calmMonitor() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return // nothing is lost but time
	}
	var ids []int
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil && id != os.Getpid() {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		_ = os.WriteFile("/proc/"+strconv.Itoa(slices.Min(ids))+"/timerslack_ns", []byte(monitorSlack), 0)
	}
}
