// Package sender ships one partition's states to one other region.
//
// A Sender runs beside the leader of a partition. It is a consumer of the
// partition's change log, named "region:" and the region's name, whose state
// says how far the region has everything. So a sender can stop anywhere and go
// on anywhere: at another leader, after a restart, after weeks.
//
// It begins with a scan of all keys, tombstones included, and then follows the
// change log. It ships the newest state of an item, not each of its changes,
// and only states made in this region; what other regions made they ship
// themselves, to everybody. The cursor moves only past what the other region
// has acknowledged as durable.
//
// The package does not know how states travel, or what the other region does
// with them.
package sender

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Partition is what a sender needs of the partition that this node leads. What
// is read is committed.
type Partition interface {
	// ID is the partition's group.
	ID() uint64
	// Head is the number of the newest change.
	Head() uint64
	// Writes is how many items clients write with the commands that this node has
	// taken for the partition.
	Writes() uint64
	// Changed returns a channel that is closed after the next change.
	Changed() <-chan struct{}
	// Changes returns at most max changes after one, in order; none when there
	// are none. machine.ErrTrimmed says that they are kept no more.
	Changes(after uint64, max int) ([]change.Change, error)
	Get(key []byte) (machine.Stored, error)
	Page(machine.PageRequest) (machine.Page, error)
	Consumers() (map[string]machine.ConsumerState, error)
	// Propose has a command committed and applied. storage.NotLeader says that
	// this node leads no more.
	Propose(ctx context.Context, cmd *command.Command) (command.Result, error)
}

// Link carries shipments to the other region.
type Link interface {
	Room(source uint64) (bool, <-chan struct{})
	Ship(s *link.Shipment, done func(link.Verdict, error))
}

var _ Link = (*link.Link)(nil)

// Options says what a Sender ships and where.
type Options struct {
	Partition Partition
	// Table is the table that the partition belongs to.
	Table *schema.Table
	// Global is its replica set. Both regions are present members. When the
	// members change, the sender is replaced by another.
	Global *catalog.Global
	// Self is this region, Remote the one that the link leads to.
	Self, Remote string
	Link         Link
	// Meter measures. Default: one of its own.
	Meter *Meter
	// MaxBacklog is how many changes may wait before they are given up in
	// favour of a scan, so that a region that is away for long does not fill
	// the disks of the others. Default 5 million.
	MaxBacklog uint64
	// Now is this node's clock, by which lags are measured. Default time.Now.
	Now func() time.Time
	// Logger hears of trouble. Default: none.
	Logger *slog.Logger
}

const (
	// The cursor is stored at the latest so long after it moved, or after so
	// many changes.
	flushEvery   = time.Second
	flushChanges = 10_000
	// flushTimeout bounds storing it at the end.
	flushTimeout = 2 * time.Second
	// retryEvery is the wait after a failure.
	retryEvery = 500 * time.Millisecond
	// fewChanges is what a sender that is caught up may be behind.
	fewChanges = 1000
)

// Sender ships one partition's states to one region. Its methods are safe for
// concurrent use.
type Sender struct {
	options    Options
	name       string // of the consumer
	membership membership

	cancel context.CancelCauseFunc
	done   chan struct{}
	wake   chan struct{} // verdicts have come

	// What follows up to mu belongs to the goroutine of run.

	// durable is what the consumer holds, acked what the other region has, and
	// read what has been shipped: durable ≤ acked ≤ read.
	durable, acked, read position
	// flushAt is when acked must be stored; zero while it is.
	flushAt time.Time
	window  window
	pace    pace
	// newer is the keys of which a newer state was shipped than the change log
	// said by then, with its version: changes up to it need not be shipped.
	newer map[string]version.Version
	// goal is the change that must be acknowledged for the sender to be caught
	// up: the newest when it began to follow changes.
	goal     uint64
	caughtUp bool

	mu struct {
		sync.Mutex
		verdicts []verdict
		status   status
	}
}

