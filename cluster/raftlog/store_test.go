package raftlog_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

// TestActsLikeInmemStore compares a group with Raft's own store in memory.
func TestActsLikeInmemStore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := open(t, options(t, memfs.New()))
		defer closeLog(t, l)
		ours, theirs := group(t, l, 1), raft.NewInmemStore()
		next := rapid.Uint64Range(1, 20).Draw(rt, "first")
		both := func(call func(raft.LogStore) error) {
			if a, b := call(ours), call(theirs); a != nil || b != nil {
				rt.Fatalf("ours: %v, theirs: %v", a, b)
			}
		}
		for step := range rapid.IntRange(1, 20).Draw(rt, "steps") {
			first, _ := theirs.FirstIndex()
			last, _ := theirs.LastIndex()
			switch rapid.IntRange(0, 3).Draw(rt, "call") {
			case 0, 1:
				logs := entries(next, uint64(step+1), rapid.IntRange(1, 5).Draw(rt, "entries"), 20)
				next += uint64(len(logs))
				both(func(s raft.LogStore) error { return s.StoreLogs(logs) })
			case 2:
				if last == 0 {
					break
				}
				to := rapid.Uint64Range(first, last).Draw(rt, "compact to")
				both(func(s raft.LogStore) error { return s.DeleteRange(first, to) })
			case 3:
				if last == 0 {
					break
				}
				next = rapid.Uint64Range(first, last).Draw(rt, "truncate from")
				both(func(s raft.LogStore) error { return s.DeleteRange(next, last) })
			}
			compareStores(rt, ours, theirs)
		}
	})
}

func compareStores(t *rapid.T, ours, theirs raft.LogStore) {
	for name, call := range map[string]func(raft.LogStore) (uint64, error){
		"FirstIndex": raft.LogStore.FirstIndex, "LastIndex": raft.LogStore.LastIndex,
	} {
		got, err := call(ours)
		want, _ := call(theirs)
		if got != want || err != nil {
			t.Fatalf("%s is %d, %v; want %d", name, got, err, want)
		}
	}
	for index := range uint64(130) {
		var got, want raft.Log
		gotErr, wantErr := ours.GetLog(index, &got), theirs.GetLog(index, &want)
		if gotErr != wantErr {
			t.Fatalf("GetLog(%d): %v, want %v", index, gotErr, wantErr)
		}
		if wantErr == nil && describe(&got) != describe(&want) {
			t.Fatalf("GetLog(%d): %s, want %s", index, describe(&got), describe(&want))
		}
	}
}

// TestErrorsThatRaftCompares: Raft compares these by identity and by text.
func TestErrorsThatRaftCompares(t *testing.T) {
	l := open(t, options(t, memfs.New()))
	defer closeLog(t, l)
	g := group(t, l, 1)
	var e raft.Log
	if err := g.GetLog(1, &e); err != raft.ErrLogNotFound {
		t.Errorf("GetLog: %v", err)
	}
	if v, err := g.GetUint64([]byte("x")); v != 0 || err == nil || err.Error() != "not found" {
		t.Errorf("GetUint64: %d, %v", v, err)
	}
	if v, err := g.Get([]byte("x")); len(v) != 0 || err == nil || err.Error() != "not found" {
		t.Errorf("Get: %q, %v", v, err)
	}
	exists, err := raft.HasExistingState(g, g, raft.NewInmemSnapshotStore())
	if exists || err != nil {
		t.Errorf("HasExistingState of an empty log: %v, %v", exists, err)
	}
	if err := g.SetUint64([]byte(keyTerm), 1); err != nil {
		t.Fatal(err)
	}
	if exists, err = raft.HasExistingState(g, g, raft.NewInmemSnapshotStore()); !exists || err != nil {
		t.Errorf("HasExistingState with a term: %v, %v", exists, err)
	}
}

