package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/host"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/raftlog/memfs"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/e2e/sim/simnet"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/item"
)

// region is a few nodes in one bubble of virtual time, on a network in memory,
// with their state on a real disk.
type region struct {
	t         *testing.T
	net       *simnet.Network
	nodes     []*node
	tuning    group.Tuning
	tap       transport.Tap
	configure func(*host.Options)
}

// node survives its parts: start after stop or kill resumes from its disk.
type node struct {
	region *region
	id     cluster.NodeID
	dir    string    // of the engine
	fs     *memfs.FS // of the log

	engine    *engine.Engine
	log       *raftlog.Log
	transport *transport.Transport
	server    *grpc.Server
	served    chan error
	host      *host.Host
	running   bool
	dying     atomic.Bool // errors are expected
}

// newRegion makes nodes without starting them, so that a test can configure
// the region first.
func newRegion(t *testing.T, nodes int) *region {
	r := &region{t: t, net: simnet.New(1)}
	for i := range nodes {
		r.nodes = append(r.nodes, &node{
			region: r, id: cluster.NodeID(fmt.Sprintf("n%d", i+1)), dir: t.TempDir(), fs: memfs.NewDisk(),
		})
	}
	t.Cleanup(func() {
		for _, n := range r.nodes {
			n.stop()
		}
	})
	return r
}

func (r *region) start() {
	r.t.Helper()
	for _, n := range r.nodes {
		n.start()
	}
}

func (n *node) start() {
	n.region.t.Helper()
	if err := n.open(); err != nil {
		n.region.t.Fatalf("node %s: %v", n.id, err)
	}
}