// Start begins to ship. The caller must Stop and Wait.
func Start(o Options) *Sender {
	if o.Meter == nil {
		o.Meter = &Meter{}
	}
	if o.MaxBacklog == 0 {
		o.MaxBacklog = 5_000_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("table", o.Table.Name, "group", o.Partition.ID(), "to", o.Remote)
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &Sender{
		options:    o,
		name:       machine.RegionPrefix + o.Remote,
		membership: membership{self: o.Self, remote: o.Remote, members: o.Global.Members},
		cancel:     cancel,
		done:       make(chan struct{}),
		wake:       make(chan struct{}, 1),
	}
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
	return s
}

// errAbandoned is the cause of a stop at which there is nothing to store.
var errAbandoned = errors.New("sender: leads no more")

// Stop asks the sender to end. With flush it stores its cursor first, which
// needs the partition's leader. Wait says when it has ended.
func (s *Sender) Stop(flush bool) {
	if flush {
		s.cancel(context.Canceled)
	} else {
		s.cancel(errAbandoned)
	}
}

// Ended reports whether the sender has ended, by itself if it was not asked to:
// then this node leads the partition no more.
func (s *Sender) Ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Wait returns when the sender has ended.
func (s *Sender) Wait() { <-s.done }

// run ships until ctx ends or this node leads no more.
func (s *Sender) run(ctx context.Context) {
	for {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		s.fail(err)
		if storage.KindOf(err) == storage.NotLeader {
			return
		}
		s.options.Logger.Warn("sender: stopped for a moment", "error", err)
		if !sleep(ctx, retryEvery) {
			break
		}
	}
	if errors.Is(context.Cause(ctx), errAbandoned) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	s.takeVerdicts()
	if err := s.flush(ctx); err != nil {
		s.options.Logger.Debug("sender: cursor not stored at the end", "error", err)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// follow ships from where the consumer stands, until an error or ctx ends it.
func (s *Sender) follow(ctx context.Context) error {
	if err := s.load(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		// Taken before anything is read, so that no change is slept through.
		changed := s.options.Partition.Changed()
		s.takeVerdicts()
		room, again, err := s.fill()
		if err != nil {
			return err
		}
		if s.hopeless(room != nil) {
			s.options.Logger.Warn("sender: too many changes wait, will scan instead", "after", s.acked.seq)
			if err := s.restart(ctx); err != nil {
				return err
			}
			continue
		}
		if s.flushDue(time.Now()) {
			if err := s.flush(ctx); err != nil {
				return err
			}
		}
		s.publish()
		if !again {
			s.await(ctx, changed, room)
		}
	}
	return nil
}

// hopeless reports whether so many changes wait that a scan will be cheaper,
// for this region's disks at least. A scan under way is left alone while it
// gets anywhere.
func (s *Sender) hopeless(stuck bool) bool {
	if s.options.Partition.Head() <= s.acked.seq+s.options.MaxBacklog {
		return false
	}
	return s.acked.phase == Feed || stuck && s.window.empty()
}

// await waits for anything that gives the sender work.
func (s *Sender) await(ctx context.Context, changed, room <-chan struct{}) {
	var due <-chan time.Time
	if at, ok := s.nextTime(room != nil); ok {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-changed:
	case <-room:
	case <-due:
	}
}

// nextTime is when there is something to do if nothing happens before. While
// the link is full, flights whose time has come wait for it.
func (s *Sender) nextTime(full bool) (at time.Time, ok bool) {
	if !full {
		at, ok = s.window.nextRetry()
	}
	if s.pace.waits && (!ok || s.pace.next.Before(at)) {
		at, ok = s.pace.next, true
	}
	if !s.flushAt.IsZero() && (!ok || s.flushAt.Before(at)) {
		return s.flushAt, true
	}
	return at, ok
}

// load finds out where to go on, and registers the consumer if there is none.
func (s *Sender) load(ctx context.Context) error {
	consumer, ok, err := s.consumer()
	if err != nil {
		return err
	}
	if !ok {
		register := command.ConsumerChange{Name: s.name, Op: command.Register, State: s.membership.begin(0).encode()}
		if err := s.propose(ctx, register); err != nil {
			return fmt.Errorf("sender: register: %w", err)
		}
		if consumer, ok, err = s.consumer(); err != nil || !ok {
			return fmt.Errorf("sender: consumer %q is not there after it was registered: %w", s.name, err)
		}
	}
	p, err := decodePosition(consumer.Seq, consumer.State)
	if err != nil {
		s.options.Logger.Warn("sender: position cannot be read, will begin again", "error", err)
	}
	if p.joined.Newer(s.membership.joined(s.options.Remote)) {
		return storage.Errorf(storage.Unavailable, "sender: region %s joined again, at %v, of which this node has not heard yet", s.options.Remote, p.joined)
	}
	s.durable = p
	p, known := s.membership.resume(p)
	if err != nil || !known {
		return s.restart(ctx)
	}
	s.moveTo(p)
	return nil
}

func (s *Sender) consumer() (machine.ConsumerState, bool, error) {
	consumers, err := s.options.Partition.Consumers()
	if err != nil {
		return machine.ConsumerState{}, false, fmt.Errorf("sender: consumers: %w", err)
	}
	c, ok := consumers[s.name]
	return c, ok, nil
}

// restart begins again with a scan. The consumer stays registered all the
// while: without one, deletes would leave no tombstones.
func (s *Sender) restart(ctx context.Context) error {
	s.moveTo(s.membership.begin(s.options.Partition.Head()))
	if err := s.flush(ctx); err != nil {
		return fmt.Errorf("sender: begin again: %w", err)
	}
	return nil
}

// moveTo forgets everything under way and goes on from p.
func (s *Sender) moveTo(p position) {
	s.window.clear()
	s.newer = map[string]version.Version{}
	s.read = p
	s.setAcked(p)
}

func (s *Sender) setAcked(p position) {
	if p.phase != Feed || s.acked.phase != Feed {
		s.goal, s.caughtUp = s.options.Partition.Head(), false
	}
	s.acked = p
	switch {
	case s.acked == s.durable:
		s.flushAt = time.Time{}
	case s.flushAt.IsZero():
		s.flushAt = time.Now().Add(flushEvery)
	}
}

func (s *Sender) flushDue(now time.Time) bool {
	return !s.flushAt.IsZero() && !now.Before(s.flushAt) || s.acked.seq-s.durable.seq >= flushChanges
}

// flush stores how far the other region has everything.
func (s *Sender) flush(ctx context.Context) error {
	if s.acked == s.durable {
		return nil
	}
	p := s.acked
	advance := command.ConsumerChange{Name: s.name, Op: command.Advance, Seq: p.seq, State: p.encode()}
	if err := s.propose(ctx, advance); err != nil {
		return fmt.Errorf("sender: store cursor: %w", err)
	}
	s.durable, s.flushAt = p, time.Time{}
	return nil
}

func (s *Sender) propose(ctx context.Context, c command.ConsumerChange) error {
	result, err := s.options.Partition.Propose(ctx, &command.Command{Kind: command.Consumer, Consumer: c})
	if err != nil {
		return err
	}
	if result.Err != nil {
		return result.Err
	}
	return nil
}
