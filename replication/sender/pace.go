package sender

import "time"

// pace holds a backlog back while clients write, so that they hardly notice it:
// what was missed during hours need not be made up for within seconds at the
// expense of everyone who is here now. A backlog, or a scan, then goes with
// paceFactor times as many states a second as clients write, in shipments small
// enough that nobody waits behind one. What clients write goes through the same
// sender, so with a factor of 2 a backlog shrinks as fast as they write. While
// nobody writes there is no pace. A sender that is not behind has none either.
//
// With one region of 2 cores at half load, p99 of its writes went from 4.6 to
// 37 ms while another caught up as fast as it could.
type pace struct {
	// writes is the partition's Writes when it was looked at last.
	writes uint64
	looked time.Time
	// rate is how many states a second may go, 0 without bounds.
	rate float64
	// held says that the sender has a backlog and this pace.
	held bool
	// next is when the next shipment may go; waits says that it waits for that.
	next  time.Time
	waits bool
	// made is when the last change read was made.
	made time.Time
}

const (
	paceFactor = 2
	// paceEvery is how often it is looked whether clients write.
	paceEvery = time.Second
	// paceFloor is the least rate of a pace: few writes must not make a backlog
	// last for days.
	paceFloor = 1000
	// paceStates bounds a shipment of a backlog that is held back.
	paceStates = 128
	// backlogAge is how old the changes of a backlog are. A burst of new ones is
	// none.
	backlogAge = 3 * time.Second
)

// look finds out how much clients write.
func (p *pace) look(writes uint64, now time.Time) {
	if p.looked.IsZero() {
		p.writes, p.looked = writes, now
	}
	elapsed := now.Sub(p.looked)
	if elapsed < paceEvery {
		return
	}
	p.rate = 0
	if n := writes - min(p.writes, writes); n > 0 {
		p.rate = max(paceFloor, paceFactor*float64(n)/elapsed.Seconds())
	}
	p.writes, p.looked = writes, now
}

// hold finds out whether the sender has to wait. behind says that it has a
// backlog.
func (p *pace) hold(behind bool, now time.Time) bool {
	p.held = behind && p.rate > 0
	p.waits = p.held && p.next.After(now)
	return p.waits
}

// atMost is how many states are to be read at once, of n.
func (p *pace) atMost(n int) int {
	if p.held {
		return min(n, paceStates)
	}
	return n
}

// took says that so many states were read.
func (p *pace) took(states int, now time.Time) {
	if !p.held {
		return
	}
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(float64(states) / p.rate * float64(time.Second)))
}

// behind reports whether the sender has a backlog, or scans.
func (s *Sender) behind() bool {
	if s.read.phase != Feed {
		return true
	}
	return s.options.Partition.Head() > s.read.seq+fewChanges && s.options.Now().Sub(s.pace.made) > backlogAge
}
