package node_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
)

// leaders says for each partition of a table who leads it, as all nodes that
// run agree.
func (r *region) leaders(table string) map[cluster.GroupID]cluster.NodeID {
	r.t.Helper()
	leaders := map[cluster.GroupID]cluster.NodeID{}
	for id, n := range r.nodes {
		t, ok := n.Router().Table(table)
		if !ok {
			r.t.Fatalf("node %s does not know table %s", id, table)
		}
		for _, p := range t.Partitions {
			g, ok := n.Host().Group(p.Group)
			if !ok {
				r.t.Fatalf("node %s has no peer of group %v", id, p.Group)
			}
			leader, _ := g.Leader()
			if before, ok := leaders[p.Group]; ok && before != leader.Node {
				r.t.Fatalf("group %v is led by %s or %s", p.Group, before, leader.Node)
			}
			leaders[p.Group] = leader.Node
		}
	}
	return leaders
}

// busy does something with one item after the other, every so often.
func busy(lasts, every time.Duration, do func(id string)) {
	for i := range int(lasts / every) {
		do(fmt.Sprint(i % items))
		time.Sleep(every)
	}
}

// items is how many items the tests of leaders have, enough for some in each
// partition. few is how many requests for them a leader takes notice of.
const (
	items = 30
	few   = 2
)

func TestLeadersFollowTheirClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.leading.Few = few
		r.start(3, "a", "b", "c")
		r.table("b", "orders")
		write := func(at cluster.NodeID) {
			busy(10*time.Second, 100*time.Millisecond, func(id string) { r.put(at, "orders", id, string(at)) })
		}
		read := func(at cluster.NodeID) {
			busy(10*time.Second, 100*time.Millisecond, func(id string) { r.get(at, "orders", id) })
		}
		for _, phase := range []struct {
			name   string
			client func(at cluster.NodeID)
			at     cluster.NodeID
		}{{"writes", write, "c"}, {"reads", read, "a"}, {"writes", write, "b"}} {
			phase.client(phase.at)
			for group, leader := range r.leaders("orders") {
				if leader != phase.at {
					t.Errorf("%s at %s: group %v is led by %s", phase.name, phase.at, group, leader)
				}
			}
		}
		// One in eight elsewhere is no reason to leave.
		terms := map[cluster.GroupID]uint64{}
		for _, g := range r.nodes["b"].Host().Groups() {
			terms[g.ID()] = g.Term()
		}
		at := 0
		busy(10*time.Second, 30*time.Millisecond, func(id string) {
			if at++; at%8 == 0 {
				r.put("a", "orders", id, "b")
			} else {
				r.put("b", "orders", id, "b")
			}
		})
		for _, g := range r.nodes["b"].Host().Groups() {
			if g.Term() != terms[g.ID()] {
				t.Errorf("group %v has moved, though nearly all its clients are at b", g.ID())
			}
		}
		for i := range items {
			if v := r.get("a", "orders", fmt.Sprint(i)); v != "b" {
				t.Errorf("item %d is %q", i, v)
			}
		}
	})
}

func TestLeadersGoHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.start(3, "a", "b", "c")
		r.table("b", "orders")
		table, _ := r.nodes["a"].Router().Table("orders")
		homes := map[cluster.GroupID]cluster.NodeID{}
		for _, p := range table.Partitions {
			homes[p.Group] = p.Home()
		}
		r.stop("b")
		time.Sleep(10 * time.Second)
		for group, leader := range r.leaders("orders") {
			if leader == "" || leader == "b" {
				t.Errorf("group %v is led by %q while b is down", group, leader)
			}
		}
		r.start(3, "b")
		time.Sleep(30 * time.Second)
		for group, leader := range r.leaders("orders") {
			if leader == "b" {
				t.Errorf("b leads group %v again, too soon", group)
			}
		}
		time.Sleep(40 * time.Second)
		for group, leader := range r.leaders("orders") {
			if leader != homes[group] {
				t.Errorf("group %v is led by %s, its home is %s", group, leader, homes[group])
			}
		}
		r.put("a", "orders", "1", "after")
		if v := r.get("b", "orders", "1"); v != "after" {
			t.Errorf("%q", v)
		}
	})
}

// A node that goes away hands leadership over, and is not given any back for
// the clients that it still serves.
func TestDrainedNodeGetsNoLeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		defer r.stopAll()
		r.leading.Few = few
		r.start(3, "a", "b", "c")
		r.table("b", "orders")
		c := r.nodes["c"]
		if err := c.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		busy(20*time.Second, 100*time.Millisecond, func(id string) { r.put("c", "orders", id, "late") })
		for group, leader := range r.leaders("orders") {
			if leader == "c" {
				t.Errorf("group %v is led by the node that goes away", group)
			}
		}
	})
}

func TestHomeOfAPartition(t *testing.T) {
	peers := []cluster.PeerID{{Node: "b", Replica: 4}, {Node: "a", Replica: 2}}
	if home := (&catalog.Partition{Peers: peers}).Home(); home != "b" {
		t.Errorf("home %q", home)
	}
	if home := (&catalog.Partition{}).Home(); home != "" {
		t.Errorf("home without peers %q", home)
	}
}
