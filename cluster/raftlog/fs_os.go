//go:build unix

package raftlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// OS returns the file system of the operating system.
func OS() FS { return osFS{} }

type osFS struct{}

func isOS(fs FS) bool {
	_, ok := fs.(osFS)
	return ok
}

func (osFS) MkdirAll(dir string) error    { return os.MkdirAll(dir, 0o755) }
func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }

func (osFS) Create(name string) (File, error) {
	return osOpen(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

func (osFS) Open(name string) (File, error) { return osOpen(name, os.O_RDWR) }

func osOpen(name string, flags int) (File, error) {
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another process has it open")
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// osFile is a file of the operating system.
type osFile struct {
	*os.File
	// aio is made for the first Sync. Most files are only read.
	aio   *aio
	noAIO bool
	// unsynced is how many bytes were written since the last Sync.
	unsynced int
}

// smallSync is how much must have been written for Sync to use aio. That takes
// about 30 µs longer, which a client that is alone with its one small write would
// notice, and its wait disturbs nobody where there is another processor. What comes from many clients at once is
// larger, and the processor time matters more.
const smallSync = 2 << 10

// WriteAt writes to the file.
func (f *osFile) WriteAt(b []byte, offset int64) (int, error) {
	f.unsynced += len(b)
	return f.File.WriteAt(b, offset)
}

func (f *osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// zeroBytes is how much Allocate writes and syncs at a time: little, because
// commits wait for the same disk.
const zeroBytes = 1 << 20

// Allocate fills the file with zeros. Space that was only reserved would cost
// each sync a change of metadata.
func (f *osFile) Allocate(size int64, pause func()) error {
	if err := reserve(f.File, size); err != nil {
		return err
	}
	zeros := make([]byte, min(size, zeroBytes))
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(size-at, int64(len(zeros)))], at); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		pause()
	}
	return f.File.Sync()
}

// Sync makes what was written durable, with no more metadata than is needed to
// read it back.
func (f *osFile) Sync() error {
	return f.dataSync()
}

// errNoAIO says that a sync has to be done in the ordinary way.
var errNoAIO = errors.New("no asynchronous fdatasync")

// Close closes the file. It waits for a disk that hangs.
func (f *osFile) Close() error {
	if f.aio != nil {
		f.aio.close()
	}
	return f.File.Close()
}
