package raftlog

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/roundtabledb/roundtable/cluster/duty"
	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
)

const (
	segmentSuffix = ".log"
	sparePrefix   = "spare-"
	// maxSpares is how many old segments are kept to be written over: about as many
	// as are freed at a time where much is written. Zeros for a new one take as long
	// as what is then written to it several times over, as its memory is new, too.
	maxSpares = 8
)

func segmentName(number uint32) string { return fmt.Sprintf("%010d%s", number, segmentSuffix) }

// allocator keeps the next segment ready, so that the committer need not wait
// while it is allocated.
type allocator struct {
	log   *Log
	ready chan prepared
	// wanted holds a token while somebody waits for a segment.
	wanted chan struct{}
	quit   chan struct{}
	done   sync.WaitGroup

	mu struct {
		sync.Mutex
		spares []string
	}
}

// prepared is a segment ready for use, or why there is none.
type prepared struct {
	segment *segment
	err     error
}

func (a *allocator) init(l *Log) {
	a.log = l
	a.ready = make(chan prepared)
	a.wanted = make(chan struct{}, 1)
	a.quit = make(chan struct{})
}

// start prepares segments from the given number on, one ahead of its use.
func (a *allocator) start(number uint32) {
	a.done.Go(func() {
		for {
			seg, err := a.prepare(number, duty.New(a.wanted).Pause)
			if err != nil && !errors.Is(err, syscall.ENOSPC) {
				a.log.fail(err)
			}
			select {
			case a.ready <- prepared{seg, err}:
			case <-a.quit:
				if err == nil {
					seg.file.Close() // nothing was written to it
				}
				return
			}
			if err == nil {
				number++
			}
		}
	})
}

// stop ends the goroutine and waits for it.
func (a *allocator) stop() {
	a.wanted <- struct{}{} // nobody else waits any more
	close(a.quit)
	a.done.Wait()
}

// take returns the next segment. The disk may have been full for a while, so
// it asks twice: space may have been freed since.
func (a *allocator) take() (*segment, error) {
	p := a.await()
	if p.err != nil {
		p = a.await()
	}
	return p.segment, p.err
}

// await waits for what is prepared, and has it hurried up.
func (a *allocator) await() prepared {
	select {
	case p := <-a.ready:
		return p
	default:
	}
	a.wanted <- struct{}{}
	p := <-a.ready
	select {
	case <-a.wanted:
	default:
	}
	return p
}

// prepare makes a segment's file, from an old one if there is one. Else it calls
// pause now and then.
func (a *allocator) prepare(number uint32, pause func()) (*segment, error) {
	l := a.log
	seg := &segment{number: number, name: l.path(segmentName(number)), seed: record.NewSeed(l.salt, number)}
	var err error
	if spare := a.takeSpare(); spare != "" {
		if err = l.fs.Rename(spare, seg.name); err == nil {
			seg.file, err = l.fs.Open(seg.name)
		}
	} else if seg.file, err = l.fs.Create(seg.name); err == nil {
		if err = seg.file.Allocate(l.options.SegmentBytes, pause); err != nil {
			seg.file.Close()
			l.fs.Remove(seg.name) // its space is needed; if it stays, Open removes it
		}
	}
	if err == nil {
		err = l.fs.SyncDir(l.options.Dir)
	}
	if err != nil {
		return nil, diskFailed(err)
	}
	return seg, nil
}

func (a *allocator) takeSpare() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.mu.spares)
	if n == 0 {
		return ""
	}
	spare := a.mu.spares[n-1]
	a.mu.spares = a.mu.spares[:n-1]
	return spare
}

// recycle takes a file that is of no more use, and is closed, as a spare, or
// removes it if it is not of the right size or there are enough.
func (a *allocator) recycle(name string, size int64) error {
	l := a.log
	a.mu.Lock()
	defer a.mu.Unlock()
	if size != l.options.SegmentBytes || len(a.mu.spares) >= maxSpares {
		if err := l.fs.Remove(name); err != nil {
			return diskFailed(err)
		}
	} else {
		spare := name
		if base := filepath.Base(name); !strings.HasPrefix(base, sparePrefix) {
			spare = l.path(sparePrefix + base)
			if err := l.fs.Rename(name, spare); err != nil {
				return diskFailed(err)
			}
		}
		// A spare of the same name, left by an unused segment of the same number,
		// is replaced.
		if !slices.Contains(a.mu.spares, spare) {
			a.mu.spares = append(a.mu.spares, spare)
		}
	}
	if err := l.fs.SyncDir(l.options.Dir); err != nil {
		return diskFailed(err)
	}
	return nil
}
