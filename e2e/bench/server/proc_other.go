//go:build !linux

package server

import (
	"errors"
	"os/exec"
)

func startWithParent(cmd *exec.Cmd) error { return cmd.Start() }

// Pause needs Linux, like all that looks into processes.
func (p *Process) Pause() error { return errors.ErrUnsupported }

// Resume needs Linux.
func (p *Process) Resume() error { return errors.ErrUnsupported }

// Memory is what a process holds, in bytes.
type Memory struct{ Resident, Anonymous int64 }

// MemoryOf is not known.
func MemoryOf(int) (Memory, error) { return Memory{}, errors.ErrUnsupported }
