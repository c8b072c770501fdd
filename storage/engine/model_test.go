package engine

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// modelView is an open view and what it has to see.
type modelView struct {
	view *View
	want map[string]string
}

// model drives an engine and a map side by side.
type model struct {
	e            *Engine
	dir          string // "" in memory
	now, durable map[string]string
	synced       map[string][]byte
	views        []modelView
}

// TestModel compares the engine with a map: commits, reads, views that stay
// open over flushes, checkpoints, clean and unclean stops.
func TestModel(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{now: map[string]string{}, durable: map[string]string{}}
		if rapid.IntRange(0, 3).Draw(t, "disk") > 0 {
			dir, err := os.MkdirTemp(base, "run")
			if err != nil {
				t.Fatal(err)
			}
			m.dir = dir
		}
		m.open(t)
		defer func() {
			m.closeViews()
			_ = m.e.Close()
		}()
		t.Repeat(map[string]func(*rapid.T){
			"":           m.check,
			"commit":     m.commit,
			"commit 2":   m.commit,
			"commit 3":   m.commit,
			"commit 4":   m.commit,
			"view":       m.view,
			"view 2":     m.view,
			"close view": m.closeView,
			"checkpoint": m.checkpoint,
			"stop":       m.stop, // cleanly or not
		})
	})
}

func drawKey(t *rapid.T, label string) string {
	return rapid.StringMatching(`[ab][ab]?[a-c]?`).Draw(t, label)
}

// drawOptions draws what of a store the value log has, from most of it to nothing.
func drawOptions(t *rapid.T) Options {
	return Options{
		large:     rapid.SampledFrom([]int{1, 16, 4 << 10, MaxValueSize}).Draw(t, "large"),
		valueFile: rapid.SampledFrom([]int{2 << 10, 32 << 10, 1 << 20}).Draw(t, "file"),
		sweep:     rapid.SampledFrom([]int{0, 1 << 10, 128 << 20}).Draw(t, "sweep"),
	}
}

func (m *model) open(t *rapid.T) {
	var err error
	opts := drawOptions(t)
	opts.Dir, opts.InMemory = m.dir, m.dir == ""
	if m.e, err = Open(opts); err != nil {
		t.Fatal(err)
	}
	// From one commit a flush to many.
	m.e.plan.delta = int64(rapid.SampledFrom([]int{1, 4 << 10, 64 << 10, 8 << 20}).Draw(t, "delta"))
	if m.dir != "" {
		m.synced = logs(t, m.dir)
	}
}

func (m *model) commit(t *rapid.T) {
	batches := make([]*Batch, rapid.IntRange(1, 2).Draw(t, "batches"))
	for i := range batches {
		batches[i] = new(Batch)
		for range rapid.IntRange(0, 6).Draw(t, "writes") {
			key := drawKey(t, "key")
			if rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
				batches[i].Delete([]byte(key))
				delete(m.now, key)
				continue
			}
			size := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 40<<10)).Draw(t, "size")
			value := bytes.Repeat([]byte{byte(rapid.IntRange('a', 'z').Draw(t, "fill"))}, size)
			batches[i].Put([]byte(key), value)
			m.now[key] = string(value)
		}
	}
	if err := m.e.Commit(batches...); err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		clear(b.buf) // the memory of a batch is used again
	}
}

func (m *model) view(t *rapid.T) {
	if len(m.views) < 4 {
		m.views = append(m.views, modelView{m.e.View(), maps.Clone(m.now)})
	}
}

func (m *model) closeView(t *rapid.T) {
	if len(m.views) > 0 {
		i := rapid.IntRange(0, len(m.views)-1).Draw(t, "which")
		m.views[i].view.Close()
		m.views = slices.Delete(m.views, i, i+1)
	}
}

func (m *model) closeViews() {
	for _, v := range m.views {
		v.view.Close()
	}
	m.views = nil
}

func (m *model) checkpoint(t *rapid.T) {
	if err := m.e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	m.durable = maps.Clone(m.now)
	if m.dir != "" {
		m.synced = logs(t, m.dir)
	}
}

func (m *model) stop(t *rapid.T) {
	if m.dir == "" {
		return
	}
	m.closeViews()
	if rapid.Bool().Draw(t, "crash") {
		m.crash(t)
		return
	}
	if err := m.e.Close(); err != nil {
		t.Fatal(err)
	}
	m.durable = maps.Clone(m.now)
	m.open(t)
}

func (m *model) crash(t *rapid.T) {
	chance := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "chance"), 0))
	at := powerCut(t, m.dir, m.synced, chance)
	_ = m.e.Close()
	if err := os.RemoveAll(m.dir); err != nil {
		t.Fatal(err)
	}
	m.dir, m.now = at, maps.Clone(m.durable)
	m.open(t)
}

// check compares a key and a range, of the newest state and of each view.
func (m *model) check(t *rapid.T) {
	key := drawKey(t, "read")
	value, err := m.e.Get([]byte(key))
	compareValue(t, "Get", m.now, key, value, err)
	fresh := m.e.View()
	defer fresh.Close()
	for i, v := range append([]modelView{{fresh, m.now}}, m.views...) {
		value, err := v.view.Get([]byte(key))
		compareValue(t, fmt.Sprint("view ", i), v.want, key, value, err)
		lo, hi := []byte(drawKey(t, "lo")), []byte(drawKey(t, "hi"))
		if rapid.Bool().Draw(t, "all") {
			lo, hi = nil, nil
		}
		reverse := rapid.Bool().Draw(t, "reverse")
		compareRange(t, v, lo, hi, reverse)
	}
}

func compareValue(t *rapid.T, what string, want map[string]string, key string, value []byte, err error) {
	expected, ok := want[key]
	switch {
	case !ok && errors.Is(err, ErrNotFound):
	case ok && err == nil && string(value) == expected && value != nil:
	default:
		t.Fatalf("%s of %s: %.20q (%d bytes), %v, want %.20q (%d bytes), %v",
			what, key, value, len(value), err, expected, len(expected), ok)
	}
}

func compareRange(t *rapid.T, v modelView, lo, hi []byte, reverse bool) {
	var want []string
	for key := range v.want {
		if key >= string(lo) && (hi == nil || key < string(hi)) {
			want = append(want, key)
		}
	}
	slices.Sort(want)
	if reverse {
		slices.Reverse(want)
	}
	it := v.view.Iterate(lo, hi, reverse)
	defer it.Close()
	var got []string
	for it.Next() {
		value, err := it.Value()
		compareValue(t, "iteration", v.want, string(it.Key()), value, err)
		got = append(got, string(it.Key()))
	}
	if it.Next() || it.Err() != nil {
		t.Fatalf("the iterator goes on after its end, %v", it.Err())
	}
	if !slices.Equal(got, want) {
		t.Fatalf("[%s, %s) reverse %v: %v, want %v", lo, hi, reverse, got, want)
	}
}
