package placement

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster"
)

func TestPeersSpreadOverZonesThenLoad(t *testing.T) {
	nodes := []Node{
		{ID: "a", Zone: "z1", Load: 0},
		{ID: "b", Zone: "z1", Load: 1},
		{ID: "c", Zone: "z2", Load: 9},
		{ID: "d", Zone: "z3", Load: 2},
		{ID: "e", Zone: "z3", Load: 3},
	}
	got := Peers(nodes)
	if diff := cmp.Diff([]cluster.NodeID{"a", "d", "c"}, got); diff != "" {
		t.Errorf("Peers (-want +got):\n%s", diff)
	}
	if nodes[0].Load != 1 || nodes[3].Load != 3 || nodes[2].Load != 10 {
		t.Errorf("loads were not raised: %v", nodes)
	}
}

func TestPeersRotateTheFirst(t *testing.T) {
	nodes := []Node{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}}
	seen := map[cluster.NodeID]int{}
	for range 8 {
		for _, id := range Peers(nodes) {
			seen[id]++
		}
	}
	want := map[cluster.NodeID]int{"a": 6, "b": 6, "c": 6, "d": 6}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("peers per node (-want +got):\n%s", diff)
	}
}

// Where every node has a peer of every group, the load is the same everywhere,
// and it is leading that has to be spread.
func TestFirstLeadsLeast(t *testing.T) {
	nodes := []Node{{ID: "a"}, {ID: "b", Leads: 1}, {ID: "c"}}
	leads := map[cluster.NodeID]int{}
	for range 8 {
		picked := Peers(nodes)
		if len(picked) != 3 {
			t.Fatalf("%v", picked)
		}
		leads[picked[0]]++
	}
	if diff := cmp.Diff(map[cluster.NodeID]int{"a": 3, "b": 2, "c": 3}, leads); diff != "" {
		t.Errorf("first of groups (-want +got):\n%s", diff)
	}
}

func TestPartitionsReachEveryNode(t *testing.T) {
	for nodes := 1; nodes <= 20; nodes++ {
		list := make([]Node, nodes)
		for i := range list {
			list[i].ID = cluster.NodeID(rune('a' + i))
		}
		n := Partitions(nodes)
		for range n {
			Peers(list)
		}
		for _, node := range list {
			if node.Load == 0 {
				t.Errorf("%d partitions on %d nodes leave %s without a peer", n, nodes, node.ID)
			}
		}
		if n > 1 && Replication*(n-1) >= nodes {
			t.Errorf("%d partitions on %d nodes are more than it takes", n, nodes)
		}
	}
}

func TestAddition(t *testing.T) {
	nodes := []Node{{ID: "a", Zone: "z1"}, {ID: "b", Zone: "z1"}, {ID: "c", Zone: "z2", Load: 5}}
	if got, ok := Addition(nodes, []cluster.NodeID{"a"}); !ok || got != "c" {
		t.Errorf("Addition = %q, %v; want the other zone, c", got, ok)
	}
	if got, ok := Addition(nodes, []cluster.NodeID{"a", "b", "c"}); ok {
		t.Errorf("Addition found %q where every node has a peer", got)
	}
}

func TestRangesCoverEveryKeyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		key := rapid.SliceOfN(rapid.Byte(), 8, 40).Draw(t, "key")
		ranges := Ranges(n)
		if len(ranges[0].Lo) != 0 || len(ranges[n-1].Hi) != 0 {
			t.Fatalf("the outer ends are not open: %v", ranges)
		}
		holders := 0
		for _, r := range ranges {
			if bytes.Compare(key, r.Lo) >= 0 && (len(r.Hi) == 0 || bytes.Compare(key, r.Hi) < 0) {
				holders++
			}
		}
		if holders != 1 {
			t.Fatalf("key %x is in %d of %d ranges", key, holders, n)
		}
	})
}
