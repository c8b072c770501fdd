package link

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/version"
)

var update = flag.Bool("update", false, "write the golden files")

func sample() Shipment {
	s := Shipment{
		Table: "table", Source: 7,
		SourceJoined: version.Version{Time: 1 << 20, Region: "amber"},
		TargetJoined: version.Version{Time: 1<<20 + 1, Region: "amber"},
	}
	s.Add(State{
		Version: version.Version{Time: version.FromMillis(1_700_000_000_000) + 3, Region: "amber"},
		Item:    item.Encoded("an item's bytes"),
	})
	s.Add(State{
		Version:   version.Version{Time: version.FromMillis(1_700_000_000_001), Region: "birch"},
		Tombstone: true,
		Item:      item.Encoded("a key's bytes"),
	})
	return s
}

func TestBodyGolden(t *testing.T) {
	s := sample()
	got := hex.EncodeToString(s.Body) + "\n"
	path := filepath.Join("testdata", "body.hex")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("regions of another build cannot read this body:\n%s", cmp.Diff(string(want), got))
	}
}

func drawStates(t *rapid.T) []State {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) State {
		return State{
			Version: version.Version{
				Time:   version.Timestamp(rapid.Uint64().Draw(t, "time")),
				Region: rapid.StringN(0, 20, -1).Draw(t, "region"),
			},
			Tombstone: rapid.Bool().Draw(t, "tombstone"),
			Item:      item.Encoded(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "item")),
		}
	}), 0, 20).Draw(t, "states")
}

func TestPackAndUnpack(t *testing.T) {
	c, err := newCompressor()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	rapid.Check(t, func(t *rapid.T) {
		s := sample()
		s.Body, s.Count = nil, 0
		states := drawStates(t)
		for _, st := range states {
			s.Add(st)
		}
		got, err := c.unpack(c.pack(&s))
		if err != nil {
			t.Fatal(err)
		}
		if got.Table != s.Table || got.Source != s.Source || got.SourceJoined != s.SourceJoined || got.TargetJoined != s.TargetJoined {
			t.Fatalf("%+v became %+v", s, got)
		}
		back, err := got.States()
		if err != nil {
			t.Fatal(err)
		}
		if len(back) != len(states) {
			t.Fatalf("%d states became %d", len(states), len(back))
		}
		for i, st := range states {
			if back[i].Version != st.Version || back[i].Tombstone != st.Tombstone || string(back[i].Item) != string(st.Item) {
				t.Fatalf("state %d: %+v became %+v", i, st, back[i])
			}
		}
	})
}

func TestDamageIsNoticed(t *testing.T) {
	c, err := newCompressor()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	s := sample()
	for range 100 {
		s.Add(State{Version: version.Version{Time: 9, Region: "amber"}, Item: item.Encoded(strings.Repeat("x", 100))})
	}
	for _, damage := range []struct {
		name string
		do   func(m *message)
	}{
		{"a bit of the body", func(m *message) { m.Body[len(m.Body)/2] ^= 1 }},
		{"a cut body", func(m *message) { m.Body = m.Body[:len(m.Body)-1] }},
		{"a wrong size", func(m *message) { m.RawSize++ }},
		{"a huge size", func(m *message) { m.RawSize = maxBody + 1 }},
		{"a wrong count", func(m *message) { m.Count++ }},
		{"an unknown compression", func(m *message) { m.Compression = 9 }},
		{"no version of the source", func(m *message) { m.SourceJoined = nil }},
		{"no version of the target", func(m *message) { m.TargetJoined = []byte{1} }},
	} {
		m := c.pack(&s)
		damage.do(m)
		got, err := c.unpack(m)
		if err == nil {
			_, err = got.States()
		}
		if err == nil {
			t.Errorf("%s was not noticed", damage.name)
		}
	}
}

func FuzzStates(f *testing.F) {
	s := sample()
	f.Add(s.Body, s.Count)
	f.Add([]byte{0}, 1)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, body []byte, count int) {
		in := Shipment{Body: body, Count: count}
		states, err := in.States()
		if err != nil {
			return
		}
		// Varints may be written in more than one way, states may not differ.
		var out Shipment
		for _, st := range states {
			out.Add(st)
		}
		again, err := out.States()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(states, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
