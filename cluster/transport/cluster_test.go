package transport_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/e2e/sim/simnet"
)

// testNode is a transport and the server that serves it.
type testNode struct {
	*transport.Transport
	id     cluster.NodeID
	server *grpc.Server
	served chan error
}

// testCluster is a set of nodes on a network in memory. Node n1 serves on
// "n1:7000".
type testCluster struct {
	t     testing.TB
	net   *simnet.Network
	tap   transport.Tap
	log   *slog.Logger
	nodes map[cluster.NodeID]*testNode
}

func newCluster(t testing.TB) *testCluster {
	return &testCluster{t: t, net: simnet.New(1), nodes: make(map[cluster.NodeID]*testNode)}
}

// add makes a node. prepare sets its handlers before it serves.
func (c *testCluster) add(id cluster.NodeID, prepare func(*transport.Transport)) *testNode {
	c.t.Helper()
	addr := string(id) + ":7000"
	l, err := c.net.Listen(addr)
	if err != nil {
		c.t.Fatal(err)
	}
	n := serve(l, transport.Options{
		Self: id,
		Dial: c.net.Dialer(string(id)),
		Resolve: func(id cluster.NodeID) (string, bool) {
			return string(id) + ":7000", !strings.HasPrefix(string(id), "unknown")
		},
		Tap:    c.tap,
		Logger: c.log,
	}, prepare)
	c.nodes[id] = n
	return n
}

func serve(l net.Listener, o transport.Options, prepare func(*transport.Transport)) *testNode {
	n := &testNode{Transport: transport.New(o), id: o.Self, served: make(chan error, 1)}
	if prepare != nil {
		prepare(n.Transport)
	}
	n.server = grpc.NewServer(transport.ServerOptions()...)
	n.Register(n.server)
	go func() { n.served <- n.server.Serve(l) }()
	return n
}

// stop ends a node in the order that a process does.
func (n *testNode) stop() {
	n.Close()
	n.server.Stop()
	<-n.served
}

func (c *testCluster) stop() {
	for _, n := range c.nodes {
		n.stop()
	}
}

const echo = transport.FirstTestMethod

// handleEcho answers with the request.
func handleEcho(t *transport.Transport) {
	t.Handle(echo, func(_ cluster.NodeID, _ cluster.GroupID, body []byte, reply transport.Reply) { reply(body, nil) })
}

func (n *testNode) echo(ctx context.Context, to cluster.NodeID, text string) error {
	body, err := n.CallWait(ctx, to, transport.Client, echo, 1, []byte(text))
	if err == nil && string(body) != text {
		err = fmt.Errorf("sent %q, got %q", text, body)
	}
	return err
}
