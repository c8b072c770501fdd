package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/version"
)

// entries turns drawn operations into a log. Indexes have gaps, as they do when
// Raft has entries of its own. priors, which may be nil, makes those of an entry
// with so many commands after the entry at last.
func entries(t *rapid.T, drawn [][]op, priors func(last uint64, commands int) command.Priors) []Entry {
	var log []Entry
	index := uint64(0)
	for _, ops := range drawn {
		index += rapid.Uint64Range(1, 3).Draw(t, "gap")
		if len(ops) == 0 {
			log = append(log, Entry{Index: index, Term: 1, Configuration: true, Data: fmt.Appendf(nil, "config %d", index)})
			continue
		}
		encoded := make([][]byte, len(ops))
		for i, o := range ops {
			c := o.command()
			encoded[i] = c.Append(nil)
		}
		now := version.FromMillis(rapid.Int64Range(1, 60).Draw(t, "now"))
		b := command.Batch{Time: now, Commands: encoded}
		if priors != nil && len(log) > 0 {
			b.Priors = priors(log[len(log)-1].Index, len(encoded))
		}
		log = append(log, Entry{Index: index, Term: 1 + index/20, Data: b.Append(nil)})
	}
	return log
}

// lies are priors that need not be true, nor of the right time.
func lies(t *rapid.T) func(uint64, int) command.Priors {
	return func(last uint64, commands int) command.Priors {
		if rapid.Bool().Draw(t, "no priors") {
			return command.Priors{}
		}
		p := command.Priors{Base: last - min(last, rapid.Uint64Range(0, 2).Draw(t, "behind")), Of: make([][]byte, commands)}
		for i := range p.Of {
			s := Stored{Exists: true, Size: 7, Version: version.Version{Time: version.FromMillis(30), Region: "us"}}
			switch rapid.IntRange(0, 3).Draw(t, "prior") {
			case 0:
				continue
			case 1:
				s = Stored{}
			case 2:
				s.Exists, s.Tombstone = false, true
			}
			p.Of[i] = appendPrior(nil, &s)
		}
		return p
	}
}

// TestDeterminism applies one log to two peers: one entry at a time, and in
// pieces of any length with restarts between them. Results, every stored byte
// and the hash have to be the same, even where priors are not true.
func TestDeterminism(t *testing.T) {
	e := memory(t)
	ks := Keyspace(0)
	rapid.Check(t, func(t *rapid.T) {
		log := entries(t, history(t), lies(t))
		ks += 2
		one, err := Create(e, ks, bounded(), home)
		if err != nil {
			t.Fatal(err)
		}
		other, err := Create(e, ks+1, bounded(), home)
		if err != nil {
			t.Fatal(err)
		}
		var wantResults, gotResults [][]command.Result
		for i := range log {
			results, err := one.Apply(log[i : i+1])
			if err != nil {
				t.Fatal(err)
			}
			wantResults = append(wantResults, results...)
		}
		for rest := log; len(rest) > 0; {
			n := rapid.IntRange(0, len(rest)).Draw(t, "piece")
			results, err := other.Apply(rest[:n])
			if err != nil {
				t.Fatal(err)
			}
			gotResults = append(gotResults, results...)
			rest = rest[n:]
			if rapid.Bool().Draw(t, "restart") {
				if other, err = Open(e, ks+1, other.group, home); err != nil {
					t.Fatal(err)
				}
			}
		}
		if diff := cmp.Diff(wantResults, gotResults, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("results (-one +other):\n%s", diff)
		}
		if diff := cmp.Diff(dump(t, e, ks), dump(t, e, ks+1)); diff != "" {
			t.Fatalf("bytes (-one +other):\n%s", diff)
		}
		if hash(t, one) != hash(t, other) {
			t.Fatal("equal bytes have different hashes")
		}
		if diff := cmp.Diff(sessionsOf(one), sessionsOf(other)); diff != "" {
			t.Fatalf("sessions (-one +other):\n%s", diff)
		}
	})
}

