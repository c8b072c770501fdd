package machine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/version"
)

func TestPutGetDelete(t *testing.T) {
	r := newRig(t)
	if s := r.get("a"); s.Exists || s.Tombstone || !s.Version.IsZero() {
		t.Fatalf("before anything: %+v", s)
	}
	res := r.must(put("a", "v", "1"))
	want := command.Result{Applied: true, NewSize: 5, Version: version.Version{Time: r.now, Region: home}}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Errorf("first put (-want +got):\n%s", diff)
	}
	s := r.get("a")
	if !s.Exists || string(s.Item) != string(doc("pk", "a", "v", "1")) || s.Version != res.Version || s.Size != 5 {
		t.Errorf("got %+v", s)
	}
	r.now = r.now.Next()
	res = r.must(returning(put("a", "v", "22"), command.ReturnAllOld))
	want = command.Result{Applied: true, Existed: true, OldSize: 5, NewSize: 6, Item: doc("pk", "a", "v", "1"),
		Version: version.Version{Time: r.now, Region: home}}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Errorf("second put (-want +got):\n%s", diff)
	}
	res = r.must(returning(del("a"), command.ReturnAllOld))
	if !res.Existed || res.OldSize != 6 || res.NewSize != 0 || string(res.Item) != string(doc("pk", "a", "v", "22")) {
		t.Errorf("delete: %+v", res)
	}
	if s := r.get("a"); s.Exists || s.Tombstone {
		t.Errorf("after the delete: %+v", s)
	}
	res = r.must(returning(del("a"), command.ReturnAllOld))
	if res.Existed || res.Applied || res.Item != nil {
		t.Errorf("second delete: %+v", res)
	}
	checkMeta(t, r.p)
}

func TestUpdateReturns(t *testing.T) {
	for _, c := range []struct {
		ret  command.Return
		want item.Encoded
	}{
		{command.ReturnNone, nil},
		{command.ReturnAllOld, doc("pk", "a", "v", "x", "n", 4, "k", "kept")},
		{command.ReturnAllNew, doc("pk", "a", "v", "a", "n", 5, "k", "kept")},
		{command.ReturnUpdatedOld, doc("v", "x", "n", 4)},
		{command.ReturnUpdatedNew, doc("v", "a", "n", 5)},
	} {
		r := newRig(t)
		r.must(put("a", "v", "x", "n", 4, "k", "kept"))
		res := r.must(returning(update("a", "SET v = :a, n = n + :one"), c.ret))
		if string(res.Item) != string(c.want) {
			t.Errorf("return %d: got %x, want %x", c.ret, res.Item, c.want)
		}
	}
	r := newRig(t)
	for ret, want := range map[command.Return]item.Encoded{
		command.ReturnAllOld:     nil,
		command.ReturnUpdatedOld: nil,
		command.ReturnAllNew:     doc("pk", "k", "v", "a"),
		command.ReturnUpdatedNew: doc("v", "a"),
	} {
		res := r.must(returning(update("k", "SET v = :a"), ret))
		if string(res.Item) != string(want) || res.Existed {
			t.Errorf("absent item, return %d: got %x, want %x", ret, res.Item, want)
		}
		r.must(del("k"))
	}
}

func TestUpdateMakesTheItem(t *testing.T) {
	r := newRig(t)
	r.must(update("a", ""))
	if s := r.get("a"); string(s.Item) != string(doc("pk", "a")) {
		t.Errorf("got %x", s.Item)
	}
	// The key is there for the update to look at.
	r.must(update("b", "SET v = pk"))
	if s := r.get("b"); string(s.Item) != string(doc("pk", "b", "v", "b")) {
		t.Errorf("got %x", s.Item)
	}
	// Where there is nothing to remove, nothing is made.
	r.must(update("d", "REMOVE v"))
	if s := r.get("d"); s.Exists {
		t.Errorf("got %x", s.Item)
	}
	r.must(update("c", "SET n = if_not_exists(n, :zero) + :one"))
	if s := r.get("c"); string(s.Item) != string(doc("pk", "c", "n", 1)) {
		t.Errorf("got %x", s.Item)
	}
}

