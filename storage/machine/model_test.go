package machine

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/version"
)

// model is the machine as one would write it with maps and no disk. It knows
// only items of two attributes, "v", a string, and "n", a number, and the
// expressions of the lists below.
type model struct {
	items     map[string]modelState
	consumers map[string]ConsumerState
	log       []change.Change // all ever, by Seq
	sessions  map[uint64]*modelSession
	gcFloor   version.Timestamp
	maxTime   version.Timestamp
	now       version.Timestamp
}

type modelState struct {
	exists, tombstone bool
	v                 string // "" is absent
	n                 int    // 0 is absent
	version           version.Version
}

type modelSession struct {
	low     uint64
	results map[uint64]command.Result
}

func newModel() *model {
	return &model{items: map[string]modelState{}, consumers: map[string]ConsumerState{}, sessions: map[uint64]*modelSession{}}
}

func (s modelState) item(key string) item.Encoded {
	pairs := []any{"pk", key}
	if s.v != "" {
		pairs = append(pairs, "v", s.v)
	}
	if s.n != 0 {
		pairs = append(pairs, "n", s.n)
	}
	return doc(pairs...)
}

func (s modelState) size(key string) int {
	if !s.exists {
		return 0
	}
	size := 2 + len(key)
	if s.v != "" {
		size += 1 + len(s.v)
	}
	if s.n != 0 {
		size += 1 + item.NumberFromInt(int64(s.n)).Size()
	}
	return size
}

// modelCondition is an expression and what it means. nil error texts: the
// conditions here cannot go wrong.
var modelConditions = map[string]func(modelState) bool{
	"":                         func(modelState) bool { return true },
	"attribute_exists(pk)":     func(s modelState) bool { return s.exists },
	"attribute_not_exists(pk)": func(s modelState) bool { return !s.exists },
	"v = :a":                   func(s modelState) bool { return s.exists && s.v == "a" },
	"n > :one OR v = :b":       func(s modelState) bool { return s.exists && (s.n > 1 || s.v == "b") },
}

