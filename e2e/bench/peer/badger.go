package peer

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/roundtabledb/roundtable/e2e/bench/load"
)

// Badger is the storage engine alone, in this process, with its own defaults.
type Badger struct {
	db   *badger.DB
	keys int
}

// OpenBadger opens one in a folder. Every transaction is synced if synced.
func OpenBadger(dir string, keys int, synced bool) (*Badger, error) {
	db, err := badger.Open(badger.DefaultOptions(dir).WithSyncWrites(synced).WithLoggingLevel(badger.ERROR))
	if err != nil {
		return nil, fmt.Errorf("open badger: %w", err)
	}
	return &Badger{db, keys}, nil
}

// Close closes it.
func (b *Badger) Close() error { return b.db.Close() }

// Put makes a client that writes one key in a transaction.
func (b *Badger) Put(n int) (load.Client, error) {
	v := newValues(b.keys, n)
	return load.Func(func(context.Context) error {
		return b.db.Update(func(t *badger.Txn) error {
			return t.Set([]byte(v.key()), append([]byte(nil), v.value()...))
		})
	}), nil
}

// Load writes every key once.
func (b *Badger) Load() error {
	w := b.db.NewWriteBatch()
	defer w.Cancel()
	v := newValues(b.keys, 0)
	for i := range b.keys {
		if err := w.Set([]byte(Key(uint64(i))), append([]byte(nil), v.value()...)); err != nil {
			return fmt.Errorf("load badger: %w", err)
		}
	}
	return w.Flush()
}

// Iterate reads all keys and values in order and returns how many there are.
func (b *Badger) Iterate(ctx context.Context) (int, error) {
	items := 0
	err := b.db.View(func(t *badger.Txn) error {
		i := t.NewIterator(badger.DefaultIteratorOptions)
		defer i.Close()
		for i.Rewind(); i.Valid(); i.Next() {
			if err := i.Item().Value(func([]byte) error { return nil }); err != nil {
				return err
			}
			if items++; items%4096 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	})
	return items, err
}