func TestUnchangedValuesAreNotWritten(t *testing.T) {
	l := open(t, options(t, memfs.New()))
	defer closeLog(t, l)
	g := group(t, l, 1)
	set := func() {
		if err := g.SetUint64([]byte(keyTerm), 7); err != nil {
			t.Fatal(err)
		}
		if err := g.Set([]byte("other"), []byte{}); err != nil {
			t.Fatal(err)
		}
	}
	set()
	before := l.Stats().Frames
	set()
	if after := l.Stats().Frames; after != before {
		t.Errorf("%d commits for values that were there", after-before)
	}
	if v, err := g.Get([]byte("other")); v == nil || len(v) != 0 || err != nil {
		t.Errorf("an empty value reads %v, %v", v, err)
	}
}

// TestVoteIsOneWrite: a new term with the old candidate is never found.
func TestVoteIsOneWrite(t *testing.T) {
	fs := memfs.NewDisk()
	l := open(t, options(t, fs))
	g := group(t, l, 1)
	vote := func(term uint64, candidate string) {
		t.Helper()
		before := l.Stats().Frames
		if err := g.SetUint64([]byte(keyVoteTerm), term); err != nil {
			t.Fatal(err)
		}
		if v, err := g.GetUint64([]byte(keyVoteTerm)); v != term || err != nil {
			t.Fatalf("the term reads %d, %v", v, err)
		}
		if err := g.Set([]byte(keyVoteCandidate), []byte(candidate)); err != nil {
			t.Fatal(err)
		}
		if n := l.Stats().Frames - before; n != 1 {
			t.Errorf("a vote took %d commits", n)
		}
	}
	vote(1, "a")
	vote(2, "a") // the candidate is unchanged, the vote is not
	if err := g.SetUint64([]byte(keyVoteTerm), 3); err != nil {
		t.Fatal(err)
	}
	killed := fs.Clone()
	closeLog(t, l)

	l = open(t, options(t, killed))
	defer closeLog(t, l)
	g = group(t, l, 1)
	term, _ := g.GetUint64([]byte(keyVoteTerm))
	candidate, _ := g.Get([]byte(keyVoteCandidate))
	if term != 2 || string(candidate) != "a" {
		t.Errorf("found a vote for %q in term %d", candidate, term)
	}
}

// TestRaftStoresVotesAsExpected runs Raft on a log, and checks the two keys
// that a vote is stored under, in a bubble where nothing may be left behind.
func TestRaftStoresVotesAsExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, options(t, memfs.New()))
		g := group(t, l, 1)
		address, transport := raft.NewInmemTransport("node-1/1")
		config := raft.DefaultConfig()
		config.LocalID, config.LogOutput = raft.ServerID(address), io.Discard
		servers := raft.Configuration{Servers: []raft.Server{{ID: config.LocalID, Address: address}}}
		snapshots := raft.NewInmemSnapshotStore()
		if err := raft.BootstrapCluster(config, g, g, snapshots, transport, servers); err != nil {
			t.Fatal(err)
		}
		r, err := raft.NewRaft(config, &raft.MockFSM{}, g, g, snapshots, transport)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // of the bubble
		for range 10 {
			if err := r.Apply([]byte("command"), 0).Error(); err != nil {
				t.Fatal(err)
			}
		}
		term, termErr := g.GetUint64([]byte(keyVoteTerm))
		candidate, candidateErr := g.Get([]byte(keyVoteCandidate))
		if term != r.CurrentTerm() || string(candidate) != string(address) {
			t.Errorf("the vote reads term %d, %v and candidate %q, %v", term, termErr, candidate, candidateErr)
		}
		if err := r.Shutdown().Error(); err != nil {
			t.Error(err)
		}
		if last, err := g.LastIndex(); last < 12 || err != nil {
			t.Errorf("the last entry is %d, %v", last, err)
		}
		closeLog(t, l)
	})
}