// TestHashSeesEverything changes one thing at a time.
func TestHashSeesEverything(t *testing.T) {
	build := func(last ...command.Command) uint64 {
		r := newRig(t)
		r.must(consumer(command.Register, "index", 0, ""))
		r.must(put("a", "v", "1"))
		r.do(last...)
		return hash(t, r.p)
	}
	base := build(put("b"))
	if build(put("b")) != base {
		t.Fatal("the same history has another hash")
	}
	for name, other := range map[string]uint64{
		"item":     build(put("b", "v", "1")),
		"key":      build(put("c")),
		"version":  build(merge("b", at(1, "us"))),
		"session":  build(request(put("b"), 1, 1, 1)),
		"consumer": build(put("b"), consumer(command.Register, "x", 0, "")),
		"none":     build(),
	} {
		if other == base {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

// TestCrash cuts a copy out of a running store, opens it and applies what its
// applied index says is missing. Nothing may be lost or done twice.
func TestCrash(t *testing.T) {
	base, scratch := t.TempDir(), memory(t)
	run := 0
	checkFew(t, 12, func(t *rapid.T) {
		run++
		log := entries(t, history(t), nil)
		want := applied(t, scratch, Keyspace(run), log)
		dir := filepath.Join(base, fmt.Sprint("run", run))
		e, err := engine.Open(engine.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		p, err := Create(e, 1, bounded(), home)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		durable, next := uint64(0), 0
		for next < len(log) {
			n := rapid.IntRange(1, len(log)-next).Draw(t, "piece")
			if _, err := p.Apply(log[next : next+n]); err != nil {
				t.Fatal(err)
			}
			next += n
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0:
				if err := e.Checkpoint(); err != nil {
					t.Fatal(err)
				}
				durable = p.Meta().AppliedIndex
			case 1:
				copied := dir + "'"
				copyStore(t, dir, copied)
				_ = e.Close()
				dir = copied
				if e, err = engine.Open(engine.Options{Dir: dir}); err != nil {
					t.Fatal(err)
				}
				if p, err = Open(e, 1, bounded().Group, home); err != nil {
					t.Fatal(err)
				}
				if got := p.Meta().AppliedIndex; got != durable {
					t.Fatalf("resumed at %d, the checkpoint covered %d", got, durable)
				}
				for next = 0; next < len(log) && log[next].Index <= durable; {
					next++
				}
				checkMeta(t, p)
			}
		}
		if diff := cmp.Diff(want, dump(t, e, 1)); diff != "" {
			t.Fatalf("after crashes (-want +got):\n%s", diff)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// applied is the state that a log leads to.
func applied(t *rapid.T, e *engine.Engine, ks Keyspace, log []Entry) []string {
	p, err := Create(e, ks, bounded(), home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(log); err != nil {
		t.Fatal(err)
	}
	return dump(t, e, ks)
}

// copyStore copies a running store as a crash would leave it, without the zeros
// that memtable logs end with. It begins again when a memtable was flushed
// meanwhile: the copy would be of two times.
func copyStore(t tester, from, to string) {
	t.Helper()
	for {
		before := listing(t, from)
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		err := copyFiles(from, to)
		if listing(t, from) != before {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

// listing is the files of a store and the length of each.
func listing(t tester, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			fmt.Fprintln(&b, f.Name(), info.Size())
		}
	}
	return b.String()
}

func copyFiles(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(target, 0o700))
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		size := int64(len(b))
		for n := len(b) - len(zeros); n >= 0 && bytes.Equal(b[n:], zeros[:]); n -= len(zeros) {
			b = b[:n]
		}
		if err := os.WriteFile(target, b, 0o600); err != nil {
			return err
		}
		return os.Truncate(target, size)
	})
}

var zeros [4 << 10]byte

// An entry whose writes exceed every limit of the engine's transactions is
// still applied as a whole.
func TestHugeEntry(t *testing.T) {
	r := newRig(t)
	r.must(consumer(command.Register, "index", 0, ""))
	big := strings.Repeat("x", 300_000)
	const n = 64
	for i := range n {
		r.must(put(fmt.Sprint("k", i), "v", big))
	}
	cmds := make([]command.Command, n)
	for i := range cmds {
		cmds[i] = returning(request(update(fmt.Sprint("k", i), "ADD n :one"), 1, uint64(i+1), 1), command.ReturnAllNew)
	}
	for i, res := range r.do(cmds...) {
		if res.Err != nil || !res.Applied || len(res.Item) < len(big) {
			t.Fatalf("%d: %v", i, res.Err)
		}
	}
	checkMeta(t, r.p)
	r.reopen()
	// The first outcomes are kept with their images, until the table is full.
	known, lost := 0, 0
	for _, res := range r.do(cmds...) {
		if res.Err == nil {
			known++
		} else {
			lost++
		}
	}
	if known != maxTableBytes/len(big) || lost != n-known {
		t.Errorf("%d outcomes known, %d lost", known, lost)
	}
	if s := r.get("k63"); string(s.Item) != string(doc("pk", "k63", "v", big, "n", 1)) {
		t.Error("an update was applied twice")
	}
}
