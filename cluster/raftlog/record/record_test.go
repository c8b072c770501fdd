package record

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster"
)

const someSeed Seed = 7

func TestEntriesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blob := rapid.SliceOfN(rapid.Byte(), 0, 50)
		want := raft.Log{
			Index: rapid.Uint64().Draw(t, "index"),
			Term:  rapid.Uint64().Draw(t, "term"),
			Type:  raft.LogType(rapid.Uint8().Draw(t, "type")),
		}
		if b := blob.Draw(t, "data"); len(b) > 0 {
			want.Data = b
		}
		if b := blob.Draw(t, "extensions"); len(b) > 0 {
			want.Extensions = b
		}
		if rapid.Bool().Draw(t, "has a time") {
			want.AppendedAt = time.Unix(0, rapid.Int64Range(-1e18, 4e18).Draw(t, "time"))
		}
		b := AppendEntry([]byte("before"), someSeed, 3, &want)[len("before"):]
		if int64(len(b)) != EntrySize(&want) {
			t.Fatalf("the record has %d bytes, EntrySize says %d", len(b), EntrySize(&want))
		}
		checkEntry(t, append(b, "after"...), len(b), KindEntry, want)
		checkEntry(t, AppendMoved(nil, someSeed, b), len(b), KindMoved, want)
	})
}

func checkEntry(t *rapid.T, b []byte, wantSize int, k Kind, want raft.Log) {
	r, size, err := Parse(b, someSeed)
	if err != nil || size != wantSize || r.Slot != 3 || r.Kind != k {
		t.Fatalf("parsed %+v of %d bytes, %v", r, size, err)
	}
	var got raft.Log
	if err := r.Entry(&got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("(-want +got) %s", d)
	}
}

func TestPayloadsComeBack(t *testing.T) {
	pairs := []Pair{{"", []byte{}}, {"key", []byte("value")}, {"other", bytes.Repeat([]byte("x"), 300)}}
	peer := cluster.PeerID{Node: "node", Replica: 1 << 60}
	d := Decoder{B: AppendPairs(AppendPeer(nil, 12, peer), pairs)}
	id, gotPeer := d.Peer()
	if got := d.Pairs(); !cmp.Equal(got, pairs) || id != 12 || gotPeer != peer || d.End() != nil {
		t.Errorf("read %v %v %v, %v", id, gotPeer, got, d.End())
	}
	whole := AppendPeer(nil, 12, peer)
	for n := range whole {
		d := Decoder{B: whole[:n]}
		if d.Peer(); d.End() == nil {
			t.Errorf("%d of %d bytes were taken for the whole", n, len(whole))
		}
	}
	d = Decoder{B: append(whole, 0)}
	if d.Peer(); d.End() == nil {
		t.Error("a byte too many was not noticed")
	}
}

func TestAnotherSeedIsRefused(t *testing.T) {
	b := AppendEntry(nil, someSeed, 3, &raft.Log{Index: 1})
	if _, _, err := Parse(b, someSeed+1); err == nil {
		t.Error("a record of another segment was taken")
	}
	f := append(make([]byte, FrameHeaderSize), b...)
	SealFrame(f, someSeed, 5)
	if _, _, ok := ParseFrame(f, someSeed+1); ok {
		t.Error("a frame of another segment was taken")
	}
	if _, ok := LaterFrame(append([]byte("RTfr..."), f...), someSeed, 6); ok {
		t.Error("a frame of a lower number was taken for a later one")
	}
	if at, ok := LaterFrame(append([]byte("RTfr..."), f...), someSeed, 5); !ok || at != 7 {
		t.Errorf("the later frame was found at %d, %v", at, ok)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(AppendEntry(nil, someSeed, 3, &raft.Log{Index: 1, Data: []byte("data")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, size, err := Parse(b, someSeed); err == nil && (size > len(b) || size != HeaderSize+len(r.Payload)) {
			t.Errorf("a record of %d bytes out of %d", size, len(b))
		}
		if _, records, ok := ParseFrame(b, someSeed); ok && len(records) > len(b) {
			t.Error("a frame longer than its bytes")
		}
		LaterFrame(b, someSeed, 0)
		var e raft.Log
		if err := (Record{Kind: KindEntry, Payload: b}).Entry(&e); err == nil && len(e.Data)+len(e.Extensions) != len(b)-entryPrefixSize {
			t.Errorf("an entry of %d and %d bytes out of %d", len(e.Data), len(e.Extensions), len(b))
		}
		d := Decoder{B: b}
		d.Peer()
		if pairs := d.Pairs(); d.End() == nil && len(pairs) > len(b) {
			t.Error("more pairs than bytes")
		}
	})
}
