package valuelog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
)

func open(t rapid.TB, dir string, durable Position) *Log {
	t.Helper()
	l, err := Open(Options{Dir: dir, FileSize: 200, Sync: func(string) error { return nil }}, durable)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func appendTo(t rapid.TB, l *Log, key, value string) Pointer {
	t.Helper()
	p, err := l.Append(key, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func syncLog(t rapid.TB, l *Log) Position {
	t.Helper()
	at, err := l.Sync()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

type record struct {
	At         Pointer
	Key, Value string
}

// TestModel appends, syncs, opens again at what was synced, and removes files:
// what is left can be read and is walked over in order.
func TestModel(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "log")
		if err != nil {
			t.Fatal(err)
		}
		l := open(t, dir, Position{})
		defer func() { _ = l.Close() }()
		var now, synced []record
		var durable Position
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"append", "append", "append", "sync", "open", "remove"}).Draw(t, "step") {
			case "append":
				r := record{Key: strings.Repeat("k", rapid.IntRange(1, 400).Draw(t, "key"))}
				r.Value = strings.Repeat("v", rapid.IntRange(0, 100).Draw(t, "value"))
				r.At = appendTo(t, l, r.Key, r.Value)
				now = append(now, r)
			case "sync":
				durable, synced = syncLog(t, l), now[:len(now):len(now)]
			case "open":
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l, now = open(t, dir, durable), synced
			case "remove":
				closed := l.Closed()
				if len(closed) == 0 {
					continue
				}
				file := rapid.SampledFrom(closed).Draw(t, "file").Number
				if err := l.Remove(file); err != nil {
					t.Fatal(err)
				}
				for _, r := range now {
					if r.At.File == file {
						if _, err := l.Read(r.At, []byte(r.Key)); !errors.Is(err, ErrGone) {
							t.Fatalf("a value of a removed file: %v", err)
						}
					}
				}
				now, synced = without(now, file), without(synced, file)
			}
			check(t, l, now)
		}
	})
}

func without(all []record, file uint64) (rest []record) {
	for _, r := range all {
		if r.At.File != file {
			rest = append(rest, r)
		}
	}
	return rest
}

func check(t *rapid.T, l *Log, want []record) {
	byFile := make(map[uint64][]record)
	var length uint64
	for _, r := range want {
		value, err := l.Read(r.At, []byte(r.Key))
		if err != nil || string(value) != r.Value {
			t.Fatalf("read %d bytes, %v, want %d", len(value), err, len(r.Value))
		}
		byFile[r.At.File] = append(byFile[r.At.File], record{At: r.At, Key: r.Key})
		length += uint64(headerSize + len(r.Key) + len(r.Value))
	}
	if l.Length() != length {
		t.Fatalf("%d bytes, want %d", l.Length(), length)
	}
	for _, f := range l.Closed() {
		var got []record
		err := l.Walk(f.Number, func(p Pointer, key []byte) error {
			got = append(got, record{At: p, Key: string(key)})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(byFile[f.Number], got); diff != "" {
			t.Fatalf("walk over file %d (-want +got):\n%s", f.Number, diff)
		}
	}
}

// The format of a file, byte by byte.
func TestFormat(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Position{})
	appendTo(t, l, "key", "value")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "00000001.values"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "\xa7\x28\xf0\xe9\xe1\xe0\x03\x63\x00\x03\x00\x00\x00\x05\x00\x00\x00\x00keyvalue"
	if string(b) != want {
		t.Errorf("got %q, want %q", b, want)
	}
}

// Any byte that changes is noticed, by Walk what it relies on, by Read all.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Position{})
	first := appendTo(t, l, "key", strings.Repeat("v", 200))
	appendTo(t, l, "next", "")
	syncLog(t, l)
	path := filepath.Join(dir, "00000001.values")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := append([]byte{}, good...)
		bad[i] ^= 0x10
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := l.Read(first, []byte("key"))
		if storage.KindOf(err) != storage.Corrupt {
			t.Errorf("byte %d: read %v", i, err)
		}
		err = l.Walk(1, func(Pointer, []byte) error { return nil })
		inValue := i >= headerSize+len("key") || i >= 4 && i < 8
		if (storage.KindOf(err) == storage.Corrupt) == inValue {
			t.Errorf("byte %d: walk %v", i, err)
		}
	}
	if err := os.WriteFile(path, good[:len(good)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Walk(1, func(Pointer, []byte) error { return nil }); storage.KindOf(err) != storage.Corrupt {
		t.Errorf("cut off: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// What an owner was told is durable has to be there.
func TestMissing(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"file": os.Remove,
		"end":  func(path string) error { return os.Truncate(path, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, Position{})
			appendTo(t, l, "key", "value")
			durable := syncLog(t, l)
			if err := errors.Join(l.Close(), harm(filepath.Join(dir, "00000001.values"))); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(l.opts, durable); storage.KindOf(err) != storage.Corrupt {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A key that does not belong to a pointer is refused, as is a value of no file.
func TestWrongPointer(t *testing.T) {
	l := open(t, t.TempDir(), Position{})
	defer func() { _ = l.Close() }()
	p := appendTo(t, l, "key", "value")
	for _, wrong := range []Pointer{
		{File: p.File, Offset: p.Offset + 1, Key: p.Key, Value: p.Value},
		{File: p.File, Offset: p.Offset, Key: p.Key, Value: p.Value - 1},
		{File: p.File, Offset: p.Offset, Key: p.Key - 1, Value: p.Value},
	} {
		if _, err := l.Read(wrong, []byte("key")); storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if _, err := l.Read(p, []byte("yek")); storage.KindOf(err) != storage.Corrupt {
		t.Errorf("another key: %v", err)
	}
	if _, err := l.Read(Pointer{File: 7}, []byte("key")); !errors.Is(err, ErrGone) {
		t.Errorf("no file: %v", err)
	}
	if err := l.Remove(p.File); err == nil {
		t.Error("the file that is appended to was removed")
	}
}

// An error of the disk is returned, and the position stays.
func TestSyncFails(t *testing.T) {
	broken := errors.New("broken")
	l, err := Open(Options{Dir: t.TempDir(), FileSize: 1, Sync: func(string) error { return broken }}, Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	appendTo(t, l, "key", "value")
	if _, err := l.Sync(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if l.durable != (Position{}) {
		t.Errorf("durable up to %+v", l.durable)
	}
}

func BenchmarkAppend(b *testing.B) {
	l := open(b, b.TempDir(), Position{})
	l.opts.FileSize = 64 << 20
	defer func() { _ = l.Close() }()
	value := make([]byte, 100_000)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		appendTo(b, l, fmt.Sprint("key", i), string(value))
		if len(l.files) > 4 { // keep the disk from filling up
			syncLog(b, l)
			for _, f := range l.Closed() {
				if err := l.Remove(f.Number); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
