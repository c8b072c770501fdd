//go:build linux || darwin

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// freeSpace asks the file system of dir, or of the nearest parent that exists,
// how many bytes an ordinary user may still write.
func freeSpace(dir string) (uint64, error) {
	var s syscall.Statfs_t
	for {
		err := syscall.Statfs(dir, &s)
		if err == nil {
			return uint64(s.Bavail) * uint64(s.Bsize), nil
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, os.ErrNotExist) || parent == dir {
			return 0, err
		}
		dir = parent
	}
}
