package machine

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/engine"
)

// Partition is an open partition. Apply has one caller at a time; everything
// else is safe for concurrent use, with Apply too, and sees whole entries.
type Partition struct {
	engine *engine.Engine
	ks     Keyspace
	group  uint64
	region string

	// applier belongs to the caller of Apply, and scout to that of Priors.
	applier applier
	scout   scout
	// deep counts the items that either of them had to look for in Badger.
	deep atomic.Uint64

	// meta and consumers are what the last commit left. Neither is changed once
	// it is here.
	meta      atomic.Pointer[Meta]
	consumers atomic.Pointer[map[string]ConsumerState]

	// stopped is why the partition can no longer be used.
	stopped atomic.Pointer[error]

	mu struct {
		sync.Mutex
		changed chan struct{} // nil until somebody asks
	}
}

// Create makes a partition in an empty keyspace, in a commit of its own, and
// opens it. A Registry does the same and remembers whose keyspace it is.
func Create(e *engine.Engine, ks Keyspace, m Meta, region string) (*Partition, error) {
	switch _, err := e.Get(metaKey(ks, m.Group)); {
	case err == nil:
		return nil, storage.Errorf(storage.Internal, "keyspace %d already holds group %d", ks, m.Group)
	case !errors.Is(err, engine.ErrNotFound):
		return nil, err
	}
	var b engine.Batch
	putMeta(&b, ks, m)
	if err := e.Commit(&b); err != nil {
		return nil, err
	}
	return Open(e, ks, m.Group, region)
}

// putMeta adds the first Meta of a new partition to b.
func putMeta(b *engine.Batch, ks Keyspace, m Meta) {
	m.NextSeq = max(m.NextSeq, 1)
	m.FirstSeq = max(m.FirstSeq, 1)
	m.NextSession = max(m.NextSession, 1)
	b.Put(metaKey(ks, m.Group), m.Append(nil))
}

// Open opens the partition of a group in a keyspace. region is the name of the
// region that the node belongs to.
func Open(e *engine.Engine, ks Keyspace, group uint64, region string) (*Partition, error) {
	view := e.View()
	defer view.Close()
	m, err := readMeta(view, ks, group)
	if err != nil {
		return nil, fmt.Errorf("machine: open group %d in keyspace %d: %w", group, ks, err)
	}
	consumers, err := loadConsumers(view, ks, group)
	if err != nil {
		return nil, fmt.Errorf("machine: consumers of group %d: %w", group, err)
	}
	table, err := loadSessions(view, ks, group)
	if err != nil {
		return nil, fmt.Errorf("machine: sessions of group %d: %w", group, err)
	}
	p := &Partition{engine: e, ks: ks, group: group, region: region}
	p.meta.Store(&m)
	p.consumers.Store(&consumers)
	p.applier = newApplier(p, m, consumers, table)
	return p, nil
}

func readMeta(view *engine.View, ks Keyspace, group uint64) (Meta, error) {
	b, err := view.Get(metaKey(ks, group))
	if err != nil {
		return Meta{}, err
	}
	return DecodeMeta(b)
}

// Inject makes the partition wrong on purpose. It is a control for tests, to be
// called before the first Apply.
func (p *Partition) Inject(f Faults) { p.applier.faults = f }

// Keyspace is where the partition lives on this node.
func (p *Partition) Keyspace() Keyspace { return p.ks }

// Meta is the state that the last commit left.
func (p *Partition) Meta() Meta { return *p.meta.Load() }

// Consumers is the registered consumers and how far they are.
func (p *Partition) Consumers() map[string]ConsumerState { return maps.Clone(*p.consumers.Load()) }

// Get returns the state of a key. A key outside the partition's range is
// refused with storage.WrongPartition.
func (p *Partition) Get(key []byte) (Stored, error) {
	if !p.meta.Load().Contains(key) {
		return Stored{}, errWrongPartition()
	}
	if err := p.usable(); err != nil {
		return Stored{}, err
	}
	b, err := p.engine.Get(itemKey(p.ks, key))
	// Checked after the read: before it, Close could come between.
	if err := p.usable(); err != nil {
		return Stored{}, err
	}
	if errors.Is(err, engine.ErrNotFound) {
		return Stored{}, nil
	}
	if err != nil {
		return Stored{}, p.readError(err)
	}
	return decodeRecord(b, p.region)
}

// find is the state of an item's key in the engine, for Apply and Priors. deep says
// that it took long.
func (p *Partition) find(key []byte) (s Stored, deep bool, err error) {
	record, deep, err := p.engine.Find(key)
	if deep {
		p.deep.Add(1)
	}
	switch {
	case err == nil:
		s, err = decodeRecord(record, p.region)
	case errors.Is(err, engine.ErrNotFound):
		err = nil
	}
	return s, deep, err
}

// Changes returns changes after a sequence number, in order, at most limit
// of them. It returns none when there are none yet, and ErrTrimmed when some that
// were asked for are no longer kept, which cannot happen to a registered
// consumer that asks from where it stands.
func (p *Partition) Changes(after uint64, limit int) ([]change.Change, error) {
	if err := p.usable(); err != nil {
		return nil, err
	}
	next := p.meta.Load().NextSeq
	if after+1 >= next {
		return nil, nil
	}
	view := p.engine.View()
	defer view.Close()
	it := view.Iterate(changeKey(p.ks, p.group, after+1), changeKey(p.ks, p.group, next), false)
	defer it.Close()
	var changes []change.Change
	for seq := after + 1; len(changes) < limit && it.Next(); seq++ {
		at := reader{rest: it.Key()[sectionSize+8:]}
		if at.uint64() != seq {
			return nil, ErrTrimmed
		}
		value, err := it.Value()
		if err != nil {
			return nil, p.readError(err)
		}
		c, err := change.Decode(seq, append([]byte(nil), value...))
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	if err := it.Err(); err != nil {
		return nil, p.readError(err)
	}
	if len(changes) == 0 && limit > 0 {
		return nil, ErrTrimmed
	}
	return changes, p.usable()
}

// Changed returns a channel that is closed when entries have been applied after
// the call. Ask for it first, then look at what matters, then wait.
func (p *Partition) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.changed == nil {
		p.mu.changed = make(chan struct{})
	}
	return p.mu.changed
}

func (p *Partition) announce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.changed != nil {
		close(p.mu.changed)
		p.mu.changed = nil
	}
}

// Close ends the use of the partition; its data stays. Every later call returns
// storage.Unavailable, a read that is under way either completes or does so too,
// and whoever waits for changes is woken. Apply must not be running.
func (p *Partition) Close() {
	var err error = storage.Errorf(storage.Unavailable, "the partition is closed on this node")
	p.stopped.CompareAndSwap(nil, &err)
	p.announce()
}

func (p *Partition) usable() error {
	if err := p.stopped.Load(); err != nil {
		return *err
	}
	return nil
}

// readError says of an engine's error what it means to a reader: a closed
// engine is a node that is going away.
func (p *Partition) readError(err error) error {
	if errors.Is(err, engine.ErrClosed) {
		return storage.Errorf(storage.Unavailable, "the node is stopping: %w", err)
	}
	return fmt.Errorf("machine: group %d: %w", p.group, err)
}

func errWrongPartition() *storage.Error {
	return storage.Errorf(storage.WrongPartition, "the key is not in this partition")
}
