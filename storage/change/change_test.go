package change

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/version"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Change{
			Seq:        rapid.Uint64().Draw(t, "seq"),
			Key:        rapid.SliceOf(rapid.Byte()).Draw(t, "key"),
			Tombstone:  rapid.Bool().Draw(t, "tombstone"),
			TimeMillis: rapid.Int64Min(0).Draw(t, "time"),
			Version: version.Version{
				Time: version.Timestamp(rapid.Uint64().Draw(t, "version")), Region: rapid.String().Draw(t, "region"),
			},
		}
		b := want.Append(nil)
		got, err := Decode(want.Seq, b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		for n := range b {
			if _, err := Decode(1, b[:n]); storage.KindOf(err) != storage.Corrupt {
				t.Fatalf("%d of %d bytes: %v", n, len(b), err)
			}
		}
		if _, err := Decode(1, append(b, 0)); storage.KindOf(err) != storage.Corrupt {
			t.Fatalf("a byte too many: %v", err)
		}
	})
}

// The bytes are on disks already.
func TestGolden(t *testing.T) {
	c := Change{
		Seq: 5, Key: []byte("key"), Tombstone: true, TimeMillis: 1_700_000_000_000,
		Version: version.Version{Time: version.FromMillis(1_700_000_000_000).Next(), Region: "eu"},
	}
	const want = "010180d095ffbc31018bcfe568000001026575036b6579"
	if got := hex.EncodeToString(c.Append(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUnknownFormat(t *testing.T) {
	b := (&Change{Key: []byte("k")}).Append(nil)
	b[0] = 2
	if _, err := Decode(1, b); storage.KindOf(err) != storage.Corrupt {
		t.Errorf("format 2: %v", err)
	}
	b[0], b[1] = 1, 0x80
	if _, err := Decode(1, b); storage.KindOf(err) != storage.Corrupt {
		t.Errorf("unknown flag: %v", err)
	}
}