func TestConditions(t *testing.T) {
	r := newRig(t)
	r.must(when(put("a", "v", "a"), "attribute_not_exists(pk)"))
	err := r.fails(when(put("a", "v", "b"), "attribute_not_exists(pk)"), storage.ConditionalCheckFailed, textCondition)
	if err.Item != nil {
		t.Error("an image that was not asked for")
	}
	c := when(del("a"), "v = :b")
	c.ReturnOnFailure = true
	err = r.fails(c, storage.ConditionalCheckFailed, "The conditional request failed")
	if string(err.Item) != string(doc("pk", "a", "v", "a")) {
		t.Errorf("image is %x", err.Item)
	}
	c = when(update("nobody", "SET v = :b"), "attribute_exists(pk)")
	c.ReturnOnFailure = true
	if err = r.fails(c, storage.ConditionalCheckFailed, ""); err.Item != nil {
		t.Errorf("image of nobody is %x", err.Item)
	}
	r.must(when(update("a", "SET v = :b"), "v = :a"))
	r.must(when(del("a"), "v = :b"))
	r.must(when(del("a"), "attribute_not_exists(pk)"))
}

// An item whose state does not change keeps its version.
func TestNoOpKeepsTheVersion(t *testing.T) {
	r := newRig(t)
	r.must(consumer(command.Register, "index", 0, ""))
	first := r.must(put("a", "n", 1))
	r.now += 100
	for name, c := range map[string]command.Command{
		"put":       put("a", "n", 1),
		"update":    update("a", "SET n = :one"),
		"no update": update("a", ""),
		"condition": when(update("a", "SET n = :one"), "n = :one"),
	} {
		res := r.must(c)
		if res.Applied || res.Version != first.Version || res.OldSize != res.NewSize {
			t.Errorf("%s: %+v", name, res)
		}
	}
	r.must(del("b"))
	if m := r.p.Meta(); m.NextSeq != 2 {
		t.Errorf("%d changes were logged for one", m.NextSeq-1)
	}
	if res := r.must(put("a", "n", 2)); res.Version.Time != r.now {
		t.Errorf("a real change has version %v", res.Version)
	}
}

func TestVersionsOnlyGrow(t *testing.T) {
	r := newRig(t)
	r.now = version.FromMillis(5000)
	r.must(put("a", "n", 1))
	r.now = version.FromMillis(10) // the new leader's clock is behind
	res := r.must(put("a", "n", 2))
	if res.Version.Time != version.FromMillis(5000).Next() {
		t.Errorf("version is %v", res.Version)
	}
	// Commands of one entry share a time and still differ.
	results := r.do(put("b", "n", 1), put("b", "n", 2), put("b", "n", 3))
	for i := range results {
		if want := version.FromMillis(10) + version.Timestamp(i); results[i].Version.Time != want {
			t.Errorf("write %d has version %v, want %v", i, results[i].Version, want)
		}
	}
	// Deleted without a tombstone: the floor takes its part.
	deleted := r.must(del("a"))
	if s := r.get("a"); s.Tombstone {
		t.Fatal("a tombstone without a region")
	}
	if m := r.p.Meta(); m.GCFloor != deleted.Version.Time {
		t.Errorf("floor is %v, the deletion was %v", m.GCFloor, deleted.Version)
	}
	for _, key := range []string{"a", "z"} {
		if res := r.must(put(key, "n", 9)); res.Version.Time != deleted.Version.Time.Next() {
			t.Errorf("after the deletion %q has version %v", key, res.Version)
		}
	}
	// A state from another region is surpassed, whatever the local clock says.
	r.must(merge("b", at(9000, "us"), "n", 7))
	if res := r.must(put("b", "n", 8)); res.Version.Time != version.FromMillis(9000).Next() || res.Version.Region != home {
		t.Errorf("after a merge: %v", res.Version)
	}
	if m := r.p.Meta(); m.MaxTime != version.FromMillis(9000).Next() {
		t.Errorf("MaxTime is %v", m.MaxTime)
	}
}

// A clock gone mad cannot make versions overflow.
func TestTimeIsBounded(t *testing.T) {
	r := newRig(t)
	r.now = ^version.Timestamp(0)
	for i := range version.Timestamp(3) {
		if res := r.must(put("a", "n", int(i))); res.Version.Time != maxTime+i {
			t.Errorf("write %d has version %v", i, res.Version)
		}
	}
}

