package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/engine/valuelog"
)

// The file CHECKPOINT is
//
//	magic    8 bytes "RTCKPT02"
//	durable  u64: everything in Badger up to this timestamp is on disk
//	file     u64 ┐ everything in the value log up to here is, too
//	length   u64 ┘
//	crc32c   u32 of all before
//
// with big-endian numbers. The first version, RTCKPT01, knew of no value log.
//
// It is replaced by renaming a new one over it, so it is the old or the new. The
// last commit before a checkpoint sets witnessKey to its own timestamp: a store
// that does not have it at that timestamp has lost files.
const (
	checkpointName  = "CHECKPOINT"
	checkpointMagic = "RTCKPT02"
	oldMagic        = "RTCKPT01"
)

// covered is what a checkpoint covers.
type covered struct {
	ts     uint64
	values valuelog.Position
}

// reserved begins the engine's own keys, which are above all others.
const reserved = 0xff

var witnessKey = string([]byte{reserved, 'c'})

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checkpoint makes everything durable that was committed before the call.
func (e *Engine) Checkpoint() error {
	if err := e.acquire(); err != nil {
		return err
	}
	defer e.release()
	reply := make(chan error, 1)
	e.flusher.checkpoints <- reply // it runs for as long as somebody holds the engine
	return <-reply
}

// checkpoint flushes, leaves a witness and syncs the value log, the active
// memtable's log and every other one, for Badger's Sync leaves out those that wait to be
// flushed. One that is gone meanwhile was flushed to a table, which Badger
// synced before it removed the log.
func (e *Engine) checkpoint() error {
	if err := e.failure(); err != nil {
		return err
	}
	if e.opts.InMemory {
		return nil
	}
	if err := e.guardSpace(); err != nil {
		return e.fail(err)
	}
	if err := e.flushAll(); err != nil {
		return err
	}
	if e.durable == e.visible.Load() {
		return nil
	}
	if err := e.sweep(); err != nil {
		return e.fail(convert("engine.Checkpoint", err))
	}
	durable, err := e.leaveWitness()
	if err != nil {
		return err
	}
	values, err := e.syncLogs()
	if err != nil {
		return e.fail(&storage.Error{Op: "engine.Checkpoint", Message: "state cannot be made durable", Err: err})
	}
	if err := e.writeCheckpoint(covered{durable, values}); err != nil {
		return e.fail(&storage.Error{Op: "engine.Checkpoint", Message: "checkpoint cannot be recorded", Err: err})
	}
	e.durable = durable
	e.moveDiscard(durable)
	if err := e.removeValues(); err != nil {
		return e.fail(convert("engine.Checkpoint", err))
	}
	return nil
}

// leaveWitness makes the last commit to Badger that the checkpoint will cover.
func (e *Engine) leaveWitness() (ts uint64, err error) {
	ts = e.next
	out := writer{engine: e}
	defer out.discard()
	err = out.write(&write{key: witnessKey, value: binary.BigEndian.AppendUint64(nil, ts)})
	if err == nil {
		err = out.commit()
	}
	if err != nil {
		return 0, e.fail(convert("engine.Checkpoint", err))
	}
	e.visible.Store(ts)
	return ts, nil
}

// checkWitness makes sure that the store holds what its checkpoint covers.
func (e *Engine) checkWitness(durable uint64) error {
	if durable == 0 {
		return nil
	}
	txn := e.db.NewTransactionAt(durable, false)
	defer txn.Discard()
	witness, err := e.get(txn, []byte(witnessKey))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if len(witness) != 8 || binary.BigEndian.Uint64(witness) != durable {
		return storage.Errorf(storage.Corrupt,
			"engine: the store has not what the checkpoint at %d covers: files are missing, or of another time", durable)
	}
	return nil
}

func (e *Engine) syncLogs() (values valuelog.Position, err error) {
	if values, err = e.values.Sync(); err != nil {
		return values, err
	}
	if err := e.db.Sync(); err != nil {
		return values, err
	}
	names, err := os.ReadDir(e.opts.Dir)
	if err != nil {
		return values, err
	}
	for _, name := range names {
		if !strings.HasSuffix(name.Name(), ".mem") {
			continue
		}
		err := e.opts.Sync(filepath.Join(e.opts.Dir, name.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return values, err
		}
	}
	return values, e.opts.Sync(e.opts.Dir)
}

func (e *Engine) writeCheckpoint(c covered) error {
	b := []byte(checkpointMagic)
	b = binary.BigEndian.AppendUint64(b, c.ts)
	b = binary.BigEndian.AppendUint64(b, c.values.File)
	b = binary.BigEndian.AppendUint64(b, c.values.Length)
	b = append(b, checksum(b)...)
	path := filepath.Join(e.opts.Dir, checkpointName)
	fresh := path + ".new"
	if err := os.WriteFile(fresh, b, 0o600); err != nil {
		return err
	}
	if err := e.opts.Sync(fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return e.opts.Sync(e.opts.Dir)
}

func checksum(b []byte) []byte {
	return binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli))
}

// readCheckpoint returns what the last checkpoint covers, nothing before the
// first.
func (e *Engine) readCheckpoint() (c covered, err error) {
	if e.opts.InMemory {
		return c, nil
	}
	b, err := os.ReadFile(filepath.Join(e.opts.Dir, checkpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("engine: read checkpoint: %w", err)
	}
	var numbers []uint64
	body := b[:max(0, len(b)-4)]
	switch {
	case len(body) == 32 && string(body[:8]) == checkpointMagic, len(body) == 16 && string(body[:8]) == oldMagic:
		for n := body[8:]; len(n) > 0; n = n[8:] {
			numbers = append(numbers, binary.BigEndian.Uint64(n))
		}
	}
	if numbers == nil || !bytes.Equal(b[len(body):], checksum(body)) {
		return c, storage.Errorf(storage.Corrupt, "engine: file %s is damaged", checkpointName)
	}
	c.ts = numbers[0]
	if len(numbers) == 3 {
		c.values = valuelog.Position{File: numbers[1], Length: numbers[2]}
	}
	return c, nil
}

// rollBack undoes every commit after durable, of which newest is the last: each
// key that has a later version gets the value it had, in a commit of its own
// time. A crash on the way leaves more versions to undo to the same values.
func (e *Engine) rollBack(durable, newest uint64) error {
	if newest == durable {
		return nil
	}
	if err := e.writeBack(durable, newest); err != nil {
		return convert("engine.Open", err)
	}
	e.visible.Store(e.next - 1)
	e.opts.Logger.Info("state taken back to the last checkpoint", "commits", newest-durable)
	return e.checkpoint()
}

// writeBack writes what rollBack needs to.
func (e *Engine) writeBack(durable, newest uint64) error {
	now := e.db.NewTransactionAt(newest, false)
	defer now.Discard()
	then := e.db.NewTransactionAt(durable, false)
	defer then.Discard()
	it := now.NewIterator(badger.IteratorOptions{AllVersions: true, SinceTs: durable})
	defer it.Close()
	out := writer{engine: e}
	defer out.discard()

	last := ""
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().Key()
		if string(key) == last || key[0] == reserved {
			continue // another late version of it, or what the next checkpoint sets anyway
		}
		last = string(key)
		value, err := e.get(then, key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := out.write(&write{key: last, value: value, deleted: err != nil}); err != nil {
			return err
		}
	}
	return out.commit()
}
