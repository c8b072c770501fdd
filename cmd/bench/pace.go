package bench

import (
	"context"
	"sync/atomic"
	"time"
)

// pace says when operations begin.
type pace interface {
	// next waits until an operation is to begin and returns when it was due.
	// It reports false when no more begin.
	next() (due time.Time, more bool)
}

// closedLoop begins an operation when the client's last has ended. Clients that
// wait for a slow answer ask for nothing meanwhile, which is what one calls
// coordinated omission.
type closedLoop struct{ ended *atomic.Bool }

func (c closedLoop) next() (time.Time, bool) { return time.Now(), !c.ended.Load() }

// openLoop begins operations at a fixed rate, whatever becomes of the ones
// before. Each is taken up by whichever client is free, so one slow answer holds
// up nobody else, as long as any is free.
type openLoop struct {
	begin    time.Time
	interval float64 // nanoseconds
	// end is when the last is due, nanoseconds after begin; 0 while not known.
	end atomic.Int64
	due chan time.Time
	// sleep is alarm's, unless a test has its own.
	sleep func(time.Duration)
	// taken is how many have been handed to clients. The pacer owns it.
	taken int64
}

func newOpenLoop(begin time.Time, rate float64) *openLoop {
	return &openLoop{begin: begin, interval: float64(time.Second) / rate, due: make(chan time.Time)}
}

func (o *openLoop) next() (time.Time, bool) {
	due, more := <-o.due
	return due, more
}

// at is when operation n is due.
func (o *openLoop) at(n int64) time.Time {
	return o.begin.Add(time.Duration(float64(n) * o.interval))
}

// stop lets no more be due than are due by now.
func (o *openLoop) stop(now time.Time) { o.end.Store(int64(max(1, now.Sub(o.begin)))) }

func (o *openLoop) over(due time.Time) bool {
	end := o.end.Load()
	return end > 0 && int64(due.Sub(o.begin)) >= end
}

// grain is the shortest sleep of a pacer, so that at a high rate it wakes for
// several operations at once instead of taking more processor time than they do.
const grain = 200 * time.Microsecond

// run hands out operations until the last that was due has been taken, or ctx
// ends. When all clients are busy it waits for one, and what is due meanwhile
// is late.
func (o *openLoop) run(ctx context.Context) {
	defer close(o.due)
	sleep := o.sleep
	if sleep == nil {
		var free func()
		sleep, free = alarm()
		defer free()
	}
	for {
		due := o.at(o.taken)
		if d := time.Until(due); d > 0 {
			sleep(min(max(d, grain), time.Second/10)) // stop may have been called
			if ctx.Err() != nil || o.over(due) {
				return
			}
			continue
		}
		if o.over(due) {
			return
		}
		select {
		case o.due <- due:
			o.taken++
		case <-ctx.Done():
			return
		}
	}
}

// untaken are the times at which operations were due that nobody has begun. It
// is for when run has returned.
func (o *openLoop) untaken() []time.Time {
	var late []time.Time
	for n := o.taken; ; n++ {
		due := o.at(n)
		if o.over(due) {
			return late
		}
		late = append(late, due)
	}
}