func TestTombstones(t *testing.T) {
	r := newRig(t)
	r.must(put("a", "n", 1))
	r.must(consumer(command.Register, "index", 0, ""))
	r.must(del("a"))
	if m := r.p.Meta(); m.Tombstones != 0 {
		t.Fatal("an index needs no tombstones")
	}
	r.must(put("a", "n", 1))
	r.must(consumer(command.Register, "region:us", 0, ""))
	deleted := r.must(del("a"))
	s := r.get("a")
	if s.Exists || !s.Tombstone || s.Version != deleted.Version {
		t.Errorf("got %+v", s)
	}
	r.now += 10
	if res := r.must(del("a")); res.Applied || res.Version != deleted.Version {
		t.Errorf("deleting again: %+v", res)
	}
	r.must(when(put("a", "n", 2), "attribute_not_exists(pk)"))
	r.must(del("a"))
	checkMeta(t, r.p)
	if m := r.p.Meta(); m.Tombstones != 1 || m.Items != 0 {
		t.Errorf("%+v", m)
	}
	r.reopen()
	r.must(put("b", "n", 1))
	r.must(del("b"))
	if s := r.get("b"); !s.Tombstone {
		t.Error("the region was forgotten over a restart")
	}
	r.must(consumer(command.Remove, "region:us", 0, ""))
	r.must(put("c", "n", 1))
	r.must(del("c"))
	if s := r.get("c"); s.Tombstone {
		t.Error("a tombstone though no region is left")
	}
}

func TestMerge(t *testing.T) {
	r := newRig(t)
	r.must(consumer(command.Register, "index", 0, ""))
	steps := []struct {
		name    string
		c       command.Command
		applied bool
		want    string // state afterwards
	}{
		{"into nothing", merge("a", at(100, "us"), "v", "1"), true, "1 100.0@us"},
		{"duplicate", merge("a", at(100, "us"), "v", "1"), false, "1 100.0@us"},
		{"older", merge("a", at(99, "us"), "v", "0"), false, "1 100.0@us"},
		{"tie, lesser region", merge("a", at(100, "ap"), "v", "2"), false, "1 100.0@us"},
		{"tie, greater region", merge("a", at(100, "za"), "v", "2"), true, "2 100.0@za"},
		{"older delete", mergeDelete("a", at(100, "us")), false, "2 100.0@za"},
		{"delete", mergeDelete("a", at(101, "us")), true, "deleted 101.0@us"},
		{"older write after delete", merge("a", at(100, "zz"), "v", "3"), false, "deleted 101.0@us"},
		{"newer delete", mergeDelete("a", at(102, "us")), true, "deleted 102.0@us"},
		{"newer write", merge("a", at(103, "us"), "v", "3"), true, "3 103.0@us"},
		{"same state, newer", merge("a", at(104, "us"), "v", "3"), true, "3 104.0@us"},
	}
	for _, s := range steps {
		before := r.p.Meta().NextSeq
		res := r.must(s.c)
		if res.Applied != s.applied {
			t.Errorf("%s: applied is %v", s.name, res.Applied)
		}
		if logged := r.p.Meta().NextSeq > before; logged != s.applied {
			t.Errorf("%s: logged is %v", s.name, logged)
		}
		if got := describe(t, r.get("a")); got != s.want {
			t.Errorf("%s: got %q, want %q", s.name, got, s.want)
		}
		if res.Version != r.get("a").Version {
			t.Errorf("%s: the result says %v", s.name, res.Version)
		}
		checkMeta(t, r.p)
	}
	// A deletion of what never was here is remembered: the item may still come.
	r.must(mergeDelete("b", at(50, "us")))
	if got := describe(t, r.get("b")); got != "deleted 50.0@us" {
		t.Errorf("got %q", got)
	}
	for name, v := range map[string]version.Version{
		"no region": {Time: 5}, "no time": {Region: "us"}, "beyond all time": {Time: maxTime, Region: "us"},
	} {
		t.Run(name, func(t *testing.T) { r.fails(merge("c", v), storage.Validation, "") })
	}
	big := merge("big", at(1, "us"), "v", strings.Repeat("x", command.MaxItemSize))
	r.must(big) // it was accepted where it was made
}

