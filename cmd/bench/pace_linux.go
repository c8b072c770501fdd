package bench

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm returns a sleep that wakes within about 100 µs. Go's own timers are up to
// a millisecond late in a process that has nothing else to do, as long as a
// request takes. This one's end is an event like a message from the network, for
// which the runtime waits as exactly as the kernel can.
func alarm() (sleep func(time.Duration), free func()) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return time.Sleep, func() {}
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	var expirations [8]byte
	return func(d time.Duration) {
		at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(1, d)))}
		if unix.TimerfdSettime(fd, 0, &at, nil) != nil {
			time.Sleep(d)
			return
		}
		_, _ = f.Read(expirations[:]) // the caller looks at the clock
	}, func() { _ = f.Close() }
}
