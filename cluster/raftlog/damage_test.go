package raftlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
	"github.com/roundtabledb/roundtable/storage"
)

// fill writes a log of a few segments with records of all kinds, and returns
// what it holds.
func fill(t testing.TB, l *raftlog.Log) map[cluster.GroupID]stored {
	t.Helper()
	for id := cluster.GroupID(1); id <= 3; id++ {
		g := group(t, l, id)
		for i := range uint64(6) {
			store(t, g, entries(1+3*i, 1, 3, 60))
		}
		must(t, g.Set([]byte(keyVoteTerm), []byte("12345678")))
		must(t, g.Set([]byte(keyVoteCandidate), []byte("node-1/1")))
		must(t, g.DeleteRange(17, 18))
		must(t, g.DeleteRange(1, uint64(id)))
	}
	must(t, lookup(l, 2).Reset(40))
	must(t, l.Destroy(3, peer(1)))
	store(t, lookup(l, 2), entries(40, 2, 5, 60))
	return dump(t, l)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tryOpen opens a log that may be damaged; nil means that it was refused, and
// with the right error.
func tryOpen(t testing.TB, o raftlog.Options) *raftlog.Log {
	t.Helper()
	l, err := raftlog.Open(o)
	if err == nil {
		return l
	}
	if storage.KindOf(err) != storage.Corrupt || !strings.Contains(err.Error(), "Remove the node") {
		t.Fatalf("the error is not that of a damaged log: %v", err)
	}
	return nil
}

// TestFlippedBits flips a bit in every two bytes of a log that was closed: it must
// be found, or be harmless.
func TestFlippedBits(t *testing.T) {
	fs := memfs.NewDisk()
	o := options(t, fs)
	o.SegmentBytes = 2 << 10
	l := open(t, o)
	want := fill(t, l)
	closeLog(t, l)

	found := flipAll(t, fs, o, func(l *raftlog.Log) {
		if got := dump(t, l); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("the log holds %v, want %v", got, want)
		}
	})
	if found < 2000 {
		t.Errorf("only %d flips were found", found)
	}
}

// TestFlippedBitsAfterPowerLoss is the same for a log that was not closed. Its
// last commit may be taken for one that was interrupted, and no other.
func TestFlippedBitsAfterPowerLoss(t *testing.T) {
	fs := memfs.NewDisk()
	o := options(t, fs)
	o.SegmentBytes = 2 << 10
	l := open(t, o)
	fill(t, l)
	before := dump(t, l)
	store(t, group(t, l, 1), entries(17, 3, 1, 60))
	after := dump(t, l)
	clone := fs.Clone()
	closeLog(t, l)

	found := flipAll(t, clone, o, func(l *raftlog.Log) {
		if got := fmt.Sprint(dump(t, l)); got != fmt.Sprint(after) && got != fmt.Sprint(before) {
			t.Fatalf("the log holds %v, want %v or %v", got, before, after)
		}
	})
	if found < 2000 {
		t.Errorf("only %d flips were found", found)
	}
}

// flipAll opens copies of a file system in which one bit is not what it was,
// and returns how many were refused.
func flipAll(t *testing.T, fs *memfs.FS, o raftlog.Options, check func(l *raftlog.Log)) (found int) {
	t.Helper()
	names, err := fs.List(dir)
	must(t, err)
	for _, name := range names {
		f, err := fs.Open(filepath.Join(dir, name))
		must(t, err)
		size, err := f.Size()
		must(t, err)
		for i := int64(0); i < size; i += 2 {
			bit := i*8 + i%16
			clone := fs.Clone()
			must(t, clone.Flip(filepath.Join(dir, name), bit))
			o.FS = clone
			l := tryOpen(t, o)
			if l == nil {
				found++
				continue
			}
			check(l)
			closeLog(t, l)
		}
	}
	return found
}

