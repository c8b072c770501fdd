package raftlog_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
)

var update = flag.Bool("update", false, "write the golden files")

// goldenNames are the files of testdata/v1.
var goldenNames = []string{"identity", "0000000001.log", "0000000002.log", "0000000003.log"}

// goldenLog writes all kinds of records but moved entries.
func goldenLog(t *testing.T, l *raftlog.Log) {
	a, b := group(t, l, 1), group(t, l, 7)
	must(t, a.SetUint64([]byte(keyTerm), 3))
	must(t, a.SetUint64([]byte(keyVoteTerm), 3))
	must(t, a.Set([]byte(keyVoteCandidate), []byte("node-1/1")))
	store(t, a, entries(1, 3, 7, 20))
	must(t, a.DeleteRange(1, 2))
	must(t, a.DeleteRange(7, 9))
	must(t, b.Reset(11))
	store(t, b, entries(11, 1, 1, 600))
	store(t, b, entries(12, 2, 1, 600)) // begins the next segment
	must(t, l.Destroy(9, peer(4)))
}

// TestGolden pins the format: what is written, byte for byte, and that it can
// still be read.
func TestGolden(t *testing.T) {
	fs := memfs.New()
	o := options(t, fs)
	o.SegmentBytes = 1 << 10
	l := open(t, o)
	goldenLog(t, l)
	want := dump(t, l)
	closeLog(t, l)

	golden := memfs.NewDisk()
	for _, name := range goldenNames {
		path := filepath.Join("testdata", "v1", name)
		got := contents(t, fs, name)
		if *update {
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			must(t, os.WriteFile(path, got, 0o644))
		}
		b, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Equal(got, b) {
			t.Errorf("%s is not what it was (go test -update writes it anew):\n%x\nwant\n%x", name, got, b)
		}
		f, err := golden.Create(filepath.Join(dir, name))
		must(t, err)
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	o.FS = golden
	l = open(t, o)
	if got := dump(t, l); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the golden log holds %v, want %v", got, want)
	}
	if !l.Destroyed(9, peer(4)) {
		t.Error("the golden log does not know who was destroyed")
	}
	closeLog(t, l)
}

func contents(t testing.TB, fs *memfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(filepath.Join(dir, name))
	must(t, err)
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzOpen opens a log with a frame of any records, whose checksums are right:
// it must be refused, or be usable.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{1, 0, 0, 1, 0, 5, 1, 0, 0, 0, 0, 0, 0, 0})
	seed := raftlog.EncodeRecords([]raftlog.PlainRecord{
		{Slot: 1, Kind: 1, Payload: "\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01n"},
		{Slot: 1, Kind: 4, Index: 1, Payload: "123456789012data"},
		{Slot: 1, Kind: 4, Index: 2, Payload: "12345678\x00\x00\x00\x00data"},
		{Slot: 1, Kind: 9, Payload: "\x01k\x01v"},
		{Slot: 1, Kind: 6, Index: 2},
		{Slot: 0, Kind: 3, Payload: "\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01n"},
	})
	f.Add(seed)
	f.Fuzz(func(t *testing.T, input []byte) {
		fs := memfs.New()
		o := options(t, fs)
		closeLog(t, open(t, o))
		file, err := fs.Open(filepath.Join(dir, "0000000001.log"))
		must(t, err)
		if _, err := file.WriteAt(raftlog.SealSegment(salt, input), 0); err != nil {
			t.Fatal(err)
		}
		failed := false
		o.Fatal = func(error) { failed = true }
		l := tryOpen(t, o)
		if l == nil {
			return
		}
		for _, g := range l.Groups() {
			last, err := g.LastIndex()
			if err != nil {
				break
			}
			var e raft.Log
			if err := g.GetLog(last, &e); err != nil && err != raft.ErrLogNotFound && !failed {
				t.Errorf("GetLog: %v", err)
			}
		}
		if err := l.Close(); err != nil && !failed {
			t.Error(err)
		}
	})
}
