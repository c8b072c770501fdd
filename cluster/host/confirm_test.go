package host_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/host"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
)

// A leader that is cut off may not answer strong reads, from the moment on at
// which another may lead.
func TestCutOffLeaderConfirmsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		old := r.leader(g1)
		old.mustPut(g1, "k", "1")
		r.cutOff(old)
		// For as long as the old leader does not know, it is asked all the time.
		stop := make(chan struct{})
		confirmed := make(chan int)
		go func() {
			n := 0
			for {
				select {
				case <-stop:
					confirmed <- n
					return
				default:
				}
				if old.confirm(g1) == nil {
					n++
				}
				time.Sleep(time.Millisecond)
			}
		}()
		leader := r.leader(g1, old)
		leader.mustPut(g1, "k", "2")
		time.Sleep(5 * time.Second)
		close(stop)
		if n := <-confirmed; n > 0 {
			t.Errorf("confirmed %d times", n)
		}
		if err := old.confirm(g1); storage.KindOf(err) != storage.NotLeader {
			t.Errorf("in the end: %v", err)
		}
	})
}

// raft's VerifyLeader counts any peer that answers. Here the leader reaches one
// peer without a vote and no other voter.
func TestPeersWithoutVoteDoNotCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 4)
		r.tuning = group.Tuning{HeartbeatTimeout: 10 * time.Second, LeaderLease: 8 * time.Second}
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		fourth := cluster.PeerID{Node: "n4", Replica: 4}
		if err := r.nodes[3].host.CreateEmpty(g1, fourth); err != nil {
			t.Fatal(err)
		}
		c, err := leader.group(g1).Configuration()
		if err != nil {
			t.Fatal(err)
		}
		if err := leader.group(g1).AddNonvoter(background, fourth, c.Index); err != nil {
			t.Fatal(err)
		}
		if err := leader.confirm(g1); err != nil {
			t.Fatal(err)
		}
		for _, n := range r.others(leader, r.nodes[3]) {
			r.net.Cut(string(leader.id), string(n.id))
		}
		if err := leader.confirm(g1); err == nil {
			t.Error("confirmed by a peer without a vote")
		}
	})
}

// A read is not confirmed by an answer to a question that was asked before it.
func TestAnswerToAnEarlierQuestionDoesNotCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		for _, n := range r.others(leader) {
			r.net.SetDelay(string(n.id), string(leader.id), 100*time.Millisecond, 0)
		}
		first, second := make(chan time.Time, 1), make(chan time.Time, 1)
		mark := func(ch chan time.Time) func(*group.Group, error) {
			return func(_ *group.Group, err error) {
				if err != nil {
					t.Error(err)
				}
				ch <- time.Now()
			}
		}
		begun := time.Now()
		leader.host.Confirm(g1, mark(first))
		time.Sleep(50 * time.Millisecond) // the question has been answered, the answer is under way
		leader.host.Confirm(g1, mark(second))
		if took := (<-first).Sub(begun); took != 100*time.Millisecond {
			t.Errorf("the first read took %v", took)
		}
		if took := (<-second).Sub(begun); took != 200*time.Millisecond {
			t.Errorf("the second read was confirmed after %v", took)
		}
	})
}

// A read waits for the answers of others, never for the timer that looks after
// questions that went unanswered.
func TestReadsDoNotWaitForTheTimer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		leader := r.leader(g1)
		const delay = 5 * time.Millisecond
		for i, n := range r.others(leader) {
			r.net.SetDelay(string(n.id), string(leader.id), delay+time.Duration(i)*time.Millisecond, 0)
		}
		for i := range 100 {
			// With and without a question still under way.
			time.Sleep(time.Duration(i%3) * time.Millisecond)
			begun := time.Now()
			if err := leader.confirm(g1); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took > delay {
				t.Errorf("read %d took %v", i, took)
			}
		}
	})
}

func TestReadsShareQuestions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const groups, reads = 10, 50
		var mu sync.Mutex
		questions := 0
		r := newRegion(t, 3)
		r.tap = func(m transport.Message) transport.Verdict {
			if m.Method == transport.ConfirmTerm && !m.Reply {
				mu.Lock()
				questions++
				mu.Unlock()
			}
			return transport.Verdict{}
		}
		r.start()
		for i := range groups {
			r.create(r.birth(g1+cluster.GroupID(i), 3))
		}
		var wg sync.WaitGroup
		for i := range groups {
			leader := r.leader(g1 + cluster.GroupID(i))
			for range reads {
				wg.Add(1)
				leader.host.Confirm(g1+cluster.GroupID(i), func(_ *group.Group, err error) {
					if err != nil {
						t.Error(err)
					}
					wg.Done()
				})
			}
		}
		wg.Wait()
		// How many rounds there are depends on how fast they are, but each of
		// the groups' first reads may start one at each of two links, and what
		// came meanwhile shares the next.
		mu.Lock()
		defer mu.Unlock()
		if questions > 8*groups {
			t.Errorf("%d questions for %d reads", questions, groups*reads)
		}
	})
}

