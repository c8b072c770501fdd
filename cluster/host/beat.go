package host

import (
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster/group"
)

// beater makes the heartbeats of all groups that this node leads leave together:
// on one timer, where raft has one for each follower of each group. Nodes with
// hundreds of idle groups do little else than wake for these.
type beater struct {
	every      time.Duration
	groups     func() []*group.Group
	stop, done chan struct{}
}

const (
	// beatsAtOnce is how many groups beat together: so few that nobody who
	// wants something else from the node notices.
	beatsAtOnce = 64
	// beatlessFor is how long a node rests that has nobody to send heartbeats to.
	// Groups that it begins to lead meanwhile beat by themselves.
	beatlessFor = time.Second
)

func newBeater(every time.Duration, groups func() []*group.Group) *beater {
	b := &beater{every: every, groups: groups, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		b.run()
	}()
	return b
}

func (b *beater) close() {
	close(b.stop)
	<-b.done
}

func (b *beater) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	wait := func(d time.Duration) bool {
		timer.Reset(d)
		select {
		case <-timer.C:
			return true
		case <-b.stop:
			return false
		}
	}
	for {
		led := slices.DeleteFunc(b.groups(), func(g *group.Group) bool { return !g.IsLeader() || alone(g) })
		if len(led) == 0 {
			if !wait(max(b.every, beatlessFor)) {
				return
			}
			continue
		}
		// They are told in turns of the same size, spread over the interval.
		turns := (len(led) + beatsAtOnce - 1) / beatsAtOnce
		for some := range slices.Chunk(led, (len(led)+turns-1)/turns) {
			for _, g := range some {
				g.Beat()
			}
			if !wait(b.every / time.Duration(turns)) {
				return
			}
		}
	}
}
