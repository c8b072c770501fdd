// Package member keeps the list of a region's nodes by gossip. It owns the
// memberlist library and, with its test network, is the only importer of it.
//
// What it says is a hint: an address to try, a guess at who is alive. Members
// of groups are in the groups, nodes of the region are in the catalog, and
// nothing is ever decided by gossip alone.
package member

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/roundtabledb/roundtable/cluster"
)

const (
	// The seeds, and nodes that were lost, are tried again after a while that
	// doubles from the first to the last of these: memberlist forgets the dead,
	// so without this two halves of a region would not find together again.
	firstRejoin = time.Second
	lastRejoin  = 30 * time.Second
	// lostMemory is how long a node that was lost is tried.
	lostMemory = 24 * time.Hour
	// announceTimeout bounds the wait for an announcement to be sent. It goes
	// out with a later exchange of states in any case.
	announceTimeout = time.Second
)

// Options configures Start.
type Options struct {
	// Self is announced to the others.
	Self Meta
	// Seeds are gossip addresses, "host:port", of nodes to join.
	Seeds []string
	// BindAddr is where to listen for gossip, "host:port", UDP and TCP. The
	// default is ":7946".
	BindAddr string
	// AdvertiseAddr is where others reach that, "host:port". The default is
	// BindAddr, or an address of this machine where that has none.
	AdvertiseAddr string
	// Label keeps pools apart that can reach each other. The default is
	// "roundtable/" and the region.
	Label string
	// SecretKey encrypts the gossip when it is 16, 24 or 32 bytes long.
	SecretKey []byte
	// Transport replaces the sockets in tests and in the simulator.
	Transport memberlist.Transport
	// OnChange is called after the list has changed, on a goroutine of the
	// package, one call at a time.
	OnChange func()
	// Logger is for joins that fail and for memberlist's own log. The default is
	// silent.
	Logger *slog.Logger
}

// Members is a region's nodes as this node sees them. It is safe for concurrent
// use.
type Members struct {
	options Options
	list    *memberlist.Memberlist
	// changed and announce have room for one signal each.
	changed, announce chan struct{}
	closed            chan struct{}
	closeOnce         sync.Once
	running           sync.WaitGroup

	mu struct {
		sync.Mutex
		self Meta
		// encoded is self as it is gossiped.
		encoded []byte
		// alive holds what memberlist believes alive, by its names. A node that
		// has just restarted may be in it twice.
		alive map[string]seen
		// lost holds what memberlist believes dead or gone, to be tried again.
		lost map[string]seen
		// latest holds the announcement with the highest boot of each node.
		latest map[cluster.NodeID]Meta
	}
}

// seen is a node and where it gossips.
type seen struct {
	meta Meta
	addr string
	at   time.Time
}

// Start joins the pool. It does not wait for the seeds: they are tried again
// until they answer.
func Start(o Options) (*Members, error) {
	if o.OnChange == nil {
		o.OnChange = func() {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Members{
		options:  o,
		changed:  make(chan struct{}, 1),
		announce: make(chan struct{}, 1),
		closed:   make(chan struct{}),
	}
	m.mu.alive, m.mu.lost = make(map[string]seen), make(map[string]seen)
	m.mu.latest = make(map[cluster.NodeID]Meta)
	m.mu.self = o.Self
	var err error
	if m.mu.encoded, err = o.Self.encode(); err != nil {
		return nil, err
	}
	config, err := m.config()
	if err != nil {
		return nil, err
	}
	if m.list, err = memberlist.Create(config); err != nil {
		return nil, fmt.Errorf("member: %w", err)
	}
	m.running.Go(m.tell)
	m.running.Go(m.join)
	return m, nil
}

func (m *Members) config() (*memberlist.Config, error) {
	o := &m.options
	c := memberlist.DefaultLANConfig()
	// A name is never used with two addresses: memberlist would take the second
	// for an impostor. So a node has a new name each time it starts.
	c.Name = string(o.Self.NodeID) + "#" + strconv.FormatUint(o.Self.Boot, 10)
	c.DeadNodeReclaimTime = 30 * time.Second
	c.EnableCompression = false
	c.Label = cmp.Or(o.Label, "roundtable/"+o.Self.Region)
	c.SecretKey = o.SecretKey
	c.Transport = o.Transport
	c.Delegate = delegate{m}
	c.Events = delegate{m}
	c.Logger = log.New(logWriter{o.Logger}, "", 0)
	if o.Transport != nil {
		return c, nil
	}
	var err error
	if o.BindAddr != "" {
		if c.BindAddr, c.BindPort, err = splitAddr(o.BindAddr); err != nil {
			return nil, err
		}
		c.BindAddr = cmp.Or(c.BindAddr, "0.0.0.0")
		c.AdvertisePort = c.BindPort
	}
	if o.AdvertiseAddr != "" {
		if c.AdvertiseAddr, c.AdvertisePort, err = splitAddr(o.AdvertiseAddr); err != nil {
			return nil, err
		}
		ip, err := net.ResolveIPAddr("ip", c.AdvertiseAddr)
		if err != nil {
			return nil, fmt.Errorf("member: advertise %s: %w", o.AdvertiseAddr, err)
		}
		c.AdvertiseAddr = ip.String()
	}
	return c, nil
}

func splitAddr(addr string) (host string, port int, err error) {
	host, service, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(service)
	}
	if err != nil {
		return "", 0, fmt.Errorf("member: address %q: %w", addr, err)
	}
	return host, port, nil
}

// Nodes returns the nodes believed alive, this one included, by id.
func (m *Members) Nodes() []Meta {
	m.mu.Lock()
	defer m.mu.Unlock()
	newest := make(map[cluster.NodeID]Meta, len(m.mu.alive))
	for _, s := range m.mu.alive {
		if n, ok := newest[s.meta.NodeID]; !ok || n.Boot < s.meta.Boot {
			newest[s.meta.NodeID] = s.meta
		}
	}
	nodes := make([]Meta, 0, len(newest))
	for _, n := range newest {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b Meta) int { return cmp.Compare(a.NodeID, b.NodeID) })
	return nodes
}

