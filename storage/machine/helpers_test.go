package machine

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/version"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// TestMain makes property tests short unless -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "150"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// checkFew is rapid.Check for a property that takes long to check: all but the
// first n checks are empty.
func checkFew(t *testing.T, n int, property func(*rapid.T)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		if n--; n >= 0 {
			property(t)
		}
	})
}

const home = "eu"

// tester is what testing.TB and rapid.T share.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

func memory(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.Open(engine.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// rig drives a partition: it counts indexes and builds entries.
type rig struct {
	tester
	p     *Partition
	index uint64
	// now is the time proposed with the next entry.
	now version.Timestamp
	// priors has entries come with them, as from a leader.
	priors bool
}

func newRig(t testing.TB) *rig { return createRig(t, memory(t), Meta{Group: 7, Table: "t"}) }

func createRig(t tester, e *engine.Engine, m Meta) *rig {
	t.Helper()
	return createRigAt(t, e, 1, m)
}

func createRigAt(t tester, e *engine.Engine, ks Keyspace, m Meta) *rig {
	t.Helper()
	p, err := Create(e, ks, m, home)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{tester: t, p: p, now: version.FromMillis(1000)}
}

// entry is an entry of commands at the next index.
func (r *rig) entry(cmds ...command.Command) Entry {
	r.index++
	encoded := make([][]byte, len(cmds))
	for i := range cmds {
		encoded[i] = cmds[i].Append(nil)
	}
	b := command.Batch{Time: r.now, Commands: encoded}
	if r.priors {
		b.Priors = r.p.Priors(encoded, true)
	}
	return Entry{Index: r.index, Term: 1, Data: b.Append(nil)}
}

// do applies one entry of commands and returns their results.
func (r *rig) do(cmds ...command.Command) []command.Result {
	r.Helper()
	results, err := r.p.Apply([]Entry{r.entry(cmds...)})
	if err != nil {
		r.Fatal(err)
	}
	return results[0]
}

// must applies one command that has to succeed.
func (r *rig) must(c command.Command) command.Result {
	r.Helper()
	res := r.do(c)[0]
	if res.Err != nil {
		r.Fatalf("%v %q: %v", c.Kind, c.Key, res.Err)
	}
	return res
}

// fails applies one command that has to be refused.
func (r *rig) fails(c command.Command, kind storage.Kind, text string) *storage.Error {
	r.Helper()
	before := dump(r, r.p.engine, r.p.ks)
	res := r.do(c)[0]
	if res.Err == nil || res.Err.Kind != kind || !strings.Contains(res.Err.Message, text) {
		r.Fatalf("got %v, want %v with %q", res.Err, kind, text)
	}
	if got := dump(r, r.p.engine, r.p.ks); !sameButApplied(before, got) {
		r.Errorf("the refused command changed something:\n%s\n%s", before, got)
	}
	return res.Err
}

func (r *rig) get(key string) Stored {
	r.Helper()
	s, err := r.p.Get([]byte(key))
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// reopen opens the partition again, as after a restart.
func (r *rig) reopen() {
	r.Helper()
	p, err := Open(r.p.engine, r.p.ks, r.p.group, home)
	if err != nil {
		r.Fatal(err)
	}
	r.p = p
}

func doc(pairs ...any) item.Encoded {
	attrs := make([]item.Attribute, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		var v item.Value
		switch x := pairs[i+1].(type) {
		case string:
			v = item.String(x)
		case int:
			v = item.Num(item.NumberFromInt(int64(x)))
		default:
			panic(fmt.Sprintf("no value of %T", x))
		}
		attrs = append(attrs, item.Attribute{Name: pairs[i].(string), Value: v})
	}
	return item.Encode(item.NewItem(attrs...))
}

func put(key string, pairs ...any) command.Command {
	return command.Command{Kind: command.Put, Key: []byte(key), Item: doc(append([]any{"pk", key}, pairs...)...)}
}

func del(key string) command.Command { return command.Command{Kind: command.Delete, Key: []byte(key)} }

func merge(key string, v version.Version, pairs ...any) command.Command {
	c := put(key, pairs...)
	c.Kind, c.Version = command.Merge, v
	return c
}

func mergeDelete(key string, v version.Version) command.Command {
	return command.Command{Kind: command.Merge, Key: []byte(key), Version: v}
}

var values = map[string]item.Value{
	":a": item.String("a"), ":b": item.String("b"), ":one": item.Num(item.NumberFromInt(1)),
	":zero": item.Num(item.NumberFromInt(0)),
}

func update(key, src string) command.Command {
	c := command.Command{Kind: command.Update, Key: []byte(key), Item: doc("pk", key)}
	if src != "" {
		u, err := expr.ParseUpdate(src, &expr.Bindings{Values: values})
		if err != nil {
			panic(err)
		}
		c.Update = u
	}
	return c
}

func when(c command.Command, src string) command.Command {
	cond, err := expr.ParseCondition(src, &expr.Bindings{Values: values})
	if err != nil {
		panic(err)
	}
	c.Condition = cond
	return c
}

func check(key, src string) command.Command {
	return when(command.Command{Kind: command.Check, Key: []byte(key)}, src)
}

func returning(c command.Command, r command.Return) command.Command {
	c.Return = r
	return c
}

func request(c command.Command, session, seq, low uint64) command.Command {
	c.Request = command.RequestID{Session: session, Seq: seq, Low: low}
	return c
}

func transact(ops ...command.Command) command.Command {
	return command.Command{Kind: command.Transact, Ops: ops}
}

func consumer(op command.ConsumerOp, name string, seq uint64, state string) command.Command {
	return command.Command{Kind: command.Consumer,
		Consumer: command.ConsumerChange{Op: op, Name: name, Seq: seq, State: []byte(state)}}
}

func at(ms int64, region string) version.Version {
	return version.Version{Time: version.FromMillis(ms), Region: region}
}

// dump is every byte of a keyspace, without its number: peers in any keyspace
// with the same state have the same dump.
func dump(t tester, e *engine.Engine, ks Keyspace) []string {
	t.Helper()
	view := e.View()
	defer view.Close()
	it := view.Iterate(keyspaceStart(ks), keyspaceStart(ks+1), false)
	defer it.Close()
	var lines []string
	for it.Next() {
		value, err := it.Value()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%c %x = %x", it.Key()[keyspaceSize], it.Key()[sectionSize:], value))
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return lines
}

// sameButApplied compares dumps of one partition but for Meta's applied index.
func sameButApplied(a, b []string) bool {
	a, b = bytesOf(a), bytesOf(b)
	return strings.Join(a, "\n") == strings.Join(b, "\n")
}

func bytesOf(lines []string) []string {
	var kept []string
	for _, l := range lines {
		if !strings.HasPrefix(l, "m ") {
			kept = append(kept, l)
		}
	}
	return kept
}

func hash(t tester, p *Partition) uint64 {
	t.Helper()
	index, sum, err := p.Hash()
	if err != nil {
		t.Fatal(err)
	}
	if index != p.Meta().AppliedIndex {
		t.Fatalf("hash of index %d, applied is %d", index, p.Meta().AppliedIndex)
	}
	return sum
}

// checkMeta recounts what Meta counts.
func checkMeta(t tester, p *Partition) {
	t.Helper()
	view := p.engine.View()
	defer view.Close()
	m := p.Meta()
	var items, size, tombstones int64
	var first, last uint64
	err := visit(view, p.ks, &m, func(key, value []byte) error {
		switch key[0] {
		case sectionItems:
			s, err := decodeRecord(value, home)
			if err != nil {
				return err
			}
			if s.Tombstone {
				tombstones++
				return nil
			}
			items++
			n, err := s.Item.Size()
			if n != s.Size {
				return fmt.Errorf("size of %q is recorded as %d, is %d", key, s.Size, n)
			}
			size += int64(n)
			return err
		case sectionChanges:
			last = binary.BigEndian.Uint64(key[len(key)-8:])
			if first == 0 {
				first = last
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if items != m.Items || size != m.Bytes || tombstones != m.Tombstones {
		t.Fatalf("Meta counts %d items, %d bytes, %d tombstones; there are %d, %d, %d",
			m.Items, m.Bytes, m.Tombstones, items, size, tombstones)
	}
	if first == 0 {
		first, last = m.NextSeq, m.NextSeq-1
	}
	if first != m.FirstSeq || last+1 != m.NextSeq {
		t.Fatalf("Meta says changes [%d, %d), there are [%d, %d]", m.FirstSeq, m.NextSeq, first, last)
	}
}
