package raftlog_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

const (
	groupCount   = 5
	replicaCount = 4
)

// action is one call of a log, and what it does to the oracle.
type action struct {
	name  string
	logs  []*raft.Log // of an append
	model func(o *oracle)
	call  func(l *raftlog.Log) error
}

// modelTest drives a log with random calls, and at any write may look what
// would be left of it if the power went then.
type modelTest struct {
	t      *testing.T
	random *rand.Rand
	fs     *memfs.FS
	log    *raftlog.Log
	term   uint64
	busy   cluster.GroupID
	moved  uint64 // entries that the cleaner has moved

	// mu makes one moment of the oracle and the file system.
	mu struct {
		sync.Mutex
		random *rand.Rand
		acked  *oracle
		asked  []*oracle // what may be found instead, when calls are under way
		losses uint64
	}
}

// TestPowerLossAtAnyWrite is the model check: whenever the power goes, the log
// holds every call that had returned, and the one under way whole or not at
// all; and what was found once is found again.
func TestPowerLossAtAnyWrite(t *testing.T) {
	const seeds = 10
	var losses, moved atomic.Uint64
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				m := &modelTest{t: t, random: rand.New(rand.NewPCG(seed, 1))}
				m.mu.random = rand.New(rand.NewPCG(seed, 2))
				m.run(220)
				losses.Add(m.mu.losses)
				moved.Add(m.moved)
			})
		}
	})
	t.Logf("%d losses of power, %d entries moved", losses.Load(), moved.Load())
	if losses.Load() < seeds*100 || moved.Load() == 0 {
		t.Error("too little was tried")
	}
}

func (m *modelTest) run(steps int) {
	m.mu.acked = newOracle()
	m.begin(memfs.NewDisk())
	for step := range steps {
		m.step()
		if m.t.Failed() {
			m.t.Fatalf("in step %d", step)
		}
	}
	m.fs.Intercept(nil)
	m.end()
}

// begin opens the log on a file system and watches it.
func (m *modelTest) begin(fs *memfs.FS) {
	m.fs = fs
	fs.Intercept(m.maybeLosePower)
	l := open(m.t, m.options(fs))
	m.log = l
	m.t.Cleanup(func() {
		fs.Intercept(nil)
		l.Close() // still open if the test has failed
	})
	if d := m.mu.acked.differs(m.t, m.log); d != "" {
		m.t.Fatalf("after opening (-want +got): %s", d)
	}
}

func (m *modelTest) end() {
	m.moved += m.log.Stats().Moved
	closeLog(m.t, m.log)
}

func (m *modelTest) options(fs *memfs.FS) raftlog.Options {
	o := options(m.t, fs)
	o.SegmentBytes = 4 << 10
	return o
}

// step does something.
func (m *modelTest) step() {
	switch m.random.IntN(60) {
	case 0: // a restart
		m.end()
		m.restarted(m.fs.Clone())
	case 1: // the process is killed
		after := m.fs.Clone()
		m.fs.Intercept(nil)
		m.end()
		m.restarted(after)
	case 2: // the power goes while all is quiet
		after := m.fs.Lose(m.random)
		m.fs.Intercept(nil)
		m.end()
		m.restarted(after)
	case 3, 4, 5:
		m.runAhead()
	default:
		m.do(m.choose())
	}
}

func (m *modelTest) restarted(fs *memfs.FS) {
	m.mu.Lock()
	m.mu.acked = m.mu.acked.restarted()
	m.mu.asked = nil
	m.mu.Unlock()
	m.begin(fs)
}

// do makes a call.
func (m *modelTest) do(a action) {
	m.ask(a)
	if err := a.call(m.log); err != nil {
		m.t.Fatalf("%s: %v", a.name, err)
	}
	m.answered(a)
}

// ask takes note of what a call will do after those that are under way, and
// returns it.
func (m *modelTest) ask(a action) *oracle {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := m.mu.acked
	if n := len(m.mu.asked); n > 0 {
		after = m.mu.asked[n-1]
	}
	after = after.clone()
	a.model(after)
	m.mu.asked = append(m.mu.asked, after)
	return after
}

// answered takes note that all calls under way, of which a is the last, have
// come to their end.
func (m *modelTest) answered(a action) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.acked, m.mu.asked = m.mu.asked[len(m.mu.asked)-1], nil
	if d := m.mu.acked.differs(m.t, m.log); d != "" {
		m.t.Errorf("after %s (-want +got): %s", a.name, d)
	}
}

