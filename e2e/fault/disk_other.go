//go:build !linux

package fault

import (
	"errors"
	"testing"
)

// Disk is a small file system of its own. There is none on this system.
type Disk struct{ Dir string }

var errNoDisk = errors.New("fault: disks of their own are for Linux")

// NewDisk skips the test.
func NewDisk(t testing.TB, _ int) *Disk {
	t.Helper()
	t.Skip("this test needs a disk of its own, which it knows to make on Linux only")
	return nil
}

// Resize fails.
func (d *Disk) Resize(int) error { return errNoDisk }

// Fill fails.
func (d *Disk) Fill(int64) error { return errNoDisk }

// Free fails.
func (d *Disk) Free() error { return errNoDisk }
