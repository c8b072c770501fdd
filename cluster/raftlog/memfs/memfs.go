// Package memfs is a file system in memory, for development without a disk and
// for tests of what a disk can do to a log: lose power, fail, fill up, hang,
// and change a bit.
//
// A file system made by New keeps only what files hold. One made by NewDisk
// also knows what would survive a loss of power, and Lose tells: writes since
// a file's last Sync may be there or not, sector by sector, and so may the
// changes of names since the last SyncDir.
package memfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"

	"github.com/roundtabledb/roundtable/cluster/raftlog"
)

// Op is an operation that Intercept sees.
type Op struct {
	// Kind is one of the names below.
	Kind Kind
	// Name is the file or folder.
	Name string
	// Offset and Size are what is read or written, or the size allocated.
	Offset, Size int64
}

// Kind names an operation.
type Kind string

// The operations.
const (
	Mkdir    Kind = "mkdir"
	Create   Kind = "create"
	Open     Kind = "open"
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	SyncDir  Kind = "syncdir"
	Read     Kind = "read"
	Write    Kind = "write"
	Sync     Kind = "sync"
	Allocate Kind = "allocate"
)

// FS is a file system in memory. Its methods may be called from any goroutine.
type FS struct {
	mu    sync.Mutex
	files map[string]*content
	locks map[string]bool
	// disk is nil when nobody will ask what survives a loss of power.
	disk *disk
	// intercept is called before each operation.
	intercept func(Op) error
}

var _ raftlog.FS = (*FS)(nil)

// disk is which names are durable.
type disk struct {
	names   map[string]*content
	changes []change // since SyncDir, in order
}

// change is a change of names: from loses its name, to gets one.
type change struct {
	from, to string
	content  *content
}

func (c change) apply(names map[string]*content) {
	if c.from != "" {
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.content
	}
}

// New makes an empty file system that cannot lose power.
func New() *FS {
	return &FS{files: make(map[string]*content), locks: make(map[string]bool)}
}

// NewDisk makes an empty file system that can lose power.
func NewDisk() *FS {
	f := New()
	f.disk = &disk{names: make(map[string]*content)}
	return f
}

// Intercept has a function called before each operation, by the goroutine that
// does it; when it returns an error, the operation fails with it and changes
// nothing, but for a Sync that fails: what it was to make durable stays to be
// read, and no later Sync makes it durable, as Linux has it. The function may
// block, as a disk does that hangs. nil ends that.
func (f *FS) Intercept(intercept func(Op) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.intercept = intercept
}

// Lose returns the file system as it will be found after a loss of power at
// this moment. This one goes on as if nothing had happened.
func (f *FS) Lose(random *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	after := NewDisk()
	names := maps.Clone(f.disk.names)
	inOrder, kept := random.IntN(2) == 0, random.IntN(len(f.disk.changes)+1)
	for i, c := range f.disk.changes {
		if inOrder && i < kept || !inOrder && random.IntN(2) == 0 {
			c.apply(names)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		after.files[name] = names[name].lose(random)
		after.disk.names[name] = after.files[name]
	}
	return after
}

// Clone returns a copy of the file system as it is at this moment, what is not
// durable included, with no files open: as it will be found after the process
// was killed.
func (f *FS) Clone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	copies := make(map[*content]*content)
	copyOf := func(c *content) *content {
		if copies[c] == nil {
			copies[c] = c.clone()
		}
		return copies[c]
	}
	clone := New()
	for name, c := range f.files {
		clone.files[name] = copyOf(c)
	}
	if f.disk != nil {
		clone.disk = &disk{names: make(map[string]*content)}
		for name, c := range f.disk.names {
			clone.disk.names[name] = copyOf(c)
		}
		for _, c := range f.disk.changes {
			if c.content != nil {
				c.content = copyOf(c.content)
			}
			clone.disk.changes = append(clone.disk.changes, c)
		}
	}
	return clone
}

// Flip changes one bit of a file, for good.
func (f *FS) Flip(name string, bit int64) error {
	f.mu.Lock()
	c, ok := f.files[name]
	f.mu.Unlock()
	if !ok {
		return notExist("flip", name)
	}
	return c.flip(bit)
}

// before lets the interceptor see an operation.
func (f *FS) before(op Op) error {
	f.mu.Lock()
	intercept := f.intercept
	f.mu.Unlock()
	if intercept == nil {
		return nil
	}
	if err := intercept(op); err != nil {
		return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: err}
	}
	return nil
}

func notExist(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// changeLocked changes names.
func (f *FS) changeLocked(c change) {
	c.apply(f.files)
	if f.disk != nil {
		f.disk.changes = append(f.disk.changes, c)
	}
}

// MkdirAll does nothing: a folder is there as soon as a file in it is.
func (f *FS) MkdirAll(dir string) error { return f.before(Op{Kind: Mkdir, Name: dir}) }

// Create makes an empty file.
func (f *FS) Create(name string) (raftlog.File, error) {
	if err := f.before(Op{Kind: Create, Name: name}); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.files[name]; ok {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	c := &content{tracked: f.disk != nil}
	f.changeLocked(change{to: name, content: c})
	return &file{fs: f, name: name, content: c}, nil
}

// Open opens a file.
func (f *FS) Open(name string) (raftlog.File, error) {
	if err := f.before(Op{Kind: Open, Name: name}); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.files[name]
	if !ok {
		return nil, notExist("open", name)
	}
	return &file{fs: f, name: name, content: c}, nil
}

// Rename gives a file another name.
func (f *FS) Rename(from, to string) error {
	if err := f.before(Op{Kind: Rename, Name: from}); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.files[from]
	if !ok {
		return notExist("rename", from)
	}
	f.changeLocked(change{from: from, to: to, content: c})
	return nil
}

// Remove removes a file.
func (f *FS) Remove(name string) error {
	if err := f.before(Op{Kind: Remove, Name: name}); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.files[name]; !ok {
		return notExist("remove", name)
	}
	f.changeLocked(change{from: name})
	return nil
}

// List returns the base names of the files in a folder.
func (f *FS) List(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name := range f.files {
		if filepath.Dir(name) == filepath.Clean(dir) {
			names = append(names, filepath.Base(name))
		}
	}
	return names, nil
}

// SyncDir makes the names of all folders durable.
func (f *FS) SyncDir(dir string) error {
	if err := f.before(Op{Kind: SyncDir, Name: dir}); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.disk != nil {
		f.disk.names = maps.Clone(f.files)
		f.disk.changes = nil
	}
	return nil
}

// Lock takes a lock.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locks[name] {
		return nil, fmt.Errorf("lock %s: it is taken", name)
	}
	f.locks[name] = true
	return unlock(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.locks, name)
	}), nil
}

// unlock gives a lock back.
type unlock func()

func (u unlock) Close() error {
	u()
	return nil
}