// runAhead appends a few times without waiting for the disk. What was appended can
// be read at once. In the end it waits, or makes a call of another kind, and all
// is durable when that returns.
func (m *modelTest) runAhead() {
	id := cluster.GroupID(1 + m.random.IntN(groupCount))
	if _, ok := m.mu.acked.groups[id]; !ok {
		return
	}
	m.term++
	after, log := m.mu.acked, lookup(m.log, id)
	var a action
	for range 1 + m.random.IntN(4) {
		a = appendAction(id, after.groups[id], m.term, 1+m.random.IntN(3), m.random.IntN(400))
		a.call = func(*raftlog.Log) error { return log.StoreLogsAhead(a.logs) }
		after = m.ask(a)
		if err := a.call(m.log); err != nil {
			m.t.Fatalf("%s, ahead: %v", a.name, err)
		}
		if d := after.differs(m.t, m.log); d != "" {
			m.t.Errorf("after %s, ahead (-want +got): %s", a.name, d)
		}
	}
	g := after.groups[id]
	last := g.first + uint64(len(g.entries)) - 1
	switch m.random.IntN(3) {
	case 0:
		a = deleteAction(id, last-m.random.Uint64N(uint64(len(g.entries))), last)
		m.do(a)
	case 1:
		a = setAction(id, keyTerm, number(m.term))
		m.do(a)
	default:
		durable := make(chan struct{})
		if !log.Durable(last, func() { close(durable) }) {
			<-durable
		}
		m.answered(a)
	}
	if !log.Durable(last, func() {}) {
		m.t.Errorf("after %s, entry %d is not durable", a.name, last)
	}
}

