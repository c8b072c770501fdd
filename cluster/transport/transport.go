package transport

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/proto/peer"
	"github.com/roundtabledb/roundtable/storage"
)

// Options configures a Transport.
type Options struct {
	// Self is the node that sends.
	Self cluster.NodeID
	// Dial opens a connection to an address. The default dials TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Resolve gives the address of a node, and false where it is not known. It
	// is asked each time a stream is opened, and must not block.
	Resolve func(cluster.NodeID) (addr string, ok bool)
	// Credentials secure the connections. The default is plain text.
	Credentials credentials.TransportCredentials
	// Logger is for lost and refused connections. The default is silent.
	Logger *slog.Logger
	// Tap is the seam for the simulator, nil otherwise.
	Tap Tap
}

func (o *Options) ensureDefaults() {
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		}
	}
	if o.Resolve == nil {
		o.Resolve = func(cluster.NodeID) (string, bool) { return "", false }
	}
	if o.Credentials == nil {
		o.Credentials = insecure.NewCredentials()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Reply answers a request. It may be called from any goroutine, and must be
// called exactly once. The body belongs to the transport from then on. For a
// call of the node to itself it runs the caller's callback, so a handler should
// not hold locks that the callback might want.
type Reply func(body []byte, err error)

// Handler serves the requests of one method. It must not block: it runs on the
// goroutine that reads the stream. The body is the handler's to keep, but it
// keeps the frame alive that it came in, so what is kept for long and is small
// should be copied.
type Handler func(from cluster.NodeID, group cluster.GroupID, body []byte, reply Reply)

// Stats counts what a Transport has sent since it was made.
type Stats struct {
	// Messages, requests and answers alike, went out in Frames of Bytes in all.
	Messages, Frames, Bytes uint64
}

// Transport connects one node with the others of its region. It is safe for
// concurrent use.
type Transport struct {
	options Options
	// instance tells this process's streams from those of its predecessors.
	instance uint64
	handlers [256]Handler
	// snapshots is nil until HandleSnapshot.
	snapshots SnapshotHandler
	stats     counters

	// ctx ends when Close begins, and with it every stream.
	ctx    context.Context
	cancel context.CancelFunc
	// running counts the goroutines of this package. Once Close has begun,
	// which mu guards, only those that are counted may add to it.
	running sync.WaitGroup

	// outboxes is replaced as a whole by outboxSlow, so that calls do not lock.
	outboxes atomic.Pointer[map[linkKey]*outbox]

	mu struct {
		sync.Mutex
		closed bool
		gates  map[linkKey]*gate
	}

	groups struct {
		sync.RWMutex
		byID map[cluster.GroupID]*GroupTransport
	}
}

// linkKey names one lane to or from a node.
type linkKey struct {
	node cluster.NodeID
	lane Lane
}

// New makes a Transport. It connects to nothing before the first Call.
func New(o Options) *Transport {
	o.ensureDefaults()
	t := &Transport{options: o, instance: rand.Uint64()}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.outboxes.Store(&map[linkKey]*outbox{})
	t.mu.gates = make(map[linkKey]*gate)
	t.groups.byID = make(map[cluster.GroupID]*GroupTransport)
	t.handleRaft()
	return t
}

// Register makes the transport serve other nodes through a gRPC server, which
// should have been made with ServerOptions.
func (t *Transport) Register(s *grpc.Server) { peer.RegisterPeerServer(s, service{t: t}) }

// Handle sets the handler of a method. It must be called before the node
// serves or calls.
func (t *Transport) Handle(m Method, h Handler) { t.handlers[m] = h }

// Call sends a request and returns at once. done is called exactly once, on
// another goroutine, which it must not block. Unavailable says that the request
// was never sent, Ambiguous that it may have been. The body belongs to the
// transport and then to the handler; the body that done is given is done's.
func (t *Transport) Call(to cluster.NodeID, lane Lane, m Method, g cluster.GroupID, body []byte, timeout time.Duration, done func([]byte, error)) {
	t.call(to, lane, timeout, &call{method: m, group: g, body: body, done: done})
}

func (t *Transport) call(to cluster.NodeID, lane Lane, timeout time.Duration, c *call) {
	o, err := t.outbox(linkKey{to, lane})
	if err == nil {
		var v Verdict
		if to != t.options.Self {
			v = t.tap(Message{From: t.options.Self, To: to, Lane: lane, Method: c.method, Group: c.group, Size: len(c.body)})
		}
		err = o.add(c, timeout, v)
	}
	if err != nil {
		t.refuse(c.done, err)
	}
}

// refuse ends a call that no outbox has taken. The callback cannot run here:
// the caller may hold what it wants.
func (t *Transport) refuse(done func([]byte, error), err error) {
	if !t.enter() {
		go done(nil, err)
		return
	}
	defer t.running.Done()
	t.goroutine("transport refusal", func() { done(nil, err) })
}

// CallWait is Call for callers that wait. The deadline of ctx is the timeout;
// without one it is ten seconds.
func (t *Transport) CallWait(ctx context.Context, to cluster.NodeID, lane Lane, m Method, g cluster.GroupID, body []byte) ([]byte, error) {
	timeout := 10 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	type outcome struct {
		body []byte
		err  error
	}
	ch := make(chan outcome, 1)
	t.Call(to, lane, m, g, body, timeout, func(body []byte, err error) { ch <- outcome{body, err} })
	select {
	case r := <-ch:
		return r.body, r.err
	case <-ctx.Done():
		return nil, storage.Errorf(storage.Ambiguous, "waiting for node %s: %w", to, ctx.Err())
	}
}

// Stats returns the counters.
func (t *Transport) Stats() Stats {
	return Stats{
		Messages: t.stats.messages.Load(),
		Frames:   t.stats.frames.Load(),
		Bytes:    t.stats.bytes.Load(),
	}
}

// Close ends all streams, fails what waits and returns when every goroutine of
// the transport has ended. It must not be called from a handler or a callback.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.mu.closed = true
	t.mu.Unlock()
	t.cancel()
	t.running.Wait()
	return nil
}

