package main

import (
	"context"
	"fmt"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench"
	"github.com/roundtabledb/roundtable/e2e/bench/judge"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
)

// Goal 1: a region of three nodes, a table with the default partitions, PutItem
// of 256 bytes with signatures verified, 64 and 256 clients spread over the
// nodes: twice as many as etcd puts, p99 no worse, at most half of etcd's
// processor time each; at least as many as dynalite keeps in memory; one client
// alone waits at most six fdatasyncs.

// puts is what is measured beside puts, as far as it is there.
type puts struct {
	region   endpoints
	etcd     *peer.Etcd
	redis    *peer.Redis
	dynalite *peer.Dynalite
	raft     *peer.Raft
	append   *peer.Append
	badger   *peer.Badger

	noEtcd, noRedis, noDynalite error
}

func durationOfPuts(l *lab) time.Duration {
	return 15*time.Second + l.durationOf(12) + time.Duration(l.rounds)*time.Duration(l.keys)*200*time.Microsecond
}

func measurePuts(ctx context.Context, l *lab) error {
	var p puts
	if err := p.start(ctx, l); err != nil {
		return err
	}
	all, err := p.measurements(ctx, l)
	if err != nil {
		return err
	}
	taken, err := l.inRounds(ctx, all)
	if err != nil {
		return err
	}
	for _, clients := range putClients {
		p.judgeEtcd(l, taken, clients)
	}
	p.judgeOthers(l, taken)
	return nil
}

// putClients are how many clients put at once.
var putClients = []int{64, 256}

func (p *puts) start(ctx context.Context, l *lab) error {
	r, err := l.region(ctx, 3)
	if err != nil {
		return err
	}
	p.region = endpointsOf(r)
	if err := p.region.createTable(ctx, table, hashed); err != nil {
		return err
	}
	if p.etcd, p.noEtcd, err = peerOf(l, "etcd", func(dir string) (*peer.Etcd, error) { return peer.StartEtcd(ctx, dir, l.keys) }); err != nil {
		return err
	}
	if p.redis, p.noRedis, err = peerOf(l, "Redis", func(dir string) (*peer.Redis, error) { return peer.StartRedis(ctx, dir, l.keys) }); err != nil {
		return err
	}
	if p.dynalite, p.noDynalite, err = l.dynalite(ctx, false); err != nil {
		return err
	}
	if p.raft, _, err = peerOf(l, "hashicorp/raft", func(dir string) (*peer.Raft, error) { return peer.StartRaft(ctx, dir, l.keys) }); err != nil {
		return err
	}
	if p.badger, _, err = peerOf(l, "Badger", func(dir string) (*peer.Badger, error) { return peer.OpenBadger(dir, l.keys, true) }); err != nil {
		return err
	}
	p.append, _, err = peerOf(l, "append+fdatasync", peer.OpenAppend)
	return err
}

// The names of what is measured beside puts.
const (
	syncName   = "fdatasync of 4 KiB"
	appendName = "append+fdatasync, 64 items at once"
	badgerName = "Badger alone, SyncWrites"
	raftName   = "hashicorp/raft alone"
	redisName  = "Redis, appendfsync always"
)

func etcdPut(where string, clients int) string {
	return fmt.Sprintf("etcd put, %s, %d clients", where, clients)
}

// etcdPlaces are where clients of etcd connect. It is measured at both, and
// compared with at the better one.
var etcdPlaces = []string{"all nodes", "leader"}

// measurements alternates between Roundtable and its main peer as far as it can.
func (p *puts) measurements(ctx context.Context, l *lab) ([]measurement, error) {
	all := []measurement{{[]string{syncName}, func(context.Context) ([]load.Sample, error) {
		took, err := bench.SyncTime(l.dir)
		return []load.Sample{{P50: took.Seconds() * 1e3}}, err
	}}}
	all = append(all, l.requests(p.region, []string{"put"}, append([]int{1}, putClients...)...))
	if p.etcd != nil {
		for i, place := range etcdPlaces {
			open, err := p.etcd.Put(ctx, i == 1)
			if err != nil {
				return nil, err
			}
			for _, clients := range putClients {
				all = append(all, l.one(etcdPut(place, clients), clients, processorOf(p.etcd.Processes()), open))
			}
		}
	}
	if p.dynalite != nil {
		d := endpoints{dynaliteName, []string{p.dynalite.Endpoint}, p.region.region, p.dynalite.Processes()}
		if err := d.createTable(ctx, table, hashed); err != nil {
			return nil, err
		}
		all = append(all, l.requests(d, []string{"put"}, putClients[0]))
	}
	if p.redis != nil {
		all = append(all, l.one(redisName, putClients[0], processorOf(p.redis.Processes()), p.redis.Set))
	}
	return append(all,
		l.one(raftName, putClients[0], load.Options{}, p.raft.Apply),
		l.one(badgerName, putClients[0], load.Options{}, p.badger.Put),
		l.one(appendName, 1, load.Options{Weight: 64}, p.append.Batches(64)),
	), nil
}

// judgeEtcd compares with etcd where it was faster.
func (p *puts) judgeEtcd(l *lab, taken map[string]series, clients int) {
	ours := taken[nameOf(p.region, "put", clients)]
	place := etcdPlaces[0]
	if judge.Median(taken[etcdPut(etcdPlaces[1], clients)].perSecond()) > judge.Median(taken[etcdPut(place, clients)].perSecond()) {
		place = etcdPlaces[1]
	}
	theirs, name := taken[etcdPut(place, clients)], "etcd, clients at "+place
	what := fmt.Sprintf("PutItem, %d clients", clients)
	l.beside(what, "op/s", ours, name, theirs, p.noEtcd, series.perSecond, judge.AtLeast(2))
	l.beside(what+": p99", "ms", ours, name, theirs, p.noEtcd, series.p99, judge.AtMost(1))
	l.beside(what+": server CPU", "µs", ours, name, theirs, p.noEtcd, series.serverCPU, judge.AtMost(0.5))
}

func (p *puts) judgeOthers(l *lab, taken map[string]series) {
	few := putClients[0]
	ours := taken[nameOf(p.region, "put", few)]
	what := fmt.Sprintf("PutItem, %d clients", few)
	dynalite := taken[nameOf(endpoints{name: dynaliteName}, "put", few)]
	l.beside(what, "op/s", ours, dynaliteName, dynalite, p.noDynalite, series.perSecond, judge.AtLeast(1))
	l.beside("PutItem, one client: p50", "ms", taken[nameOf(p.region, "put", 1)], syncName, taken[syncName], nil, series.p50, judge.AtMost(6))
	for _, name := range []string{redisName, raftName, badgerName, appendName} {
		var missing error
		if name == redisName {
			missing = p.noRedis
		}
		l.beside(what, "op/s", ours, name, taken[name], missing, series.perSecond, judge.Target{})
	}
}