func describe(t *testing.T, s Stored) string {
	t.Helper()
	if s.Tombstone {
		return "deleted " + s.Version.String()
	}
	v, _, err := s.Item.Attribute("v")
	if err != nil {
		t.Fatal(err)
	}
	return v.Str() + " " + s.Version.String()
}

func TestItemSize(t *testing.T) {
	r := newRig(t)
	fits := strings.Repeat("x", command.MaxItemSize-len("pk")-len("a")-len("v"))
	r.must(put("a", "v", fits))
	if s := r.get("a"); s.Size != command.MaxItemSize {
		t.Errorf("size is %d", s.Size)
	}
	r.fails(put("a", "v", fits+"x"), storage.Validation, textPutSize)
	r.fails(update("a", "SET w = :one"), storage.Validation, textUpdateSize)
	r.fails(command.Command{Kind: command.Put, Key: []byte("a"), Item: []byte("no item")}, storage.Validation, "")
	r.fails(command.Command{Kind: command.Put, Key: []byte("a")}, storage.Validation, "")
	bad := update("new", "SET v = :a")
	bad.Item = []byte{99}
	r.fails(bad, storage.Validation, "")
}

func TestKeyRange(t *testing.T) {
	r := createRig(t, memory(t), Meta{Group: 1, Lo: []byte("b"), Hi: []byte("d")})
	for _, key := range []string{"a", "d", "e"} {
		r.fails(put(key), storage.WrongPartition, "")
		r.fails(transact(put("c"), put(key)), storage.WrongPartition, "")
		if _, err := r.p.Get([]byte(key)); storage.KindOf(err) != storage.WrongPartition {
			t.Errorf("Get %q: %v", key, err)
		}
	}
	r.must(put("b"))
	r.must(put("c~"))
	r.fails(put(""), storage.Validation, "")
	r.fails(put(strings.Repeat("c", command.MaxKeySize+1)), storage.Validation, "")
	// It was not remembered as the outcome: the partition may be the right one
	// when the command comes again.
	r.fails(request(put("a"), 5, 1, 1), storage.WrongPartition, "")
	if len(r.p.applier.sessions.byID) != 0 {
		t.Error("the session remembers a command for another partition")
	}
}

func TestTransact(t *testing.T) {
	r := newRig(t)
	r.must(put("a", "v", "a"))
	r.must(consumer(command.Register, "index", 0, ""))
	res := r.must(transact(
		returning(put("n", "v", "b"), command.ReturnAllOld), when(update("a", "SET v = :b"), "v = :a"),
		del("gone"), check("other", "attribute_not_exists(pk)")))
	if len(res.Results) != 4 || !res.Results[0].Applied || !res.Results[1].Applied || res.Results[2].Applied || res.Results[3].Applied {
		t.Errorf("%+v", res)
	}
	if got := describe(t, r.get("a")); !strings.HasPrefix(got, "b ") {
		t.Errorf("a is %q", got)
	}
	failing := check("a", "v = :a")
	failing.ReturnOnFailure = true
	c := transact(put("m"), failing, update("other", "SET n = n + :one"), del("n"))
	r.fails(c, storage.TransactionCanceled,
		"Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ValidationError, None]")
	res = r.do(c)[0]
	if res.Results[0].Err != nil || res.Results[0].Applied || res.Results[3].Existed {
		t.Errorf("an operation that was not done says: %+v", res.Results)
	}
	if err := res.Results[1].Err; err.Kind != storage.ConditionalCheckFailed || string(err.Item) != string(r.get("a").Item) {
		t.Errorf("reason 1: %+v", err)
	}
	if err := res.Results[2].Err; err.Kind != storage.Validation {
		t.Errorf("reason 2: %+v", err)
	}
	r.fails(transact(put("x"), del("x")), storage.Validation, textDuplicate)
	r.fails(transact(), storage.Validation, "")
	large := strings.Repeat("x", 400_000)
	ops := make([]command.Command, 11)
	for i := range ops {
		ops[i] = put(fmt.Sprint("large", i), "v", large)
	}
	r.fails(transact(ops...), storage.Validation, textTransact)
	r.must(transact(ops[:10]...))
	checkMeta(t, r.p)
}

