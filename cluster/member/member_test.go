package member_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/member"
	"github.com/roundtabledb/roundtable/cluster/member/memnet"
)

// pool is a set of nodes on a network whose paths can be cut. Node n1 gossips
// on 10.0.0.1.
type pool struct {
	t   *testing.T
	net *memnet.Network

	mu  sync.Mutex
	cut map[[2]string]bool
}

func newPool(t *testing.T) *pool {
	p := &pool{t: t, cut: make(map[[2]string]bool)}
	p.net = memnet.New(func(from, to string) (time.Duration, bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return time.Millisecond, !p.cut[[2]string{from, to}]
	})
	return p
}

func (p *pool) setCut(a, b int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut[[2]string{host(a), host(b)}], p.cut[[2]string{host(b), host(a)}] = cut, cut
}

// bubble runs a test in virtual time and lets memberlist end before it ends.
func bubble(t *testing.T, test func(*testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(member.Linger)
		test(t)
	})
}

func host(n int) string { return fmt.Sprintf("n%d", n) }
func addr(n int) string { return fmt.Sprintf("10.0.0.%d:7946", n) }

func meta(n int, boot uint64) member.Meta {
	return member.Meta{
		NodeID: cluster.NodeID(host(n)), Region: "home", Zone: "z", Store: "store", PeerAddr: fmt.Sprintf("n%d.boot%d:7000", n, boot), Boot: boot,
	}
}

// start starts node n on the address of node at.
func (p *pool) start(n, at int, boot uint64, options func(*member.Options)) *member.Members {
	p.t.Helper()
	transport, err := p.net.Attach(host(n), addr(at))
	if err != nil {
		p.t.Fatal(err)
	}
	o := member.Options{Self: meta(n, boot), Seeds: []string{addr(1)}, Transport: transport}
	if options != nil {
		options(&o)
	}
	m, err := member.Start(o)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

func names(m *member.Members) (ids []cluster.NodeID) {
	for _, n := range m.Nodes() {
		ids = append(ids, n.NodeID)
	}
	return ids
}

func expect(t *testing.T, what string, m *member.Members, want ...cluster.NodeID) {
	t.Helper()
	if diff := cmp.Diff(want, names(m)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestPoolForms(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t)
		// The seed is the last to start.
		two, three := p.start(2, 2, 1, nil), p.start(3, 3, 1, nil)
		defer two.Close()
		defer three.Close()
		time.Sleep(10 * time.Second)
		expect(t, "without the seed", two, "n2")
		one := p.start(1, 1, 1, nil)
		defer one.Close()
		time.Sleep(time.Minute)
		for _, m := range []*member.Members{one, two, three} {
			expect(t, "after a minute", m, "n1", "n2", "n3")
		}
		if diff := cmp.Diff([]member.Meta{meta(1, 1), meta(2, 1), meta(3, 1)}, one.Nodes()); diff != "" {
			t.Errorf("announcements (-want +got):\n%s", diff)
		}
	})
}

func TestRestartElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t)
		one, two := p.start(1, 1, 1, nil), p.start(2, 2, 1, nil)
		defer one.Close()
		time.Sleep(time.Minute)
		expect(t, "before", one, "n1", "n2")
		// It crashes and comes back at once, with another address, as a container
		// does. The old incarnation is still believed alive.
		two.Close()
		two = p.start(2, 9, 2, nil)
		defer two.Close()
		time.Sleep(3 * time.Second)
		expect(t, "soon after", one, "n1", "n2")
		if got, _ := one.Address("n2"); got != "n2.boot2:7000" {
			t.Errorf("address of n2 is %q", got)
		}
		time.Sleep(5 * time.Minute)
		expect(t, "long after", one, "n1", "n2")
		expect(t, "on the other", two, "n1", "n2")
		if got, _ := one.Address("n2"); got != "n2.boot2:7000" {
			t.Errorf("address of n2 is %q", got)
		}
	})
}

