package transport_test

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport"
)

// loopback makes nodes that talk over real sockets.
func loopback(tb testing.TB, ids ...cluster.NodeID) (nodes []*testNode, stop func()) {
	tb.Helper()
	listeners := make(map[cluster.NodeID]net.Listener)
	for _, id := range ids {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		listeners[id] = l
	}
	resolve := func(id cluster.NodeID) (string, bool) { return listeners[id].Addr().String(), true }
	for _, id := range ids {
		nodes = append(nodes, serve(listeners[id], transport.Options{Self: id, Resolve: resolve}, handleEcho))
	}
	return nodes, func() {
		for _, n := range nodes {
			n.stop()
		}
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIdleGroups measures what groups cost that do nothing: three nodes in
// one process, all in memory but the network.
func BenchmarkIdleGroups(b *testing.B) {
	for _, count := range []int{100, 300} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			nodes, stop := loopback(b, "a", "b", "c")
			defer stop()
			var groups [][]*testPeer
			for g := range count {
				peers := startPeers(b, cluster.GroupID(10+g), nodes)
				defer stopPeers(peers)
				groups = append(groups, peers)
			}
			for _, peers := range groups {
				leader(b, peers)
			}
			var before, after transport.Stats
			for range b.N {
				used, begin := cpu(), time.Now()
				before = nodes[0].Stats()
				time.Sleep(5 * time.Second)
				after = nodes[0].Stats()
				seconds := time.Since(begin).Seconds()
				b.ReportMetric(float64(cpu()-used)/1e9/seconds/3*100, "%core/node")
				b.ReportMetric(float64(after.Messages-before.Messages)/seconds, "messages/s")
				b.ReportMetric(float64(after.Frames-before.Frames)/seconds, "frames/s")
			}
		})
	}
}

// BenchmarkCall measures calls over loopback sockets, both nodes in one process.
func BenchmarkCall(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		for _, size := range []int{128, 1024} {
			b.Run(fmt.Sprintf("%d/%dB", callers, size), func(b *testing.B) {
				nodes, stop := loopback(b, "a", "b")
				defer stop()
				benchmarkCalls(b, nodes[0], callers, size)
			})
		}
	}
}

// BenchmarkCallSelf measures calls of a node to itself.
func BenchmarkCallSelf(b *testing.B) {
	nodes, stop := loopback(b, "b")
	defer stop()
	benchmarkCalls(b, nodes[0], 64, 128)
}

// BenchmarkApply measures commands through Raft: three nodes in one process, all
// in memory but the network.
func BenchmarkApply(b *testing.B) {
	for _, proposers := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(proposers), func(b *testing.B) {
			nodes, stop := loopback(b, "a", "b", "c")
			defer stop()
			peers := startPeers(b, 7, nodes)
			defer stopPeers(peers)
			lead := leader(b, peers)
			body := make([]byte, 256)
			work, ended := make(chan struct{}, proposers), make(chan error, proposers)
			b.ResetTimer()
			for range proposers {
				go func() {
					var err error
					for range work {
						if e := lead.Apply(body, 0).Error(); e != nil {
							err = e
						}
					}
					ended <- err
				}()
			}
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			for range proposers {
				if err := <-ended; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
		})
	}
}

func benchmarkCalls(b *testing.B, n *testNode, callers, size int) {
	body := make([]byte, size)
	if _, err := n.CallWait(context.Background(), "b", transport.Client, echo, 1, body); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before, used := n.Stats(), cpu()
	b.ResetTimer()
	work, ended := make(chan struct{}, callers), make(chan error, callers)
	for range callers {
		go func() {
			for range work {
				if _, err := n.CallWait(context.Background(), "b", transport.Client, echo, 1, body); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	for range callers {
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	after := n.Stats()
	b.ReportMetric(float64(cpu()-used)/1e3/float64(b.N), "cpu-µs/call")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	if frames := after.Frames - before.Frames; frames > 0 {
		b.ReportMetric(float64(after.Messages-before.Messages)/float64(frames), "messages/frame")
	}
}
