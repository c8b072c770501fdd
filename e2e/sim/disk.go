package sim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

// disk is what a machine keeps when its process ends: the log in a simulated
// file system, all else in a directory. Each process has a directory of its
// own, so that what is left of a killed one cannot write to its successor's.
type disk struct {
	log *memfs.FS
	// dir is what the next process starts from, "" for nothing.
	dir string

	slow *slowness
}

// slowness is what a disk takes to make something durable.
type slowness struct {
	seed   uint64
	most   atomic.Int64 // nanoseconds
	syncs  atomic.Uint64
	salted string
}

func newDisk(most time.Duration, seed uint64, host string) disk {
	d := disk{log: memfs.NewDisk(), slow: &slowness{seed: seed, salted: host}}
	d.slow.most.Store(int64(most))
	d.log.Intercept(d.slow.delay)
	return d
}

// delay makes a sync take its time, which comes from the seed, sync by sync.
func (s *slowness) delay(op memfs.Op) error {
	most := s.most.Load()
	if op.Kind != memfs.Sync || most <= 0 {
		return nil
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", s.salted, s.syncs.Add(1))
	time.Sleep(time.Duration(rand.New(rand.NewPCG(s.seed, h.Sum64())).Int64N(most)))
	return nil
}

// mount gives a process the directory that the last one left.
func (d *disk) mount(dir string) error {
	if d.dir == "" {
		return os.MkdirAll(dir, 0o755)
	}
	defer func() { d.dir = "" }()
	return os.Rename(d.dir, dir)
}

// unmount keeps the directory of a process that has ended in order.
func (d *disk) unmount(dir string) { d.dir = dir }

// cut takes the disk away from a process that goes on writing: what it has
// written by now is kept, and with random only what would survive a power cut.
//
// Only the log is subject to the latter. The state is kept as it is: package
// engine takes it back to the last checkpoint in any case, and its own tests
// cut the power under it.
func (d *disk) cut(dir string, random *rand.Rand) error {
	if random != nil {
		d.log = d.log.Lose(random)
	} else {
		d.log = d.log.Clone()
	}
	d.log.Intercept(d.slow.delay)
	d.dir = dir + ".cut"
	return copyTree(dir, d.dir)
}

// copyTree copies a directory. Holes in files stay holes: most of Badger's
// files are mapped and sparse.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return copyFile(path, filepath.Join(to, rel))
	})
}

const (
	seekData = 3
	seekHole = 4
)

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	for at := int64(0); ; {
		begin, err := in.Seek(at, seekData)
		if errors.Is(err, syscall.ENXIO) {
			return out.Truncate(info.Size())
		}
		if err != nil {
			return err
		}
		if at, err = in.Seek(begin, seekHole); err != nil {
			return err
		}
		piece := io.NewSectionReader(in, begin, at-begin)
		if _, err := io.Copy(io.NewOffsetWriter(out, begin), piece); err != nil {
			return err
		}
	}
}
