//go:build !linux

package bench

import "time"

// alarm returns a way to sleep.
func alarm() (sleep func(time.Duration), free func()) { return time.Sleep, func() {} }
