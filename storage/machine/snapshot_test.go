package machine

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
)

func registry(t tester, e *engine.Engine) *Registry {
	t.Helper()
	r, err := OpenRegistry(e, home)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// seeded is a rig with something in every section.
func seeded(t testing.TB) *rig {
	r := newRig(t)
	r.must(consumer(command.Register, "region:us", 0, "state"))
	big := strings.Repeat("x", 100_000)
	for i := range 20 {
		r.must(request(put(fmt.Sprint("k", i), "v", big, "n", i), 1, uint64(i+1), 1))
	}
	r.must(del("k3"))
	if _, err := r.p.Apply([]Entry{{Index: r.index + 1, Term: 1, Configuration: true, Data: []byte("config")}}); err != nil {
		t.Fatal(err)
	}
	r.index++
	return r
}

// send is a whole snapshot, header first.
func send(t tester, p *Partition) (header []byte, chunks [][]byte) {
	t.Helper()
	s, err := p.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for chunk, err := range s.Chunks() {
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, chunk)
	}
	return s.Header(), chunks
}

func install(t tester, r *Registry, group uint64, header []byte, chunks [][]byte) {
	t.Helper()
	i, err := r.Install(group, header)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		if err := i.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Finish(); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotIsTheWholeState(t *testing.T) {
	from := seeded(t)
	header, chunks := send(t, from.p)
	if len(chunks) < 5 {
		t.Fatalf("%d chunks are too few to prove anything", len(chunks))
	}
	e := memory(t)
	reg := registry(t, e)
	empty, err := reg.Create(4, Meta{Group: 7, Table: "t"})
	if err != nil {
		t.Fatal(err)
	}
	install(t, reg, 7, header, chunks)
	peer, _ := reg.Peer(7)
	if !peer.Installed || peer.Keyspace == empty.Keyspace || peer.Replica != 4 {
		t.Errorf("got %+v", peer)
	}
	p, err := reg.Open(7)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dump(t, from.p.engine, from.p.ks), dump(t, e, p.Keyspace())); diff != "" {
		t.Errorf("(-sent +installed):\n%.1000s", diff)
	}
	if hash(t, from.p) != hash(t, p) {
		t.Error("hashes differ")
	}
	// Both go on alike.
	next := from.entry(put("new"), request(put("k1"), 1, 2, 1), del("k4"))
	for _, one := range []*Partition{from.p, p} {
		if _, err := one.Apply([]Entry{next}); err != nil {
			t.Fatal(err)
		}
		checkMeta(t, one)
	}
	if hash(t, from.p) != hash(t, p) {
		t.Error("hashes differ after another entry")
	}
	if err := reg.Settled(7); err != nil {
		t.Fatal(err)
	}
	if peer, _ := registry(t, e).Peer(7); peer.Installed {
		t.Error("still marked after Settled")
	}
}

// A snapshot does not move while entries are applied.
func TestSnapshotIsConsistent(t *testing.T) {
	r := seeded(t)
	want := hash(t, r.p)
	s, err := r.p.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var chunks [][]byte
	for chunk, err := range s.Chunks() {
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, chunk)
		r.must(put("k9", "n", len(chunks)))
		r.must(del(fmt.Sprint("k", len(chunks)+10)))
		r.must(put(fmt.Sprint("new", len(chunks))))
	}
	e := memory(t)
	reg := registry(t, e)
	if _, err := reg.Create(1, Meta{Group: 7}); err != nil {
		t.Fatal(err)
	}
	install(t, reg, 7, s.Header(), chunks)
	p, err := reg.Open(7)
	if err != nil {
		t.Fatal(err)
	}
	if hash(t, p) != want {
		t.Error("the snapshot is not the state that it was taken of")
	}
}

func TestDamagedSnapshots(t *testing.T) {
	header, chunks := send(t, seeded(t).p)
	last := len(chunks) - 1
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 4
		return b
	}
	for name, sent := range map[string][][]byte{
		"damaged chunk":    append([][]byte{flip(chunks[0], 1000)}, chunks[1:]...),
		"damaged checksum": append([][]byte{flip(chunks[0], 2)}, chunks[1:]...),
		"damaged kind":     append([][]byte{flip(chunks[0], 0)}, chunks[1:]...),
		"missing chunk":    append(slices.Clone(chunks[:2]), chunks[3:]...),
		"repeated chunk":   append([][]byte{chunks[0]}, chunks...),
		"other order":      append([][]byte{chunks[1], chunks[0]}, chunks[2:]...),
		"no end":           chunks[:last],
		"after the end":    append(slices.Clone(chunks), chunks[last]),
		"nothing":          nil,
		"short":            {{1}},
		"wrong total":      {lastChunk(chunks[last], 0)},
	} {
		e := memory(t)
		reg := registry(t, e)
		before, err := reg.Create(1, Meta{Group: 7})
		if err != nil {
			t.Fatal(err)
		}
		i, err := reg.Install(7, header)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range sent {
			if err = i.Add(c); err != nil {
				break
			}
		}
		if err == nil {
			err = i.Finish()
		}
		if storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: got %v", name, err)
		}
		i.Abort()
		if after, _ := reg.Peer(7); after != before {
			t.Errorf("%s: the peer became %+v", name, after)
		}
		sweep(t, reg)
		if left := dump(t, e, i.keyspace); len(left) > 0 {
			t.Errorf("%s: %d keys were left over", name, len(left))
		}
	}
	reg := registry(t, memory(t))
	if _, err := reg.Create(1, Meta{Group: 7}); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string][]byte{"damaged": flip(header, 8), "short": header[:3], "format": flip(header, 0)} {
		if _, err := reg.Install(7, h); storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s header: got %v", name, err)
		}
	}
}

