package host_test

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/host"
	"github.com/roundtabledb/roundtable/cluster/raftlog"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/item"
)

// benchNodes are three nodes in this process that meet over TCP, with real
// disks and real time.
func benchNodes(b *testing.B) []*host.Host {
	b.Helper()
	var listeners []net.Listener
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		listeners = append(listeners, l)
	}
	resolve := func(id cluster.NodeID) (string, bool) { return listeners[id[1]-'1'].Addr().String(), true }
	fatal := func(err error) { b.Error(err) }
	var hosts []*host.Host
	for i, l := range listeners {
		id := cluster.NodeID(fmt.Sprintf("n%d", i+1))
		e, err := engine.Open(engine.Options{Dir: b.TempDir(), Fatal: fatal})
		if err != nil {
			b.Fatal(err)
		}
		log, err := raftlog.Open(raftlog.Options{Dir: b.TempDir(), Sync: true, Fatal: fatal})
		if err != nil {
			b.Fatal(err)
		}
		t := transport.New(transport.Options{Self: id, Resolve: resolve})
		h, err := host.Open(host.Options{Node: id, Region: "here", Engine: e, Log: log, Transport: t, Fatal: fatal})
		if err != nil {
			b.Fatal(err)
		}
		server := grpc.NewServer(transport.ServerOptions()...)
		t.Register(server)
		go server.Serve(l)
		b.Cleanup(func() {
			t.Close()
			server.Stop()
			h.Close()
			log.Close()
			e.Close()
		})
		hosts = append(hosts, h)
	}
	return hosts
}

// led returns the host that leads a group that it makes.
func led(b *testing.B, hosts []*host.Host, id cluster.GroupID) *host.Host {
	b.Helper()
	birth := host.Birth{Group: id, Table: "t"}
	for i := range hosts {
		birth.Peers = append(birth.Peers, cluster.PeerID{Node: cluster.NodeID(fmt.Sprintf("n%d", i+1)), Replica: uint64(i + 1)})
	}
	elected := make(chan *host.Host, 1)
	for _, h := range hosts {
		h.OnLeader(func(group cluster.GroupID, leading bool, _ uint64) {
			if group == id && leading {
				select {
				case elected <- h:
				default: // nobody waits any more
				}
			}
		})
		if err := h.Create(birth); err != nil {
			b.Fatal(err)
		}
	}
	return <-elected
}

// inTurns keeps a number of operations under way until b.N have ended.
func inTurns(b *testing.B, clients int, operate func(i int, done func(error))) {
	var wg sync.WaitGroup
	tickets := make(chan int, b.N)
	for i := range b.N {
		tickets <- i
	}
	close(tickets)
	b.ResetTimer()
	for range clients {
		wg.Go(func() {
			ended := make(chan error, 1)
			for i := range tickets {
				operate(i, func(err error) { ended <- err })
				if err := <-ended; err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkPut(b *testing.B) {
	for _, clients := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			hosts := benchNodes(b)
			h := led(b, hosts, g1)
			g, _ := h.Group(g1)
			it := item.Encode(item.NewItem(item.Attribute{Name: "v", Value: item.String(string(make([]byte, 256)))}))
			b.ReportAllocs()
			inTurns(b, clients, func(i int, done func(error)) {
				cmd := command.Command{Kind: command.Put, Key: fmt.Appendf(nil, "key%09d", i), Item: it}
				g.Propose(cmd.Append(nil), func(_ command.Result, err error) { done(err) })
			})
		})
	}
}

func BenchmarkConfirm(b *testing.B) {
	for _, clients := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			hosts := benchNodes(b)
			h := led(b, hosts, g1)
			b.ReportAllocs()
			inTurns(b, clients, func(_ int, done func(error)) { h.Confirm(g1, func(_ *group.Group, err error) { done(err) }) })
		})
	}
}
