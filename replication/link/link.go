// Package link is the connection between two regions: both ends of it.
//
// A Link belongs to one node and leads to one other region. It keeps a few
// connections (lanes) to whichever nodes of that region answer, and carries
// shipments (states of items of one partition) there and verdicts back. The
// Server is the other end. Between them the package owns everything that meets
// the wire: the protocol's messages, the encoding of states, compression, flow
// control and reconnecting.
//
// A shipment is either answered with the receiver's verdict or reported lost,
// exactly once. Lost says nothing about whether it was applied: ship it again.
// Shipments may overtake each other. The package does not know what states
// mean, which regions replicate which table, or when to ship what.
package link

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/storage"
)

// Protocol is the version of what regions say to each other. Regions of
// different versions refuse each other.
const Protocol = 1

// Identity is who speaks on a link.
type Identity struct {
	// Region is the name of the speaker's region.
	Region string
	// Cluster is the name that all regions of one deployment share.
	Cluster string
	// Node is the speaking node, for logs.
	Node string
}

// Verdict is what became of a shipment in the other region.
type Verdict struct {
	// Done says that every state of the shipment is durable there or has been
	// superseded there. If it is false the whole shipment must come again.
	Done bool
	// RetryAfter is when it should come again.
	RetryAfter time.Duration
	// Reason is why it was not done, in words.
	Reason string
	// Accepted is how many states replaced what was there, Behind how many
	// were older than what was there, Identical how many were there already.
	Accepted, Behind, Identical int
}

// Presence is what a region has under the name of a table.
type Presence struct {
	// Exists says that there is a table of that name.
	Exists bool
	// GlobalID is the id of the global table that it belongs to, if any.
	GlobalID string
}

// Options says where a Link leads and how.
type Options struct {
	// Self is who opens the link.
	Self Identity
	// Remote is the region that it leads to.
	Remote string
	// Addresses is where nodes of that region listen. At least one.
	Addresses []string
	// Dial opens a connection to an address.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Lanes is how many connections the link keeps. They begin at different
	// addresses. Default 2.
	Lanes int
	// Window is how many bytes of shipments may wait for their verdict on one
	// lane before Room says no. It must cover the bandwidth-delay product of
	// the way. Default 32 MiB.
	Window int
	// Logger gets connects and disconnects. Default: none.
	Logger *slog.Logger
}

func (o *Options) ensureDefaults() {
	if o.Lanes == 0 {
		o.Lanes = 2
	}
	if o.Window == 0 {
		o.Window = 32 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate reports what is missing.
func (o *Options) Validate() error {
	switch {
	case o.Self.Region == "" || o.Remote == "":
		return fmt.Errorf("link: a region has no name")
	case o.Self.Region == o.Remote:
		return fmt.Errorf("link: region %s cannot be linked to itself", o.Remote)
	case len(o.Addresses) == 0:
		return fmt.Errorf("link: region %s has no address", o.Remote)
	case o.Dial == nil:
		return fmt.Errorf("link: no dialer")
	}
	return nil
}

// Link leads from this node to one other region. It is safe for concurrent
// use.
type Link struct {
	options Options
	codec   *compressor
	lanes   []*lane

	cancel context.CancelFunc
	done   sync.WaitGroup // one for each lane's loop

	mu struct {
		sync.Mutex
		// resumed is closed while the link may connect; paused is closed while
		// it may not.
		resumed, paused chan struct{}
		reached         chan struct{} // closed and replaced by every new connection
	}
}

// Open makes a link, which begins to connect at once. The caller must Close
// it.
func Open(o Options) (*Link, error) {
	o.ensureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	codec, err := newCompressor()
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	l := &Link{options: o, codec: codec}
	l.mu.resumed, l.mu.paused = make(chan struct{}), make(chan struct{})
	l.mu.reached = make(chan struct{})
	close(l.mu.resumed)
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	for i := range o.Lanes {
		ln := newLane(l, i)
		l.lanes = append(l.lanes, ln)
		l.done.Go(func() { ln.run(ctx) })
	}
	return l, nil
}

// Close ends the link. Shipments under way are reported lost before it
// returns.
func (l *Link) Close() {
	l.cancel()
	l.done.Wait()
	l.codec.close()
}

// Room reports whether a source may ship now. If not, the channel is closed
// when that may have changed.
func (l *Link) Room(source uint64) (bool, <-chan struct{}) { return l.lane(source).room() }

// Ship sends a shipment and later calls done with the verdict on it, or with
// an error when it was lost with its connection. Without a connection done is
// called before Ship returns. done must not block. The link reads s.Body until
// Ship returns.
func (l *Link) Ship(s *Shipment, done func(Verdict, error)) { l.lane(s.Source).ship(s, done) }

func (l *Link) lane(source uint64) *lane {
	// Group ids are given out one after another, so this spreads them.
	return l.lanes[source%uint64(len(l.lanes))]
}

// Exchange hands over this region's view of the global tables, in the encoding
// of package globaltable, and returns the other region's.
func (l *Link) Exchange(ctx context.Context, tables []byte) ([]byte, error) {
	s, err := l.session()
	if err != nil {
		return nil, err
	}
	return s.exchange(ctx, tables)
}

// Inquire asks what the other region has under a table's name.
func (l *Link) Inquire(ctx context.Context, table string) (Presence, error) {
	s, err := l.session()
	if err != nil {
		return Presence{}, err
	}
	return s.inquire(ctx, table)
}

// session returns any lane's connection.
func (l *Link) session() (*session, error) {
	for _, ln := range l.lanes {
		if s := ln.current(); s != nil {
			return s, nil
		}
	}
	return nil, storage.Errorf(storage.Unavailable, "region %s cannot be reached", l.options.Remote)
}

// Up reports whether any lane is connected.
func (l *Link) Up() bool {
	_, err := l.session()
	return err == nil
}

// Reached returns a channel that is closed by the next connection to the other
// region.
func (l *Link) Reached() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.reached
}

func (l *Link) announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.mu.reached)
	l.mu.reached = make(chan struct{})
}

// Pause cuts the link, as if the network had failed, until Resume.
func (l *Link) Pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isClosed(l.mu.paused) {
		return
	}
	l.mu.resumed = make(chan struct{})
	close(l.mu.paused)
}

// Resume ends a Pause.
func (l *Link) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isClosed(l.mu.resumed) {
		return
	}
	l.mu.paused = make(chan struct{})
	close(l.mu.resumed)
}

// gates returns the channels that are closed while the link may connect, and
// while it may not.
func (l *Link) gates() (resumed, paused <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.resumed, l.mu.paused
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
