//go:build !linux

package bench

import "time"

// CPU is not known: only Linux says what other processes have used.
func CPU(...int) time.Duration { return 0 }

// OwnCPU is not known.
func OwnCPU() time.Duration { return 0 }