func TestConsumers(t *testing.T) {
	r := newRig(t)
	r.must(put("before"))
	if m := r.p.Meta(); m.NextSeq != 1 {
		t.Fatal("a change was logged for nobody")
	}
	r.must(consumer(command.Register, "x", 99, "s0"))
	r.must(put("k1"))
	r.must(put("k2"))
	res := r.must(consumer(command.Register, "y", 0, ""))
	if res.Seq != 2 || !res.Applied {
		t.Errorf("y was registered: %+v", res)
	}
	if res := r.must(consumer(command.Register, "x", 0, "again")); res.Applied || res.Seq != 0 {
		t.Errorf("x was registered again: %+v", res)
	}
	r.must(del("k1"))
	want := []change.Change{
		{Seq: 1, Key: []byte("k1"), Version: version.Version{Time: r.now, Region: home}, TimeMillis: 1000},
		{Seq: 2, Key: []byte("k2"), Version: version.Version{Time: r.now, Region: home}, TimeMillis: 1000},
		{Seq: 3, Key: []byte("k1"), Version: version.Version{Time: r.now + 1, Region: home}, TimeMillis: 1000, Tombstone: true},
	}
	got, err := r.p.Changes(0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err = r.p.Changes(1, 1); err != nil || len(got) != 1 || got[0].Seq != 2 {
		t.Errorf("after 1: %v, %v", got, err)
	}
	if got, err = r.p.Changes(3, 10); err != nil || len(got) != 0 {
		t.Errorf("after the last: %v, %v", got, err)
	}
	r.fails(consumer(command.Advance, "x", 4, ""), storage.Validation, "")
	r.fails(consumer(command.Advance, "nobody", 1, ""), storage.ResourceNotFound, "")
	r.fails(consumer(command.Advance, "", 1, ""), storage.Validation, "")
	r.fails(consumer(9, "x", 1, ""), storage.Validation, "")
	r.fails(consumer(command.Register, "z", 0, strings.Repeat("s", command.MaxConsumerState+1)), storage.Validation, "")
	r.must(consumer(command.Advance, "x", 2, "s1"))
	r.fails(consumer(command.Advance, "x", 1, "old leader"), storage.Validation, "")
	if _, err = r.p.Changes(0, 10); !errors.Is(err, ErrTrimmed) {
		t.Errorf("trimmed changes: %v", err)
	}
	r.must(consumer(command.Advance, "y", 3, ""))
	r.must(consumer(command.Advance, "x", 2, "s2"))
	r.reopen()
	wantConsumers := map[string]ConsumerState{"x": {Seq: 2, State: []byte("s2")}, "y": {Seq: 3}}
	if diff := cmp.Diff(wantConsumers, r.p.Consumers(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.must(consumer(command.Remove, "x", 0, ""))
	if res := r.must(consumer(command.Remove, "x", 0, "")); res.Applied {
		t.Error("removed twice")
	}
	r.must(consumer(command.Remove, "y", 0, ""))
	r.must(put("unseen"))
	if m := r.p.Meta(); m.FirstSeq != 4 || m.NextSeq != 4 {
		t.Errorf("the log is [%d, %d)", m.FirstSeq, m.NextSeq)
	}
	checkMeta(t, r.p)
}

func TestTooManyConsumers(t *testing.T) {
	r := newRig(t)
	for i := range maxConsumers {
		r.must(consumer(command.Register, fmt.Sprint(i), 0, ""))
	}
	r.fails(consumer(command.Register, "another", 0, ""), storage.LimitExceeded, "")
}

// Trimming does a bounded amount of work per entry and still catches up while
// writes go on.
func TestTrimIsBounded(t *testing.T) {
	r := newRig(t)
	r.must(consumer(command.Register, "x", 0, ""))
	for i := range 1000 {
		r.must(put("k", "n", i))
	}
	r.must(consumer(command.Advance, "x", 1000, ""))
	if m := r.p.Meta(); m.FirstSeq != 1+trimStep {
		t.Errorf("one entry trimmed %d changes", m.FirstSeq-1)
	}
	for i := 0; r.p.Meta().FirstSeq < 1001; i++ {
		before := r.p.Meta().FirstSeq
		r.do(put("k", "n", -i), put("l", "n", -i))
		m := r.p.Meta()
		if trimmed := m.FirstSeq - before; trimmed > trimStep+4 {
			t.Fatalf("one entry trimmed %d changes", trimmed)
		}
		if i > 1000/trimStep+1 {
			t.Fatal("trimming does not catch up")
		}
	}
	checkMeta(t, r.p)
}

func TestUnreadableCommand(t *testing.T) {
	r := newRig(t)
	good := put("a")
	entry := Entry{Index: 1, Term: 1, Data: command.AppendBatch(nil, r.now, [][]byte{{99, 1, 2}, good.Append(nil), {}})}
	results, err := r.p.Apply([]Entry{entry})
	if err != nil {
		t.Fatal(err)
	}
	if results[0][0].Err == nil || results[0][1].Err != nil || results[0][2].Err == nil {
		t.Errorf("%+v", results[0])
	}
	if !r.get("a").Exists {
		t.Error("the good command was lost among bad ones")
	}
}

func TestBrokenEntriesStopThePartition(t *testing.T) {
	for name, e := range map[string]Entry{
		"again":             {Index: 3, Term: 1, Data: command.AppendBatch(nil, 1, nil)},
		"unreadable":        {Index: 4, Term: 1, Data: []byte{99}},
		"before that again": {Index: 2, Term: 1, Configuration: true},
	} {
		r := newRig(t)
		r.index = 2
		r.must(put("a"))
		if _, err := r.p.Apply([]Entry{r.entry(put("b")), e}); err == nil {
			t.Errorf("%s: applied", name)
			continue
		}
		if _, err := r.p.Apply([]Entry{{Index: 9, Term: 1, Configuration: true}}); err == nil {
			t.Errorf("%s: went on", name)
		}
		if _, err := r.p.Get([]byte("a")); err == nil {
			t.Errorf("%s: served reads", name)
		}
		r.reopen()
		if m := r.p.Meta(); m.AppliedIndex != 3 {
			t.Errorf("%s: applied %d", name, m.AppliedIndex)
		}
	}
}

func TestConfigurationEntry(t *testing.T) {
	r := newRig(t)
	data := []byte("peers")
	results, err := r.p.Apply([]Entry{{Index: 5, Term: 2, Configuration: true, Data: data}})
	if err != nil || len(results) != 1 || results[0] != nil {
		t.Fatalf("%v, %v", results, err)
	}
	data[0] = 'X' // the log's memory is not the machine's
	r.reopen()
	m := r.p.Meta()
	if m.AppliedIndex != 5 || m.AppliedTerm != 2 || m.ConfigIndex != 5 || string(m.Config) != "peers" {
		t.Errorf("%+v", m)
	}
}

func TestFaults(t *testing.T) {
	r := newRig(t)
	r.p.Inject(Faults{MergeBlindly: true, SkipAppliedCheck: true})
	r.must(merge("a", at(100, "us"), "v", "new"))
	r.must(merge("a", at(50, "us"), "v", "old"))
	if got := describe(t, r.get("a")); got != "old 50.0@us" {
		t.Errorf("a blind merge left %q", got)
	}
	e := r.entry(update("n", "ADD n :one"))
	for range 2 {
		if _, err := r.p.Apply([]Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	if s := r.get("n"); string(s.Item) != string(doc("pk", "n", "n", 2)) {
		t.Error("an entry was not applied twice")
	}
}

func TestClosedPartition(t *testing.T) {
	r := newRig(t)
	changed := r.p.Changed()
	r.p.Close()
	<-changed
	_, getErr := r.p.Get([]byte("a"))
	_, pageErr := r.p.Page(PageRequest{})
	_, changesErr := r.p.Changes(0, 1)
	_, snapshotErr := r.p.Snapshot()
	_, _, hashErr := r.p.Hash()
	_, applyErr := r.p.Apply(nil)
	for i, err := range []error{getErr, pageErr, changesErr, snapshotErr, hashErr, applyErr} {
		if storage.KindOf(err) != storage.Unavailable {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func TestCreateTwice(t *testing.T) {
	e := memory(t)
	createRig(t, e, Meta{Group: 7})
	if _, err := Create(e, 1, Meta{Group: 7}, home); storage.KindOf(err) != storage.Internal {
		t.Errorf("got %v", err)
	}
	if _, err := Open(e, 2, 7, home); err == nil {
		t.Error("opened a partition that is not there")
	}
}
