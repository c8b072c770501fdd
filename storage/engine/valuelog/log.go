// Package valuelog keeps large values in files of their own, beside a tree that
// holds pointers to them, as WiscKey does (Lu et al., FAST '16). A value is then
// written once, in the order in which it comes. In a tree it would be written to
// a log, to a table, and again by each compaction that its neighbours bring
// about.
//
// A Log only appends. What is no longer pointed at stays until its owner, who
// knows the tree, has appended anew what is still of use in a file, and removes
// the file.
//
// # Files
//
// A file is a sequence of records:
//
//	head    u32  CRC-32C of the ten bytes from sizes on, and of the key
//	body    u32  CRC-32C of the value
//	key     u16  length of the key    ┐ sizes
//	value   u32  length of the value  │
//	zero    u32                       ┘
//	key and value
//
// all numbers big-endian. Files are numbered from 1 and are NUMBER.values. The
// newest is appended to; no file is ever written to again after an Open.
//
// Nothing is durable before Sync. It returns the Position up to which everything
// is, for the owner to record. Open is given the last one recorded, cuts off what
// is behind it, and reports what is missing before it.
package valuelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/roundtabledb/roundtable/storage"
)

// ErrGone says that the file of a pointer was removed. Whoever holds such a
// pointer has read the tree before its owner replaced it.
var ErrGone = errors.New("valuelog: the file was removed")

const (
	suffix     = ".values"
	headerSize = 4 + 4 + 2 + 4 + 4
	// writeBytes is how much is appended before the disk gets it, so that there is little left
	// for Sync to write. All at once would keep the disk from everybody else, and that is
	// where the acknowledgements of writes come from.
	writeBytes = 1 << 20
	// MaxKeySize and MaxValueSize are what a record can hold.
	MaxKeySize   = 1<<16 - 1
	MaxValueSize = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Options say where a Log lives.
type Options struct {
	Dir string
	// FileSize is how long a file is at least before the next one is begun.
	FileSize int64
	// Sync makes a file durable.
	Sync func(path string) error
}

// Position is a place in the log: so many bytes of a file, and all files before
// it. The zero Position is before the first file.
type Position struct{ File, Length uint64 }

// Log is an open value log. Read may be called by anybody; everything else is for
// its one owner.
type Log struct {
	opts Options
	// mu is held for writing only to change the map, so that no file is closed
	// under a reader.
	mu    sync.RWMutex
	files map[uint64]*file
	// active is the file that is appended to, nil until there is something to
	// append, and next is the number of the one after it.
	active *file
	next   uint64
	// durable is what the last Sync returned.
	durable Position
}

type file struct {
	number uint64
	path   string
	f      *os.File
	length uint64
	synced bool
	// begun is up to where the system has been told to write to the disk.
	begun uint64
}

// Open opens the log as it was at a durable Position.
func Open(opts Options, durable Position) (_ *Log, err error) {
	l := &Log{opts: opts, files: make(map[uint64]*file), durable: durable, next: durable.File + 1}
	defer func() {
		if err != nil {
			_ = l.Close()
		}
	}()
	entries, err := os.ReadDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		digits, ok := strings.CutSuffix(entry.Name(), suffix)
		if !ok {
			continue
		}
		number, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || number == 0 {
			return nil, storage.Errorf(storage.Corrupt, "valuelog: %s is not the name of a file of values", entry.Name())
		}
		if err := l.openFile(number, filepath.Join(opts.Dir, entry.Name())); err != nil {
			return nil, err
		}
	}
	if durable.File != 0 && l.files[durable.File] == nil {
		return nil, storage.Errorf(storage.Corrupt, "valuelog: file %d is missing", durable.File)
	}
	return l, nil
}

