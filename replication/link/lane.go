package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/roundtabledb/roundtable/storage"
)

const (
	// handshakeTimeout bounds connecting and the exchange of hellos.
	handshakeTimeout = 10 * time.Second
	// The wait between two attempts doubles from the first to the second.
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second

	maxMessage   = 16 << 20
	streamWindow = 32 << 20
	connWindow   = 64 << 20
	bufferSize   = 128 << 10
)

// lane is one connection of a link, made again whenever it breaks.
type lane struct {
	link  *Link
	index int

	mu struct {
		sync.Mutex
		session *session      // nil while there is no connection
		space   chan struct{} // closed and replaced when there may be room again
	}
}

func newLane(l *Link, index int) *lane {
	ln := &lane{link: l, index: index}
	ln.mu.space = make(chan struct{})
	return ln
}

// run connects, again and again, until ctx ends. After a connection that
// worked it tries the same address again first, after one that did not the
// next.
func (ln *lane) run(ctx context.Context) {
	backoff := firstBackoff
	for try := ln.index; ; try++ {
		resumed, _ := ln.link.gates()
		select {
		case <-resumed:
		case <-ctx.Done():
			return
		}
		address := ln.link.options.Addresses[try%len(ln.link.options.Addresses)]
		worked, err := ln.connect(ctx, address)
		if ctx.Err() != nil {
			return
		}
		ln.link.options.Logger.Info("link: no connection", "region", ln.link.options.Remote, "address", address, "error", err)
		if worked {
			backoff = firstBackoff
			try--
		}
		timer := time.NewTimer(backoff)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// connect makes one connection and serves it until it breaks, the link is
// paused, or ctx ends. It reports whether the connection ever worked, and why
// it ended.
func (ln *lane) connect(ctx context.Context, address string) (worked bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := ln.cancelAtPause(ctx, cancel)
	defer stop()

	conn, err := grpc.NewClient("passthrough:///"+address, ln.link.dialOptions()...)
	if err != nil {
		return false, fmt.Errorf("link: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	s, err := ln.handshake(ctx, cancel, conn)
	if err != nil {
		return false, err
	}
	ln.setSession(s)
	ln.link.options.Logger.Info("link: connected", "region", ln.link.options.Remote, "address", address, "node", s.peer.Node)
	ln.link.announce()

	var sending sync.WaitGroup
	sending.Go(func() { s.send(ctx) })
	err = s.receive()
	ln.setSession(nil)
	cancel(err)
	sending.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, errPaused) {
		err = cause
	}
	s.lose(err)
	return true, err
}

var errPaused = errors.New("link: paused")

// cancelAtPause ends ctx when the link is paused. The function it returns
// stops watching.
func (ln *lane) cancelAtPause(ctx context.Context, cancel context.CancelCauseFunc) (stop func()) {
	_, paused := ln.link.gates()
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-paused:
			cancel(errPaused)
		case <-ctx.Done():
		}
	})
	return func() {
		cancel(nil)
		watching.Wait()
	}
}

// handshake opens the stream and exchanges hellos.
func (ln *lane) handshake(ctx context.Context, cancel context.CancelCauseFunc, conn *grpc.ClientConn) (*session, error) {
	timer := time.AfterFunc(handshakeTimeout, func() { cancel(errors.New("link: handshake timed out")) })
	defer timer.Stop()
	s, err := openSession(ctx, ln, conn)
	if err != nil && context.Cause(ctx) != nil {
		return nil, context.Cause(ctx)
	}
	return s, err
}

func (l *Link) dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		// Whether the way is encrypted is the dialer's business.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return l.options.Dial(ctx, address)
		}),
		grpc.WithNoProxy(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 10 * time.Second, Timeout: 3 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithReadBufferSize(bufferSize),
		grpc.WithWriteBufferSize(bufferSize),
		grpc.WithSharedWriteBuffer(true),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
	}
}

func (ln *lane) setSession(s *session) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.mu.session = s
	ln.signalLocked()
}

func (ln *lane) signalLocked() {
	close(ln.mu.space)
	ln.mu.space = make(chan struct{})
}

func (ln *lane) current() *session {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.mu.session
}

func (ln *lane) room() (bool, <-chan struct{}) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	s := ln.mu.session
	return s != nil && s.bytes < ln.link.options.Window, ln.mu.space
}

func (ln *lane) ship(s *Shipment, done func(Verdict, error)) {
	message := ln.link.codec.pack(s)
	ln.mu.Lock()
	if ln.mu.session != nil {
		ln.mu.session.enqueueLocked(message, done)
		ln.mu.Unlock()
		return
	}
	ln.mu.Unlock()
	done(Verdict{}, storage.Errorf(storage.Unavailable, "region %s cannot be reached", ln.link.options.Remote))
}
