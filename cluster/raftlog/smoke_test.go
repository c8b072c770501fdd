package raftlog_test

import (
	"testing"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
)

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	o := raftlog.Options{Dir: dir + "/log", Sync: true, SegmentBytes: 1 << 20, Fatal: func(err error) { t.Error(err) }}
	l, err := raftlog.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	g, err := l.Group(5, cluster.PeerID{Node: "n", Replica: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(1); i < 10; i++ {
		if err := g.StoreLog(&raft.Log{Index: i, Term: 1, Data: make([]byte, 300<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.DeleteRange(1, 5); err != nil {
		t.Fatal(err)
	}
	t.Log(l.Stats())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err = raftlog.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	g, _ = l.Lookup(5)
	first, _ := g.FirstIndex()
	last, _ := g.LastIndex()
	if first != 6 || last != 9 {
		t.Fatal(first, last)
	}
	var e raft.Log
	if err := g.GetLog(7, &e); err != nil {
		t.Fatal(err)
	}
	l.Close()
}