// TestCallsThatBreakTheContract: each fails the log, since Raft's idea of it
// is wrong.
func TestCallsThatBreakTheContract(t *testing.T) {
	for name, call := range map[string]func(g *raftlog.GroupLog) error{
		"gap":     func(g *raftlog.GroupLog) error { return g.StoreLogs(entries(12, 1, 1, 10)) },
		"overlap": func(g *raftlog.GroupLog) error { return g.StoreLogs(entries(10, 1, 1, 10)) },
		"gap within": func(g *raftlog.GroupLog) error {
			return g.StoreLogs(append(entries(11, 1, 1, 10), entries(13, 1, 1, 10)...))
		},
		"delete middle":   func(g *raftlog.GroupLog) error { return g.DeleteRange(4, 6) },
		"after reset":     func(g *raftlog.GroupLog) error { return errors.Join(g.Reset(21), g.StoreLogs(entries(11, 1, 1, 10))) },
		"index 0":         func(g *raftlog.GroupLog) error { return errors.Join(g.Reset(0), g.StoreLogs(entries(0, 1, 1, 10))) },
		"more than 1 GiB": func(g *raftlog.GroupLog) error { return g.StoreLogs(many(entries(11, 1, 1, 1<<20)[0], 1025)) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := memfs.NewDisk()
			o := options(t, fs)
			var fatal int
			o.Fatal = func(error) { fatal++ }
			l := open(t, o)
			g := group(t, l, 1)
			store(t, g, entries(1, 1, 10, 10))
			if call(g) == nil {
				t.Error("it was accepted")
			}
			if fatal != 1 {
				t.Errorf("Fatal was called %d times", fatal)
			}
			if err := g.StoreLogs(entries(11, 1, 1, 10)); err == nil {
				t.Error("the log still works")
			}
			l.Close()
		})
	}
}

func many(e *raft.Log, n int) []*raft.Log {
	logs := make([]*raft.Log, n)
	for i := range logs {
		logs[i] = e
	}
	return logs
}

func TestPeers(t *testing.T) {
	fs := memfs.NewDisk()
	l := open(t, options(t, fs))
	if err := l.Destroy(9, peer(3)); err != nil { // never was here
		t.Fatal(err)
	}
	g := group(t, l, 1)
	store(t, g, entries(1, 1, 3, 10))
	if again := group(t, l, 1); again != g {
		t.Error("the same peer has two logs")
	}
	if _, err := l.Group(1, peer(2)); err == nil {
		t.Error("a group has two peers on one node")
	}
	for range 2 {
		if err := l.Destroy(1, peer(1)); err != nil {
			t.Fatal(err)
		}
	}
	for name, err := range map[string]error{
		"StoreLogs": g.StoreLogs(entries(4, 1, 1, 10)),
		"Set":       g.Set([]byte("other"), nil),
		"Delete":    g.DeleteRange(1, 1),
		"GetLog":    g.GetLog(1, new(raft.Log)),
	} {
		if err == nil {
			t.Errorf("%s works on a peer that was destroyed", name)
		}
	}
	closeLog(t, l)

	l = open(t, options(t, fs.Clone()))
	defer closeLog(t, l)
	for _, gone := range []struct {
		id      int
		replica uint64
	}{{1, 1}, {9, 3}} {
		if _, err := l.Group(1, peer(1)); err == nil {
			t.Errorf("peer %v of a group came back after it was destroyed", gone)
		}
	}
	g, err := l.Group(1, peer(2))
	if err != nil {
		t.Fatal(err)
	}
	if last, err := g.LastIndex(); last != 0 || err != nil {
		t.Errorf("the new peer begins with the entries of the old one: %d, %v", last, err)
	}
	if groups := l.Groups(); len(groups) != 1 || groups[0] != g || fmt.Sprint(g.ID(), g.Peer()) != "g1 node-1/2" {
		t.Errorf("the groups are %v", groups)
	}
}
