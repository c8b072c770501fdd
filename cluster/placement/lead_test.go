package placement

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster"
)

var abc = []cluster.NodeID{"a", "b", "c"}

type asked map[cluster.NodeID]int

func TestLeaderFollowsOrGoesHome(t *testing.T) {
	tests := []struct {
		name       string
		home       cluster.NodeID
		candidates []cluster.NodeID
		// each second the node b, which leads, gets these requests.
		each asked
		to   cluster.NodeID
		why  Why
		at   time.Duration // 0 for never within three minutes
	}{
		{"clients elsewhere", "b", abc, asked{"c": 100}, "c", FollowsClients, 5 * time.Second},
		{"three of four", "b", abc, asked{"a": 26, "c": 80}, "c", FollowsClients, 5 * time.Second},
		{"fewer than three of four", "b", abc, asked{"a": 28, "c": 80}, "", "", 0},
		{"too few to care", "b", abc, asked{"c": 24}, "", "", 0},
		{"light load", "b", abc, asked{"c": lightLoad}, "c", FollowsClients, 5 * time.Second},
		{"heavy load", "b", abc, asked{"c": lightLoad + 1}, "", "", 0},
		{"clients of a node without a peer", "b", []cluster.NodeID{"a", "b"}, asked{"c": 100}, "", "", 0},
		{"idle at home", "b", abc, nil, "", "", 0},
		{"idle away from home", "a", abc, nil, "a", GoesHome, time.Minute},
		{"clients here, away from home", "a", abc, asked{"b": 100}, "", "", 0},
		{"clients everywhere, away from home", "a", abc, asked{"a": 50, "b": 50, "c": 50}, "a", GoesHome, time.Minute},
		{"heavy load here, away from home", "a", abc, asked{"b": lightLoad + 1}, "a", GoesHome, time.Minute},
		{"home is down", "a", []cluster.NodeID{"b", "c"}, nil, "", "", 0},
		{"clients of a node without a peer, away from home", "a", []cluster.NodeID{"a", "b"}, asked{"c": 100}, "a", GoesHome, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Unix(1000, 0)
			l := NewLeading("b", start, LeadTuning{})
			for at := LeadEvery; at <= 3*time.Minute; at += LeadEvery {
				to, why, move := l.Look(start.Add(at), tt.each, tt.home, tt.candidates)
				if !move {
					continue
				}
				if to != tt.to || why != tt.why || at != tt.at {
					t.Errorf("after %v: to %s because %s, want to %s because %s after %v", at, to, why, tt.to, tt.why, tt.at)
				}
				return
			}
			if tt.at != 0 {
				t.Errorf("it stays, want to %s after %v", tt.to, tt.at)
			}
		})
	}
}

// Clients that have gone keep a leader for a minute, and no longer.
func TestLeaderStaysAWhileForItsClients(t *testing.T) {
	start := time.Unix(1000, 0)
	l := NewLeading("b", start, LeadTuning{})
	for at := LeadEvery; ; at += LeadEvery {
		requests := asked{"b": 100}
		if at > 10*time.Minute {
			requests = nil
		}
		if to, _, move := l.Look(start.Add(at), requests, "a", abc); move {
			if want := 11 * time.Minute; to != "a" || at != want {
				t.Errorf("to %s after %v, want home after %v", to, at, want)
			}
			return
		}
	}
}

func TestLeaderDoesNotFollowClientsThatHaveGone(t *testing.T) {
	start := time.Unix(1000, 0)
	l := NewLeading("b", start, LeadTuning{})
	for at := LeadEvery; at <= time.Minute; at += LeadEvery {
		requests := asked{"c": lightLoad}
		if at >= 5*time.Second {
			requests = nil
		}
		if to, _, move := l.Look(start.Add(at), requests, "b", abc); move {
			t.Errorf("to %s after %v, when the clients have gone", to, at)
		}
	}
}

func TestFailedMoveIsNotTriedAgainAtOnce(t *testing.T) {
	start := time.Unix(1000, 0)
	l := NewLeading("b", start, LeadTuning{Stay: 4 * time.Second})
	var tried []time.Duration
	for at := LeadEvery; at <= 13*time.Second; at += LeadEvery {
		if _, _, move := l.Look(start.Add(at), asked{"c": 100}, "b", abc); move {
			tried = append(tried, at)
			l.Failed(start.Add(at))
		}
	}
	if len(tried) != 3 || tried[0] != 4*time.Second || tried[1] != 8*time.Second || tried[2] != 12*time.Second {
		t.Errorf("tried after %v", tried)
	}
}

// Whatever clients do, a leader goes to a candidate and never to where it is, no
// sooner than it may; and where clients do the same all the time, it moves once at
// most before it stays.
func TestLeaderComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := rapid.SampledFrom([]cluster.NodeID{"a", "b", "c", "d"})
		candidates := rapid.SliceOfNDistinct(node, 1, 3, rapid.ID).Draw(t, "candidates")
		home := rapid.SampledFrom(candidates).Draw(t, "home")
		here := rapid.SampledFrom(candidates).Draw(t, "here")
		steady := rapid.MapOfN(node, rapid.IntRange(0, lightLoad), 0, 4).Draw(t, "requests")
		tuning := LeadTuning{Stay: 3 * time.Second, Home: 20 * time.Second}
		now := time.Unix(1000, 0)
		moves := 0
		for range 10 { // terms
			began, l := now, NewLeading(here, now, tuning)
			for range 100 {
				now = now.Add(LeadEvery)
				to, why, move := l.Look(now, steady, home, candidates)
				if !move {
					continue
				}
				known := false
				for _, c := range candidates {
					known = known || c == to
				}
				soonest := map[Why]time.Duration{FollowsClients: tuning.Stay, GoesHome: tuning.Home}[why]
				if !known || to == here || now.Sub(began) < soonest || soonest == 0 {
					t.Fatalf("from %s to %q of %v because %s after %v", here, to, candidates, why, now.Sub(began))
				}
				here = to
				moves++
				break
			}
		}
		if moves > 1 {
			t.Fatalf("it moved %d times while clients did the same", moves)
		}
	})
}
