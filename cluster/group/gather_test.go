package group

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// slowLog takes a while to store.
type slowLog struct {
	Log
	takes time.Duration
}

func (l slowLog) StoreLogs(logs []*raft.Log) error {
	time.Sleep(l.takes)
	return l.Log.StoreLogs(logs)
}

func (l slowLog) StoreLogsAhead(logs []*raft.Log) error {
	time.Sleep(l.takes)
	return l.Log.StoreLogsAhead(logs)
}

func slow(takes time.Duration) func(*Options) {
	return func(o *Options) { o.Log = slowLog{o.Log, takes} }
}

// Clients that come back a moment after their answer share an entry with those
// that have waited meanwhile, instead of taking turns with them.
func TestClientsThatComeBackShareAnEntry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 3, slow(2*time.Millisecond))
		leader := n.leader()
		synctest.Wait()
		const clients, rounds = 10, 20
		before := leader.log.stored()
		var all sync.WaitGroup
		for c := range clients {
			all.Go(func() {
				time.Sleep(time.Duration(c) * 3 * time.Millisecond) // out of step
				for r := range rounds {
					leader.mustPropose(fmt.Sprintf("client %d", c), fmt.Sprint(r))
					time.Sleep(500 * time.Microsecond)
				}
			})
		}
		all.Wait()
		// Taking turns would make twice as many entries as there are rounds, and
		// those while the clients fall into step come on top.
		if entries := leader.log.stored() - before; entries > rounds*3/2+clients {
			t.Errorf("%d clients made %d entries of %d commands each", clients, entries, rounds)
		}
	})
}

// Nobody waits for company that does not come longer than a commit, and a
// client that is alone does not wait at all.
func TestWaitForCompanyEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNet(t, 1, slow(6*time.Millisecond))
		leader := n.leader()
		synctest.Wait()
		took := func(propose func()) time.Duration {
			begin := time.Now()
			propose()
			return time.Since(begin)
		}
		alone := func() { leader.mustPropose("alone", "x") }
		alone()
		commit := took(alone)
		if again := took(alone); again != commit {
			t.Errorf("a client alone takes %v, then %v", commit, again)
		}
		crowd := func() {
			var answers []<-chan answer
			for i := range 8 {
				answers = append(answers, leader.propose(fmt.Sprint(i), "x"))
			}
			for _, a := range answers {
				<-a
			}
		}
		crowd()
		crowd()
		if after := took(alone); after <= commit || after > commit+min(commit, maxPatience) {
			t.Errorf("after a crowd, a client takes %v, %v when alone", after, commit)
		}
		if again := took(alone); again != commit {
			t.Errorf("long after the crowd, a client takes %v, %v when alone", again, commit)
		}
	})
}