// While reads go on, peers stop, come back and lead in turn: no read is left
// unanswered, and none is answered wrongly.
func TestReadsSeeEveryAcknowledgedWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRegion(t, 3)
		r.start()
		r.create(r.birth(g1, 3))
		for _, n := range r.nodes {
			for _, o := range r.others(n) {
				r.net.SetDelay(string(n.id), string(o.id), time.Millisecond, time.Millisecond)
			}
		}
		r.leader(g1)

		var mu sync.Mutex
		acked := 0 // the last write acknowledged
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 1; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				// A write whose fate is not known is repeated: only one that is
				// acknowledged counts.
				for written := false; !written; time.Sleep(10 * time.Millisecond) {
					n, ok := r.leads(g1)
					written = ok && n.put(g1, "k", fmt.Sprint(i)) == nil
				}
				mu.Lock()
				acked = i
				mu.Unlock()
			}
		})
		var confirmed [3]int
		for i, n := range r.nodes {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(7 * time.Millisecond):
					}
					mu.Lock()
					least := acked
					mu.Unlock()
					if n.confirm(g1) != nil {
						continue
					}
					confirmed[i]++
					var got int
					fmt.Sscan(n.get(g1, "k"), &got)
					if got < least {
						t.Errorf("node %s reads %d when %d is acknowledged", n.id, got, least)
					}
				}
			})
		}
		for i := range 8 {
			if n, ok := r.leads(g1); ok && i%3 != 2 {
				r.cutOff(n)
			} else if ok {
				n.host.TransferAll(background)
			}
			time.Sleep(5 * time.Second)
			r.net.HealAll()
			time.Sleep(time.Second)
		}
		close(done)
		wg.Wait()
		if total := confirmed[0] + confirmed[1] + confirmed[2]; total < 500 {
			t.Errorf("only %v reads were confirmed", confirmed)
		}
	})
}

// A voter that asks is part of the quorum, if it was still in the leader's term.
func TestVotersThatAskAreAskedNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var questions atomic.Int32
		r := newRegion(t, 6)
		r.tap = func(m transport.Message) transport.Verdict {
			if m.Method == transport.ConfirmTerm && !m.Reply {
				questions.Add(1)
			}
			return transport.Verdict{}
		}
		r.start()
		const g2 = g1 + 1
		r.create(r.birth(g1, 3))
		r.create(r.birth(g2, 5))
		r.leader(g1).mustPut(g1, "k", "1")
		r.leader(g2).mustPut(g2, "k", "1")
		guest := cluster.PeerID{Node: "n6", Replica: 6}
		if err := r.nodes[5].host.CreateEmpty(g1, guest); err != nil {
			t.Fatal(err)
		}
		c, err := r.leader(g1).group(g1).Configuration()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.leader(g1).group(g1).AddNonvoter(background, guest, c.Index); err != nil {
			t.Fatal(err)
		}
		r.same(g1, r.nodes[0], r.nodes[1], r.nodes[2], r.nodes[5])
		voter := func(id cluster.GroupID) *group.Group {
			return r.others(r.leader(id))[0].group(id)
		}
		for _, tt := range []struct {
			name  string
			of    cluster.GroupID
			by    *group.Group
			older uint64 // terms
			asked bool
		}{
			{"one of three voters", g1, voter(g1), 0, false},
			{"in an earlier term", g1, voter(g1), 1, true},
			{"without a vote", g1, r.nodes[5].group(g1), 0, true},
			{"one of five voters", g2, voter(g2), 0, true},
		} {
			before := questions.Load()
			var index uint64
			done := make(chan error, 1)
			asks := host.Asker{Peer: tt.by.Peer(), Term: tt.by.Term() - tt.older}
			r.leader(tt.of).host.ReadIndex(tt.of, asks, func(i uint64, err error) { index = i; done <- err })
			if err := <-done; err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if want := r.leader(tt.of).group(tt.of).Machine().Meta().AppliedIndex; index != want {
				t.Errorf("%s: index %d, though the leader has applied %d", tt.name, index, want)
			}
			if asked := questions.Load() > before; asked != tt.asked {
				t.Errorf("%s: voters are asked: %v", tt.name, asked)
			}
		}
	})
}
