package sender

import (
	"time"

	"github.com/roundtabledb/roundtable/replication/link"
)

const (
	// maxFlightBytes bounds what a sender has under way, here and at the other
	// end, so that one that stands still (a target without a leader, a parked
	// state) leaves the link to the others. A partition that ships a shipment
	// for each of its commits has hundreds of small ones under way over a long
	// way, and must not wait for a round trip before the next: maxFlights is out
	// of its reach, and bounds what flights cost beside their bytes.
	maxFlightBytes = 4 << 20
	maxFlights     = 1024

	minRetry = 50 * time.Millisecond
	maxRetry = 30 * time.Second
)

// flight is a shipment under way, or waiting to go again.
type flight struct {
	shipment link.Shipment
	// mark is where the cursor stands once this flight and all before it are
	// done.
	mark position
	// made is when the changes in it were made, in milliseconds.
	made []int64

	done    bool
	retryAt time.Time // when it should go again; zero while it is under way
}

// verdict is what the link reported about a flight.
type verdict struct {
	flight     *flight
	generation uint64
	verdict    link.Verdict
	err        error
}

// window is the flights under way, in the order in which they were read.
type window struct {
	flights []*flight
	bytes   int
	// waiting counts the flights that wait to go again.
	waiting int
	// generation counts the clears: verdicts on flights from before the last
	// one are too late.
	generation uint64
}

func (w *window) clear() {
	w.flights, w.bytes, w.waiting = nil, 0, 0
	w.generation++
}

func (w *window) empty() bool { return len(w.flights) == 0 }

func (w *window) full() bool { return len(w.flights) >= maxFlights || w.bytes >= maxFlightBytes }

func (w *window) add(f *flight) {
	w.flights = append(w.flights, f)
	w.bytes += len(f.shipment.Body)
}

// last is the flight read last. The window must not be empty.
func (w *window) last() *flight { return w.flights[len(w.flights)-1] }

// land takes the flights out that are done and have none before them that is
// not. It returns the mark of the last.
func (w *window) land() (mark position, ok bool) {
	n := 0
	for n < len(w.flights) && w.flights[n].done {
		mark, ok = w.flights[n].mark, true
		w.bytes -= len(w.flights[n].shipment.Body)
		w.flights[n] = nil
		n++
	}
	w.flights = w.flights[n:]
	return mark, ok
}

// setRetry says when a flight should go again, zero that it is under way.
func (w *window) setRetry(f *flight, at time.Time) {
	if !f.retryAt.IsZero() {
		w.waiting--
	}
	if !at.IsZero() {
		w.waiting++
	}
	f.retryAt = at
}

// nextRetry is when the next flight should go again.
func (w *window) nextRetry() (at time.Time, ok bool) {
	if w.waiting == 0 {
		return at, false
	}
	for _, f := range w.flights {
		if !f.retryAt.IsZero() && (!ok || f.retryAt.Before(at)) {
			at, ok = f.retryAt, true
		}
	}
	return at, ok
}

// due returns a flight that should go again by now, nil when there is none.
func (w *window) due(now time.Time) *flight {
	if w.waiting == 0 {
		return nil
	}
	for _, f := range w.flights {
		if !f.retryAt.IsZero() && !f.retryAt.After(now) {
			return f
		}
	}
	return nil
}

// ship gives a flight to the link.
func (s *Sender) ship(f *flight) {
	s.window.setRetry(f, time.Time{})
	generation := s.window.generation
	s.options.Link.Ship(&f.shipment, func(v link.Verdict, err error) {
		s.deliver(verdict{flight: f, generation: generation, verdict: v, err: err})
	})
}

// deliver hands a verdict to the sender's goroutine. It runs on the link's.
func (s *Sender) deliver(v verdict) {
	s.mu.Lock()
	s.mu.verdicts = append(s.mu.verdicts, v)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// takeVerdicts draws the conclusions from the verdicts that have come.
func (s *Sender) takeVerdicts() {
	s.mu.Lock()
	verdicts := s.mu.verdicts
	s.mu.verdicts = nil
	s.mu.Unlock()

	now := time.Now()
	for _, v := range verdicts {
		switch f := v.flight; {
		case v.generation != s.window.generation:
		case v.err != nil:
			// With the connection all flights are lost. Reading again is better
			// than keeping them: by then there are newer states.
			s.land()
			s.fail(v.err)
			s.moveTo(s.acked)
		case v.verdict.Done:
			f.done = true
			s.options.Meter.acknowledged(f.shipment.Count, f.made, s.options.Now())
		default:
			s.window.setRetry(f, now.Add(min(max(v.verdict.RetryAfter, minRetry), maxRetry)))
			s.options.Meter.retried()
			s.note(v.verdict.Reason)
		}
	}
	s.land()
}

func (s *Sender) land() {
	if mark, ok := s.window.land(); ok {
		s.setAcked(mark)
		s.note("")
	}
}
