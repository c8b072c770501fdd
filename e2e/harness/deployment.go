package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/region/process"
)

// Regions are the names of a deployment's regions, as far as it has that many.
var Regions = []string{"us-east-1", "eu-west-1", "ap-northeast-1"}

// Options says what a Deployment is made of.
type Options struct {
	// Regions and Nodes are how many regions there are, and nodes in each. The
	// defaults are 1 and 3.
	Regions, Nodes int
	// Delay is how long bytes take from region to region, one way.
	Delay time.Duration
	// Credentials is a file of access keys. Without one everybody may call.
	Credentials string
	// Args are given to every node.
	Args []string
	// Dir makes the data directory of a node; the default is one below the
	// test's directory.
	Dir func(region, node string) string
}

func (o *Options) ensureDefaults() {
	if o.Regions == 0 {
		o.Regions = 1
	}
	if o.Nodes == 0 {
		o.Nodes = 3
	}
}

// Deployment is some regions of real nodes and the network between them.
type Deployment struct {
	t       testing.TB
	Regions []*Region
	WAN     *WAN
}

// Region is one region of a Deployment.
type Region struct {
	Name  string
	Nodes []*Node
}

// New prepares a deployment in which nothing runs yet.
func New(t testing.TB, o Options) *Deployment {
	t.Helper()
	o.ensureDefaults()
	d := &Deployment{t: t, WAN: newWAN(t, o.Delay)}
	dir, ports := Dir(t), ClaimPorts(t)
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	if o.Dir == nil {
		o.Dir = func(region, node string) string { return filepath.Join(dir, region, node) }
	}
	for _, name := range Regions[:o.Regions] {
		r := &Region{Name: name}
		for i := range o.Nodes {
			id := string(rune('a' + i))
			r.Nodes = append(r.Nodes, &Node{
				t: t, Region: name, ID: id, Dir: o.Dir(name, id), logs: logs,
				API: ports.Address(t), Operations: ports.Address(t), Peer: ports.Address(t), Gossip: ports.Address(t),
			})
		}
		d.Regions = append(d.Regions, r)
	}
	for _, r := range d.Regions {
		remotes := d.remotes(r, ports)
		for i, n := range r.Nodes {
			n.Args = append(n.arguments(r, i, o), remotes...)
		}
	}
	return d
}

// arguments is the settings of a node, without its remotes.
func (n *Node) arguments(r *Region, i int, o Options) []string {
	args := []string{
		"--node-id", n.ID, "--region", n.Region, "--zone", fmt.Sprintf("zone-%d", i+1), "--data-dir", n.Dir,
		"--api-listen", n.API, "--ops-listen", n.Operations, "--peer-listen", n.Peer, "--gossip-listen", n.Gossip,
		"--memory-mb", "256", "--expect", fmt.Sprint(o.Nodes),
		// More than the default: each node leads a part of a table.
		"--partitions", fmt.Sprint(o.Nodes),
	}
	if o.Nodes > 1 {
		var seeds []string
		for _, other := range r.Nodes {
			seeds = append(seeds, other.Gossip)
		}
		args = append(args, "--seeds", strings.Join(seeds, ","))
	}
	if o.Credentials != "" {
		args = append(args, "--credentials", o.Credentials)
	} else {
		args = append(args, "--any-credentials")
	}
	return append(args, o.Args...)
}

// remotes lays the ways from a region to the nodes of the others and says where
// they begin.
func (d *Deployment) remotes(from *Region, ports *Ports) []string {
	var args []string
	for _, to := range d.Regions {
		if to == from {
			continue
		}
		for _, n := range to.Nodes {
			at := ports.Address(d.t)
			d.WAN.lay(from.Name, to.Name, at, n.Peer)
			args = append(args, "--remotes", to.Name+"="+at)
		}
	}
	return args
}

// Start prepares a deployment and starts it: all nodes are ready when it
// returns.
func Start(t testing.TB, o Options) *Deployment {
	t.Helper()
	d := New(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	begin := time.Now()
	if err := Restart(ctx, d.Nodes()...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d nodes were ready after %v", len(d.Nodes()), time.Since(begin).Round(time.Millisecond))
	return d
}

// Nodes is the nodes of all regions.
func (d *Deployment) Nodes() []*Node {
	var all []*Node
	for _, r := range d.Regions {
		all = append(all, r.Nodes...)
	}
	return all
}

// Restart starts nodes that do not run and waits until all are ready.
func Restart(ctx context.Context, nodes ...*Node) error {
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.Start())
	}
	return errors.Join(append(errs, each(nodes, func(n *Node) error { return n.Ready(ctx) }))...)
}

// Kill kills nodes at once, as a power cut would.
func Kill(nodes ...*Node) error {
	return each(nodes, func(n *Node) error { return n.process.Kill() })
}

// each does something with all nodes side by side.
func each(nodes []*Node, do func(*Node) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { errs[i] = do(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Status is what a node of the region that runs says of it.
func (r *Region) Status(ctx context.Context) (process.Status, error) {
	err := fmt.Errorf("no node of region %s runs", r.Name)
	for _, n := range r.Nodes {
		if !n.Running() {
			continue
		}
		var s process.Status
		if s, err = n.Status(ctx); err == nil {
			return s, nil
		}
	}
	return process.Status{}, err
}

// Leader is the node that leads a table's first partition.
func (r *Region) Leader(ctx context.Context, table string) (*Node, error) {
	var leader *Node
	err := Until(ctx, "a leader of "+table+" in "+r.Name, func(ctx context.Context) (bool, error) {
		s, err := r.Status(ctx)
		if err != nil {
			return false, err
		}
		leader = r.node(leaderOf(s, table))
		return leader != nil, nil
	})
	return leader, err
}

func leaderOf(s process.Status, table string) cluster.NodeID {
	for _, t := range s.Tables {
		if t.Name == table && len(t.Partitions) > 0 {
			return t.Partitions[0].Leader
		}
	}
	return ""
}

func (r *Region) node(id cluster.NodeID) *Node {
	i := slices.IndexFunc(r.Nodes, func(n *Node) bool { return n.ID == string(id) })
	if i < 0 {
		return nil
	}
	return r.Nodes[i]
}
