package expr

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr/syntax"
	"github.com/roundtabledb/roundtable/storage/item"
)

func TestConditionMeansWhatTheReferenceSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGrammar(rt)
		p := g.condition(g.choose("depth", 4))
		c, err := ParseFilter(p.text, g.bindings)
		if err != nil {
			rt.Fatalf("%s: %v", p.text, err)
		}
		rt.Log(p.text)
		sameCondition(rt, c)
		g.matches(c, p.of)
	})
}

// matches checks that c holds of items, as they are and encoded, when of does.
func (g *grammar) matches(c *Condition, of func(it map[string]any) bool) {
	for range 4 {
		it := g.item(3)
		want := of(model(item.Map(it)).(map[string]any))
		if got, err := matchTree(c, it); err != nil || got != want {
			g.Fatalf("%s\nof %v\nis %v, %v; want %v", c, show(item.Map(it)), got, err, want)
		}
		if got, err := c.Match(item.Encode(it)); err != nil || got != want {
			g.Fatalf("%s\nof %v encoded\nis %v, %v; want %v", c, show(item.Map(it)), got, err, want)
		}
	}
}

func TestUpdateDoesWhatTheReferenceSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGrammar(rt)
		actions := g.update()
		src := g.source(actions)
		u, err := ParseUpdate(src, g.bindings)
		if err != nil {
			rt.Fatalf("%s: %v", src, err)
		}
		rt.Log(src)
		sameUpdate(rt, u)
		for range 4 {
			g.applies(u, actions)
		}
	})
}

// applies checks that u, of actions, does with an item what they say.
func (g *grammar) applies(u *Update, actions []refAction) {
	it := g.item(3)
	before := model(item.Map(it)).(map[string]any)
	want, wantErr := apply(before, actions)
	got, err := u.Apply(it)
	if text := message(err); text != wantErr {
		g.Fatalf("%s\nof %v\nfails with %q, want %q", u, show(item.Map(it)), text, wantErr)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want, model(item.Map(got)), cmp.AllowUnexported(refSet{})); diff != "" {
		g.Fatalf("%s\nof %v (-want +got):\n%s", u, show(item.Map(it)), diff)
	}
	if diff := cmp.Diff(before, model(item.Map(it)), cmp.AllowUnexported(refSet{})); diff != "" {
		g.Fatalf("%s changed its item (-before +after):\n%s", u, diff)
	}
	updated := keep(want, nil, u.Paths())
	if diff := cmp.Diff(updated, model(item.Map(u.Updated(got))), cmp.AllowUnexported(refSet{})); diff != "" {
		g.Fatalf("Updated of %s (-want +got):\n%s", u, diff)
	}
}

func TestProjectionKeepsWhatTheReferenceSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGrammar(rt)
		var texts []string
		var paths []item.Path
		for range 1 + g.choose("paths", 5) {
			p := g.path()
			clash := false
			for _, q := range paths {
				clash = clash || q.Overlaps(p.path) || q.Conflicts(p.path)
			}
			if !clash {
				texts, paths = append(texts, p.text), append(paths, p.path)
			}
		}
		p, err := ParseProjection(strings.Join(texts, ","), g.bindings)
		if err != nil {
			rt.Fatal(err)
		}
		sameProjection(rt, p)
		it := g.item(3)
		want := keep(model(item.Map(it)), nil, paths)
		if diff := cmp.Diff(want, model(item.Map(project(it, p.Paths()))), cmp.AllowUnexported(refSet{})); diff != "" {
			rt.Fatalf("%s of %v (-want +got):\n%s", p, show(item.Map(it)), diff)
		}
		encoded, err := p.Apply(item.Encode(it))
		if diff := cmp.Diff(item.Encode(project(it, p.Paths())), encoded); err != nil || diff != "" {
			rt.Fatalf("%s of encoded %v (-want +got): %v\n%s", p, show(item.Map(it)), err, diff)
		}
	})
}

// message is the text of a Validation error; empty when there is none.
func message(err error) string {
	var e *storage.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e) && e.Kind == storage.Validation:
		return e.Message
	}
	return "not a validation error: " + err.Error()
}

// failer is a testing.T or a rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// sameCondition checks that c survives printing and encoding.
func sameCondition(t failer, c *Condition) {
	t.Helper()
	encoding := c.Append(nil)
	src, b := c.Source()
	if len(src) <= syntax.MaxBytes {
		parsed, err := ParseCondition(src, b)
		sameTree(t, src, encoding, parsed, err)
	}
	decoded, rest, err := DecodeCondition(append(encoding, "rest"...))
	if string(rest) != "rest" {
		t.Fatalf("%s: decoding leaves %q", src, rest)
	}
	sameTree(t, src, encoding, decoded, err)
}

func sameUpdate(t failer, u *Update) {
	t.Helper()
	encoding := u.Append(nil)
	src, b := u.Source()
	if len(src) <= syntax.MaxBytes {
		parsed, err := ParseUpdate(src, b)
		sameTree(t, src, encoding, parsed, err)
	}
	decoded, rest, err := DecodeUpdate(append(encoding, "rest"...))
	if string(rest) != "rest" {
		t.Fatalf("%s: decoding leaves %q", src, rest)
	}
	sameTree(t, src, encoding, decoded, err)
}

func sameProjection(t failer, p *Projection) {
	t.Helper()
	encoding := p.Append(nil)
	src, b := p.Source()
	if len(src) <= syntax.MaxBytes {
		parsed, err := ParseProjection(src, b)
		sameTree(t, src, encoding, parsed, err)
	}
	decoded, rest, err := DecodeProjection(append(encoding, "rest"...))
	if string(rest) != "rest" {
		t.Fatalf("%s: decoding leaves %q", src, rest)
	}
	sameTree(t, src, encoding, decoded, err)
}

// tree is a Condition, an Update or a Projection.
type tree interface{ Append(dst []byte) []byte }

func sameTree(t failer, src string, encoding []byte, got tree, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	if again := got.Append(nil); !bytes.Equal(again, encoding) {
		t.Fatalf("%s: another tree\n got: %x\nwant: %x", src, again, encoding)
	}
}
