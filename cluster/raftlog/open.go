package raftlog

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/roundtabledb/roundtable/cluster/raftlog/record"
	"github.com/roundtabledb/roundtable/storage"
)

const (
	identityName    = "identity"
	identityNewName = "identity.new"
	lockName        = "lock"
)

// Open opens the log in a folder, or makes a new one there.
func Open(o Options) (*Log, error) {
	o.ensureDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	l := &Log{options: o, fs: o.FS, dead: make(chan struct{}), wake: make(chan struct{}, 1)}
	l.cache.limit = o.CacheBytes
	l.mu.state = newState()
	l.allocator.init(l)
	l.cleaner.init(l)
	l.committer.init(l)
	if err := l.lockDir(); err != nil {
		return nil, err
	}
	next, err := l.load()
	if err != nil {
		l.closeFiles() // the error that matters is err
		return nil, err
	}
	l.allocator.start(next)
	go l.committer.run()
	l.cleaner.start()
	return l, nil
}

// lockDir makes the folder and takes its lock.
func (l *Log) lockDir() error {
	dir := l.options.Dir
	if err := l.fs.MkdirAll(dir); err != nil {
		return diskFailed(err)
	}
	if err := l.fs.SyncDir(filepath.Dir(dir)); err != nil {
		return diskFailed(err)
	}
	var err error
	if l.lock, err = l.fs.Lock(l.path(lockName)); err != nil {
		return &storage.Error{Op: "raftlog", Message: "the log cannot be locked", Err: err}
	}
	return nil
}

// load makes or recovers the log, and returns the number of the next segment.
func (l *Log) load() (uint32, error) {
	files, err := l.list()
	if err != nil {
		return 0, err
	}
	if files.identity {
		return l.recover(files)
	}
	if len(files.segments) > 0 && !files.identityNew {
		return 0, damaged("there are segments, but the file %q is missing", identityName)
	}
	return l.create(files)
}

// files are the files of a log.
type files struct {
	identity, identityNew bool
	segments              []uint32 // in order
	spares                []string
}

func (l *Log) list() (files, error) {
	var f files
	names, err := l.fs.List(l.options.Dir)
	if err != nil {
		return f, diskFailed(err)
	}
	slices.Sort(names)
	for _, name := range names {
		number, isSegment := strings.CutSuffix(name, segmentSuffix)
		switch {
		case name == identityName:
			f.identity = true
		case name == identityNewName:
			f.identityNew = true
		case strings.HasPrefix(name, sparePrefix):
			f.spares = append(f.spares, name)
		case isSegment:
			n, err := strconv.ParseUint(number, 10, 32)
			if err != nil || segmentName(uint32(n)) != name {
				return f, damaged("the file %q does not belong to it", name)
			}
			f.segments = append(f.segments, uint32(n))
		}
	}
	return f, nil
}

// path returns the path of a file of the log.
func (l *Log) path(name string) string { return filepath.Join(l.options.Dir, name) }

// create makes a log. Until its identity has its name there is none, and what
// an earlier attempt has left is removed.
func (l *Log) create(old files) (uint32, error) {
	for _, number := range old.segments {
		old.spares = append(old.spares, segmentName(number))
	}
	for _, name := range old.spares {
		if err := l.fs.Remove(l.path(name)); err != nil {
			return 0, diskFailed(err)
		}
	}
	if l.salt = l.options.salt; l.salt == 0 {
		var b [8]byte
		rand.Read(b[:])
		l.salt = binary.LittleEndian.Uint64(b[:])
	}
	if err := l.writeIdentity(old.identityNew); err != nil {
		return 0, diskFailed(err)
	}
	seg, err := l.allocator.prepare(1, func() {})
	if err != nil {
		return 0, err
	}
	l.committer.enter(seg)
	if err := l.committer.commit(nil); err != nil {
		return 0, err
	}
	if err := l.fs.Rename(l.path(identityNewName), l.path(identityName)); err != nil {
		return 0, diskFailed(err)
	}
	if err := l.fs.SyncDir(l.options.Dir); err != nil {
		return 0, diskFailed(err)
	}
	return 2, nil
}

// writeIdentity writes the identity under its first name.
func (l *Log) writeIdentity(replace bool) error {
	if replace {
		if err := l.fs.Remove(l.path(identityNewName)); err != nil {
			return err
		}
	}
	f, err := l.fs.Create(l.path(identityNewName))
	if err != nil {
		return err
	}
	_, err = f.WriteAt(record.AppendIdentity(nil, l.salt), 0)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = l.fs.SyncDir(l.options.Dir)
	}
	return err
}

// readIdentity reads the salt.
func (l *Log) readIdentity() error {
	f, err := l.fs.Open(l.path(identityName))
	if err != nil {
		return diskFailed(err)
	}
	defer f.Close()
	b, err := readAll(f, nil)
	if err != nil {
		return err
	}
	salt, ok := record.ParseIdentity(b)
	if !ok {
		return damaged("the file %q is not what was written, or another version of the program wrote it", identityName)
	}
	l.salt = salt
	return nil
}

// readAll reads a file into b, which it may use again.
func readAll(f File, b []byte) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, diskFailed(err)
	}
	b = slices.Grow(b[:0], int(size))[:size]
	if n, err := f.ReadAt(b, 0); int64(n) < size {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, diskFailed(err)
	}
	return b, nil
}