// openFile takes in what is durable of a file.
func (l *Log) openFile(number uint64, path string) error {
	if number > l.durable.File {
		return os.Remove(path)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	v := &file{number: number, path: path, f: f, synced: true}
	l.files[number] = v
	info, err := f.Stat()
	if err != nil {
		return err
	}
	v.length = uint64(info.Size())
	if number < l.durable.File || v.length == l.durable.Length {
		return nil
	}
	if v.length < l.durable.Length {
		return storage.Errorf(storage.Corrupt, "valuelog: %s has %d bytes, and had %d", path, v.length, l.durable.Length)
	}
	v.length, v.synced = l.durable.Length, false
	return f.Truncate(int64(v.length))
}

// Pointer is where a value lies.
type Pointer struct {
	File, Offset uint64
	// Key and Value are the lengths of the record's key and value.
	Key, Value uint32
}

// Append adds a value.
func (l *Log) Append(key string, value []byte) (Pointer, error) {
	if len(key) > MaxKeySize || len(value) > MaxValueSize {
		return Pointer{}, storage.Errorf(storage.Internal, "valuelog: a key of %d bytes or a value of %d is too long", len(key), len(value))
	}
	if err := l.makeRoom(); err != nil {
		return Pointer{}, err
	}
	v := l.active
	head := make([]byte, 8, headerSize+len(key))
	head = binary.BigEndian.AppendUint16(head, uint16(len(key)))
	head = binary.BigEndian.AppendUint32(head, uint32(len(value)))
	head = binary.BigEndian.AppendUint32(head, 0)
	head = append(head, key...)
	binary.BigEndian.PutUint32(head, crc32.Checksum(head[8:], castagnoli))
	binary.BigEndian.PutUint32(head[4:], crc32.Checksum(value, castagnoli))
	p := Pointer{File: v.number, Offset: v.length, Key: uint32(len(key)), Value: uint32(len(value))}
	v.synced = false
	for _, part := range [...][]byte{head, value} {
		if _, err := v.f.WriteAt(part, int64(v.length)); err != nil {
			return Pointer{}, err
		}
		v.length += uint64(len(part))
	}
	if v.length-v.begun >= writeBytes {
		beginWriting(v.f, v.begun, v.length)
		v.begun = v.length
	}
	return p, nil
}

// makeRoom begins another file if the active one is full.
func (l *Log) makeRoom() error {
	if l.active != nil && int64(l.active.length) < l.opts.FileSize {
		return nil
	}
	path := filepath.Join(l.opts.Dir, fmt.Sprintf("%08d%s", l.next, suffix))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	l.active = &file{number: l.next, path: path, f: f}
	l.next++
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files[l.active.number] = l.active
	return nil
}

// Sync makes durable what was appended, but for the names of new files: the owner
// syncs the directory. Then everything up to the Position is.
func (l *Log) Sync() (Position, error) {
	for _, number := range l.numbers() {
		v := l.files[number]
		if v.synced {
			continue
		}
		if err := l.opts.Sync(v.path); err != nil {
			return Position{}, err
		}
		v.synced = true
	}
	if l.active != nil {
		l.durable = Position{File: l.active.number, Length: l.active.length}
	}
	return l.durable, nil
}

// Read returns the value of a key that lies at p, in memory of its own.
func (l *Log) Read(p Pointer, key []byte) ([]byte, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	v := l.files[p.File]
	if v == nil {
		return nil, fmt.Errorf("%w: %d", ErrGone, p.File)
	}
	record := make([]byte, headerSize+uint64(p.Key)+uint64(p.Value))
	if _, err := v.f.ReadAt(record, int64(p.Offset)); err != nil {
		return nil, v.damaged(p.Offset, err)
	}
	h := parse(record)
	value := record[headerSize+p.Key:]
	if h.key != p.Key || h.value != p.Value || !h.describes(record[8:headerSize+p.Key]) ||
		string(record[headerSize:headerSize+p.Key]) != string(key) || crc32.Checksum(value, castagnoli) != h.body {
		return nil, v.damaged(p.Offset, errors.New("checksum mismatch"))
	}
	return value[:len(value):len(value)], nil
}

func (v *file) damaged(offset uint64, err error) error {
	return &storage.Error{Kind: storage.Corrupt, Op: "valuelog", Err: err,
		Message: fmt.Sprintf("the record at %d of %s is damaged", offset, v.path)}
}

type header struct{ head, body, key, value uint32 }

func parse(b []byte) header {
	return header{
		head: binary.BigEndian.Uint32(b), body: binary.BigEndian.Uint32(b[4:]),
		key: uint32(binary.BigEndian.Uint16(b[8:])), value: binary.BigEndian.Uint32(b[10:]),
	}
}

// describes reports whether the header has the checksum of its sizes and key.
func (h header) describes(sizesAndKey []byte) bool {
	return crc32.Checksum(sizesAndKey, castagnoli) == h.head
}

// File is a file of the log and its length.
type File struct{ Number, Length uint64 }

// Closed lists the files that may be removed, the oldest first: those before the
// file of the durable Position and of all that was appended since.
func (l *Log) Closed() []File {
	var closed []File
	for _, number := range l.numbers() {
		if number < l.durable.File {
			closed = append(closed, File{Number: number, Length: l.files[number].length})
		}
	}
	return closed
}

// Length is that of all files.
func (l *Log) Length() (length uint64) {
	for _, v := range l.files {
		length += v.length
	}
	return length
}

func (l *Log) numbers() []uint64 {
	numbers := make([]uint64, 0, len(l.files))
	for number := range l.files {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers
}

// Walk calls visit for each record of a Closed file, in its order, without reading
// the values. The key is valid until visit returns.
func (l *Log) Walk(number uint64, visit func(p Pointer, key []byte) error) error {
	v := l.files[number]
	if v == nil {
		return fmt.Errorf("%w: %d", ErrGone, number)
	}
	// Most keys are short, and come with the header.
	buf := make([]byte, headerSize+256)
	for offset := uint64(0); offset < v.length; {
		b := buf[:min(uint64(len(buf)), v.length-offset)]
		if len(b) < headerSize {
			return v.damaged(offset, errors.New("cut off"))
		}
		if _, err := v.f.ReadAt(b, int64(offset)); err != nil {
			return v.damaged(offset, err)
		}
		h := parse(b)
		end := offset + headerSize + uint64(h.key) + uint64(h.value)
		if end > v.length {
			return v.damaged(offset, errors.New("longer than its file"))
		}
		size := headerSize + int(h.key)
		if size > len(b) {
			buf = make([]byte, size)
			b = buf
			if _, err := v.f.ReadAt(b, int64(offset)); err != nil {
				return v.damaged(offset, err)
			}
		}
		if !h.describes(b[8:size]) {
			return v.damaged(offset, errors.New("checksum mismatch"))
		}
		p := Pointer{File: number, Offset: offset, Key: h.key, Value: h.value}
		if err := visit(p, b[headerSize:size]); err != nil {
			return err
		}
		offset = end
	}
	return nil
}

// Remove deletes a Closed file. The deletion is not durable: the file may be back
// after a power cut, and is of no use then as now.
func (l *Log) Remove(number uint64) error {
	v := l.files[number]
	if v == nil || number >= l.durable.File {
		return storage.Errorf(storage.Internal, "valuelog: file %d cannot be removed", number)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.files, number)
	return errors.Join(v.f.Close(), ignoreMissing(os.Remove(v.path)))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Close closes the files. It makes nothing durable.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for number, v := range l.files {
		errs = append(errs, v.f.Close())
		delete(l.files, number)
	}
	l.active = nil
	return errors.Join(errs...)
}
