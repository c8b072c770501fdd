package raftlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

func clusterID(i int) cluster.GroupID { return cluster.GroupID(i + 1) }

// TestManyGroupsAtOnce has many groups append, delete, vote and read at the
// same time, each with a reader of its own, and loses power under them. Each
// must then hold what it was told was stored.
func TestManyGroupsAtOnce(t *testing.T) {
	const groups, rounds = 16, 40
	for name, fs := range map[string]raftlog.FS{"memory": memfs.NewDisk(), "disk": raftlog.OS()} {
		t.Run(name, func(t *testing.T) {
			o := options(t, fs)
			o.Dir = t.TempDir()
			l := open(t, o)
			expected := make([]*oracleGroup, groups)
			var done sync.WaitGroup
			for i := range groups {
				expected[i] = &oracleGroup{peer: peer(1), stable: make(map[string]string)}
				g := group(t, l, clusterID(i))
				stop := make(chan struct{})
				done.Go(func() {
					defer close(stop)
					if err := workAlone(g, expected[i], rounds, rand.New(rand.NewPCG(uint64(i), 3))); err != nil {
						t.Error(err)
					}
				})
				done.Go(func() {
					if err := readAlong(g, stop); err != nil {
						t.Error(err)
					}
				})
			}
			done.Wait()
			o2 := newOracle()
			for i, g := range expected {
				o2.groups[clusterID(i)] = g
			}
			if d := o2.differs(t, l); d != "" {
				t.Errorf("(-want +got) %s", d)
			}
			if s := l.Stats(); s.Frames >= s.Entries {
				t.Errorf("nothing was committed together: %+v", s)
			}
			if m, ok := fs.(*memfs.FS); ok {
				o.FS = m.Lose(rand.New(rand.NewPCG(1, 1)))
			}
			closeLog(t, l)
			l = open(t, o)
			if d := o2.restarted().differs(t, l); d != "" {
				t.Errorf("after the restart (-want +got) %s", d)
			}
			closeLog(t, l)
		})
	}
}

// workAlone does what Raft does with a group, and notes what it must hold.
func workAlone(g *raftlog.GroupLog, want *oracleGroup, rounds int, r *rand.Rand) error {
	want.first = 1
	for round := range rounds {
		term := uint64(round + 1)
		logs := entries(want.first+uint64(len(want.entries)), term, 1+r.IntN(4), r.IntN(300))
		if err := g.StoreLogs(logs); err != nil {
			return err
		}
		want.entries = append(want.entries, logs...)
		last := want.first + uint64(len(want.entries)) - 1
		switch r.IntN(4) {
		case 0: // keep the last few
			to := last - min(last, uint64(r.IntN(10)))
			if to < want.first || to == last {
				break
			}
			if err := g.DeleteRange(want.first, to); err != nil {
				return err
			}
			want.entries = want.entries[to-want.first+1:]
			want.first = to + 1
		case 1: // another leader
			from := last - min(last-want.first, uint64(r.IntN(3)))
			if from == want.first {
				break
			}
			if err := g.DeleteRange(from, last); err != nil {
				return err
			}
			want.entries = want.entries[:from-want.first]
		case 2:
			if err := errors.Join(g.Set([]byte(keyVoteTerm), []byte(number(term))), g.Set([]byte(keyVoteCandidate), []byte("x"))); err != nil {
				return err
			}
			want.stable[keyVoteTerm], want.stable[keyVoteCandidate] = number(term), "x"
		}
	}
	return nil
}

// readAlong reads entries until it is stopped: each is the right one, or not
// there.
func readAlong(g *raftlog.GroupLog, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		first, err := g.FirstIndex()
		if err != nil {
			return err
		}
		last, err := g.LastIndex()
		if err != nil {
			return err
		}
		runtime.Gosched() // the writers are what is to be tested
		for _, i := range []uint64{first, (first + last) / 2, last} {
			var e raft.Log
			if err := g.GetLog(i, &e); err == raft.ErrLogNotFound {
				continue
			} else if err != nil {
				return err
			}
			if want := entries(i, e.Term, 1, len(e.Data))[0]; describe(want) != describe(&e) {
				return fmt.Errorf("read %s, want %s", describe(&e), describe(want))
			}
		}
	}
}

// TestCloseWhileBusy: each call returns, with its record in the log or an
// error.
func TestCloseWhileBusy(t *testing.T) {
	fs := memfs.NewDisk()
	l := open(t, options(t, fs))
	var done sync.WaitGroup
	acked := make([]uint64, 16)
	begun := make(chan struct{}, len(acked))
	for i := range acked {
		g := group(t, l, clusterID(i))
		done.Go(func() {
			for n := uint64(1); ; n++ {
				if g.StoreLogs(entries(n, 1, 1, 50)) != nil {
					return
				}
				acked[i] = n
				if n == 20 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range acked {
		<-begun
	}
	closeLog(t, l)
	done.Wait()
	l = open(t, options(t, fs))
	for i, want := range acked {
		if got, err := group(t, l, clusterID(i)).LastIndex(); got != want || err != nil {
			t.Errorf("group %d: the last entry is %d, %v, acknowledged was %d", i, got, err, want)
		}
	}
	closeLog(t, l)
}
