package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// net is one group of three peers in one bubble of virtual time, with logs in
// memory and raft's own transport between them.
type net struct {
	t     *testing.T
	peers []*peer
	// configure changes the options of a peer before it starts.
	configure func(*Options)
}

// peer survives its Group: start after stop resumes from engine and log.
type peer struct {
	net       *net
	id        cluster.PeerID
	engine    *engine.Engine
	partition *machine.Partition
	log       *countingLog
	transport *raft.InmemTransport
	group     *Group
	fatal     chan error
	clock     func() time.Time

	mu    sync.Mutex
	roles []string // what OnLeader was told
}

const testGroup = 7

// countingLog counts the command entries that raft stores.
type countingLog struct {
	*raft.InmemStore
	mu       sync.Mutex
	commands int
	ahead    []uint64 // the entries stored ahead
	durable  func(index uint64) bool
}

func (l *countingLog) StoreLogs(logs []*raft.Log) error {
	l.mu.Lock()
	for _, entry := range logs {
		if entry.Type == raft.LogCommand {
			l.commands++
		}
	}
	l.mu.Unlock()
	return l.InmemStore.StoreLogs(logs)
}

// StoreLogsAhead remembers what came this way. In memory all is durable at once.
func (l *countingLog) StoreLogsAhead(logs []*raft.Log) error {
	l.mu.Lock()
	for _, entry := range logs {
		l.ahead = append(l.ahead, entry.Index)
	}
	l.mu.Unlock()
	return l.StoreLogs(logs)
}

func (l *countingLog) Durable(index uint64, _ func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable == nil || l.durable(index)
}

// ranAhead says whether an entry was stored ahead.
func (l *countingLog) ranAhead(index uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.ahead, index)
}

func (l *countingLog) stored() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.commands
}

func newNet(t *testing.T, voters int, configure func(*Options)) *net {
	t.Helper()
	n := &net{t: t, configure: configure}
	var ids []cluster.PeerID
	for i := range voters {
		ids = append(ids, cluster.PeerID{Node: cluster.NodeID(fmt.Sprintf("n%d", i+1)), Replica: uint64(i + 1)})
	}
	for _, id := range ids {
		n.add(id, machine.Meta{
			Group: testGroup, AppliedIndex: 10, AppliedTerm: 1,
			ConfigIndex: 10, Config: EncodeConfiguration(ids),
		})
	}
	for _, p := range n.peers {
		p.start()
	}
	t.Cleanup(n.close)
	return n
}

// add makes a peer that begins as m says, without starting it.
func (n *net) add(id cluster.PeerID, m machine.Meta) *peer {
	n.t.Helper()
	e, err := engine.Open(engine.Options{InMemory: true, MemoryBudget: 32 << 20})
	if err != nil {
		n.t.Fatal(err)
	}
	p := &peer{net: n, id: id, engine: e, log: &countingLog{InmemStore: raft.NewInmemStore()}, fatal: make(chan error, 1), clock: time.Now}
	if err := p.log.SetUint64([]byte("CurrentTerm"), 1); err != nil {
		n.t.Fatal(err)
	}
	if _, err := machine.Create(e, 1, m, "here"); err != nil {
		n.t.Fatal(err)
	}
	n.peers = append(n.peers, p)
	return p
}

