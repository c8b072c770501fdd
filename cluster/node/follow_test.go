package node_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport"
)

// counts is how many requests of each method went between nodes.
type counts struct {
	mu sync.Mutex
	of map[transport.Method]int
}

func (c *counts) see(m transport.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[transport.Method]int{}
	}
	if !m.Reply {
		c.of[m.Method]++
	}
}

func (c *counts) reset() map[transport.Method]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.of
	c.of = nil
	return old
}

// newCountedRegion is a region of three nodes whose messages are counted, and take a
// millisecond.
func newCountedRegion(t *testing.T, sent *counts) *region {
	r := newRegion(t)
	r.tap = func(m transport.Message) transport.Verdict {
		sent.see(m)
		return transport.Verdict{Delay: time.Millisecond}
	}
	r.start(3, abc...)
	r.table("a", "orders")
	return r
}

var abc = []cluster.NodeID{"a", "b", "c"}

// Strong reads are answered where they come, after a question that many of them
// share.
func TestFollowersAnswerStrongReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent counts
		r := newCountedRegion(t, &sent)
		defer r.stopAll()
		for i := range items {
			r.put("b", "orders", fmt.Sprint(i), "before")
		}
		time.Sleep(time.Second) // all peers hear of the last commits
		sent.reset()
		var wg sync.WaitGroup
		for i := range 20 * items {
			wg.Go(func() {
				if v := r.get(abc[i%3], "orders", fmt.Sprint(i/20)); v != "before" {
					t.Errorf("item %d at %s is %q", i/20, abc[i%3], v)
				}
			})
		}
		wg.Wait()
		n := sent.reset()
		// At each of three partitions two followers ask once or twice.
		if n[transport.Read] != 0 || n[transport.ReadIndex] < 6 || n[transport.ReadIndex] > 12 {
			t.Errorf("%d reads were sent, %d questions", n[transport.Read], n[transport.ReadIndex])
		}
	})
}

// A write is seen at all nodes as soon as it is acknowledged at one, by a
// follower that has applied it or by the leader.
func TestStrongReadsSeeTheLastWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent counts
		r := newCountedRegion(t, &sent)
		defer r.stopAll()
		sent.reset()
		for i := range 2 * items {
			id, value := fmt.Sprint(i%items), fmt.Sprint(i)
			r.put(abc[i%3], "orders", id, value)
			for _, at := range abc {
				if v := r.get(at, "orders", id); v != value {
					t.Fatalf("%q was written, and then %q read at %s", value, v, at)
				}
			}
			if i%2 == 0 {
				time.Sleep(200 * time.Millisecond)
			}
		}
		n := sent.reset()
		if n[transport.Read] == 0 || n[transport.ReadIndex] == 0 {
			t.Errorf("%d reads were sent, %d questions: one of the ways was not tried", n[transport.Read], n[transport.ReadIndex])
		}
	})
}

// A follower that hears nothing of the log, and may ask the leader all the same,
// answers nothing from its old state.
func TestAFollowerThatIsBehindAnswersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		var behind sync.Map // cluster.NodeID → whether it hears nothing
		var sent counts
		r.tap = func(m transport.Message) transport.Verdict {
			sent.see(m)
			_, deaf := behind.Load(m.To)
			entries := m.Method == transport.RaftAppend || m.Method == transport.RaftIdle
			return transport.Verdict{Drop: deaf && entries && !m.Reply}
		}
		r.start(3, abc...)
		r.table("a", "orders")
		r.put("a", "orders", "x", "old")
		time.Sleep(time.Second)
		table, _ := r.nodes["a"].Router().Table("orders")
		_, k := key(t, table, "x")
		leader := r.leaders("orders")[table.Find(k).Group]
		for _, id := range abc {
			if id != leader {
				behind.Store(id, true)
				break
			}
		}
		sent.reset()
		for i := range 20 {
			value := fmt.Sprint(i)
			r.put(leader, "orders", "x", value)
			for _, at := range abc {
				if v := r.get(at, "orders", "x"); v != value {
					t.Errorf("%q was written, and then %q read at %s, with %s leading", value, v, at, leader)
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		// Each follower asks a few times in these 0.4 s, and not for each read.
		if n := sent.reset()[transport.ReadIndex]; n == 0 || n > 12 {
			t.Errorf("%d questions", n)
		}
		behind.Clear()
	})
}
