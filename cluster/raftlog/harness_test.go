package raftlog_test

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

const (
	dir  = "data/log"
	salt = 0x8877665544332211

	keyTerm          = "CurrentTerm"
	keyVoteTerm      = "LastVoteTerm"
	keyVoteCandidate = "LastVoteCand"
)

var stableKeys = []string{keyTerm, keyVoteTerm, keyVoteCandidate, "other"}

// options are those of a log that must not fail.
func options(t testing.TB, fs raftlog.FS) raftlog.Options {
	return raftlog.Options{
		Dir: dir, FS: fs, Sync: true, SegmentBytes: 8 << 10, CacheBytes: 16 << 10,
		Fatal: func(err error) { t.Errorf("the log has failed: %v", err) },
	}.WithSalt(salt)
}

func open(t testing.TB, o raftlog.Options) *raftlog.Log {
	t.Helper()
	l, err := raftlog.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLog(t testing.TB, l *raftlog.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func peer(replica uint64) cluster.PeerID { return cluster.PeerID{Node: "node-1", Replica: replica} }

func group(t testing.TB, l *raftlog.Log, id cluster.GroupID) *raftlog.GroupLog {
	t.Helper()
	g, err := l.Group(id, peer(1))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// entries makes entries that can be told apart by index and term.
func entries(first, term uint64, n, size int) []*raft.Log {
	logs := make([]*raft.Log, n)
	for i := range logs {
		index := first + uint64(i)
		text := fmt.Sprintf("entry %d of term %d ", index, term)
		logs[i] = &raft.Log{
			Index: index, Term: term, Type: raft.LogType(index % 6),
			AppendedAt: time.Unix(1, int64(index)),
			Data:       []byte(strings.Repeat(text, size/len(text)+1)[:size]),
		}
		if index%7 == 0 {
			logs[i].Extensions = []byte("extended")
			logs[i].AppendedAt = time.Time{}
		}
	}
	return logs
}

func store(t testing.TB, g *raftlog.GroupLog, logs []*raft.Log) {
	t.Helper()
	if err := g.StoreLogs(logs); err != nil {
		t.Fatal(err)
	}
}

// stored is what a group holds, in a form that is easy to compare.
type stored struct {
	Peer        string
	First, Last uint64
	Next        uint64 // of an empty log
	Entries     []string
	Stable      map[string]string
}

func describe(e *raft.Log) string {
	return fmt.Sprint(e.Index, e.Term, e.AppendedAt.UnixNano(), e.Type, string(e.Extensions), string(e.Data))
}

// dump returns all that a log holds.
func dump(t testing.TB, l *raftlog.Log) map[cluster.GroupID]stored {
	t.Helper()
	all := make(map[cluster.GroupID]stored)
	for _, g := range l.Groups() {
		s, err := read(g)
		if err != nil {
			t.Errorf("group %v: %v", g.ID(), err)
		}
		all[g.ID()] = s
	}
	return all
}

func read(g *raftlog.GroupLog) (s stored, err error) {
	s.Peer = g.Peer().String()
	if s.First, err = g.FirstIndex(); err != nil {
		return s, err
	}
	if s.Last, err = g.LastIndex(); err != nil {
		return s, err
	}
	s.Next = g.Next()
	for i := s.First; i <= s.Last && i > 0; i++ {
		var e raft.Log
		if err := g.GetLog(i, &e); err != nil {
			return s, fmt.Errorf("entry %d: %w", i, err)
		}
		s.Entries = append(s.Entries, describe(&e))
	}
	for _, key := range stableKeys {
		value, err := g.Get([]byte(key))
		if err == nil {
			if s.Stable == nil {
				s.Stable = make(map[string]string)
			}
			s.Stable[key] = string(value)
		} else if err.Error() != "not found" {
			return s, err
		}
	}
	return s, nil
}

// oracle is what a log has to hold.
type oracle struct {
	groups    map[cluster.GroupID]*oracleGroup
	destroyed map[string]bool // "group peer"
}

type oracleGroup struct {
	peer    cluster.PeerID
	first   uint64
	entries []*raft.Log // from first
	next    uint64      // where an empty log must begin; 0: anywhere
	stable  map[string]string
	vote    *string // the half of a vote that is not durable
}

func newOracle() *oracle {
	return &oracle{groups: make(map[cluster.GroupID]*oracleGroup), destroyed: make(map[string]bool)}
}

func (o *oracle) clone() *oracle {
	c := &oracle{groups: make(map[cluster.GroupID]*oracleGroup), destroyed: maps.Clone(o.destroyed)}
	for id, g := range o.groups {
		copied := *g
		copied.entries = slices.Clone(g.entries)
		copied.stable = maps.Clone(g.stable)
		c.groups[id] = &copied
	}
	return c
}

// restarted is what is left of it when the process ends.
func (o *oracle) restarted() *oracle {
	c := o.clone()
	for _, g := range c.groups {
		g.vote = nil
	}
	return c
}

func (o *oracle) dump() map[cluster.GroupID]stored {
	all := make(map[cluster.GroupID]stored)
	for id, g := range o.groups {
		s := stored{Peer: g.peer.String()}
		if len(g.entries) > 0 {
			s.First, s.Last = g.first, g.first+uint64(len(g.entries))-1
		} else {
			s.Next = g.next
		}
		for _, e := range g.entries {
			s.Entries = append(s.Entries, describe(e))
		}
		if len(g.stable) > 0 {
			s.Stable = maps.Clone(g.stable)
		}
		if g.vote != nil {
			if s.Stable == nil {
				s.Stable = make(map[string]string)
			}
			s.Stable[keyVoteTerm] = *g.vote
		}
		all[id] = s
	}
	return all
}

// differs says how a log differs from what it has to hold.
func (o *oracle) differs(t testing.TB, l *raftlog.Log) string {
	t.Helper()
	if want, got := o.dump(), dump(t, l); !reflect.DeepEqual(want, got) {
		return cmp.Diff(want, got)
	}
	for id := range cluster.GroupID(groupCount + 1) {
		for replica := range uint64(replicaCount + 1) {
			if got, want := l.Destroyed(id, peer(replica)), o.destroyed[destroyedKey(id, peer(replica))]; got != want {
				return fmt.Sprintf("Destroyed(%v, %v) = %v, want %v", id, peer(replica), got, want)
			}
		}
	}
	return ""
}

func destroyedKey(id cluster.GroupID, p cluster.PeerID) string { return fmt.Sprint(id, " ", p) }

// newFault makes a fault that lets some operations succeed first.
func newFault(kind memfs.Kind, after int, err error) *fault {
	f := &fault{kind: kind, err: err}
	f.after.Store(int32(after))
	return f
}

// fault fails operations of a memfs, and counts the calls of Fatal.
type fault struct {
	err   error
	kind  memfs.Kind
	after atomic.Int32 // how many of the kind succeed first
	fatal atomic.Int32
}

func (f *fault) intercept(op memfs.Op) error {
	if op.Kind != f.kind || f.after.Add(-1) >= 0 {
		return nil
	}
	return f.err
}

var errDisk = errors.New("input/output error")
