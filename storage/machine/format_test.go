package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/version"
)

// TestGoldenKeyspace compares every byte of a small partition and of a registry
// with what is in testdata: it is on disks already.
func TestGoldenKeyspace(t *testing.T) {
	e := memory(t)
	reg := registry(t, e)
	_, err := reg.Create(4, Meta{Group: 7, Table: "table-id", Lo: []byte("a"), Hi: []byte("z"),
		AppliedIndex: 10, AppliedTerm: 1, ConfigIndex: 10, Config: []byte("config")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Create(1, Meta{Group: 8}); err != nil {
		t.Fatal(err)
	}
	if err := reg.Destroy(8, 1); err != nil {
		t.Fatal(err)
	}
	p, err := reg.Open(7)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{tester: t, p: p, index: 10, now: version.FromMillis(1_700_000_000_000)}
	r.do(consumer(command.Register, "region:us", 0, "state"),
		request(put("b", "v", "1"), 5, 9, 8), put("c"), del("c"), request(when(del("b"), "v = :a"), 5, 10, 9),
		merge("d", at(1_700_000_000_001, "us"), "n", 3))
	got := "keyspace 0\n" + strings.Join(dump(t, e, 0), "\n") + "\nkeyspace 1\n" + strings.Join(dump(t, e, 1), "\n") + "\n"
	path := filepath.Join("testdata", "keyspace.golden")
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMetaRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) uint64 { return rapid.Uint64().Draw(t, name) }
		some := func(name string) []byte { return rapid.SliceOf(rapid.Byte()).Draw(t, name) }
		want := Meta{
			Group: n("group"), Table: rapid.String().Draw(t, "table"), Lo: some("lo"), Hi: some("hi"),
			AppliedIndex: n("index"), AppliedTerm: n("term"), ConfigIndex: n("config index"), Config: some("config"),
			MaxTime: version.Timestamp(n("max")), GCFloor: version.Timestamp(n("floor")),
			FirstSeq: n("first"), NextSeq: n("next"), NextSession: n("session"),
			Items: int64(n("items") >> 1), Bytes: int64(n("bytes") >> 1), Tombstones: int64(n("tombstones") >> 1),
		}
		b := want.Append(nil)
		got, err := DecodeMeta(b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		for n := range b {
			if _, err := DecodeMeta(b[:n]); storage.KindOf(err) != storage.Corrupt {
				t.Fatalf("%d of %d bytes: %v", n, len(b), err)
			}
		}
		if _, err := DecodeMeta(append(b, 0)); storage.KindOf(err) != storage.Corrupt {
			t.Fatalf("a byte too many: %v", err)
		}
	})
}

func TestItemRecordRefuses(t *testing.T) {
	tombstone := appendRecord(nil, at(5, "us"), true, 0)
	if s, err := decodeRecord(tombstone, home); err != nil || !s.Tombstone || s.Version != at(5, "us") {
		t.Fatalf("%+v, %v", s, err)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "format": {2, 0}, "flags": {1, 2}, "cut": tombstone[:5], "rest": append(tombstone, 0),
	} {
		if s, err := decodeRecord(b, home); storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestMetaContains(t *testing.T) {
	all, some := Meta{}, Meta{Lo: []byte("b"), Hi: []byte("d")}
	for key, want := range map[string]bool{"a": false, "b": true, "c\xff": true, "d": false, "": false} {
		if !all.Contains([]byte(key)) {
			t.Errorf("no bounds: %q is outside", key)
		}
		if some.Contains([]byte(key)) != want {
			t.Errorf("[b, d): %q is inside: %v", key, !want)
		}
	}
}
