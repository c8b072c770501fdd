package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// startWithParent starts a process that ends when this one does, however it ends,
// and that the terminal's interrupt does not reach: this one ends it in order.
//
// The system ends it with the thread that started it, to be exact. Threads of Go
// come and go (one that a goroutine locked and left goes), so one thread that
// stays starts all.
func startWithParent(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	starter() <- func() { started <- cmd.Start() }
	return <-started
}

// starter is the thread that starts processes.
var starter = sync.OnceValue(func() chan<- func() {
	starts := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
	return starts
})

// Pause stops a process where it stands, Resume lets it go on.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Memory is what a process holds, in bytes. Resident counts pages of mapped
// files, too, which the system takes back when it needs them; Anonymous does
// not.
type Memory struct{ Resident, Anonymous int64 }

// MemoryOf is what a process holds now.
func MemoryOf(pid int) (Memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, err
	}
	resident, err := kilobytes(status, "VmRSS:")
	anonymous, err2 := kilobytes(status, "RssAnon:")
	return Memory{resident << 10, anonymous << 10}, errors.Join(err, err2)
}

// kilobytes finds a line such as "VmRSS:     1234 kB".
func kilobytes(status []byte, name string) (int64, error) {
	for line := range bytes.Lines(status) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == name {
			return strconv.ParseInt(string(fields[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("no %s in the status of a process", name)
}