// modelUpdates is expressions, what they do, and whether they can be done. The
// attributes they name follow.
var modelUpdates = map[string]struct {
	do   func(*modelState) bool
	v, n bool
}{
	"":                                       {do: func(*modelState) bool { return true }},
	"SET v = :a":                             {do: func(s *modelState) bool { s.v = "a"; return true }, v: true},
	"SET v = :b REMOVE n":                    {do: func(s *modelState) bool { s.v, s.n = "b", 0; return true }, v: true, n: true},
	"REMOVE v":                               {do: func(s *modelState) bool { s.v = ""; return true }, v: true},
	"SET n = n + :one":                       {do: func(s *modelState) bool { s.n++; return s.n > 1 }, n: true},
	"ADD n :one SET v = :a":                  {do: func(s *modelState) bool { s.n++; s.v = "a"; return true }, v: true, n: true},
	"SET n = if_not_exists(n, :one)":         {do: func(s *modelState) bool { s.n = max(s.n, 1); return true }, n: true},
	"SET v = if_not_exists(v, :b)":           {do: func(s *modelState) bool { s.v = first(s.v, "b"); return true }, v: true},
	"SET n = if_not_exists(n, :zero) + :one": {do: func(s *modelState) bool { s.n++; return true }, n: true},
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// op is a command as the model understands it.
type op struct {
	kind             command.Kind
	key              string
	state            modelState // Put, Merge
	condition        string
	update           string
	ret              command.Return
	returnOnFailure  bool
	version          version.Version
	ops              []op
	consumer         command.ConsumerChange
	session, seq, lo uint64
}

func (o op) command() command.Command {
	c := command.Command{Kind: o.kind, Key: []byte(o.key), Return: o.ret, ReturnOnFailure: o.returnOnFailure}
	switch o.kind {
	case command.Put:
		c.Item = o.state.item(o.key)
	case command.Update:
		c = update(o.key, o.update)
		c.Return, c.ReturnOnFailure = o.ret, o.returnOnFailure
	case command.Merge:
		c.Version = o.version
		if o.state.exists {
			c.Item = o.state.item(o.key)
		}
	case command.Transact:
		for _, part := range o.ops {
			c.Ops = append(c.Ops, part.command())
		}
	case command.Consumer:
		c.Consumer = o.consumer
	}
	if o.condition != "" {
		c = when(c, o.condition)
	}
	return request(c, o.session, o.seq, o.lo)
}

// genOp draws a command. Keys from "z" on are out of the partition's range.
func genOp(t *rapid.T, nested bool) op {
	kinds := []command.Kind{command.Put, command.Put, command.Update, command.Update, command.Delete}
	if nested {
		kinds = append(kinds, command.Check)
	} else {
		kinds = append(kinds, command.Merge, command.Transact, command.Consumer)
	}
	o := op{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	if !nested && rapid.IntRange(0, 2).Draw(t, "dedup") == 0 {
		o.session, o.seq = rapid.Uint64Range(1, 3).Draw(t, "session"), rapid.Uint64Range(1, 12).Draw(t, "seq")
		o.lo = rapid.Uint64Range(0, 13).Draw(t, "low")
	}
	switch o.kind {
	case command.Consumer:
		o.consumer = command.ConsumerChange{
			Name: rapid.SampledFrom([]string{"index", "region:us", "region:ap"}).Draw(t, "name"),
			Op:   command.ConsumerOp(rapid.IntRange(1, 3).Draw(t, "op")),
			Seq:  rapid.Uint64Range(0, 40).Draw(t, "seq"), State: []byte(rapid.SampledFrom([]string{"", "s"}).Draw(t, "state")),
		}
		return o
	case command.Transact:
		for range rapid.IntRange(1, 3).Draw(t, "ops") {
			o.ops = append(o.ops, genOp(t, true))
		}
		return o
	}
	o.key = rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "z"}).Draw(t, "key")
	o.state = modelState{exists: true, v: rapid.SampledFrom([]string{"", "a", "b", "long text"}).Draw(t, "v"),
		n: rapid.IntRange(0, 3).Draw(t, "n")}
	if o.kind == command.Merge {
		o.state.exists = rapid.Bool().Draw(t, "exists")
		o.version = version.Version{Time: version.FromMillis(rapid.Int64Range(1, 60).Draw(t, "ms")),
			Region: rapid.SampledFrom([]string{"ap", home, "us"}).Draw(t, "region")}
		return o
	}
	if o.kind == command.Update {
		o.update = rapid.SampledFrom(slices.Sorted(maps.Keys(modelUpdates))).Draw(t, "update")
	}
	o.condition = rapid.SampledFrom(slices.Sorted(maps.Keys(modelConditions))).Draw(t, "condition")
	o.ret = command.Return(rapid.IntRange(0, 4).Draw(t, "return"))
	o.returnOnFailure = rapid.Bool().Draw(t, "image")
	return o
}

func fail(kind storage.Kind) command.Result { return command.Result{Err: &storage.Error{Kind: kind}} }

// apply is the whole of what a command does.
func (m *model) apply(o op) command.Result {
	if o.session == 0 {
		return m.execute(o)
	}
	s := m.sessions[o.session]
	if s != nil && o.seq < s.low {
		return fail(storage.StaleRequest)
	}
	if s != nil {
		if r, ok := s.results[o.seq]; ok {
			return r
		}
	}
	r := m.execute(o)
	if r.Err != nil && r.Err.Kind == storage.WrongPartition {
		return r
	}
	if s == nil {
		s = &modelSession{results: map[uint64]command.Result{}}
		m.sessions[o.session] = s
	}
	s.low = max(s.low, min(o.lo, o.seq))
	s.results[o.seq] = r
	return r
}

func (m *model) execute(o op) command.Result {
	switch o.kind {
	case command.Consumer:
		return m.consume(o.consumer)
	case command.Transact:
		return m.transact(o.ops)
	}
	if o.key >= "z" {
		return fail(storage.WrongPartition)
	}
	next, r := m.evaluate(o)
	if r.Err == nil {
		m.set(o, next, &r)
	}
	return r
}

