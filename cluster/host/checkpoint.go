package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster/group"
)

// checkpointer makes the state of all groups durable, every so often and on
// demand, and tells each group how far its state is.
type checkpointer struct {
	every      time.Duration
	checkpoint func() error
	groups     func() []*group.Group
	fatal      func(error)
	demand     chan struct{}
	stop, done chan struct{}

	mu struct {
		sync.Mutex
		begun, finished uint64 // checkpoints, counted
		err             error  // why there will be none any more
		progress        chan struct{}
	}
}

var errCheckpointerClosed = errors.New("host: closed before the checkpoint")

func newCheckpointer(every time.Duration, checkpoint func() error, groups func() []*group.Group, fatal func(error)) *checkpointer {
	c := &checkpointer{
		every: every, checkpoint: checkpoint, groups: groups, fatal: fatal,
		demand: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	c.mu.progress = make(chan struct{})
	go func() {
		defer close(c.done)
		c.run()
	}()
	return c
}

func (c *checkpointer) close() {
	close(c.stop)
	<-c.done
}

func (c *checkpointer) run() {
	timer := time.NewTimer(c.every)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.demand:
		case <-c.stop:
			c.report(0, errCheckpointerClosed)
			return
		}
		if err := c.once(); err != nil {
			c.fatal(err)
			<-c.stop
			return
		}
		timer.Reset(c.every)
	}
}

// once makes one checkpoint. What a group had applied when it began is durable
// when it has ended.
func (c *checkpointer) once() error {
	c.mu.Lock()
	c.mu.begun++
	number := c.mu.begun
	c.mu.Unlock()

	groups := c.groups()
	applied := make([]uint64, len(groups))
	for i, g := range groups {
		applied[i] = g.Machine().Meta().AppliedIndex
	}
	if err := c.checkpoint(); err != nil {
		err = fmt.Errorf("host: checkpoint: %w", err)
		c.report(0, err)
		return err
	}
	for i, g := range groups {
		g.SetDurable(applied[i])
	}
	c.report(number, nil)
	return nil
}

func (c *checkpointer) report(finished uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.finished = max(c.mu.finished, finished)
	if c.mu.err == nil {
		c.mu.err = err
	}
	close(c.mu.progress)
	c.mu.progress = make(chan struct{})
}

// next waits for the next checkpoint that begins after the call. It asks for
// none, so that many groups that cut their logs cost no more than one.
func (c *checkpointer) next(ctx context.Context) error { return c.wait(ctx, false) }

// now makes a checkpoint at once and waits for it.
func (c *checkpointer) now(ctx context.Context) error { return c.wait(ctx, true) }

func (c *checkpointer) wait(ctx context.Context, demand bool) error {
	c.mu.Lock()
	number := c.mu.begun + 1
	c.mu.Unlock()
	if demand {
		select {
		case c.demand <- struct{}{}:
		default:
		}
	}
	for {
		c.mu.Lock()
		finished, err, progress := c.mu.finished, c.mu.err, c.mu.progress
		c.mu.Unlock()
		switch {
		case finished >= number:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sweeper deletes the data of destroyed and replaced peers in small portions.
type sweeper struct {
	sweep      func(max int) (more bool, err error)
	fatal      func(error)
	woken      chan struct{}
	stop, done chan struct{}
}

const (
	sweepPortion = 1000
	sweepPause   = 20 * time.Millisecond
)

func newSweeper(sweep func(int) (bool, error), fatal func(error)) *sweeper {
	s := &sweeper{
		sweep: sweep, fatal: fatal,
		woken: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	s.wake() // there may be a rest from before a restart
	go func() {
		defer close(s.done)
		s.run()
	}()
	return s
}

func (s *sweeper) close() {
	close(s.stop)
	<-s.done
}

func (s *sweeper) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *sweeper) run() {
	timer := time.NewTimer(sweepPause)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case <-s.woken:
		case <-timer.C:
		case <-s.stop:
			return
		}
		more, err := s.sweep(sweepPortion)
		if err != nil {
			s.fatal(fmt.Errorf("host: delete what is no longer used: %w", err))
			<-s.stop
			return
		}
		if more {
			timer.Reset(sweepPause)
		}
	}
}
