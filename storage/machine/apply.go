package machine

import (
	"errors"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/version"
)

// commitBytes is when Apply commits before it goes on with the next entry. It
// bounds what is held in memory, here and by the engine beyond its budget, to
// this and one entry's writes.
const commitBytes = 1 << 20

// Apply applies entries in order and returns the result of each command of each
// entry, nil for a configuration. The entries are durable with the engine's
// next checkpoint.
//
// An error is fatal: the engine failed, or an invariant is broken, such as an
// entry that was applied before. The partition cannot be used after it.
func (p *Partition) Apply(entries []Entry) ([][]command.Result, error) {
	if err := p.usable(); err != nil {
		return nil, err
	}
	a := &p.applier
	results := make([][]command.Result, len(entries))
	err := a.apply(entries, results)
	if err != nil {
		err = p.readError(err)
		p.stopped.CompareAndSwap(nil, &err)
		return nil, err
	}
	return results, nil
}

// applier is the working state of Apply: what was committed, and on top of it
// what the next commit will hold.
type applier struct {
	p      *Partition
	faults Faults

	// What came after the last commit is in batch; overlay says where in it an
	// item record is.
	batch   engine.Batch
	overlay map[string]int

	meta      Meta
	consumers map[string]ConsumerState
	sessions  *sessions

	// regions is how many consumers are other regions.
	regions int
	// consumersMoved says that consumers changed since the last commit.
	consumersMoved bool

	// index and time are the entry's at hand, logged how many changes it made, and
	// start how many writes the batch had before it.
	index  uint64
	time   version.Timestamp
	logged int
	start  int
	// reached is the greatest index ever applied, and again says that the entry
	// at hand is not beyond it, which only a fault allows.
	reached uint64
	again   bool

	// reused memory
	key, scratch []byte
	decoded      command.Command
}

func newApplier(p *Partition, m Meta, consumers map[string]ConsumerState, table *sessions) applier {
	a := applier{p: p, meta: m, sessions: table, overlay: make(map[string]int)}
	a.consumers = consumers
	a.reached = m.AppliedIndex
	for name := range consumers {
		if isRegion(name) {
			a.regions++
		}
	}
	return a
}

func (a *applier) apply(entries []Entry, results [][]command.Result) error {
	for i := range entries {
		var err error
		if results[i], err = a.entry(&entries[i]); err != nil {
			return err
		}
		if a.batch.Bytes() >= commitBytes {
			if err := a.commit(); err != nil {
				return err
			}
		}
	}
	return a.commit()
}

// entry applies one entry to the working state.
func (a *applier) entry(e *Entry) ([]command.Result, error) {
	if e.Index <= a.meta.AppliedIndex && !a.faults.SkipAppliedCheck {
		return nil, storage.Errorf(storage.Internal, "entry %d comes again, %d was applied", e.Index, a.meta.AppliedIndex)
	}
	a.again, a.reached = e.Index <= a.reached, max(a.reached, e.Index)
	last := a.meta.AppliedIndex
	a.meta.AppliedIndex, a.meta.AppliedTerm = e.Index, e.Term
	if e.Configuration {
		a.meta.ConfigIndex, a.meta.Config = e.Index, append([]byte(nil), e.Data...)
		return nil, nil
	}
	batch, err := command.DecodeBatch(e.Data)
	if err != nil {
		return nil, err
	}
	a.index, a.time, a.logged, a.start = e.Index, min(batch.Time, maxTime), 0, a.batch.Len()
	results := make([]command.Result, len(batch.Commands))
	for i, encoded := range batch.Commands {
		var prior []byte
		if batch.Priors.Of != nil && batch.Priors.Base == last {
			prior = batch.Priors.Of[i]
		}
		if err := a.command(encoded, prior, &results[i]); err != nil {
			return nil, err
		}
	}
	a.trim()
	a.sessions.flush(&a.batch, a.p.ks, a.p.group, e.Index)
	return results, nil
}

// command applies one command of an entry, with its prior if there is a true one.
// An error is fatal; what is wrong with the command is in res.
func (a *applier) command(encoded, prior []byte, res *command.Result) error {
	c := &a.decoded
	if err := command.DecodeInto(c, encoded); err != nil {
		res.Err = storage.Errorf(storage.Internal, "%w", err)
		res.Err.Err = nil
		return nil
	}
	// Sessions are another defence against commands that come twice, and would
	// hide that this one is off.
	if c.Request.Session == 0 || a.again {
		return a.execute(c, prior, res)
	}
	known, found := a.sessions.lookup(c.Request)
	if found {
		*res = known
		return nil
	}
	if err := a.execute(c, prior, res); err != nil {
		return err
	}
	// A command for another partition was not for this one to remember: it can
	// come again, with the same id, when it was routed anew.
	if res.Err == nil || res.Err.Kind != storage.WrongPartition {
		a.sessions.record(c.Request, a.index, res, &a.meta.NextSession)
	}
	return nil
}