// open opens everything in the order of a process. After an error nothing is
// open.
func (n *node) open() (err error) {
	r := n.region
	n.dying.Store(false)
	fatal := func(err error) {
		if !n.dying.Load() {
			r.t.Errorf("node %s: fatal: %v", n.id, err)
		}
	}
	if n.engine, err = engine.Open(n.engineOptions(fatal)); err != nil {
		return err
	}
	n.log, err = raftlog.Open(raftlog.Options{Dir: "log", FS: n.fs, Sync: true, SegmentBytes: 1 << 20, Fatal: fatal})
	if err != nil {
		n.engine.Close()
		return err
	}
	logger := slog.New(slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	n.transport = transport.New(transport.Options{
		Self:    n.id,
		Dial:    r.net.Dialer(string(n.id)),
		Resolve: func(id cluster.NodeID) (string, bool) { return string(id) + ":7000", true },
		Tap:     r.tap,
	})
	o := host.Options{
		Node: n.id, Region: "here", Engine: n.engine, Log: n.log, Transport: n.transport,
		Tuning: r.tuning, CheckpointEvery: 2 * time.Second, Fatal: fatal, Logger: logger,
	}
	if r.configure != nil {
		r.configure(&o)
	}
	if n.host, err = host.Open(o); err != nil {
		n.transport.Close()
		n.log.Close()
		n.engine.Close()
		return err
	}
	var l net.Listener
	if l, err = r.net.Listen(string(n.id) + ":7000"); err != nil {
		r.t.Fatal(err)
	}
	n.server = grpc.NewServer(transport.ServerOptions()...)
	n.transport.Register(n.server)
	n.served = make(chan error, 1)
	go func() { n.served <- n.server.Serve(l) }()
	n.running = true
	return nil
}

// engineOptions leave syncs out: kill takes what the system holds for the disk.
func (n *node) engineOptions(fatal func(error)) engine.Options {
	return engine.Options{Dir: n.dir, MemoryBudget: 32 << 20, Fatal: fatal, Sync: func(string) error { return nil }}
}

func (n *node) stop() {
	if !n.running {
		return
	}
	n.running = false
	n.dying.Store(true)
	n.transport.Close()
	n.server.Stop()
	<-n.served
	for _, c := range []interface{ Close() error }{n.host, n.log, n.engine} {
		if err := c.Close(); err != nil {
			n.region.t.Errorf("node %s: close %T: %v", n.id, c, err)
		}
	}
}

// kill ends a node as kill -9 and a loss of power do: what its disk holds at
// this moment, less a random part of what was not synced, is what it finds when
// it starts again. Nothing of its orderly end reaches that disk.
func (n *node) kill(random *rand.Rand) {
	n.region.t.Helper()
	synctest.Wait() // nothing writes while the disk is copied
	image := filepath.Join(n.region.t.TempDir(), "engine")
	if err := copyDir(image, n.dir); err != nil {
		n.region.t.Fatal(err)
	}
	fs := n.fs.Lose(random)
	n.stop()
	n.dir, n.fs = image, fs
}

// copyDir copies the files of a folder but its lock. Badger's files are huge and
// nearly empty, so holes stay holes.
func copyDir(to, from string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name() == "LOCK" {
			continue
		}
		if err := copyFile(filepath.Join(to, f.Name()), filepath.Join(from, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	buf, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); at < info.Size(); {
		const seekData = 3 // Linux: the next byte that is not in a hole
		if next, err := in.Seek(at, seekData); errors.Is(err, syscall.ENXIO) {
			break
		} else if err == nil {
			at = next
		}
		n, err := in.ReadAt(buf, at)
		if err != nil && err != io.EOF {
			return err
		}
		if !bytes.Equal(buf[:n], zeros[:n]) {
			if _, err := out.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
	}
	return out.Truncate(info.Size())
}

// others are the nodes but those given.
func (r *region) others(but ...*node) []*node {
	var rest []*node
next:
	for _, n := range r.nodes {
		for _, b := range but {
			if n == b {
				continue next
			}
		}
		rest = append(rest, n)
	}
	return rest
}

// cutOff takes a node off the network. What is on its way is lost.
func (r *region) cutOff(n *node) {
	for _, o := range r.others(n) {
		r.net.Cut(string(n.id), string(o.id))
		r.net.Reset(string(n.id), string(o.id))
	}
}

// birth is a group whose peers are on the first nodes.
func (r *region) birth(id cluster.GroupID, on int) host.Birth {
	b := host.Birth{Group: id, Table: "t"}
	for i, n := range r.nodes[:on] {
		b.Peers = append(b.Peers, cluster.PeerID{Node: n.id, Replica: uint64(i + 1)})
	}
	return b
}

func (r *region) create(b host.Birth) {
	r.t.Helper()
	for _, n := range r.nodes[:len(b.Peers)] {
		if err := n.host.Create(b); err != nil {
			r.t.Fatal(err)
		}
	}
}

// leader waits for a node that leads a group, other than those given.
func (r *region) leader(id cluster.GroupID, but ...*node) *node {
	r.t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(20 * time.Millisecond) {
		for _, n := range r.others(but...) {
			if !n.running {
				continue
			}
			if g, ok := n.host.Group(id); ok && g.IsLeader() {
				return n
			}
		}
	}
	r.t.Fatalf("group %v has no leader in a minute", id)
	return nil
}

// eventually waits until a condition holds.
func (r *region) eventually(what string, ok func() bool) {
	r.t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
	}
	r.t.Fatalf("not in a minute: %s", what)
}

func (n *node) group(id cluster.GroupID) *group.Group {
	n.region.t.Helper()
	g, ok := n.host.Group(id)
	if !ok {
		n.region.t.Fatalf("node %s has no peer of group %v", n.id, id)
	}
	return g
}

// put writes at this node, which must lead.
func (n *node) put(id cluster.GroupID, key, value string) error {
	g, ok := n.host.Group(id)
	if !ok {
		return storage.Errorf(storage.NotLeader, "no peer")
	}
	cmd := command.Command{
		Kind: command.Put, Key: []byte(key),
		Item: item.Encode(item.NewItem(item.Attribute{Name: "v", Value: item.String(value)})),
	}
	done := make(chan error, 1)
	g.Propose(cmd.Append(nil), func(result command.Result, err error) {
		if err == nil && result.Err != nil {
			err = result.Err
		}
		done <- err
	})
	return <-done
}

func (n *node) mustPut(id cluster.GroupID, key, value string) {
	n.region.t.Helper()
	if err := n.put(id, key, value); err != nil {
		n.region.t.Fatalf("node %s: put %s: %v", n.id, key, err)
	}
}

// get reads this node's own state.
func (n *node) get(id cluster.GroupID, key string) string {
	n.region.t.Helper()
	stored, err := n.group(id).Machine().Get([]byte(key))
	if err != nil {
		n.region.t.Fatal(err)
	}
	if !stored.Exists {
		return ""
	}
	it, err := stored.Item.Decode()
	if err != nil {
		n.region.t.Fatal(err)
	}
	return it.Get("v").Str()
}

func (n *node) confirm(id cluster.GroupID) error {
	done := make(chan error, 1)
	n.host.Confirm(id, func(_ *group.Group, err error) { done <- err })
	return <-done
}

// same waits until nodes have applied the same, and checks that they then hold
// the same.
func (r *region) same(id cluster.GroupID, nodes ...*node) {
	r.t.Helper()
	type state struct{ index, sum uint64 }
	states := make([]state, len(nodes))
	r.eventually("the peers have applied the same", func() bool {
		for i, n := range nodes {
			index, sum, err := n.group(id).Machine().Hash()
			if err != nil {
				r.t.Fatal(err)
			}
			states[i] = state{index, sum}
		}
		for _, s := range states {
			if s.index != states[0].index {
				return false
			}
		}
		return true
	})
	for i, s := range states {
		if s != states[0] {
			r.t.Errorf("group %v at %d: node %s differs from node %s", id, s.index, nodes[i].id, nodes[0].id)
		}
	}
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

var background = context.Background()

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func newDisk() *memfs.FS { return memfs.NewDisk() }

// offline opens a stopped node's disk without running anything on it.
func (n *node) offline(t *testing.T, f func(e *engine.Engine, l *raftlog.Log) error) {
	t.Helper()
	e, err := engine.Open(n.engineOptions(func(error) {}))
	if err != nil {
		t.Fatal(err)
	}
	l, err := raftlog.Open(raftlog.Options{Dir: "log", FS: n.fs, Sync: true, SegmentBytes: 1 << 20, Fatal: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f(e, l); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// withLog changes the log of group g1 on a stopped node's disk.
func (n *node) withLog(t *testing.T, f func(*raftlog.GroupLog) error) {
	t.Helper()
	n.offline(t, func(_ *engine.Engine, l *raftlog.Log) error {
		log, ok := l.Lookup(g1)
		if !ok {
			t.Fatal("no log")
		}
		return f(log)
	})
}

// leads returns a node that believes to lead a group now.
func (r *region) leads(id cluster.GroupID) (*node, bool) {
	for _, n := range r.nodes {
		if g, ok := n.host.Group(id); ok && g.IsLeader() {
			return n, true
		}
	}
	return nil, false
}
