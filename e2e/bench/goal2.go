package main

import (
	"context"
	"fmt"
	"time"

	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
)

// Goal 2: strong GetItem twice etcd's linearizable range, with clients at all
// nodes in both; eventual GetItem at nodes that hold the item 0.6 of what
// net/http and JSON alone do, and above etcd's serializable range.

// readClients are how many clients read at once.
func (l *lab) readClients() []int {
	if l.settings.quick {
		return []int{64}
	}
	return []int{64, 256}
}

const echoName = "net/http JSON echo"

func durationOfReads(l *lab) time.Duration {
	return 10*time.Second + l.durationOf(5*len(l.readClients())) + time.Duration(l.rounds)*time.Duration(l.keys)*250*time.Microsecond
}

func measureReads(ctx context.Context, l *lab) error {
	region, err := l.region(ctx, 3) // with three nodes, each holds every item
	if err != nil {
		return err
	}
	ours := endpointsOf(region)
	if err := ours.createTable(ctx, table, hashed); err != nil {
		return err
	}
	etcd, noEtcd, err := peerOf(l, "etcd", func(dir string) (*peer.Etcd, error) { return peer.StartEtcd(ctx, dir, l.keys) })
	if err != nil {
		return err
	}
	echo, err := l.echo(ctx)
	if err != nil {
		return err
	}
	clients := l.readClients()
	all := []measurement{l.requests(ours, []string{"get-strong", "get-eventual"}, clients...)}
	if etcd != nil {
		if err := etcd.Load(ctx); err != nil {
			return fmt.Errorf("etcd: %w", err)
		}
		for _, c := range clients {
			all = append(all,
				l.one(etcdRange("linearizable", c), c, processorOf(etcd.Processes()), etcd.Range(false)),
				l.one(etcdRange("serializable", c), c, processorOf(etcd.Processes()), etcd.Range(true)))
		}
	}
	all = append(all, l.requests(echo, []string{"get-eventual"}, clients...))
	taken, err := l.inRounds(ctx, all)
	if err != nil {
		return err
	}
	for _, c := range clients {
		strong, eventual := taken[nameOf(ours, "get-strong", c)], taken[nameOf(ours, "get-eventual", c)]
		what := fmt.Sprintf("GetItem, strong, %d clients", c)
		l.beside(what, "op/s", strong, "etcd, linearizable range", taken[etcdRange("linearizable", c)], noEtcd, series.perSecond, judge.AtLeast(2))
		what = fmt.Sprintf("GetItem, eventual, %d clients", c)
		l.beside(what, "op/s", eventual, echoName, taken[nameOf(echo, "get-eventual", c)], nil, series.perSecond, judge.AtLeast(0.6))
		l.beside(what, "op/s", eventual, "etcd, serializable range", taken[etcdRange("serializable", c)], noEtcd, series.perSecond, judge.Above(1))
	}
	return nil
}

func etcdRange(kind string, clients int) string {
	return fmt.Sprintf("etcd %s range, %d clients", kind, clients)
}

// echo starts the server that only does HTTP and JSON.
func (l *lab) echo(ctx context.Context) (endpoints, error) {
	e, _, err := peerOf(l, echoName, func(dir string) (*peer.Echo, error) { return peer.StartEcho(ctx, l.self, dir) })
	if err != nil {
		return endpoints{}, err
	}
	return endpoints{echoName, []string{e.Endpoint}, "local-1", e.Processes()}, nil
}
