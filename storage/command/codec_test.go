package command

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/item/itemtest"
	"github.com/roundtabledb/roundtable/storage/version"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// same compares commands and results: expressions by their text, and no
// difference between no bytes and none.
var same = cmp.Options{
	cmp.Transformer("condition", func(c *expr.Condition) string {
		if c == nil {
			return ""
		}
		return c.String()
	}),
	cmp.Transformer("update", func(u *expr.Update) string {
		if u == nil {
			return ""
		}
		return u.String()
	}),
	cmpopts.EquateEmpty(),
}

func condition(t testing.TB, src string) *expr.Condition {
	t.Helper()
	c, err := expr.ParseCondition(src, &expr.Bindings{Values: map[string]item.Value{":v": item.String("x")}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func update(t testing.TB, src string) *expr.Update {
	t.Helper()
	u, err := expr.ParseUpdate(src, &expr.Bindings{Values: map[string]item.Value{":v": item.Num(item.NumberFromInt(1))}})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// examples is one command of each kind, with every field that it can have.
func examples(t testing.TB) map[string]*Command {
	full := item.Encode(item.NewItem(
		item.Attribute{Name: "pk", Value: item.String("p")},
		item.Attribute{Name: "n", Value: item.Num(item.NumberFromInt(7))}))
	key := item.Encode(item.NewItem(item.Attribute{Name: "pk", Value: item.String("p")}))
	id := RequestID{Session: 9, Seq: 300, Low: 299}
	v := version.Version{Time: version.FromMillis(1_700_000_000_000), Region: "eu"}
	put := Command{Kind: Put, Key: []byte("k1"), Item: full, Condition: condition(t, "attribute_not_exists(pk)"),
		Return: ReturnAllOld, ReturnOnFailure: true}
	upd := Command{Kind: Update, Key: []byte("k2"), Item: key, Update: update(t, "SET n = n + :v REMOVE m"),
		Condition: condition(t, "n = :v"), Return: ReturnUpdatedNew}
	del := Command{Kind: Delete, Key: []byte("k3")}
	check := Command{Kind: Check, Key: []byte("k4"), Condition: condition(t, "attribute_exists(pk)")}
	single := put
	single.Request = id
	return map[string]*Command{
		"put":       &single,
		"update":    &upd,
		"delete":    &del,
		"merge":     {Kind: Merge, Key: []byte("k5"), Item: full, Version: v},
		"tombstone": {Kind: Merge, Key: []byte("k5"), Version: v},
		"transact":  {Request: id, Kind: Transact, Ops: []Command{put, upd, del, check}},
		"consumer": {Kind: Consumer, Consumer: ConsumerChange{
			Name: "region:us", Op: Advance, Seq: 77, State: []byte("state")}},
	}
}

func TestGoldenCommands(t *testing.T) {
	for name, c := range examples(t) {
		golden(t, "command-"+name, c.Append(nil))
		got, err := Decode(c.Append(nil))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c, got, same); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestGoldenBatches(t *testing.T) {
	b := Batch{Time: version.FromMillis(1_700_000_000_000), Commands: [][]byte{{1, 2, 3}, {4}}}
	golden(t, "batch", b.Append(nil))
	b.Priors = Priors{Base: 300, Of: [][]byte{{5, 6}, nil}}
	golden(t, "batch-priors", b.Append(nil))
}

func TestWrites(t *testing.T) {
	want := map[string]int{"put": 1, "update": 1, "delete": 1, "transact": 4}
	for name, c := range examples(t) {
		b := c.Append(nil)
		if got := Writes(b); got != want[name] {
			t.Errorf("%s: %d writes", name, got)
		}
		for n := range b {
			if got := Writes(b[:n]); got > MaxTransactOps {
				t.Errorf("%d bytes of %s: %d writes", n, name, got)
			}
		}
	}
}

func TestGoldenResults(t *testing.T) {
	for name, r := range map[string]Result{
		"put": {Existed: true, OldSize: 10, NewSize: 300, Applied: true,
			Version: version.Version{Time: 1 << 20, Region: "eu"}, Item: item.Encode(item.Item{})},
		"failed":   {Err: &storage.Error{Kind: storage.ConditionalCheckFailed, Message: "no", Item: []byte{1, 2}}},
		"transact": {Results: []Result{{Existed: true}, {Err: storage.Validationf("bad")}}},
		"consumer": {Applied: true, Seq: 9},
		"empty":    {},
	} {
		golden(t, "result-"+name, r.Append(nil))
		got, err := DecodeResult(r.Append(nil))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(r, got, same); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// golden compares an encoding with what is in testdata: it is on disks already.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".hex")
	text := hex.Dump(got)
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func genResult(depth int) *rapid.Generator[Result] {
	return rapid.Custom(func(t *rapid.T) Result {
		r := Result{
			Existed: rapid.Bool().Draw(t, "existed"), Applied: rapid.Bool().Draw(t, "applied"),
			OldSize: rapid.IntRange(0, 500_000).Draw(t, "old"), NewSize: rapid.IntRange(0, 500_000).Draw(t, "new"),
			Seq: rapid.Uint64().Draw(t, "seq"),
		}
		if rapid.Bool().Draw(t, "failed") {
			r.Err = &storage.Error{Kind: storage.Kind(rapid.IntRange(0, 15).Draw(t, "kind")),
				Message: rapid.String().Draw(t, "message"), Item: itemtest.Bytes().Draw(t, "image")}
		}
		if rapid.Bool().Draw(t, "image") {
			r.Item = item.Encode(itemtest.Item().Draw(t, "item"))
		}
		if rapid.Bool().Draw(t, "versioned") {
			r.Version = version.Version{Time: version.Timestamp(rapid.Uint64().Draw(t, "time")), Region: rapid.String().Draw(t, "region")}
		}
		if depth > 0 {
			r.Results = rapid.SliceOfN(genResult(depth-1), 0, 4).Draw(t, "results")
		}
		return r
	})
}

func TestResultRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := genResult(1).Draw(t, "result")
		encoded := want.Append(nil)
		got, err := DecodeResult(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		for n := range encoded {
			if _, err := DecodeResult(encoded[:n]); storage.KindOf(err) != storage.Corrupt {
				t.Fatalf("%d of %d bytes: %v", n, len(encoded), err)
			}
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	many := Command{Kind: Transact, Ops: make([]Command, MaxTransactOps+1)}
	for i := range many.Ops {
		many.Ops[i] = Command{Kind: Delete, Key: []byte{byte(i)}}
	}
	for name, b := range map[string][]byte{
		"nothing":            {},
		"unknown kind":       {99, 0, 0},
		"kind 0":             {0, 0, 0},
		"unknown flag":       {byte(Delete), 0x80, 1, 'k'},
		"check alone":        (&Command{Kind: Check, Key: []byte("k")}).Append(nil),
		"rest":               append((&Command{Kind: Delete, Key: []byte("k")}).Append(nil), 0),
		"nested transaction": (&Command{Kind: Transact, Ops: []Command{{Kind: Transact}}}).Append(nil),
		"nested merge":       (&Command{Kind: Transact, Ops: []Command{{Kind: Merge}}}).Append(nil),
		"nested request": (&Command{Kind: Transact, Ops: []Command{
			{Kind: Delete, Key: []byte("k"), Request: RequestID{Session: 1}}}}).Append(nil),
		"many operations": many.Append(nil),
		"return values":   (&Command{Kind: Delete, Key: []byte("k"), Return: 99}).Append(nil),
	} {
		if c, err := Decode(b); storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: got %v, %v", name, c, err)
		}
	}
	for name, c := range examples(t) {
		b := c.Append(nil)
		for n := range b {
			if _, err := Decode(b[:n]); storage.KindOf(err) != storage.Corrupt {
				t.Errorf("%s cut to %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
}

func TestBatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Batch{
			Time:     version.Timestamp(rapid.Uint64().Draw(t, "time")),
			Commands: rapid.SliceOf(itemtest.Bytes()).Draw(t, "commands"),
		}
		if rapid.Bool().Draw(t, "priors") {
			n := len(want.Commands)
			want.Priors.Base = rapid.Uint64().Draw(t, "base")
			want.Priors.Of = rapid.SliceOfN(itemtest.Bytes(), n, n).Draw(t, "of")
		}
		encoded := want.Append([]byte("before"))
		got, err := DecodeBatch(encoded[len("before"):])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if (want.Priors.Of == nil) != (got.Priors.Of == nil) {
			t.Fatal("no priors are not the same as priors of no commands")
		}
	})
	for name, b := range map[string][]byte{
		"nothing":       nil,
		"short":         {plainBatch, 0, 0},
		"next version":  append([]byte{priorsBatch + 1}, make([]byte, 8)...),
		"cut base":      {priorsBatch, 0, 0, 0, 0, 0, 0, 0, 0, 1},
		"no prior":      append((&Batch{Priors: Priors{Of: [][]byte{}}}).Append(nil), 1, 'a'),
		"cut command":   append(AppendBatch(nil, 1, nil), 5, 'a'),
		"endless count": append(AppendBatch(nil, 1, nil), bytes.Repeat([]byte{0xff}, 11)...),
	} {
		if _, err := DecodeBatch(b); storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzDecode: whatever is read is written again as it was, or else means the
// same.
func FuzzDecode(f *testing.F) {
	for _, c := range examples(f) {
		f.Add(c.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(c.Append(nil))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if diff := cmp.Diff(c, again, same); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	_, err := Decode([]byte{99, 0, 0})
	if err == nil || !strings.Contains(err.Error(), "unknown kind") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkDecodePut(b *testing.B) {
	it := item.Encode(item.NewItem(item.Attribute{Name: "a", Value: item.String(strings.Repeat("x", 1000))}))
	encoded := (&Command{Kind: Put, Key: []byte("key"), Item: it, Request: RequestID{1, 2, 2}}).Append(nil)
	var c Command
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeInto(&c, encoded); err != nil {
			b.Fatal(err)
		}
	}
}