func (p *peer) start() {
	p.net.t.Helper()
	var err error
	if p.partition, err = machine.Open(p.engine, 1, testGroup, "here"); err != nil {
		p.net.t.Fatal(err)
	}
	_, p.transport = raft.NewInmemTransport(raft.ServerAddress(p.id.String()))
	p.net.connect(p)
	o := Options{
		ID: testGroup, Peer: p.id, Machine: p.partition, Log: p.log, Transport: p.transport,
		Progress: p.net.progress, Announce: p.announce,
		Now: func() time.Time { return p.clock() },
		OnLeader: func(leading bool, term uint64) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.roles = append(p.roles, fmt.Sprintf("%v in %d", leading, term))
		},
		Fatal:  func(err error) { p.fatal <- err },
		Logger: slog.New(slog.NewTextHandler(p.net.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if p.net.configure != nil {
		p.net.configure(&o)
	}
	if p.group, err = Start(o); err != nil {
		p.net.t.Fatal(err)
	}
}

// announce sends over raft's own transport, which knows nothing but calls that
// wait.
func (p *peer) announce(to cluster.PeerID, args *raft.AppendEntriesRequest) {
	transport := p.transport
	go func() {
		// A request that does not arrive is as good as none.
		_ = transport.AppendEntries(raft.ServerID(to.String()), raft.ServerAddress(to.String()), args, &raft.AppendEntriesResponse{})
	}()
}

func (p *peer) stop() {
	p.net.t.Helper()
	if p.group == nil {
		return
	}
	if err := p.group.Close(); err != nil {
		p.net.t.Error(err)
	}
	p.partition.Close()
	p.group = nil
}

func (n *net) close() {
	for _, p := range n.peers {
		p.stop()
		if err := p.engine.Close(); err != nil {
			n.t.Error(err)
		}
		select {
		case err := <-p.fatal:
			n.t.Errorf("peer %v: %v", p.id, err)
		default:
		}
	}
}

func (n *net) connect(p *peer) {
	for _, other := range n.peers {
		if other != p && other.transport != nil {
			p.transport.Connect(other.transport.LocalAddr(), other.transport)
			other.transport.Connect(p.transport.LocalAddr(), p.transport)
		}
	}
}

func (n *net) cutOff(p *peer) {
	p.transport.DisconnectAll()
	for _, other := range n.peers {
		if other != p {
			other.transport.Disconnect(p.transport.LocalAddr())
		}
	}
}

func (n *net) progress(_ context.Context, id cluster.PeerID) (uint64, error) {
	for _, p := range n.peers {
		if p.id == id && p.group != nil {
			return p.group.LastIndex(), nil
		}
	}
	return 0, errors.New("no such peer")
}

// leader waits for a peer that leads, other than those given.
func (n *net) leader(except ...*peer) *peer {
	n.t.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	for time.Now().Before(deadline) {
	next:
		for _, p := range n.peers {
			for _, e := range except {
				if p == e {
					continue next
				}
			}
			if p.group != nil && p.group.IsLeader() {
				return p
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	n.t.Fatal("no leader in ten minutes")
	return nil
}

func (n *net) followers(leader *peer) []*peer {
	var rest []*peer
	for _, p := range n.peers {
		if p != leader {
			rest = append(rest, p)
		}
	}
	return rest
}

// answer is what became of a proposal.
type answer struct {
	result command.Result
	err    error
}

// propose starts a Put; the answer comes on the channel. A second answer would
// block for ever, which the bubble reports.
func (p *peer) propose(key, value string) <-chan answer {
	ch := make(chan answer, 1)
	p.group.Propose(put(key, value), func(r command.Result, err error) {
		select {
		case ch <- answer{r, err}:
		default:
			panic("a proposal was answered twice")
		}
	})
	return ch
}

func (p *peer) mustPropose(key, value string) command.Result {
	p.net.t.Helper()
	a := <-p.propose(key, value)
	if a.err != nil || a.result.Err != nil {
		p.net.t.Fatalf("put %s at %v: %v, %v", key, p.id, a.err, a.result.Err)
	}
	return a.result
}

func put(key, value string) []byte {
	cmd := command.Command{
		Kind: command.Put, Key: []byte(key),
		Item: item.Encode(item.NewItem(item.Attribute{Name: "v", Value: item.String(value)})),
	}
	return cmd.Append(nil)
}

// get reads a peer's own state, "" where there is nothing.
func (p *peer) get(key string) string {
	p.net.t.Helper()
	stored, err := p.partition.Get([]byte(key))
	if err != nil {
		p.net.t.Fatal(err)
	}
	if !stored.Exists {
		return ""
	}
	it, err := stored.Item.Decode()
	if err != nil {
		p.net.t.Fatal(err)
	}
	return it.Get("v").Str()
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t) })
}
