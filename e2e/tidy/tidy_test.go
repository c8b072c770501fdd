// Package tidy keeps the tree the way its design says. Each test names the
// rule and gives its reason where it fails.
package tidy

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/roundtabledb/roundtable/"

// layers are the top folders that hold code, from the bottom up. A package may
// import its own layer and those below it.
var layers = []string{"storage", "cluster", "replication", "region", "cmd"}

// only lists packages that one folder alone may import, and why.
var only = map[string]struct{ folder, reason string }{
	"github.com/dgraph-io/badger/v4":  {"storage/engine", "one package knows Badger's traps and converts its errors"},
	"github.com/hashicorp/memberlist": {"cluster/member", "gossip is a hint that one package turns into an address book"},
	"github.com/aws/aws-sdk-go-v2":    {"region", "the layers below speak of items and commands, never of AWS; the tour in cmd and the tests are clients"},
	"net/http":                        {"region", "the layers below know nothing of HTTP; cmd and the tests are clients"},
	"github.com/klauspost/compress":   {"replication", "only the links between regions compress; the HTTP rim may"},
	"google.golang.org/protobuf":      {"proto", "protobuf stays at the rim: messages are converted where bytes meet the wire"},
	"github.com/hashicorp/raft":       {"cluster", "storage is Raft's state machine and must not know it"},
	"google.golang.org/grpc":          {"cluster", "storage has no network"},
}

// exempt lists folders that may break one of the rules of only, and why.
var exempt = map[string][]string{
	"github.com/aws/aws-sdk-go-v2":  {"cmd"},
	"net/http":                      {"cmd"},
	"google.golang.org/grpc":        {"replication", "region", "proto", "cmd"},
	"google.golang.org/protobuf":    {"cluster/transport", "cluster/member", "replication"},
	"github.com/klauspost/compress": {"region"},
}

// deterministic names what code under storage must not touch: every peer has
// to come to the same bytes.
var deterministic = map[string][]string{
	"time":         {"Now", "Since", "Until", "After", "Tick"},
	"math/rand":    nil,
	"math/rand/v2": nil,
	"crypto/rand":  nil,
	"net":          nil,
	"encoding/gob": nil,
	"hash/maphash": nil,
}

// clocked lists packages under storage that may look at the time, and why.
var clocked = map[string]string{
	"storage/engine": "it syncs and watches a disk; it evaluates nothing",
}

type source struct {
	name string // slash-separated, from the root
	dir  string
	file *ast.File
	test bool
	made bool // generated
}

var (
	fset = token.NewFileSet()
	made = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
)

func sources(t *testing.T) []source {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var list []source
	err = filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != root {
			return filepath.SkipDir
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		list = append(list, source{
			name: rel,
			dir:  path.Dir(rel),
			file: file,
			test: strings.HasSuffix(rel, "_test.go"),
			made: made.Match(text),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("no Go files found: the test looks in the wrong place")
	}
	return list
}

func imports(f *ast.File) []string {
	var list []string
	for _, spec := range f.Imports {
		list = append(list, strings.Trim(spec.Path.Value, `"`))
	}
	return list
}

func within(dir, folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }

// Imports go downward only, so that each layer can be understood, tested and
// replaced without those above it.
func TestImportsGoDownward(t *testing.T) {
	for _, s := range sources(t) {
		from := slices.Index(layers, strings.Split(s.dir, "/")[0])
		for _, imported := range imports(s.file) {
			inside, ok := strings.CutPrefix(imported, module)
			if !ok {
				continue
			}
			top := strings.Split(inside, "/")[0]
			if top == "e2e" && !within(s.dir, "e2e") && !s.test {
				t.Errorf("%s imports %s: nothing but tests imports e2e, which stands outside the system", s.name, inside)
			}
			to := slices.Index(layers, top)
			if from >= 0 && to > from && !s.test {
				t.Errorf("%s imports %s: imports go %s", s.name, inside, "cmd → region → replication → cluster → storage")
			}
		}
	}
}

// Some packages have one door.
func TestPackagesWithOneImporter(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.made || within(s.dir, "e2e") {
			continue
		}
		for _, imported := range imports(s.file) {
			for name, rule := range only {
				if imported != name && !strings.HasPrefix(imported, name+"/") || within(s.dir, rule.folder) {
					continue
				}
				if slices.ContainsFunc(exempt[name], func(f string) bool { return within(s.dir, f) }) {
					continue
				}
				t.Errorf("%s imports %s, which is for %s: %s", s.name, imported, rule.folder, rule.reason)
			}
		}
	}
}

// What is evaluated under storage gives the same bytes on every peer.
func TestStorageIsDeterministic(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !within(s.dir, "storage") {
			continue
		}
		for _, imported := range imports(s.file) {
			banned, ok := deterministic[imported]
			if !ok || clocked[s.dir] != "" {
				continue
			}
			if banned == nil {
				t.Errorf("%s imports %s: evaluation under storage is deterministic", s.name, imported)
				continue
			}
			ast.Inspect(s.file, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == path.Base(imported) && slices.Contains(banned, sel.Sel.Name) {
					t.Errorf("%s: %s.%s: evaluation under storage knows no clock; the proposer's time travels in the batch",
						fset.Position(sel.Pos()), pkg.Name, sel.Sel.Name)
				}
				return true
			})
		}
	}
}

// A newcomer learns from a package's first sentence what it owns.
func TestPackagesHaveAComment(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.test && !within(s.dir, "e2e") {
			continue
		}
		documented[s.dir] = documented[s.dir] || s.made || s.file.Doc != nil && strings.TrimSpace(s.file.Doc.Text()) != ""
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment: say what it owns, what it promises and what it must not know", dir)
		}
	}
}

// A function that does not fit a screen is several functions.
func TestFunctionsFitAScreen(t *testing.T) {
	const limit = 80
	for _, s := range sources(t) {
		if s.made || s.test {
			continue
		}
		for _, decl := range s.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			lines := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
			if lines > limit {
				t.Errorf("%s: %s has %d lines, more than %d: give its phases names", fset.Position(fn.Pos()), fn.Name.Name, lines, limit)
			}
		}
	}
}

// Names like these say nothing of what is inside, and collect everything.
func TestNoGrabBags(t *testing.T) {
	for _, s := range sources(t) {
		for _, part := range strings.Split(s.dir, "/") {
			if slices.Contains([]string{"util", "utils", "common", "helpers", "misc", "internal"}, part) {
				t.Errorf("%s: a package is named for what it owns, not %q", s.dir, part)
			}
		}
	}
}

// The root says what the project is made of, and nothing else.
func TestRoot(t *testing.T) {
	allowed := []string{
		"cmd", "cluster", "replication", "region", "proto", "storage", "deploy", "e2e", "docs",
		"go.mod", "go.sum", "Makefile", "README.md", "LICENSE",
	}
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s stands in the root: put it into one of %s", e.Name(), strings.Join(allowed, " "))
		}
	}
}

// Code is formatted and modules are tidy, so that a diff shows only what
// changed.
func TestFormatted(t *testing.T) {
	out, err := exec.Command("gofmt", "-l", "../..").Output()
	if err != nil {
		t.Fatal(err)
	}
	if out = bytes.TrimSpace(out); len(out) > 0 {
		t.Errorf("gofmt -w these files:\n%s", out)
	}
}
