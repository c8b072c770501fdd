//go:build !linux

package peer

import "os"

func syncData(f *os.File) error { return f.Sync() }
