package peer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/roundtabledb/roundtable/e2e/bench/load"
)

// Append is what any durable write comes to in the end: bytes at the end of a
// file that has room, and fdatasync.
type Append struct{ file *os.File }

// appendRoom is how much room is made before. Beyond it writing begins anew at
// the front, so that syncs need not write the file's size.
const appendRoom = 64 << 20

// OpenAppend makes the file in a folder.
func OpenAppend(dir string) (*Append, error) {
	f, err := os.Create(filepath.Join(dir, "append"))
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(make([]byte, appendRoom)); err != nil {
		return nil, fmt.Errorf("make room: %w", err)
	}
	return &Append{f}, f.Sync()
}

// Close closes the file.
func (a *Append) Close() error { return a.file.Close() }

// Batches makes the one client, whose operation appends so many items and syncs
// once.
func (a *Append) Batches(items int) func(int) (load.Client, error) {
	block := make([]byte, items*ItemBytes)
	v := newValues(1, 0)
	for i := range items {
		copy(block[i*ItemBytes:], v.value())
	}
	var at int64
	return func(int) (load.Client, error) {
		return load.Func(func(context.Context) error {
			if at+int64(len(block)) > appendRoom {
				at = 0
			}
			if _, err := a.file.WriteAt(block, at); err != nil {
				return err
			}
			at += int64(len(block))
			return syncData(a.file)
		}), nil
	}
}
