//go:build !linux || (!amd64 && !arm64)

package raftlog

// aio is not there on this system.
type aio struct{}

func newAIO() *aio { return nil }

func (*aio) fdatasync(int) error { return errNoAIO }
func (*aio) close()              {}
