package raftlog

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// dataSync is fdatasync.
func (f *osFile) dataSync() error {
	// With one processor a thread that waits for the disk keeps everybody waiting
	// until Go's monitor has noticed.
	busy := f.unsynced >= smallSync || runtime.GOMAXPROCS(0) == 1
	f.unsynced = 0
	if f.aio == nil && busy && !f.noAIO {
		f.aio = newAIO()
		f.noAIO = f.aio == nil
	}
	if f.aio != nil && busy {
		err := control(f.File, "fdatasync", f.aio.fdatasync)
		if !errors.Is(err, errNoAIO) {
			return err
		}
		f.aio.close()
		f.aio, f.noAIO = nil, true
	}
	return control(f.File, "fdatasync", syscall.Fdatasync)
}

// reserve reserves space for a file in one stretch, where the file system can.
func reserve(f *os.File, size int64) error {
	err := control(f, "fallocate", func(fd int) error { return syscall.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return nil
	}
	return err
}

// control calls the system with the file's descriptor, again if a signal
// interrupts it.
func control(f *os.File, what string, call func(fd int) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = c.Control(func(fd uintptr) {
		for {
			if failed = call(int(fd)); failed != syscall.EINTR {
				return
			}
		}
	})
	if err == nil && failed != nil {
		err = &os.PathError{Op: what, Path: f.Name(), Err: failed}
	}
	return err
}
