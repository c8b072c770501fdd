package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/cmd/tour"
	"github.com/roundtabledb/roundtable/region/process"
)

// demo is three regions in one process.
type demo struct {
	once     bool
	port     int
	wanDelay time.Duration
	data     string
	logLevel string

	logger *slog.Logger
	wan    *wan
	failed chan error
	fronts []*front

	mu    sync.Mutex
	nodes map[place]*process.Process
}

// place is a region and a node by number.
type place struct{ region, node int }

var _ tour.Environment = (*demo)(nil)

// start starts all nodes of all regions.
func (d *demo) start(ctx context.Context) error {
	if err := d.clear(); err != nil {
		return err
	}
	d.wan = newWAN(d.wanDelay)
	d.failed = make(chan error, 1)
	d.nodes = map[place]*process.Process{}
	for i := range demoRegions {
		f, err := newFront(fmt.Sprintf("127.0.0.1:%d", d.port+i))
		if err != nil {
			return fmt.Errorf("%w: choose another --port", err)
		}
		d.fronts = append(d.fronts, f)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	errs := make(chan error, len(demoRegions)*demoNodes)
	for r := range demoRegions {
		for n := range demoNodes {
			go func() { errs <- d.startNode(ctx, place{r, n}) }()
		}
	}
	var all []error
	for range cap(errs) {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// clear removes what an earlier demo left, and nothing else.
func (d *demo) clear() error {
	marker := filepath.Join(d.data, "demo")
	if _, err := os.Stat(d.data); err == nil {
		if _, err := os.Stat(marker); err != nil {
			return fmt.Errorf("%s exists and is not a demo's: choose another --data", d.data)
		}
		if err := os.RemoveAll(d.data); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(d.data, 0o755); err != nil {
		return err
	}
	return os.WriteFile(marker, []byte("A demo of Roundtable may remove this directory.\n"), 0o644)
}

// The ports of a node follow from those of the regions' endpoints.
func (d *demo) peerAddress(p place) string {
	return fmt.Sprintf("127.0.0.1:%d", d.port+100+10*p.region+p.node)
}

func (d *demo) gossipAddress(p place) string {
	return fmt.Sprintf("127.0.0.1:%d", d.port+200+10*p.region+p.node)
}

// startNode starts a node and returns when it is ready.
func (d *demo) startNode(ctx context.Context, at place) error {
	listener, err := net.Listen("tcp", d.peerAddress(at))
	if err != nil {
		return fmt.Errorf("%w: choose another --port", err)
	}
	region := demoRegions[at.region]
	api := d.fronts[at.region].backend()
	c := process.Config{
		Remotes: map[string][]string{},
		DialRemote: func(ctx context.Context, to, address string) (net.Conn, error) {
			return d.wan.dial(ctx, region, to, address)
		},
		API:             api,
		OperationsOnAPI: true,
		Logger:          d.logger,
		Node: node.Config{
			ID:     cluster.NodeID(fmt.Sprintf("%s-%c", region, 'a'+at.node)),
			Region: region,
			Zone:   fmt.Sprintf("%s-zone-%d", region, at.node+1),
			Dir:    filepath.Join(d.data, region, string(rune('a'+at.node))),
			// Nine nodes share this machine's memory.
			MemoryBudget: 48 << 20,
			Listener:     listener,
			Expect:       demoNodes,
			Gossip:       &node.Gossip{Bind: d.gossipAddress(at), Advertise: d.gossipAddress(at)},
			Fatal:        d.fail,
		},
	}
	for n := range demoNodes {
		c.Node.Gossip.Seeds = append(c.Node.Gossip.Seeds, d.gossipAddress(place{at.region, n}))
	}
	for r, name := range demoRegions {
		for n := range demoNodes {
			if r != at.region {
				c.Remotes[name] = append(c.Remotes[name], d.peerAddress(place{r, n}))
			}
		}
	}
	p, err := process.New(c)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.nodes[at] = p
	d.mu.Unlock()
	if err := p.Start(ctx); err != nil {
		return fmt.Errorf("start node %s: %w", c.Node.ID, err)
	}
	d.fronts[at.region].admit(at.node, api)
	return nil
}

func (d *demo) fail(err error) {
	select {
	case d.failed <- err:
	default:
	}
}

// victim is the node that the tour stops: the last of the region.
func victim(region string) (place, error) {
	i := slices.Index(demoRegions, region)
	if i < 0 {
		return place{}, fmt.Errorf("there is no region %s", region)
	}
	return place{i, demoNodes - 1}, nil
}

// StopNode closes a node without a word to the others.
func (d *demo) StopNode(_ context.Context, region string) error {
	at, err := victim(region)
	if err != nil {
		return err
	}
	d.mu.Lock()
	p := d.nodes[at]
	delete(d.nodes, at)
	d.mu.Unlock()
	d.fronts[at.region].dismiss(at.node)
	return p.Close()
}

// StartNode starts it again.
func (d *demo) StartNode(ctx context.Context, region string) error {
	at, err := victim(region)
	if err != nil {
		return err
	}
	return d.startNode(ctx, at)
}

// Cut breaks the region's connections to others, Heal allows them again.
func (d *demo) Cut(_ context.Context, region string) error {
	d.wan.cut(region)
	return nil
}

// Heal connects a region again.
func (d *demo) Heal(_ context.Context, region string) error {
	d.wan.heal(region)
	return nil
}

// close stops everything.
func (d *demo) close() error {
	d.mu.Lock()
	nodes := d.nodes
	d.nodes = nil
	d.mu.Unlock()
	var mu sync.Mutex
	var all []error
	var wg sync.WaitGroup
	for _, p := range nodes {
		wg.Go(func() {
			err := p.Close()
			mu.Lock()
			defer mu.Unlock()
			all = append(all, err)
		})
	}
	wg.Wait()
	for _, f := range d.fronts {
		f.close()
	}
	return errors.Join(all...)
}