func (a *applier) execute(c *command.Command, prior []byte, res *command.Result) error {
	switch c.Kind {
	case command.Transact:
		return a.transact(c, res)
	case command.Consumer:
		a.consumer(&c.Consumer, res)
		return nil
	default:
		if res.Err = a.checkKey(c.Key); res.Err != nil {
			return nil
		}
		old, foreseen, err := a.before(c, prior)
		if err != nil {
			return err
		}
		effect, err := a.evaluate(c, &old, foreseen, res)
		if err != nil {
			return err
		}
		a.perform(c.Key, &old, effect, res)
		return nil
	}
}

func (a *applier) checkKey(key []byte) *storage.Error {
	if len(key) == 0 || len(key) > command.MaxKeySize {
		return storage.Validationf("a key of %d bytes", len(key))
	}
	if !a.meta.Contains(key) {
		return errWrongPartition()
	}
	return nil
}

// before is the state that c meets. If it is foreseen, from c's prior, then it has no
// Item, and c's condition holds.
func (a *applier) before(c *command.Command, prior []byte) (old Stored, foreseen bool, err error) {
	if len(prior) > 0 && takesPrior(c.Kind, c.Return) {
		// A prior is of the time before the entry. Whether an earlier entry has been
		// committed by now must make no difference.
		if n, ok := a.overlay[string(c.Key)]; !ok || n < a.start || a.faults.BelievePriors {
			old, err = decodePrior(prior, a.p.region)
			return old, true, err
		}
	}
	old, err = a.stored(c.Key)
	return old, false, err
}

// stored is the working state of a key. Its Item may lie in the batch: it is
// valid until the next write.
func (a *applier) stored(key []byte) (Stored, error) {
	if n, ok := a.overlay[string(key)]; ok {
		record, exists := a.batch.Value(n)
		if !exists {
			return Stored{}, nil
		}
		return decodeRecord(record, a.p.region)
	}
	// Only this goroutine writes in the keyspace, so what the newest commit left
	// is what its own last one did.
	old, _, err := a.p.find(a.itemKey(key))
	return old, err
}

func (a *applier) itemKey(key []byte) []byte {
	a.key = append(appendSection(a.key[:0], a.p.ks, sectionItems), key...)
	return a.key
}

// write puts a state into the batch and the change into the log.
func (a *applier) write(key []byte, v version.Version, it item.Encoded, size int) {
	a.scratch = appendRecord(a.scratch[:0], v, it == nil, size)
	a.overlay[string(key)] = a.batch.Put(a.itemKey(key), a.scratch, it)
	a.log(key, v, it == nil)
}

// remove takes a key out of the partition without a trace but GCFloor.
func (a *applier) remove(key []byte, v version.Version) {
	a.overlay[string(key)] = a.batch.Delete(a.itemKey(key))
	a.meta.GCFloor = max(a.meta.GCFloor, v.Time)
	a.log(key, v, true)
}

func (a *applier) log(key []byte, v version.Version, tombstone bool) {
	a.meta.MaxTime = max(a.meta.MaxTime, v.Time)
	if len(a.consumers) == 0 {
		return
	}
	c := change.Change{Seq: a.meta.NextSeq, Key: key, Version: v, Tombstone: tombstone, TimeMillis: a.time.Millis()}
	a.scratch = c.Append(a.scratch[:0])
	a.batch.Put(changeKey(a.p.ks, a.p.group, c.Seq), a.scratch)
	a.meta.NextSeq++
	a.logged++
}

// count moves the counters from one state of an item to another.
func (a *applier) count(old *Stored, exists, tombstone bool, size int) {
	for _, s := range [...]struct {
		exists, tombstone bool
		size              int
		by                int64
	}{{old.Exists, old.Tombstone, old.Size, -1}, {exists, tombstone, size, +1}} {
		if s.exists {
			a.meta.Items += s.by
			a.meta.Bytes += s.by * int64(s.size)
		}
		if s.tombstone {
			a.meta.Tombstones += s.by
		}
	}
}

// commit writes the batch, with Meta, and publishes the working state.
func (a *applier) commit() error {
	p := a.p
	if a.batch.Len() == 0 && a.meta.AppliedIndex == p.meta.Load().AppliedIndex {
		return nil
	}
	a.scratch = a.meta.Append(a.scratch[:0])
	a.batch.Put(metaKey(p.ks, p.group), a.scratch)
	if err := p.engine.Commit(&a.batch); err != nil {
		return err
	}
	a.batch.Reset()
	clear(a.overlay)
	m := a.meta
	p.meta.Store(&m)
	if a.consumersMoved {
		a.publishConsumers()
	}
	p.announce()
	return nil
}

// asError makes a storage.Error of what an evaluation returned, for a Result:
// without operation and cause, which are not part of the state.
func asError(err error) *storage.Error {
	var e *storage.Error
	if errors.As(err, &e) {
		return &storage.Error{Kind: e.Kind, Message: e.Message, Item: e.Item}
	}
	return &storage.Error{Kind: storage.Internal, Message: err.Error()}
}
