package transport_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport"
)

// journal is a state machine that remembers its commands.
type journal struct {
	mu       sync.Mutex
	commands []string
}

func (j *journal) Apply(l *raft.Log) any {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.commands = append(j.commands, string(l.Data))
	return nil
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.commands...)
}

func (j *journal) Snapshot() (raft.FSMSnapshot, error) { return nil, raft.ErrNothingNewToSnapshot }
func (j *journal) Restore(io.ReadCloser) error         { panic("snapshots go out of band") }

// testPeer is one running peer of a group.
type testPeer struct {
	*raft.Raft
	journal   *journal
	transport *transport.GroupTransport
}

func peerID(n *testNode) cluster.PeerID { return cluster.PeerID{Node: n.id, Replica: 1} }

func raftConfig(id cluster.PeerID) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(id.String())
	c.HeartbeatTimeout, c.ElectionTimeout = 1500*time.Millisecond, 1500*time.Millisecond
	c.LeaderLeaseTimeout, c.CommitTimeout = time.Second, 150*time.Millisecond
	c.MaxAppendEntries = 256
	c.BatchApplyCh = true
	c.NoLegacyTelemetry = true
	c.Logger = hclog.NewNullLogger()
	return c
}

// startPeers starts one peer of a group on each node.
func startPeers(t testing.TB, group cluster.GroupID, nodes []*testNode) []*testPeer {
	t.Helper()
	var config raft.Configuration
	for _, n := range nodes {
		id := peerID(n).String()
		config.Servers = append(config.Servers, raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	var peers []*testPeer
	for _, n := range nodes {
		store, snapshots := raft.NewInmemStore(), raft.NewInmemSnapshotStore()
		c := raftConfig(peerID(n))
		p := &testPeer{journal: new(journal), transport: n.Raft(group, peerID(n))}
		if err := raft.BootstrapCluster(c, store, store, snapshots, p.transport, config); err != nil {
			t.Fatal(err)
		}
		var err error
		if p.Raft, err = raft.NewRaft(c, p.journal, store, store, snapshots, p.transport); err != nil {
			t.Fatal(err)
		}
		peers = append(peers, p)
	}
	return peers
}

func stopPeers(peers []*testPeer) {
	for _, p := range peers {
		p.Shutdown().Error()
	}
}

// leader waits for one of the peers to lead.
func leader(t testing.TB, peers []*testPeer) *testPeer {
	t.Helper()
	for range 600 {
		for _, p := range peers {
			if p.State() == raft.Leader && p.Barrier(time.Second).Error() == nil {
				return p
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("a minute without a leader")
	return nil
}

func (p *testPeer) node() string {
	id, _ := cluster.ParsePeerID(string(p.transport.LocalAddr()))
	return string(id.Node)
}

func three(c *testCluster) []*testNode {
	return []*testNode{c.add("a", handleEcho), c.add("b", handleEcho), c.add("c", handleEcho)}
}

// same fails unless all peers come to hold the commands.
func same(t *testing.T, peers []*testPeer, want []string) {
	t.Helper()
	time.Sleep(10 * time.Second)
	for _, p := range peers {
		if diff := cmp.Diff(want, p.journal.all()); diff != "" {
			t.Errorf("journal of %s (-want +got):\n%s", p.node(), diff)
		}
	}
}

func TestRaft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		for _, r := range []string{"ab", "ba", "ac", "ca", "bc", "cb"} {
			c.net.SetDelay(r[:1], r[1:], time.Millisecond, 2*time.Millisecond)
		}
		peers := startPeers(t, 7, three(c))
		defer stopPeers(peers)
		first := leader(t, peers)
		var want []string
		apply := func(p *testPeer) {
			for i := range 50 {
				s := fmt.Sprintf("%s-%d", p.node(), i)
				want = append(want, s)
				if err := p.Apply([]byte(s), 10*time.Second).Error(); err != nil {
					t.Fatal(err)
				}
			}
		}
		apply(first)
		same(t, peers, want)

		// The leader is cut off: the others elect one of them and go on.
		var rest []*testPeer
		for _, p := range peers {
			if p != first {
				rest = append(rest, p)
				c.net.Cut(first.node(), p.node())
			}
		}
		second := leader(t, rest)
		apply(second)
		same(t, rest, want)
		if first.State() == raft.Leader {
			t.Error("a leader that nobody hears still leads")
		}

		c.net.HealAll()
		time.Sleep(time.Minute)
		apply(leader(t, peers))
		same(t, peers, want)

		// All connections break in the midst of it.
		now := leader(t, peers)
		var futures []raft.ApplyFuture
		for i := range 500 {
			s := fmt.Sprint("broken-", i)
			want = append(want, s)
			futures = append(futures, now.Apply([]byte(s), 0))
			if i%100 == 50 {
				c.net.Reset("a", "b")
				c.net.Reset("b", "c")
				c.net.Reset("a", "c")
			}
		}
		for _, f := range futures {
			if err := f.Error(); err != nil {
				t.Fatal(err)
			}
		}
		same(t, peers, want)
	})
}

// A long cut and its heal leave the term alone: pre-votes are asked for.
func TestRaftPreVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		peers := startPeers(t, 7, three(c))
		defer stopPeers(peers)
		lead := leader(t, peers)
		term := lead.CurrentTerm()
		var lonely *testPeer
		for _, p := range peers {
			if p != lead {
				lonely = p
			}
		}
		for _, p := range peers {
			if p != lonely {
				c.net.Cut(lonely.node(), p.node())
			}
		}
		time.Sleep(10 * time.Minute)
		c.net.HealAll()
		time.Sleep(time.Minute)
		if got := leader(t, peers); got != lead || got.CurrentTerm() != term {
			t.Errorf("term %d at %s became term %d at %s", term, lead.node(), got.CurrentTerm(), got.node())
		}
	})
}

func TestRaftLeadershipTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		peers := startPeers(t, 7, three(c))
		defer stopPeers(peers)
		first := leader(t, peers)
		if err := first.LeadershipTransfer().Error(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if leader(t, peers) == first {
			t.Error("the leader has not changed")
		}
	})
}

// Messages are lost, doubled and overtaken, and connections break. What has been
// acknowledged stays, and all peers agree.
func TestRaftOnBadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		var mu sync.Mutex
		rng := rand.New(rand.NewPCG(3, 5))
		bad := true
		c.tap = func(transport.Message) (v transport.Verdict) {
			mu.Lock()
			defer mu.Unlock()
			if !bad {
				return v
			}
			v.Drop = rng.IntN(100) < 3
			v.Copies = max(0, rng.IntN(20)-18)
			if rng.IntN(20) == 0 {
				v.Delay = time.Duration(rng.IntN(2000)) * time.Millisecond
			}
			return v
		}
		peers := startPeers(t, 7, three(c))
		defer stopPeers(peers)
		var wg sync.WaitGroup
		acknowledged := make(map[string]bool)
		for client := range 8 {
			wg.Go(func() {
				for i := range 200 {
					s := fmt.Sprint(client, "-", i)
					p := peers[(client+i)%3]
					if p.State() == raft.Leader && p.Apply([]byte(s), time.Second).Error() == nil {
						mu.Lock()
						acknowledged[s] = true
						mu.Unlock()
					}
					time.Sleep(time.Duration(50*(client+1)) * time.Millisecond)
				}
			})
		}
		for i := range 60 {
			time.Sleep(time.Second)
			pair := []string{"ab", "bc", "ca"}[i%3]
			if i%4 == 0 {
				c.net.Reset(pair[:1], pair[1:])
			}
			if i%20 == 10 {
				c.net.Cut(pair[:1], pair[1:])
				time.Sleep(5 * time.Second)
				c.net.HealAll()
			}
		}
		wg.Wait()
		mu.Lock()
		bad = false
		mu.Unlock()
		time.Sleep(time.Minute)
		leader(t, peers)
		same(t, peers, peers[0].journal.all())
		for _, s := range peers[0].journal.all() {
			delete(acknowledged, s)
		}
		if len(acknowledged) > 0 {
			t.Errorf("%d acknowledged commands are lost", len(acknowledged))
		}
		if n := len(peers[0].journal.all()); n < 100 {
			t.Errorf("only %d commands were taken", n)
		}
	})
}

// A peer that was away gets more than fits one message, and catches up.
func TestRaftLargeEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		peers := startPeers(t, 7, three(c))
		defer stopPeers(peers)
		lead := leader(t, peers)
		away := peers[0]
		if away == lead {
			away = peers[1]
		}
		for _, p := range peers {
			if p != away {
				c.net.Cut(away.node(), p.node())
			}
		}
		var want []string
		for i := range 40 {
			s := string(bytes.Repeat([]byte{'a' + byte(i%26)}, 700<<10))
			if i == 7 {
				s += s + s + s // more than a message by itself
			}
			want = append(want, s)
			if err := lead.Apply([]byte(s), 0).Error(); err != nil {
				t.Fatal(err)
			}
		}
		c.net.HealAll()
		time.Sleep(time.Minute)
		if !equal(away.journal.all(), want) {
			t.Errorf("the peer that was away holds %d of %d commands", len(away.journal.all()), len(want))
		}
	})
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestHundredGroupsShareStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		nodes := three(c)
		for _, r := range []string{"ab", "ba", "ac", "ca", "bc", "cb"} {
			c.net.SetDelay(r[:1], r[1:], 500*time.Microsecond, 0)
		}
		var groups [][]*testPeer
		for g := range 100 {
			peers := startPeers(t, cluster.GroupID(10+g), nodes)
			defer stopPeers(peers)
			groups = append(groups, peers)
		}
		for g, peers := range groups {
			if err := leader(t, peers).Apply(fmt.Append(nil, "group ", g), 0).Error(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		for g, peers := range groups {
			for _, p := range peers {
				if diff := cmp.Diff([]string{fmt.Sprint("group ", g)}, p.journal.all()); diff != "" {
					t.Errorf("group %d on %s (-want +got):\n%s", g, p.node(), diff)
				}
			}
		}
		// At most one connection per lane and direction.
		for _, pair := range []string{"ab", "ac", "bc"} {
			if n := c.net.Conns(pair[:1], pair[1:]); n > 6 {
				t.Errorf("%d connections between %s and %s", n, pair[:1], pair[1:])
			}
		}
		// Each peer of 100 groups sends or answers a heartbeat or a commit index
		// about ten times a second; together they need fewer frames.
		before := nodes[0].Stats()
		time.Sleep(2 * time.Second)
		after := nodes[0].Stats()
		messages, frames := after.Messages-before.Messages, after.Frames-before.Frames
		t.Logf("idle: %d messages/s in %d frames/s", messages/2, frames/2)
		if messages < 100*2 || frames >= messages {
			t.Errorf("%d messages in %d frames", messages, frames)
		}
	})
}