func TestMissingFiles(t *testing.T) {
	fs := memfs.NewDisk()
	o := options(t, fs)
	o.SegmentBytes = 2 << 10
	l := open(t, o)
	g := group(t, l, 1)
	for i := range uint64(40) { // all live, so no segment is freed
		store(t, g, entries(1+i, 1, 1, 200))
	}
	segments := l.Stats().Segments
	closeLog(t, l)
	if segments < 4 {
		t.Fatalf("only %d segments", segments)
	}
	missing := map[string][]string{"the identity": {"identity"}, "all segments": nil}
	for i := range segments - 1 { // of the last nothing else tells
		name := fmt.Sprintf("%010d.log", i+1)
		missing[fmt.Sprint("segment ", i+1)] = []string{name}
	}
	names, err := fs.List(dir)
	must(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			missing["all segments"] = append(missing["all segments"], name)
		}
	}
	for what, names := range missing {
		o.FS = fs.Clone()
		for _, name := range names {
			must(t, o.FS.Remove(filepath.Join(dir, name)))
		}
		if tryOpen(t, o) != nil {
			t.Errorf("a log without %s was opened", what)
		}
	}
}

func TestForeignFiles(t *testing.T) {
	fs := memfs.NewDisk()
	o := options(t, fs)
	l := open(t, o)
	want := fill(t, l)
	closeLog(t, l)
	for _, name := range []string{"notes.txt", "lost+found"} {
		if _, err := fs.Create(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	l = open(t, o)
	if got := dump(t, l); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the log holds %v, want %v", got, want)
	}
	closeLog(t, l)
	if _, err := fs.Create(filepath.Join(dir, "7.log")); err != nil {
		t.Fatal(err)
	}
	if tryOpen(t, o) != nil {
		t.Error("a segment that is none was accepted")
	}
}

func TestOneProcessAtATime(t *testing.T) {
	o := options(t, memfs.New())
	l := open(t, o)
	if _, err := raftlog.Open(o); err == nil || storage.KindOf(err) == storage.Corrupt {
		t.Errorf("opened twice: %v", err)
	}
	closeLog(t, l)
	closeLog(t, open(t, o))
	if err := l.Close(); err == nil {
		t.Error("closed twice")
	}
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(o *raftlog.Options){
		"no folder":          func(o *raftlog.Options) { o.Dir = "" },
		"no Fatal":           func(o *raftlog.Options) { o.Fatal = nil },
		"tiny segments":      func(o *raftlog.Options) { o.SegmentBytes = 1 },
		"huge segments":      func(o *raftlog.Options) { o.SegmentBytes = 1 << 40 },
		"no sync, real disk": func(o *raftlog.Options) { o.Sync, o.FS = false, nil },
	} {
		o := options(t, memfs.New())
		o.Dir = t.TempDir()
		change(&o)
		if l, err := raftlog.Open(o); err == nil {
			t.Errorf("%s: accepted", name)
			closeLog(t, l)
		}
	}
}

// TestFailedSyncIsNotForgotten: after a failed sync the memory of the system
// shows what the disk does not have. What a restart finds must survive.
func TestFailedSyncIsNotForgotten(t *testing.T) {
	fs := memfs.NewDisk()
	f := newFault(memfs.Sync, 0, errDisk)
	o := options(t, fs)
	o.Fatal = func(error) { f.fatal.Add(1) }
	l := open(t, o)
	g := group(t, l, 1)
	store(t, g, entries(1, 1, 1, 2000))
	fs.Intercept(f.intercept)
	if err := g.StoreLogs(entries(2, 1, 1, 2000)); !errors.Is(err, errDisk) {
		t.Errorf("the append returned %v", err)
	}
	fs.Intercept(nil)
	restarted := fs.Clone()
	l.Close()

	l = open(t, options(t, restarted))
	found := dump(t, l)
	if found[1].Last != 2 {
		t.Fatalf("the test is of no use: the restart found %+v", found[1])
	}
	for seed := range uint64(20) {
		lost := restarted.Lose(rand.New(rand.NewPCG(seed, 0)))
		again := open(t, options(t, lost))
		if got := dump(t, again); fmt.Sprint(got) != fmt.Sprint(found) {
			t.Errorf("after a loss of power the log holds %v, want %v", got, found)
		}
		closeLog(t, again)
	}
	closeLog(t, l)
}
