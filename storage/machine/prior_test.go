package machine

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
)

func encode(cmds ...command.Command) [][]byte {
	encoded := make([][]byte, len(cmds))
	for i := range cmds {
		encoded[i] = cmds[i].Append(nil)
	}
	return encoded
}

// TestPriors looks up what commands will find, and which of them have no use for
// it.
func TestPriors(t *testing.T) {
	r := createRig(t, memory(t), bounded())
	r.must(consumer(command.Register, "region:us", 0, ""))
	r.must(put("a", "v", "a"))
	r.must(put("gone"))
	r.must(del("gone"))
	there, gone := r.get("a"), r.get("gone")
	known := func(s Stored) []byte { return appendPrior(nil, &s) }
	for _, tt := range []struct {
		name string
		c    command.Command
		want []byte
	}{
		{"put", put("a", "v", "b"), known(there)},
		{"put of what is there", put("a", "v", "a"), nil},
		{"put of what is new", put("b"), known(Stored{})},
		{"put over a tombstone", put("gone"), known(gone)},
		{"put that holds", when(put("a"), "v = :a"), known(there)},
		{"put that does not hold", when(put("a"), "v = :b"), nil},
		{"put of what must not be there", when(put("b"), "attribute_not_exists(pk)"), known(Stored{})},
		{"put that answers with the old item", returning(put("a"), command.ReturnAllOld), nil},
		{"put elsewhere", put("z"), nil},
		{"delete", del("a"), known(there)},
		{"delete of nothing", del("b"), known(Stored{})},
		{"delete that holds", when(del("a"), "attribute_exists(pk)"), known(there)},
		{"delete that answers with the old item", returning(del("a"), command.ReturnAllOld), nil},
		{"merge", merge("a", at(5000, "us")), known(there)},
		{"merge that comes late", merge("a", at(5, "us")), known(there)},
		{"merge of a deletion", mergeDelete("gone", at(5000, "us")), known(gone)},
		{"update", update("a", "SET v = :b"), nil},
		{"transaction", transact(put("a")), nil},
		{"consumer", consumer(command.Advance, "region:us", 1, ""), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A second command, so that there are priors where this one has none.
			got := r.p.Priors(encode(tt.c, put("other")), true)
			want := command.Priors{Base: r.p.Meta().AppliedIndex, Of: [][]byte{tt.want, known(Stored{})}}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got := r.p.Priors([][]byte{{}, {99}, {byte(command.Put)}}, true); got.Of != nil {
		t.Errorf("priors of what is no command: %v", got)
	}
	r.p.Close()
	if got := r.p.Priors(encode(put("a")), true); got.Of != nil {
		t.Errorf("priors of a closed partition: %v", got)
	}
}

// TestPriorsOfAnotherTime gives a command a prior that is not true, and looks
// whether it is believed: by a peer that has applied, last, the entry that the
// prior is of, and by nobody else.
func TestPriorsOfAnotherTime(t *testing.T) {
	lie := appendPrior(nil, &Stored{Exists: true, Size: 1000})
	for _, tt := range []struct {
		name     string
		base     uint64
		before   []command.Command // in the same entry
		c        command.Command
		believed bool
	}{
		{name: "of the last entry", base: 2, c: put("a"), believed: true},
		{name: "of an earlier entry", base: 1, c: put("a")},
		{name: "of a later entry", base: 3, c: put("a")},
		{name: "of a key that the entry has written", base: 2, before: []command.Command{put("a", "v", "a")}, c: put("a")},
		{name: "of a key that the entry has deleted", base: 2, before: []command.Command{put("a"), del("a")}, c: put("a")},
		{name: "of a key that the entry has left alone", base: 2, before: []command.Command{check("a", "attribute_exists(pk)")},
			c: put("a"), believed: true},
		{name: "for an answer that needs the item", base: 2, c: returning(put("a"), command.ReturnAllOld)},
		{name: "for an update", base: 2, c: update("a", "SET v = :a")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.must(put("other"))
			r.must(put("other", "v", "a"))
			e := r.entry()
			cmds := encode(append(tt.before, tt.c)...)
			b := command.Batch{Time: r.now, Commands: cmds, Priors: command.Priors{Base: tt.base, Of: make([][]byte, len(cmds))}}
			b.Priors.Of[len(cmds)-1] = lie
			e.Data = b.Append(nil)
			results, err := r.p.Apply([]Entry{e})
			if err != nil {
				t.Fatal(err)
			}
			if got := results[0][len(cmds)-1].OldSize == 1000; got != tt.believed {
				t.Errorf("believed: %t", got)
			}
		})
	}
}

// TestDamagedPriors stops the partition, as anything else in an entry does that
// cannot be read.
func TestDamagedPriors(t *testing.T) {
	for name, prior := range map[string][]byte{
		"unknown format": {9},
		"cut short":      {recordFormat, 0, 1},
		"with an item":   append(appendPrior(nil, &Stored{Exists: true, Size: 3}), doc("pk", "a")...),
	} {
		r := newRig(t)
		r.must(put("b"))
		b := command.Batch{Time: r.now, Commands: encode(put("a")), Priors: command.Priors{Base: 1, Of: [][]byte{prior}}}
		if _, err := r.p.Apply([]Entry{{Index: 2, Term: 1, Data: b.Append(nil)}}); storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPriorsWhereItPays: a leader gives priors of items that it had to look for in
// Badger, as long as there are many, and those who get them need not look.
func TestPriorsWhereItPays(t *testing.T) {
	dir := t.TempDir()
	open := func() *engine.Engine {
		t.Helper()
		e, err := engine.Open(engine.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open()
	defer func() { _ = e.Close() }()
	leader := createRigAt(t, e, 1, Meta{Group: 7, Table: "t"})
	follower := createRigAt(t, e, 2, Meta{Group: 7, Table: "t"})
	const batch = 16
	version := 0
	// entry is applied by both. It returns how many priors it had.
	entry := func(from int) int {
		t.Helper()
		version++
		var cmds []command.Command
		for i := range batch {
			cmds = append(cmds, put(fmt.Sprint("key", from+i), "n", version))
		}
		leader.index++
		b := command.Batch{Time: leader.now, Commands: encode(cmds...)}
		b.Priors = leader.p.Priors(b.Commands, false)
		priors := 0
		for _, p := range b.Priors.Of {
			if len(p) > 0 {
				priors++
			}
		}
		data := []Entry{{Index: leader.index, Term: 1, Data: b.Append(nil)}}
		for _, r := range []*rig{leader, follower} {
			if _, err := r.p.Apply(data); err != nil {
				t.Fatal(err)
			}
		}
		return priors
	}
	for i := range 6 {
		entry(i * batch)
	}
	// From here on the items are in no cache.
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open()
	leader.p.engine, follower.p.engine = e, e
	leader.reopen()
	follower.reopen()
	// The first entry finds out, and the next ones profit.
	if got := entry(0); got != 0 {
		t.Errorf("%d priors before there was a reason", got)
	}
	before := follower.p.deep.Load()
	for i := 1; i < 5; i++ {
		if got := entry(i * batch); got != batch {
			t.Errorf("%d priors of %d items in Badger", got, batch)
		}
	}
	if got := follower.p.deep.Load() - before; got != 0 {
		t.Errorf("with priors the follower has looked for %d items", got)
	}
	// What is in a delta has no priors, and then the leader does not look any more.
	looks := 0
	for range 3 {
		if got := entry(0); got != 0 {
			t.Errorf("%d priors of items in memory", got)
		}
		if leader.p.scout.key != nil {
			looks++
		}
		leader.p.scout.key = nil
	}
	if looks != 1 {
		t.Errorf("the leader has looked %d times for what is in memory", looks)
	}
	if diff := cmp.Diff(dump(t, e, 1), dump(t, e, 2)); diff != "" {
		t.Errorf("the peers differ (-leader +follower):\n%s", diff)
	}
	checkMeta(t, follower.p)
}
