package harness

import "syscall"

// dieWithParent makes a process die when the tests do, even if they are killed.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
