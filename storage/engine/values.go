package engine

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/engine/valuelog"
)

// pointerMeta marks, in Badger, a value that is a pointer into the value log.
const pointerMeta = 1

// pointerSize is that of a stored pointer: file and offset, u64, and the lengths
// of key and value, u32, all big-endian.
const pointerSize = 8 + 8 + 4 + 4

func encodePointer(p valuelog.Pointer) []byte {
	b := make([]byte, 0, pointerSize)
	b = binary.BigEndian.AppendUint64(b, p.File)
	b = binary.BigEndian.AppendUint64(b, p.Offset)
	b = binary.BigEndian.AppendUint32(b, p.Key)
	return binary.BigEndian.AppendUint32(b, p.Value)
}

func decodePointer(b []byte) (valuelog.Pointer, error) {
	if len(b) != pointerSize {
		return valuelog.Pointer{}, storage.Errorf(storage.Corrupt, "engine: a pointer of %d bytes to a value", len(b))
	}
	return valuelog.Pointer{
		File: binary.BigEndian.Uint64(b), Offset: binary.BigEndian.Uint64(b[8:]),
		Key: binary.BigEndian.Uint32(b[16:]), Value: binary.BigEndian.Uint32(b[20:]),
	}, nil
}

// collector is what the flusher's goroutine knows of the use of the value log. A
// sweep looks at all its files once, a few at each checkpoint: of one that is less
// than half of use, what is of use is appended anew, and the file goes.
//
// The next sweep begins when as much has been appended or deleted as the last one
// left, so the log takes about three times the room of its values at most, and each
// value is looked at about once for each value that is written.
type collector struct {
	// changed counts the bytes that were appended or deleted since the last sweep
	// began.
	changed int
	// left is how much of use the last sweep found, and found what this one has.
	left, found int
	// queue is the files that this sweep has yet to look at.
	queue []valuelog.File
	// useless is the files of which nothing is of use from a timestamp on.
	useless map[uint64]uint64
}

// filesASweep is how many files one checkpoint looks at. Four times as much as a
// flush may bring, so that sweeps keep up.
const filesASweep = 4

// pauseEvery is after how many records that are looked at, of some 10 µs each, others
// get the processor.
const pauseEvery = 64

func (e *Engine) openValues(durable valuelog.Position) (err error) {
	if e.opts.InMemory {
		return nil
	}
	e.values, err = valuelog.Open(valuelog.Options{
		Dir: e.opts.Dir, FileSize: int64(e.opts.valueFile), Sync: e.opts.Sync,
	}, durable)
	if err != nil {
		return err
	}
	// Nothing is known of what is of use. The first sweep finds out.
	e.collector = collector{changed: int(e.values.Length()), useless: make(map[uint64]uint64)}
	return nil
}

// appendValue appends a value to the value log and returns the pointer to store.
func (e *Engine) appendValue(key string, value []byte) ([]byte, error) {
	p, err := e.values.Append(key, value)
	e.collector.changed += len(value)
	return encodePointer(p), err
}

// deleted takes note of an item of Badger that is about to be deleted.
func (e *Engine) deleted(item *badger.Item) error {
	if item.UserMeta() != pointerMeta {
		return nil
	}
	return item.Value(func(stored []byte) error {
		p, err := decodePointer(stored)
		e.collector.changed += int(p.Value)
		return err
	})
}

// follow returns the value that a stored pointer points to.
func (e *Engine) follow(key, pointer []byte) ([]byte, error) {
	p, err := decodePointer(pointer)
	if err != nil {
		return nil, err
	}
	value, err := e.values.Read(p, key)
	if errors.Is(err, valuelog.ErrGone) {
		return nil, &storage.Error{Kind: storage.Corrupt, Op: "engine", Message: "a large value is missing", Err: err}
	}
	return value, err
}

// sweep goes on with a sweep, or begins one if it is time. What it appends anew is
// visible at once: the values are the same.
func (e *Engine) sweep() error {
	c := &e.collector
	if len(c.queue) == 0 && c.changed >= max(e.opts.sweep, c.left) {
		c.changed, c.found, c.queue = 0, 0, e.values.Closed()
	}
	if len(c.queue) == 0 {
		return nil
	}
	defer e.opts.Background()()
	for range filesASweep {
		if len(c.queue) == 0 {
			break
		}
		file := c.queue[0]
		c.queue = c.queue[1:]
		if _, ok := c.useless[file.Number]; ok {
			continue
		}
		if err := e.sweepFile(file); err != nil {
			return err
		}
	}
	if len(c.queue) == 0 {
		c.left = c.found
	}
	return nil
}

func (e *Engine) sweepFile(file valuelog.File) error {
	now := e.db.NewTransactionAt(e.visible.Load(), false)
	defer now.Discard()
	type live struct {
		key string
		at  valuelog.Pointer
	}
	var all []live
	used, seen := 0, 0
	err := e.values.Walk(file.Number, func(p valuelog.Pointer, key []byte) error {
		if seen++; seen%pauseEvery == 0 {
			e.pause()
		}
		item, err := now.Get(key)
		if errors.Is(err, badger.ErrKeyNotFound) || err == nil && item.UserMeta() != pointerMeta {
			return nil
		}
		if err != nil {
			return err
		}
		return item.Value(func(stored []byte) error {
			current, err := decodePointer(stored)
			if err == nil && current == p {
				all = append(all, live{string(key), p})
				used += int(p.Value)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	e.collector.found += used
	if uint64(used) > file.Length/2 {
		return nil
	}
	out := writer{engine: e}
	defer out.discard()
	for _, l := range all {
		value, err := e.values.Read(l.at, []byte(l.key))
		if err != nil {
			return err
		}
		if err := out.write(&write{key: l.key, value: value}); err != nil {
			return err
		}
		e.pause()
	}
	if err := out.commit(); err != nil {
		return err
	}
	e.collector.changed -= used // as much has become useless
	e.visible.Store(e.next - 1)
	e.collector.useless[file.Number] = e.next - 1
	return nil
}

// removeValues deletes the files that neither the last checkpoint nor an open View
// needs.
func (e *Engine) removeValues() error {
	for _, number := range slices.Sorted(maps.Keys(e.collector.useless)) {
		if e.collector.useless[number] > e.discarded.Load() {
			continue
		}
		if err := e.values.Remove(number); err != nil {
			return err
		}
		delete(e.collector.useless, number)
	}
	return nil
}
