package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// clockTick is what /proc counts in. Linux shows every architecture that Go
// supports a hundredth of a second.
const clockTick = 10 * time.Millisecond

// CPU is the processor time that processes have used so far, all together.
func CPU(processes ...int) time.Duration {
	var total time.Duration
	for _, pid := range processes {
		total += cpuOfOne(pid)
	}
	return total
}

func cpuOfOne(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is a name in parentheses, which may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system = 14 - 3, 15 - 3
	if len(fields) <= system {
		return 0
	}
	var ticks int
	for _, f := range fields[user : system+1] {
		n, err := strconv.Atoi(string(f))
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

// OwnCPU is the processor time that this process has used so far.
func OwnCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
