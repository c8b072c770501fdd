package bench

import (
	"os"
	"os/exec"
	"syscall"
)

// dieWithParent ends a process when this one ends, however it ends, and keeps
// the terminal's interrupt from it: this one ends it in order.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
