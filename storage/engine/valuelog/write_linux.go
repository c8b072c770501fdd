package valuelog

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriting has the system begin to write a part of a file to the disk, and does
// not wait for it. It promises nothing, so it cannot fail.
func beginWriting(f *os.File, from, to uint64) {
	_ = unix.SyncFileRange(int(f.Fd()), int64(from), int64(to-from), unix.SYNC_FILE_RANGE_WRITE)
}
