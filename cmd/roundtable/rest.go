package main

import "time"

// A node that is all but idle rests: Go uses one processor, and timers may be
// late. With more processors, Go wakes a thread for each goroutine that becomes
// ready, to see whether there is more to do, and on a node whose groups only exchange
// heartbeats there never is. The two save a third of what such a node takes. It ends
// as soon as there is work: until then a request may wait for another's long one.
const (
	// restBelow is the share of a processor below which a node has nothing to do,
	// if it stays so for restAfter.
	restBelow = 0.12
	restAfter = 2 * time.Second
	// wakeAbove is the share above which it has, in wakeAfter, or else in one
	// interval of lookEvery all that one processor has to give. A garbage collection
	// or a checkpoint is neither.
	wakeAbove = 0.2
	wakeAfter = 500 * time.Millisecond
	saturated = 0.6
	lookEvery = 100 * time.Millisecond
	// slackEvery is how often new threads are looked for.
	slackEvery = 10 * time.Second
)

// rest decides by the processor time that a process has used.
type rest struct {
	resting       bool
	elapsed, used time.Duration // since the last decision
}

// look takes in what was used in an interval, and says whether to rest after it.
func (r *rest) look(interval, used time.Duration) bool {
	r.elapsed += interval
	r.used += used
	share := float64(r.used) / float64(r.elapsed)
	switch {
	case r.resting && float64(used) > saturated*float64(interval):
		*r = rest{}
	case r.resting && r.elapsed >= wakeAfter:
		*r = rest{resting: share <= wakeAbove}
	case !r.resting && r.elapsed >= restAfter:
		*r = rest{resting: share < restBelow}
	}
	return r.resting
}

// watch looks every so often at what the process uses, until stop is closed.
func (p *processors) watch(stop <-chan struct{}) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var r rest
	at, before := time.Now(), processorTime()
	slackAt := at
	for {
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		now, used := time.Now(), processorTime()
		was := r.resting
		resting := r.look(now.Sub(at), used-before)
		p.setResting(resting)
		if resting != was || now.Sub(slackAt) >= slackEvery {
			setSlack(resting)
			slackAt = now
		}
		at, before = now, used
	}
}
