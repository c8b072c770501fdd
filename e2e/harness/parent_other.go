//go:build !linux

package harness

import "syscall"

// dieWithParent can do nothing here: a process that outlives killed tests has
// to be stopped by hand.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
