package httpserve

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// maxDrained is how much of a body that nobody read is read to keep the
// connection. It is net/http's number.
const maxDrained = 256 << 10

// body is the body of one request. It is not reused, so that a reader that
// outlives its handler cannot get at the next request.
type body struct {
	mu     sync.Mutex
	c      *conn
	remain int64
	closed bool
	// cut says that the client has ended the connection before the body.
	cut bool
	// timed says that the client's time for the body runs.
	timed bool
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.readLocked(p)
}

func (b *body) readLocked(p []byte) (int, error) {
	if b.remain == 0 || b.cut {
		return 0, io.EOF
	}
	if !b.timed && b.c.begin == b.c.end {
		b.timed = true
		b.c.reads.after(time.Now(), b.c.server.fallback.ReadTimeout)
	}
	n, err := b.c.readBody(p[:min(int64(len(p)), b.remain)])
	b.remain -= int64(n)
	switch {
	case b.remain == 0:
		return n, io.EOF
	case err == io.EOF:
		b.cut = true
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close ends reading. What remains is the loop's.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// unread is how much has not been read.
func (b *body) unread() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.remain
}

// drain reads what remains, so that the next request can be read.
func (b *body) drain() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.remain == 0 {
		return nil
	}
	scrap := make([]byte, min(b.remain, 32<<10))
	for {
		if _, err := b.readLocked(scrap); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}