func (m *model) transact(ops []op) command.Result {
	seen := map[string]bool{}
	for _, o := range ops {
		if o.key >= "z" {
			return fail(storage.WrongPartition)
		}
		seen[o.key] = true
	}
	if len(seen) < len(ops) {
		return fail(storage.Validation)
	}
	var r command.Result
	next := make([]modelState, len(ops))
	for i, o := range ops {
		var part command.Result
		next[i], part = m.evaluate(o)
		r.Results = append(r.Results, part)
		if part.Err != nil {
			r.Err = &storage.Error{Kind: storage.TransactionCanceled}
		}
	}
	for i, o := range ops {
		switch {
		case r.Err == nil:
			m.set(o, next[i], &r.Results[i])
		case r.Results[i].Err == nil:
			r.Results[i] = command.Result{}
		}
	}
	return r
}

// evaluate returns the state that o leads to.
func (m *model) evaluate(o op) (modelState, command.Result) {
	old := m.items[o.key]
	r := command.Result{Existed: old.exists, OldSize: old.size(o.key), NewSize: old.size(o.key), Version: old.version}
	if o.kind == command.Merge {
		var next modelState
		if o.state.exists {
			next = o.state
		}
		next.tombstone, next.version = !next.exists, o.version
		return next, r
	}
	if !modelConditions[o.condition](old) {
		r.Err = &storage.Error{Kind: storage.ConditionalCheckFailed}
		if o.returnOnFailure && old.exists {
			r.Err.Item = old.item(o.key)
		}
		return old, r
	}
	next := old
	switch o.kind {
	case command.Put:
		next = o.state
	case command.Update:
		if !old.exists && o.update == "REMOVE v" {
			return old, r // there is nothing to remove
		}
		if !old.exists {
			next = modelState{}
		}
		if !modelUpdates[o.update].do(&next) {
			r.Err = &storage.Error{Kind: storage.Validation}
			return old, r
		}
		next.exists = true
	case command.Delete:
		next = modelState{}
	}
	r.Item = m.image(o, old, next)
	return next, r
}

func (m *model) image(o op, old, next modelState) item.Encoded {
	part := func(s modelState) item.Encoded {
		u := modelUpdates[o.update]
		var pairs []any
		if u.v && s.v != "" {
			pairs = append(pairs, "v", s.v)
		}
		if u.n && s.n != 0 {
			pairs = append(pairs, "n", s.n)
		}
		if o.kind != command.Update || pairs == nil {
			return nil
		}
		return doc(pairs...)
	}
	switch {
	case o.kind == command.Check:
	case o.ret == command.ReturnAllOld && old.exists:
		return old.item(o.key)
	case o.ret == command.ReturnAllNew && o.kind != command.Delete:
		return next.item(o.key)
	case o.ret == command.ReturnUpdatedOld && old.exists:
		return part(old)
	case o.ret == command.ReturnUpdatedNew:
		return part(next)
	}
	return nil
}

// set makes next the state of o's key, if it is another one.
func (m *model) set(o op, next modelState, r *command.Result) {
	old := m.items[o.key]
	switch {
	case o.kind == command.Merge:
		if !next.version.Newer(old.version) {
			return
		}
	case o.kind == command.Check || next.exists == old.exists && next.v == old.v && next.n == old.n:
		return
	default:
		next.version = version.Version{Region: home, Time: max(m.now, old.version.Time+1, m.gcFloor+1)}
	}
	r.Applied, r.Version, r.NewSize = true, next.version, next.size(o.key)
	m.maxTime = max(m.maxTime, next.version.Time)
	if len(m.consumers) > 0 {
		m.log = append(m.log, change.Change{Seq: uint64(len(m.log) + 1), Key: []byte(o.key), Version: next.version,
			Tombstone: !next.exists, TimeMillis: m.now.Millis()})
	}
	if next.exists || o.kind == command.Merge || m.regions() > 0 {
		next.tombstone = !next.exists
		m.items[o.key] = next
		return
	}
	delete(m.items, o.key)
	m.gcFloor = max(m.gcFloor, next.version.Time)
}

