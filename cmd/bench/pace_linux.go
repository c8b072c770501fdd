package bench

import (
	"runtime"
	"syscall"
	"time"
)

// alarm returns a sleep that wakes within tens of microseconds. Go's timers are
// up to a millisecond late in a process that has nothing else to do, as long as
// a request takes. The goroutine keeps its thread until it is over.
func alarm() func(time.Duration) {
	runtime.LockOSThread()
	// The thread is not unlocked, so it ends with its goroutine, and takes its
	// timer slack of a nanosecond along.
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_TIMERSLACK, 1, 0)
	return func(d time.Duration) {
		t := syscall.NsecToTimespec(int64(d))
		_ = syscall.Nanosleep(&t, nil) // a signal may wake it early, and the caller looks
	}
}