// lastChunk is an end chunk with another number, as if all before were lost.
func lastChunk(end []byte, number uint32) []byte {
	w := chunkWriter{number: number}
	var out []byte
	w.yield = func(b []byte, _ error) bool { out = b; return true }
	w.begin()
	w.chunk = append(w.chunk, end[chunkHead:]...)
	if err := w.send(chunkEnd); err != nil {
		panic(err)
	}
	return out
}

func TestStoppedReceiver(t *testing.T) {
	s, err := seeded(t).p.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	for _, err := range s.Chunks() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 {
			break
		}
	}
}

// sweep sweeps until nothing is left.
func sweep(t tester, r *Registry) {
	t.Helper()
	for i := 0; ; i++ {
		more, err := r.Sweep(7)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
		if i > 1000 {
			t.Fatal("sweeping does not end")
		}
	}
}

// TestInstallCrash crashes at every step of an installation, with the step
// durable or not, and expects the old state or the new, and after a sweep
// nothing else.
func TestInstallCrash(t *testing.T) {
	from := seeded(t)
	header, chunks := send(t, from.p)
	steps := []string{"begun", "half", "received", "finished", "settled", "swept"}
	for stop, step := range steps {
		for _, synced := range []bool{true, false} {
			name := fmt.Sprintf("%s-%v", step, synced)
			t.Run(name, func(t *testing.T) {
				base := t.TempDir()
				dir := filepath.Join(base, "store")
				e, err := engine.Open(engine.Options{Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				reg := registry(t, e)
				if _, err := reg.Create(1, Meta{Group: 7, Table: "old", AppliedIndex: 1}); err != nil {
					t.Fatal(err)
				}
				checkpoint(t, e)
				installTo(t, reg, header, chunks, stop)
				if synced {
					checkpoint(t, e)
				}
				copied := filepath.Join(base, "copy")
				copyStore(t, dir, copied)
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				again, err := engine.Open(engine.Options{Dir: copied})
				if err != nil {
					t.Fatal(err)
				}
				defer again.Close()
				reg = registry(t, again)
				sweep(t, reg)
				p, err := reg.Open(7)
				if err != nil {
					t.Fatal(err)
				}
				peer, _ := reg.Peer(7)
				isNew := synced && stop >= 3
				if got := p.Meta().AppliedIndex == from.p.Meta().AppliedIndex; got != isNew {
					t.Errorf("the new state is there: %v, want %v", got, isNew)
				}
				if isNew && hash(t, p) != hash(t, from.p) {
					t.Error("the state is not the one sent")
				}
				if want := isNew && stop == 3; peer.Installed != want {
					t.Errorf("Installed is %v, want %v", peer.Installed, want)
				}
				for ks := Keyspace(1); ks < 10; ks++ {
					if left := len(dump(t, again, ks)); (left > 0) != (ks == peer.Keyspace) {
						t.Errorf("keyspace %d holds %d keys; the peer's is %d", ks, left, peer.Keyspace)
					}
				}
			})
		}
	}
}

func checkpoint(t testing.TB, e *engine.Engine) {
	t.Helper()
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
}

// installTo installs a snapshot up to a step.
func installTo(t *testing.T, reg *Registry, header []byte, chunks [][]byte, step int) {
	t.Helper()
	i, err := reg.Install(7, header)
	if err != nil {
		t.Fatal(err)
	}
	parts := [][][]byte{{}, chunks[:len(chunks)/2], chunks[len(chunks)/2:]}
	for n := 0; n <= min(step, 2); n++ {
		for _, c := range parts[n] {
			if err := i.Add(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	if step >= 3 {
		if err := i.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	if step >= 4 {
		if err := reg.Settled(7); err != nil {
			t.Fatal(err)
		}
	}
	if step >= 5 {
		sweep(t, reg)
	}
}

func TestInstallRefuses(t *testing.T) {
	from := seeded(t)
	header, chunks := send(t, from.p)
	e := memory(t)
	reg := registry(t, e)
	if _, err := reg.Install(7, header); storage.KindOf(err) != storage.Unavailable {
		t.Errorf("no peer: %v", err)
	}
	for group := uint64(7); group < 9; group++ {
		if _, err := reg.Create(1, Meta{Group: group}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := reg.Install(8, header); storage.KindOf(err) != storage.Internal {
		t.Errorf("another group's: %v", err)
	}
	i, err := reg.Install(7, header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Install(7, header); storage.KindOf(err) != storage.Unavailable {
		t.Errorf("two at a time: %v", err)
	}
	// A sweep must not take what is being installed.
	for _, c := range chunks {
		if err := i.Add(c); err != nil {
			t.Fatal(err)
		}
		if more, err := reg.Sweep(100); more || err != nil {
			t.Errorf("sweep: %v, %v", more, err)
		}
	}
	if err := reg.Destroy(7, 1); err != nil {
		t.Fatal(err)
	}
	if err := i.Finish(); storage.KindOf(err) != storage.Unavailable {
		t.Errorf("the peer was destroyed: %v", err)
	}
	i.Abort()
	i.Abort()
	if err := i.Add(chunks[0]); err == nil {
		t.Error("added after Abort")
	}
	// Not back to an older state.
	if _, err := reg.Create(2, Meta{Group: 7, AppliedIndex: from.p.Meta().AppliedIndex}); err != nil {
		t.Fatal(err)
	}
	if i, err = reg.Install(7, header); err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		if err := i.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Finish(); storage.KindOf(err) != storage.Unavailable {
		t.Errorf("back in time: %v", err)
	}
}

func TestRegistry(t *testing.T) {
	e := memory(t)
	reg := registry(t, e)
	born := Meta{Group: 5, Table: "t", AppliedIndex: 10, AppliedTerm: 1, ConfigIndex: 10, Config: []byte("c"), Lo: []byte("a")}
	peer, err := reg.Create(3, born)
	if err != nil {
		t.Fatal(err)
	}
	p, err := reg.Open(5)
	if err != nil {
		t.Fatal(err)
	}
	want := born
	want.FirstSeq, want.NextSeq, want.NextSession = 1, 1, 1
	if diff := cmp.Diff(want, p.Meta(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again, err := reg.Create(3, Meta{Group: 5, AppliedIndex: 99}); err != nil || again != peer {
		t.Errorf("created again: %+v, %v", again, err)
	}
	if _, err := reg.Create(4, born); err == nil {
		t.Error("two replicas of a group on one node")
	}
	other, err := reg.Create(1, Meta{Group: 2})
	if err != nil || other.Keyspace == peer.Keyspace {
		t.Fatalf("%+v, %v", other, err)
	}
	reg = registry(t, e)
	if diff := cmp.Diff([]Peer{other, peer}, reg.Peers()); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

func TestRegistryDestroy(t *testing.T) {
	e := memory(t)
	reg := registry(t, e)
	born := Meta{Group: 5, AppliedIndex: 10}
	peer, err := reg.Create(3, born)
	if err != nil {
		t.Fatal(err)
	}
	other, err := reg.Create(1, Meta{Group: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := reg.Destroy(5, 3); err != nil {
		t.Fatal(err)
	}
	if err := reg.Destroy(5, 3); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := reg.Destroy(2, 77); err != nil { // never was here
		t.Fatal(err)
	}
	for _, r := range []*Registry{reg, registry(t, e)} {
		if !r.Destroyed(5, 3) || !r.Destroyed(2, 77) || r.Destroyed(2, 1) || r.Destroyed(5, 4) {
			t.Error("the wrong peers are remembered as destroyed")
		}
		if _, err := r.Create(3, born); err == nil {
			t.Error("a destroyed peer came back")
		}
		if _, err := r.Open(5); storage.KindOf(err) != storage.Unavailable {
			t.Errorf("opened a destroyed peer: %v", err)
		}
	}
	if _, ok := reg.Peer(2); !ok {
		t.Error("destroying another replica took the peer")
	}
	if err := reg.Settled(5); storage.KindOf(err) != storage.Unavailable {
		t.Errorf("Settled: %v", err)
	}
	sweep(t, reg)
	if left := dump(t, e, peer.Keyspace); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	if len(dump(t, e, other.Keyspace)) == 0 {
		t.Error("the sweep took a living keyspace")
	}
	// A new replica of the group gets a keyspace that nobody had.
	next, err := registry(t, e).Create(4, born)
	if err != nil || next.Keyspace <= other.Keyspace {
		t.Errorf("%+v, %v", next, err)
	}
}

// Sweep goes on where it stopped, in steps of the size asked for.
func TestSweepIsBounded(t *testing.T) {
	e := memory(t)
	reg := registry(t, e)
	peer, err := reg.Create(1, Meta{Group: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := reg.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{tester: t, p: p, now: 1}
	for i := range 50 {
		r.must(put(fmt.Sprintf("k%02d", i)))
	}
	p.Close()
	if err := reg.Destroy(1, 1); err != nil {
		t.Fatal(err)
	}
	left := len(dump(t, e, peer.Keyspace))
	for calls := 1; ; calls++ {
		more, err := reg.Sweep(10)
		if err != nil {
			t.Fatal(err)
		}
		now := len(dump(t, e, peer.Keyspace))
		if left-now > 10 {
			t.Fatalf("one sweep took %d keys", left-now)
		}
		if left = now; !more {
			break
		}
		if calls == 2 {
			reg = registry(t, e) // a restart loses only the position
		}
	}
	if left > 0 {
		t.Errorf("%d keys are left", left)
	}
}
