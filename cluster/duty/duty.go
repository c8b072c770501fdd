// Package duty keeps work in the background to a share of the time, so that
// what clients wait for finds a processor and the disk free. Work of that kind
// comes in bursts: a full delta to be flushed, a log segment to be filled with
// zeros. And since all peers of a group get the same commands, it comes to all
// of them at the same time, and no quorum is quick.
//
// It knows nothing of the work.
package duty

import "time"

const (
	// rest is how many times as long as it works a Duty rests.
	rest = 3
	// stretch is the longest piece of work that counts. What is longer was not
	// work all the time.
	stretch = 10 * time.Millisecond
)

// Duty is one goroutine's work.
type Duty struct {
	hurry   <-chan struct{}
	hurried bool
	since   time.Time
}

// New makes a Duty that does not rest any more once something comes from hurry,
// or it is closed. It may be nil.
func New(hurry <-chan struct{}) *Duty { return &Duty{hurry: hurry} }

// Pause is called now and then between two pieces of work. It returns after a
// rest, or at once if there is a hurry.
func (d *Duty) Pause() {
	if work := min(time.Since(d.since), stretch); work > 0 && !d.hurried {
		timer := time.NewTimer(rest * work)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-d.hurry:
			d.hurried = true
		}
	}
	d.since = time.Now()
}
