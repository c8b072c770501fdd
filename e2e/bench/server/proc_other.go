//go:build !linux

package server

import (
	"errors"
	"os/exec"
	"time"
)

func startWithParent(cmd *exec.Cmd) error { return cmd.Start() }

// Pause needs Linux, like all that looks into processes.
func (p *Process) Pause() error { return errors.ErrUnsupported }

// Resume needs Linux.
func (p *Process) Resume() error { return errors.ErrUnsupported }

// CPU is not known.
func CPU(...int) time.Duration { return 0 }

// OwnCPU is not known.
func OwnCPU() time.Duration { return 0 }

// Memory is what a process holds, in bytes.
type Memory struct{ Resident, Anonymous int64 }

// MemoryOf is not known.
func MemoryOf(int) (Memory, error) { return Memory{}, errors.ErrUnsupported }