func TestPartitionHeals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t)
		var nodes []*member.Members
		for n := 1; n <= 4; n++ {
			m := p.start(n, n, 1, nil)
			defer m.Close()
			nodes = append(nodes, m)
		}
		time.Sleep(time.Minute)
		split := func(cut bool) {
			for _, a := range []int{1, 2} {
				for _, b := range []int{3, 4} {
					p.setCut(a, b, cut)
				}
			}
		}
		// Long enough for the dead to be forgotten.
		split(true)
		time.Sleep(10 * time.Minute)
		expect(t, "in one half", nodes[0], "n1", "n2")
		expect(t, "in the other half", nodes[3], "n3", "n4")
		if _, ok := nodes[3].Address("n1"); !ok {
			t.Error("the address of a lost node is forgotten")
		}
		split(false)
		time.Sleep(5 * time.Minute)
		for i, m := range nodes {
			expect(t, fmt.Sprintf("healed, on n%d", i+1), m, "n1", "n2", "n3", "n4")
		}
	})
}

// The seed is gone for good, and the rest must find together without it.
func TestPartitionHealsWithoutSeed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t)
		one, two, three := p.start(1, 1, 1, nil), p.start(2, 2, 1, nil), p.start(3, 3, 1, nil)
		defer two.Close()
		defer three.Close()
		time.Sleep(time.Minute)
		one.Close()
		p.setCut(2, 3, true)
		time.Sleep(10 * time.Minute)
		expect(t, "apart", two, "n2")
		p.setCut(2, 3, false)
		time.Sleep(5 * time.Minute)
		expect(t, "healed", two, "n2", "n3")
		expect(t, "healed", three, "n2", "n3")
	})
}

func TestLeave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t)
		changes := make(chan struct{}, 100)
		one := p.start(1, 1, 1, func(o *member.Options) { o.OnChange = func() { changes <- struct{}{} } })
		defer one.Close()
		two := p.start(2, 2, 1, nil)
		time.Sleep(time.Minute)
		expect(t, "before", one, "n1", "n2")
		if len(changes) == 0 {
			t.Error("nothing was told of the changes")
		}
		for len(changes) > 0 {
			<-changes
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := two.Leave(ctx); err != nil {
			t.Error(err)
		}
		two.Close()
		time.Sleep(time.Second)
		// A crash would take longer to be noticed.
		expect(t, "after", one, "n1")
		if len(changes) == 0 {
			t.Error("nothing was told of the leave")
		}
	})
}

// The nodes of a region that is switched off leave together. The last one finds
// nobody who would hear it.
func TestLeaveTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t)
		var all []*member.Members
		for n := 1; n <= 3; n++ {
			all = append(all, p.start(n, n, 1, nil))
		}
		time.Sleep(time.Minute)
		var leaving sync.WaitGroup
		for _, m := range all {
			leaving.Go(func() {
				defer m.Close()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				begin := time.Now()
				err := m.Leave(ctx)
				if took := time.Since(begin); took > 3*time.Second {
					t.Errorf("leaving took %s (%v): a node must not hold its end up for that", took, err)
				}
			})
		}
		leaving.Wait()
	})
}

func TestAnnounce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t)
		one, two := p.start(1, 1, 1, nil), p.start(2, 2, 1, nil)
		defer one.Close()
		defer two.Close()
		time.Sleep(time.Minute)
		want := []cluster.PeerID{{Node: "n1", Replica: 1}, {Node: "n2", Replica: 7}}
		if err := two.Announce(want); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		for _, m := range []*member.Members{one, two} {
			if diff := cmp.Diff(want, m.Nodes()[1].Catalog); diff != "" {
				t.Errorf("catalog of n2 (-want +got):\n%s", diff)
			}
		}
		if err := two.Announce(make([]cluster.PeerID, 1000)); err == nil {
			t.Error("an announcement that fits no packet was taken")
		}
	})
}

func TestLabelsKeepPoolsApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t)
		one := p.start(1, 1, 1, nil)
		defer one.Close()
		two := p.start(2, 2, 1, func(o *member.Options) { o.Self.Region = "away" })
		defer two.Close()
		time.Sleep(5 * time.Minute)
		expect(t, "at home", one, "n1")
		expect(t, "away", two, "n2")
	})
}

func TestEncryptedPool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPool(t)
		key := func(o *member.Options) { o.SecretKey = []byte("0123456789abcdef") }
		one, two, three := p.start(1, 1, 1, key), p.start(2, 2, 1, key), p.start(3, 3, 1, nil)
		defer one.Close()
		defer two.Close()
		defer three.Close()
		time.Sleep(5 * time.Minute)
		expect(t, "with the key", one, "n1", "n2")
		expect(t, "without", three, "n3")
	})
}
