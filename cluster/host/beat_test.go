package host_test

import (
	"sync"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/transport"
)

// The heartbeats of the groups that a node leads leave at the same moments, and
// each follower gets one in each interval. Groups so many that they would hold up
// others take turns.
func TestGroupsBeatTogether(t *testing.T) {
	for name, groups := range map[string]int{"few": 12, "many": 3*beatsAtOnce + 3} {
		t.Run(name, func(t *testing.T) { bubble(t, func(t *testing.T) { groupsBeatTogether(t, groups) }) })
	}
}

const beatsAtOnce = 64

func groupsBeatTogether(t *testing.T, groups int) {
	type follower struct {
		group cluster.GroupID
		node  cluster.NodeID
	}
	type moment struct {
		from cluster.NodeID
		at   time.Time
	}
	var heard struct {
		sync.Mutex
		on      bool
		beats   map[follower]int
		moments map[moment]int
		leads   map[cluster.NodeID]map[cluster.GroupID]bool
	}
	r := newRegion(t, 3)
	heard.beats, heard.moments = make(map[follower]int), make(map[moment]int)
	heard.leads = make(map[cluster.NodeID]map[cluster.GroupID]bool)
	for _, n := range r.nodes {
		heard.leads[n.id] = make(map[cluster.GroupID]bool)
	}
	r.tap = func(m transport.Message) transport.Verdict {
		heard.Lock()
		defer heard.Unlock()
		if heard.on && m.Lane == transport.Control && m.Method == transport.RaftIdle && !m.Reply {
			heard.beats[follower{m.Group, m.To}]++
			heard.moments[moment{m.From, time.Now()}]++
			heard.leads[m.From][m.Group] = true
		}
		return transport.Verdict{}
	}
	listen := func(on bool) {
		heard.Lock()
		defer heard.Unlock()
		heard.on = on
	}
	r.start()
	for i := range groups {
		r.create(r.birth(g1+cluster.GroupID(i), 3))
	}
	for i := range groups {
		r.leader(g1 + cluster.GroupID(i))
	}
	const intervals = 50
	every := group.Tuning{}.WithDefaults().HeartbeatInterval
	time.Sleep(20 * every) // in the bubble
	listen(true)
	time.Sleep(intervals * every)
	listen(false)

	if got, want := len(heard.beats), 2*groups; got != want {
		t.Errorf("%d followers were sent heartbeats, not %d", got, want)
	}
	for who, n := range heard.beats {
		if n < intervals-1 || n > intervals+1 {
			t.Errorf("%+v was sent %d heartbeats in %d intervals", who, n, intervals)
		}
	}
	moments := make(map[cluster.NodeID]int)
	for m, n := range heard.moments {
		moments[m.from]++
		if n > 2*beatsAtOnce {
			t.Errorf("node %s sent %d heartbeats at once", m.from, n)
		}
	}
	turns := 0
	for node, leads := range heard.leads {
		n := (len(leads) + beatsAtOnce - 1) / beatsAtOnce
		turns = max(turns, n)
		if got, most := moments[node], n*(intervals+1); got > most {
			t.Errorf("the heartbeats of node %s, which leads %d groups, left at %d moments, not %d at most", node, len(leads), got, most)
		}
	}
	if want := (groups + 3*beatsAtOnce - 1) / (3 * beatsAtOnce); turns < want {
		t.Errorf("nobody leads as many groups as need %d turns", want)
	}
}