// Address returns the address that a node announced last, be it alive or not: a
// node that gossip has lost may still answer.
func (m *Members) Address(id cluster.NodeID) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.mu.latest[id]
	return n.PeerAddr, ok && n.PeerAddr != ""
}

// GossipAddr returns where this node gossips: a seed for others.
func (m *Members) GossipAddr() string { return m.list.LocalNode().Address() }

// Announce tells the others which peers of the catalog group this node knows.
// It does not wait.
func (m *Members) Announce(catalog []cluster.PeerID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	self := m.mu.self
	self.Catalog = slices.Clone(catalog)
	encoded, err := self.encode()
	if err != nil {
		return err
	}
	m.mu.self, m.mu.encoded = self, encoded
	signal(m.announce)
	return nil
}

// Leave tells the others that the node goes away on purpose, and waits until
// somebody has been told or ctx ends. Close must still be called.
func (m *Members) Leave(ctx context.Context) error {
	timeout := farewell
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(min(farewell, time.Until(deadline)), time.Millisecond)
	}
	if err := m.list.Leave(timeout); err != nil {
		return fmt.Errorf("member: leave: %w", err)
	}
	return nil
}

// farewell is how long Leave waits until others have heard of it. Where all
// nodes of a region stop together nobody is left to hear it, and others find out
// by themselves.
const farewell = 2 * time.Second

// Linger is how long goroutines of memberlist, which cannot be waited for, may
// go on after Close: as long as the slowest probe. A testing/synctest bubble has
// to sleep that long after the last Close.
const Linger = 10 * time.Second

// Close leaves without a word, as a crash would, and returns when the
// goroutines of this package have ended. Those of memberlist end within Linger.
func (m *Members) Close() error {
	m.closeOnce.Do(func() { close(m.closed) })
	err := m.list.Shutdown()
	m.running.Wait()
	if err != nil {
		return fmt.Errorf("member: close: %w", err)
	}
	return nil
}

// tell passes changes on to the others and to OnChange.
func (m *Members) tell() {
	for {
		select {
		case <-m.changed:
			m.options.OnChange()
		case <-m.announce:
			if err := m.list.UpdateNode(announceTimeout); err != nil {
				m.options.Logger.Debug("announcing this node takes long", "error", err)
			}
		case <-m.closed:
			return
		}
	}
}

// join looks for nodes that are not in the list.
func (m *Members) join() {
	wait := time.Duration(0)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-m.closed:
			timer.Stop()
			return
		}
		for _, addr := range m.missing() {
			if _, err := m.list.Join([]string{addr}); err != nil {
				m.options.Logger.Debug("cannot join", "addr", addr, "error", err)
			}
			select {
			case <-m.closed:
				return
			default:
			}
		}
		wait = min(max(2*wait, firstRejoin), lastRejoin)
	}
}

// missing returns the addresses to join: seeds that nobody alive is known to
// have, and those of lost nodes.
func (m *Members) missing() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	have := make(map[string]bool)
	for _, s := range m.mu.alive {
		have[s.addr] = true
	}
	var addrs []string
	add := func(addr string) {
		if !have[addr] {
			have[addr] = true
			addrs = append(addrs, addr)
		}
	}
	for _, s := range m.options.Seeds {
		add(s)
	}
	seeds := len(addrs)
	for name, s := range m.mu.lost {
		if time.Since(s.at) > lostMemory || m.mu.latest[s.meta.NodeID].Boot > s.meta.Boot {
			delete(m.mu.lost, name)
			continue
		}
		add(s.addr)
	}
	slices.Sort(addrs[seeds:])
	return addrs
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
