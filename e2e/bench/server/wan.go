package server

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// WAN is the network between regions: ways on which bytes take their time, and
// stop while they are cut, as on a network that drops packets.
type WAN struct {
	delay     time.Duration
	ctx       context.Context
	cancel    context.CancelFunc
	serves    sync.WaitGroup
	listeners []net.Listener

	mu struct {
		sync.Mutex
		cut     map[string]bool // regions
		changed chan struct{}   // closed and replaced when one is healed
	}
}

// NewWAN returns a network on which bytes take so long, one way.
func NewWAN(delay time.Duration) *WAN {
	w := &WAN{delay: delay}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.mu.cut, w.mu.changed = map[string]bool{}, make(chan struct{})
	return w
}

// Connect gives each region ways to the nodes of all others, for their next
// start.
func (w *WAN) Connect(regions ...*Region) error {
	for _, from := range regions {
		for _, to := range regions {
			if from == to {
				continue
			}
			for _, n := range to.Nodes {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				w.listeners = append(w.listeners, l)
				w.serves.Go(func() { w.serve(l, []string{from.Name, to.Name}, n.Peer) })
				from.AddArguments("--remotes", to.Name+"="+l.Addr().String())
			}
		}
	}
	return nil
}

// Cut separates a region from all others.
func (w *WAN) Cut(region string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.cut[region] = true
}

// Heal connects it again.
func (w *WAN) Heal(region string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mu.cut, region)
	close(w.mu.changed)
	w.mu.changed = make(chan struct{})
}

// Close ends all connections.
func (w *WAN) Close() error {
	w.cancel()
	var errs []error
	for _, l := range w.listeners {
		errs = append(errs, l.Close())
	}
	w.serves.Wait()
	return errors.Join(errs...)
}

func (w *WAN) serve(l net.Listener, between []string, node string) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		w.serves.Go(func() { w.carry(near, between, node) })
	}
}

// carry connects a connection to a node for as long as both ends want it.
func (w *WAN) carry(near net.Conn, between []string, node string) {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	defer near.Close()
	if !w.pass(ctx, between) {
		return
	}
	var d net.Dialer
	far, err := d.DialContext(ctx, "tcp", node)
	if err != nil {
		return
	}
	defer far.Close()
	defer context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })()
	var both sync.WaitGroup
	both.Go(func() { defer cancel(); w.pump(ctx, between, near, far) })
	both.Go(func() { defer cancel(); w.pump(ctx, between, far, near) })
	both.Wait()
}

// chunk is bytes on their way.
type chunk struct {
	due   time.Time
	bytes []byte
}

// chunksUnderWay bounds what is on a way, so that the sender waits beyond it.
// It is more than a window of TCP would be.
const chunksUnderWay = 1024

// pump moves what one end sends to the other, late, until one is gone.
func (w *WAN) pump(ctx context.Context, between []string, from io.ReadCloser, to io.Writer) {
	under := make(chan chunk, chunksUnderWay)
	var read sync.WaitGroup
	defer read.Wait()
	defer from.Close()
	read.Go(func() {
		defer close(under)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			if n > 0 {
				select {
				case under <- chunk{time.Now().Add(w.delay), b[:n]}:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	for c := range under {
		if !until(ctx, c.due) || !w.pass(ctx, between) {
			return
		}
		if _, err := to.Write(c.bytes); err != nil {
			return
		}
	}
}

// pass waits until neither end is cut off. It returns false when ctx ends first.
func (w *WAN) pass(ctx context.Context, between []string) bool {
	for {
		w.mu.Lock()
		cut, changed := w.mu.cut[between[0]] || w.mu.cut[between[1]], w.mu.changed
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

// until waits until a time. It returns false when ctx ends first.
func until(ctx context.Context, due time.Time) bool {
	d := time.Until(due)
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
