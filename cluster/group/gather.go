package group

import "time"

// company says how long a batch waits for more commands before it is proposed.
//
// Clients whose command has just been answered tend to come back with the next
// one at once, while others have been waiting for the batch in flight. If the
// next batch leaves with those alone, the clients of a group split into two
// halves that take turns for good, and each batch is half as large as it could
// be. So a batch waits until as many have come as there were lately, in the
// last batch and behind it. It does not wait longer than the last batch took to
// commit, and not at all for one client alone.
//
// A batch costs about 0.9 ms of processor time on all three nodes together,
// whatever its size, so with three groups this saves a fifth of the processor time
// of a put with 8 or 24 clients, and latency falls with it.
type company struct {
	expected int
	patience time.Duration
	timer    *time.Timer
}

// maxPatience bounds how long a batch waits for company when commits are slow.
const maxPatience = 4 * time.Millisecond

// note remembers how many commands there were while the last batch was in
// flight, and how long that was.
func (c *company) note(commands int, flight time.Duration) {
	c.expected, c.patience = commands, min(flight, maxPatience)
}

// gather waits for the company of the commands that wait.
func (p *proposer) gather() {
	c := &p.company
	enough := min(c.expected, p.queue.limits.batchCommands)
	if n := p.queue.want(enough); n == 0 || n >= enough {
		return
	}
	defer p.queue.want(0)
	if c.timer == nil {
		c.timer = time.NewTimer(c.patience)
	} else {
		c.timer.Reset(c.patience)
	}
	defer c.timer.Stop()
	for {
		select {
		case <-p.wake:
			// Whatever else it was that woke, propose looks at it after the batch.
			if _, leads := p.epoch(); !leads || p.queue.want(enough) >= enough {
				return
			}
		case <-c.timer.C:
			return
		case <-p.stopping:
			return
		}
	}
}
