package harness

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// WAN is the network between regions: each region reaches the nodes of the
// others through ways of its own. Bytes take their time on a way. On one that
// is cut they stop, as they do on a network that drops packets: connections
// stay, nothing arrives, and what was under way arrives after healing unless
// an end has given up.
type WAN struct {
	t      testing.TB
	ctx    context.Context
	serves sync.WaitGroup

	mu struct {
		sync.Mutex
		delay   time.Duration
		cut     map[way]bool
		changed chan struct{} // closed and replaced when a way is healed
		moved   map[way]int64
	}
}

// way leads from one region to another.
type way struct{ from, to string }

func newWAN(t testing.TB, delay time.Duration) *WAN {
	w := &WAN{t: t}
	w.mu.delay, w.mu.cut, w.mu.changed, w.mu.moved = delay, map[way]bool{}, make(chan struct{}), map[way]int64{}
	ctx, cancel := context.WithCancel(context.Background())
	w.ctx = ctx
	t.Cleanup(func() {
		cancel()
		w.serves.Wait()
	})
	return w
}

// Cut separates a region from all others, in both directions.
func (w *WAN) Cut(region string) { w.set(region, true) }

// Heal connects a region again.
func (w *WAN) Heal(region string) { w.set(region, false) }

func (w *WAN) set(region string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, other := range Regions {
		w.setLocked(way{region, other}, cut)
		w.setLocked(way{other, region}, cut)
	}
}

// CutWay drops what one region sends to another, and not what comes back.
func (w *WAN) CutWay(from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setLocked(way{from, to}, true)
}

// HealWay lets it through again.
func (w *WAN) HealWay(from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setLocked(way{from, to}, false)
}

func (w *WAN) setLocked(on way, cut bool) {
	if !cut && w.mu.cut[on] {
		close(w.mu.changed)
		w.mu.changed = make(chan struct{})
	}
	w.mu.cut[on] = cut
}

// Delay sets how long bytes take that are sent from now on.
func (w *WAN) Delay(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.delay = d
}

// Moved is how many bytes have passed on the way from one region to another.
func (w *WAN) Moved(from, to string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.moved[way{from, to}]
}

func (w *WAN) due() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.mu.delay)
}

// pass waits until a way is open, and counts the bytes that pass. It returns
// false when ctx ends first.
func (w *WAN) pass(ctx context.Context, on way, bytes int) bool {
	for {
		w.mu.Lock()
		cut, changed := w.mu.cut[on], w.mu.changed
		if !cut {
			w.mu.moved[on] += int64(bytes)
		}
		w.mu.Unlock()
		if !cut {
			return ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// lay makes connections to an address lead to a node of another region.
func (w *WAN) lay(from, to, at, node string) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		w.t.Fatal(err)
	}
	context.AfterFunc(w.ctx, func() { _ = l.Close() })
	w.serves.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.serves.Go(func() { w.carry(conn, way{from, to}, node) })
		}
	})
}

// carry connects a connection to a node for as long as both ends want it.
func (w *WAN) carry(near net.Conn, out way, node string) {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	defer near.Close()
	back := way{out.to, out.from}
	if !w.pass(ctx, out, 0) || !w.pass(ctx, back, 0) {
		return
	}
	var d net.Dialer
	far, err := d.DialContext(ctx, "tcp", node)
	if err != nil {
		return
	}
	defer far.Close()
	context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })
	var both sync.WaitGroup
	for _, half := range []struct {
		on       way
		from, to net.Conn
	}{{out, near, far}, {back, far, near}} {
		both.Go(func() {
			defer cancel() // one end gone: the other one hears of it
			w.pump(ctx, half.on, half.from, half.to)
		})
	}
	both.Wait()
}

// chunk is bytes on their way.
type chunk struct {
	due   time.Time
	bytes []byte
}

// chunksUnderWay bounds what is on a way; the sender waits beyond it.
const chunksUnderWay = 256

// pump moves what one end sends to the other, late, until one is gone.
func (w *WAN) pump(ctx context.Context, on way, from, to net.Conn) {
	under := make(chan chunk, chunksUnderWay)
	var read sync.WaitGroup
	read.Go(func() {
		defer close(under)
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if n > 0 {
				select {
				case under <- chunk{w.due(), b[:n]}:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	defer read.Wait()
	defer from.Close()
	for c := range under {
		if !sleep(ctx, time.Until(c.due)) || !w.pass(ctx, on, len(c.bytes)) {
			return
		}
		if _, err := to.Write(c.bytes); err != nil {
			return
		}
	}
	w.pass(ctx, on, 0) // the end of a connection is not heard of either
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
