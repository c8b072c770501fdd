package sender

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/version"
)

var update = flag.Bool("update", false, "write the golden files")

func at(ms int64, region string) version.Version {
	return version.Version{Time: version.FromMillis(ms), Region: region}
}

func TestPositionGolden(t *testing.T) {
	p := position{phase: Sweep, seq: 12, joined: at(5, "amber"), covered: at(3, "birch"), covering: at(7, "cedar"), after: "a key"}
	got := hex.EncodeToString(p.encode()) + "\n"
	path := filepath.Join("testdata", "position.hex")
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
		t.Errorf("stored positions would be lost: %s, was %s", got, want)
	}
	if back, err := decodePosition(12, p.encode()); err != nil || back != p {
		t.Errorf("%+v became %+v, %v", p, back, err)
	}
	if j := Joined(machine.ConsumerState{Seq: 12, State: p.encode()}); j != p.joined {
		t.Errorf("joined at %v", j)
	}
	if j := Joined(machine.ConsumerState{State: []byte("?")}); !j.IsZero() {
		t.Errorf("a position that cannot be read joined at %v", j)
	}
}

func FuzzPosition(f *testing.F) {
	f.Add(position{phase: Feed, joined: at(1, "amber")}.encode())
	f.Add([]byte{positionFormat, byte(Scan)})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePosition(1, b)
		if err != nil {
			return
		}
		if again, err := decodePosition(1, p.encode()); err != nil || again != p {
			t.Fatalf("%+v became %+v, %v", p, again, err)
		}
	})
}

func TestShips(t *testing.T) {
	m := membership{self: "amber", remote: "birch", members: map[string]catalog.Member{
		"amber": {Present: true}, "birch": {Present: true}, "cedar": {Present: true}, "dogwood": {},
	}}
	for _, tt := range []struct {
		origin            string
		scan, sweep, feed bool
	}{
		{"amber", true, false, true},
		{"birch", true, false, false}, // what it made when it was a member before
		{"cedar", false, false, false},
		{"dogwood", true, true, true},
		{"elm", true, true, true},
	} {
		for phase, want := range map[Phase]bool{Scan: tt.scan, Sweep: tt.sweep, Feed: tt.feed} {
			if got := m.ships(tt.origin, phase); got != want {
				t.Errorf("%v of a state of %s: %v, want %v", phase, tt.origin, got, want)
			}
		}
	}
}

// TestDeparturesAreSwept follows a position through members that leave at any
// time: in the end every departure has been swept from the first key.
func TestDeparturesAreSwept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := membership{self: "amber", remote: "birch", members: map[string]catalog.Member{
			"amber": {Version: at(1, "amber"), Present: true}, "birch": {Version: at(2, "amber"), Present: true},
		}}
		p := m.begin(0)
		swept := map[string]bool{} // departures known when the present pass began
		pass := func() {
			for region, member := range m.members {
				if !member.Present {
					swept[region] = true
				}
			}
		}
		done := map[string]bool{}
		pass()
		for i, step := range rapid.SliceOfN(rapid.SampledFrom([]string{"leave", "read", "finish", "restart"}), 0, 40).Draw(t, "steps") {
			was := p
			switch step {
			case "leave":
				region := string(rune('c' + i))
				m.members[region] = catalog.Member{Version: at(int64(10+i), "amber")}
			case "read":
				if p.phase != Feed {
					p.after += "k"
				}
			case "finish":
				if p.phase != Feed {
					for region := range swept {
						done[region] = true
					}
					swept = map[string]bool{}
					p = m.finish(p)
				}
			case "restart":
				var known bool
				if p, known = m.resume(p); !known {
					t.Fatal("the position of the same member is of no use")
				}
			}
			if p.phase == Sweep && (was.phase != Sweep || p.after == "" && was.after != "" || p.covering != was.covering) {
				if p.after != "" {
					t.Fatalf("a sweep begins after key %q", p.after)
				}
				pass()
			}
		}
		for p, _ = m.resume(p); p.phase != Feed; p = m.finish(p) {
			pass()
			for region := range swept {
				done[region] = true
			}
		}
		for region, member := range m.members {
			if !member.Present && !done[region] {
				t.Fatalf("the departure of %s was never swept", region)
			}
		}
		if p, _ := m.resume(p); p.phase != Feed {
			t.Fatal("a sweep is due after everything was swept")
		}
	})
}

func TestAnotherMemberBeginsAgain(t *testing.T) {
	m := membership{self: "amber", remote: "birch", members: map[string]catalog.Member{
		"birch": {Version: at(9, "amber"), Present: true},
	}}
	if _, known := m.resume(position{phase: Feed, seq: 100, joined: at(2, "amber")}); known {
		t.Error("a member that came back goes on where its predecessor stopped")
	}
}
