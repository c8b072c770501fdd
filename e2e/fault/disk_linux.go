package fault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a small file system of its own, in memory, that can be filled and
// can grow.
type Disk struct{ Dir string }

// NewDisk mounts a disk of so many MiB until the test ends. Where mounting is
// not permitted the test is skipped.
func NewDisk(t testing.TB, size int) *Disk {
	t.Helper()
	d := &Disk{Dir: t.TempDir()}
	err := syscall.Mount("roundtable-e2e", d.Dir, "tmpfs", 0, sizeOption(size))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("this test needs a disk of its own, and may not mount one: %v", err)
	}
	if err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.Dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount a small disk: %v", err)
		}
	})
	return d
}

func sizeOption(size int) string { return fmt.Sprintf("size=%dm", size) }

// Resize makes the disk so many MiB large.
func (d *Disk) Resize(size int) error {
	return syscall.Mount("roundtable-e2e", d.Dir, "tmpfs", syscall.MS_REMOUNT, sizeOption(size))
}

func (d *Disk) ballast() string { return filepath.Join(d.Dir, "ballast") }

// Fill takes space until so many bytes are left.
func (d *Disk) Fill(left int64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.Dir, &s); err != nil {
		return err
	}
	f, err := os.Create(d.ballast())
	if err != nil {
		return err
	}
	size := int64(s.Bavail)*s.Bsize - left
	return errors.Join(syscall.Fallocate(int(f.Fd()), 0, 0, size), f.Close())
}

// Free gives the space back that Fill took.
func (d *Disk) Free() error { return os.Remove(d.ballast()) }
