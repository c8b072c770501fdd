//go:build !linux

package bench

import "time"

// alarm returns a way to sleep.
func alarm() func(time.Duration) { return time.Sleep }