// outbox returns the outbox of a lane and starts its goroutine the first time.
func (t *Transport) outbox(k linkKey) (*outbox, error) {
	if o := (*t.outboxes.Load())[k]; o != nil {
		return o, nil
	}
	if k.lane >= lanes {
		return nil, storage.Errorf(storage.Internal, "there is no lane %d", k.lane)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return nil, errClosed()
	}
	if o := (*t.outboxes.Load())[k]; o != nil {
		return o, nil
	}
	var o *outbox
	if k.node == t.options.Self {
		l := &local{t: t}
		l.init(k.node, k.lane)
		t.goroutine("transport local", l.run)
		o = &l.outbox
	} else {
		l := &link{t: t}
		l.init(k.node, k.lane)
		t.goroutine("transport link", l.run)
		o = &l.outbox
	}
	next := maps.Clone(*t.outboxes.Load())
	next[k] = o
	t.outboxes.Store(&next)
	return o, nil
}

func (t *Transport) tap(m Message) Verdict {
	if t.options.Tap == nil {
		return Verdict{}
	}
	return t.options.Tap(m)
}

// enter counts the caller as running, or says that Close has begun. The caller
// must call running.Done.
func (t *Transport) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return false
	}
	t.running.Add(1)
	return true
}

// goroutine starts one that Close waits for. The caller is itself counted, or
// holds mu and has seen that Close has not begun.
func (t *Transport) goroutine(name string, run func()) {
	t.running.Go(func() {
		pprof.Do(t.ctx, pprof.Labels("roundtable", name), func(context.Context) { run() })
	})
}

type counters struct{ messages, frames, bytes atomic.Uint64 }

func (c *counters) sent(messages, bytes int) {
	c.messages.Add(uint64(messages))
	c.frames.Add(1)
	c.bytes.Add(uint64(bytes))
}