// maybeLosePower is called before each operation of the file system.
func (m *modelTest) maybeLosePower(op memfs.Op) error {
	if op.Kind == memfs.Read || op.Kind == memfs.Open {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.random.IntN(3) > 0 {
		return nil
	}
	m.mu.losses++
	m.survives(m.fs.Lose(m.mu.random), op)
	return nil
}

// survives checks what is left of the log, on whatever goroutine met op.
func (m *modelTest) survives(fs *memfs.FS, op memfs.Op) {
	if err := m.checkLeft(fs); err != nil {
		m.t.Errorf("power lost before %+v: %v", op, err)
	}
}

// checkLeft opens what is left, loses power again at once, and works with the
// rest.
func (m *modelTest) checkLeft(fs *memfs.FS) error {
	found := m.mu.acked.restarted()
	var again *memfs.FS
	err := m.with(fs, func(l *raftlog.Log) error {
		if d := found.differs(m.t, l); d != "" {
			i := slices.IndexFunc(m.mu.asked, func(o *oracle) bool { return o.restarted().differs(m.t, l) == "" })
			if i < 0 {
				return fmt.Errorf("neither as acknowledged nor as asked (-acknowledged +got): %s", d)
			}
			found = m.mu.asked[i].restarted()
		}
		again = fs.Lose(m.mu.random)
		return nil
	})
	if err != nil {
		return err
	}
	err = m.with(again, func(l *raftlog.Log) error {
		if d := found.differs(m.t, l); d != "" {
			return fmt.Errorf("what was found is gone after another loss (-want +got): %s", d)
		}
		for id, g := range found.groups {
			a := appendAction(id, g, 1000, 3, 50)
			a.model(found)
			if err := a.call(l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return m.with(again.Clone(), func(l *raftlog.Log) error {
		if d := found.differs(m.t, l); d != "" {
			return fmt.Errorf("after more work (-want +got): %s", d)
		}
		return nil
	})
}

// with opens the log on a file system for a while.
func (m *modelTest) with(fs *memfs.FS, use func(l *raftlog.Log) error) error {
	l, err := raftlog.Open(m.options(fs))
	if err != nil {
		return err
	}
	return errors.Join(use(l), l.Close())
}

// choose picks a call that fits what the log holds.
func (m *modelTest) choose() action {
	o, r := m.mu.acked, m.random
	// One group is busy for a while, so that the others are laggards.
	id := m.busy
	if r.IntN(80) == 0 {
		m.busy = cluster.GroupID(1 + r.IntN(groupCount))
	}
	if r.IntN(10) == 0 || id == 0 {
		id = cluster.GroupID(1 + r.IntN(groupCount))
	}
	g, ok := o.groups[id]
	if !ok {
		return m.chooseBirth(id)
	}
	m.term++
	first, n := g.first, uint64(len(g.entries))
	switch c := r.IntN(100); {
	case c < 45 || n == 0 && c < 70:
		size := r.IntN(400)
		if r.IntN(20) == 0 {
			size = r.IntN(8 << 10)
		}
		return appendAction(id, g, m.term, 1+r.IntN(6), size)
	case c < 55:
		return deleteAction(id, first+r.Uint64N(n+1), first+n+r.Uint64N(3)) // end
	case c < 68:
		return deleteAction(id, first-min(first, r.Uint64N(3)), first+r.Uint64N(n+2)) // beginning
	case c < 70:
		return deleteAction(id, first+n, first+n+10) // nothing
	case c < 72:
		return resetAction(id, 1+r.Uint64N(100))
	case c < 80:
		return setAction(id, keyTerm, number(m.term))
	case c < 84:
		return setAction(id, "other", fmt.Sprint("value ", r.IntN(3)))
	case c < 91:
		return setAction(id, keyVoteTerm, number(m.term))
	case c < 98:
		return setAction(id, keyVoteCandidate, fmt.Sprint("candidate ", r.IntN(2)))
	default:
		return destroyAction(id, g.peer)
	}
}

// chooseBirth is for a group that has no peer here.
func (m *modelTest) chooseBirth(id cluster.GroupID) action {
	p := peer(1 + m.random.Uint64N(replicaCount))
	if m.mu.acked.destroyed[destroyedKey(id, p)] || m.random.IntN(20) == 0 {
		return destroyAction(id, p)
	}
	return action{
		name:  fmt.Sprintf("Group(%v, %v)", id, p),
		model: func(o *oracle) { o.groups[id] = &oracleGroup{peer: p, stable: make(map[string]string)} },
		call: func(l *raftlog.Log) error {
			_, err := l.Group(id, p)
			return err
		},
	}
}

func number(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

func appendAction(id cluster.GroupID, g *oracleGroup, term uint64, n, size int) action {
	next := g.first + uint64(len(g.entries))
	if len(g.entries) == 0 {
		if next = g.next; next == 0 {
			next = 1 + term%10
		}
	}
	logs := entries(next, term, n, size)
	return action{
		name: fmt.Sprintf("group %v: append %d to %d", id, next, next+uint64(n)-1),
		logs: logs,
		model: func(o *oracle) {
			g := o.groups[id]
			if len(g.entries) == 0 {
				g.first = next
			}
			g.entries = append(g.entries, logs...)
		},
		call: func(l *raftlog.Log) error { return lookup(l, id).StoreLogs(logs) },
	}
}

func deleteAction(id cluster.GroupID, from, to uint64) action {
	return action{
		name: fmt.Sprintf("group %v: delete %d to %d", id, from, to),
		model: func(o *oracle) {
			g := o.groups[id]
			var left []*raft.Log
			for _, e := range g.entries {
				if e.Index < from || e.Index > to {
					left = append(left, e)
				}
			}
			if len(left) > 0 {
				g.first = left[0].Index
			} else if len(g.entries) > 0 {
				g.first, g.next = 0, 0
			}
			g.entries = left
		},
		call: func(l *raftlog.Log) error { return lookup(l, id).DeleteRange(from, to) },
	}
}

func resetAction(id cluster.GroupID, next uint64) action {
	return action{
		name: fmt.Sprintf("group %v: reset to %d", id, next),
		model: func(o *oracle) {
			g := o.groups[id]
			g.entries, g.first, g.next = nil, 0, next
		},
		call: func(l *raftlog.Log) error { return lookup(l, id).Reset(next) },
	}
}

func setAction(id cluster.GroupID, key, value string) action {
	return action{
		name: fmt.Sprintf("group %v: set %s", id, key),
		model: func(o *oracle) {
			g := o.groups[id]
			if key == keyVoteTerm {
				g.vote = &value
				return
			}
			g.stable[key] = value
			if key == keyVoteCandidate && g.vote != nil {
				g.stable[keyVoteTerm], g.vote = *g.vote, nil
			}
		},
		call: func(l *raftlog.Log) error { return lookup(l, id).Set([]byte(key), []byte(value)) },
	}
}

func destroyAction(id cluster.GroupID, p cluster.PeerID) action {
	return action{
		name: fmt.Sprintf("Destroy(%v, %v)", id, p),
		model: func(o *oracle) {
			if g, ok := o.groups[id]; ok && g.peer == p {
				delete(o.groups, id)
			}
			o.destroyed[destroyedKey(id, p)] = true
		},
		call: func(l *raftlog.Log) error { return l.Destroy(id, p) },
	}
}

func lookup(l *raftlog.Log, id cluster.GroupID) *raftlog.GroupLog {
	g, ok := l.Lookup(id)
	if !ok {
		panic(fmt.Sprintf("group %v is missing", id))
	}
	return g
}