func (m *model) regions() int {
	n := 0
	for name := range m.consumers {
		if name != "index" {
			n++
		}
	}
	return n
}

func (m *model) consume(c command.ConsumerChange) command.Result {
	s, ok := m.consumers[c.Name]
	switch {
	case c.Op == command.Register && !ok:
		s = ConsumerState{Seq: uint64(len(m.log)), State: c.State}
	case c.Op == command.Advance && !ok:
		return fail(storage.ResourceNotFound)
	case c.Op == command.Advance && (c.Seq < s.Seq || c.Seq > uint64(len(m.log))):
		r := fail(storage.Validation)
		r.Seq = s.Seq
		return r
	case c.Op == command.Advance && (c.Seq != s.Seq || string(c.State) != string(s.State)):
		s = ConsumerState{Seq: c.Seq, State: c.State}
	case c.Op == command.Remove && ok:
		delete(m.consumers, c.Name)
		return command.Result{Applied: true, Seq: s.Seq}
	default:
		return command.Result{Seq: s.Seq}
	}
	m.consumers[c.Name] = s
	return command.Result{Applied: true, Seq: s.Seq}
}

// compareResults ignores texts and the difference between no bytes and none.
var compareResults = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b *storage.Error) bool {
		if a == nil || b == nil {
			return a == b
		}
		return a.Kind == b.Kind && string(a.Item) == string(b.Item)
	}),
}

// history draws entries; some are configurations.
func history(t *rapid.T) [][]op {
	return rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op { return genOp(t, false) }), 0, 6), 1, 30).Draw(t, "entries")
}

func bounded() Meta { return Meta{Group: 3, Table: "t", Hi: []byte("z")} }

func TestModel(t *testing.T) {
	e := memory(t)
	ks := Keyspace(0)
	rapid.Check(t, func(t *rapid.T) {
		ks++
		r := createRigAt(t, e, ks, bounded())
		m := newModel()
		for _, ops := range history(t) {
			m.now = version.FromMillis(rapid.Int64Range(1, 60).Draw(t, "now"))
			r.now, r.priors = m.now, rapid.Bool().Draw(t, "priors")
			cmds := make([]command.Command, len(ops))
			want := make([]command.Result, len(ops))
			for i, o := range ops {
				cmds[i], want[i] = o.command(), m.apply(o)
			}
			if diff := cmp.Diff(want, r.do(cmds...), compareResults); diff != "" {
				t.Fatalf("entry %d (-want +got):\n%s", r.index, diff)
			}
			if rapid.IntRange(0, 5).Draw(t, "reopen") == 0 {
				r.reopen()
			}
			m.compare(t, r.p)
		}
	})
}

// compare compares everything that can be read.
func (m *model) compare(t *rapid.T, p *Partition) {
	t.Helper()
	checkMeta(t, p)
	page, err := p.Page(PageRequest{WithTombstones: true})
	if err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(maps.Keys(m.items))
	var want []Stored
	for _, key := range keys {
		s := m.items[key]
		stored := Stored{Key: []byte(key), Exists: s.exists, Tombstone: s.tombstone, Version: s.version, Size: s.size(key)}
		if s.exists {
			stored.Item = s.item(key)
		}
		want = append(want, stored)
		stored.Key = nil
		got, err := p.Get([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stored, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("Get %q (-want +got):\n%s", key, diff)
		}
	}
	if diff := cmp.Diff(want, page.Stored, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("Page (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(m.consumers, p.Consumers(), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("Consumers (-want +got):\n%s", diff)
	}
	meta := p.Meta()
	if meta.NextSeq != uint64(len(m.log)+1) || meta.GCFloor != m.gcFloor || meta.MaxTime != m.maxTime {
		t.Fatalf("%+v; the model has %d changes, floor %v, max %v", meta, len(m.log), m.gcFloor, m.maxTime)
	}
	done := uint64(len(m.log))
	for _, c := range m.consumers {
		done = min(done, c.Seq)
	}
	got, err := p.Changes(done, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.log[done:], got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("Changes (-want +got):\n%s", diff)
	}
}
