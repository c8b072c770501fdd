package placement

import (
	"slices"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
)

// LeadEvery is how often it is looked at where leaders should be.
const LeadEvery = time.Second

// lightLoad is how many requests between two looks are light load. The node that
// clients are connected to does most of the work already. To lead takes about
// 20 µs a request, a tenth of a processor for so many.
const lightLoad = 5000

// LeadTuning says how soon leaders move. The zero value means the defaults.
type LeadTuning struct {
	// Stay is how long a leader stays at least before it follows its clients. The
	// default is 5 s.
	Stay time.Duration
	// Home is how long a leader stays away from home that nothing keeps where it
	// is. The default is one minute.
	Home time.Duration
	// Few is how many requests of late are not worth a move: those that come just
	// then wait for an election, and each of the later ones is spared a hop. The default
	// is 50.
	Few int
}

func (t *LeadTuning) ensureDefaults() {
	if t.Stay == 0 {
		t.Stay = 5 * time.Second
	}
	if t.Home == 0 {
		t.Home = time.Minute
	}
	if t.Few == 0 {
		t.Few = 50
	}
}

// Leading says when the leader of a group should be on another node.
//
// A leader follows its clients: if nearly all requests come by way of one node,
// it is one hop less for each when that node leads. It does not follow heavy load,
// since where leader and clients are apart, two nodes share the work.
// A leader that nothing keeps goes home, to the node that it was placed on: so
// leaders are spread again some time after nodes were away.
type Leading struct {
	tuning LeadTuning
	self   cluster.NodeID
	// recent counts requests by the node that they came from. It is halved with
	// each look.
	recent map[cluster.NodeID]int
	// began is when this node began to lead, or to move the leader and failed.
	began time.Time
	// kept is when there was last a reason for the leader to be here.
	kept time.Time
}

// NewLeading begins with a node that leads a group from now on.
func NewLeading(self cluster.NodeID, now time.Time, t LeadTuning) *Leading {
	t.ensureDefaults()
	return &Leading{tuning: t, self: self, recent: map[cluster.NodeID]int{}, began: now, kept: now}
}

// Why is the reason for a move.
type Why string

// The reasons for a move.
const (
	FollowsClients Why = "its clients are there"
	GoesHome       Why = "it was placed there"
)

// Look takes how many requests came since the last look, by the node that they
// came from, and says where the leader should go, or that it should stay.
// candidates can lead the group.
func (l *Leading) Look(now time.Time, requests map[cluster.NodeID]int, home cluster.NodeID, candidates []cluster.NodeID) (to cluster.NodeID, why Why, move bool) {
	drawn, ok := l.drawn(requests)
	switch {
	case ok && drawn == l.self:
		l.kept = now
	case ok && slices.Contains(candidates, drawn):
		return drawn, FollowsClients, now.Sub(l.began) >= l.tuning.Stay
	case home != l.self && slices.Contains(candidates, home):
		return home, GoesHome, now.Sub(l.kept) >= l.tuning.Home
	}
	return "", "", false
}

// Failed says that a move has failed: the next one is tried after a while.
func (l *Leading) Failed(now time.Time) { l.began, l.kept = now, now }

// drawn takes the requests since the last look and returns the node, if there is
// one, that three of four requests came from of late.
func (l *Leading) drawn(requests map[cluster.NodeID]int) (cluster.NodeID, bool) {
	for node, n := range l.recent {
		if n /= 2; n == 0 {
			delete(l.recent, node)
		} else {
			l.recent[node] = n
		}
	}
	now := 0
	for node, n := range requests {
		l.recent[node] += n
		now += n
	}
	total := 0
	for _, n := range l.recent {
		total += n
	}
	// Clients that have gone draw nobody, however many they were.
	if total < l.tuning.Few || 2*now < l.tuning.Few || now > lightLoad {
		return "", false
	}
	for node, n := range l.recent {
		if 4*n >= 3*total {
			return node, true
		}
	}
	return "", false
}
