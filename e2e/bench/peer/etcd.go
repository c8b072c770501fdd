package peer

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// Etcd is a cluster of three nodes. Its clients write their few messages by
// hand: the load generator shares the machine with what it measures, and etcd's
// own client would cost it more.
type Etcd struct {
	nodes []*etcdNode
	keys  int
}

type etcdNode struct {
	process     *server.Process
	connections []*grpc.ClientConn
}

// etcdConnections is how many connections clients share at each node. Two to four
// were best of 1, 2, 4 and 22 when they were compared: messages of several
// clients go out in one write.
const etcdConnections = 2

// StartEtcd starts etcd under a folder.
func StartEtcd(ctx context.Context, dir string, keys int) (*Etcd, error) {
	binary, err := debian(ctx, "etcd", "etcd-server")
	if err != nil {
		return nil, err
	}
	e := &Etcd{keys: keys}
	if err := e.start(ctx, binary, dir); err != nil {
		return nil, cannotStart(ctx, "etcd", errors.Join(err, e.Close()))
	}
	return e, nil
}

const etcdNodes = 3

func (e *Etcd) start(ctx context.Context, binary, dir string) error {
	addresses, err := server.Addresses(2 * etcdNodes)
	if err != nil {
		return err
	}
	var members []string
	for i := range etcdNodes {
		members = append(members, fmt.Sprintf("e%d=http://%s", i, addresses[2*i]))
	}
	for i := range etcdNodes {
		name, peer, client := fmt.Sprintf("e%d", i), "http://"+addresses[2*i], "http://"+addresses[2*i+1]
		p, err := server.Start(filepath.Join(dir, name+".log"), exec.Command(binary,
			"--name", name, "--data-dir", filepath.Join(dir, name),
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--initial-cluster", strings.Join(members, ","), "--initial-cluster-state", "new",
			"--log-level", "error",
			// Every version of a key stays until it is compacted; there must be
			// room for a long run.
			"--quota-backend-bytes", fmt.Sprint(8<<30),
		))
		if err != nil {
			return err
		}
		n := &etcdNode{process: p}
		e.nodes = append(e.nodes, n)
		if err := n.connect(addresses[2*i+1]); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, n := range e.nodes {
		if err := n.process.Await(ctx, n.ready); err != nil {
			return err
		}
	}
	return nil
}

func (n *etcdNode) connect(address string) error {
	for range etcdConnections {
		conn, err := grpc.NewClient("passthrough:///"+address,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
		if err != nil {
			return err
		}
		n.connections = append(n.connections, conn)
	}
	return nil
}

// ready succeeds when the node takes part: a linearizable read needs a leader.
func (n *etcdNode) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return n.connections[0].Invoke(ctx, "/etcdserverpb.KV/Range", appendBytes(nil, 1, "x"), new([]byte))
}

// leads reports whether the node is the leader.
func (n *etcdNode) leads(ctx context.Context) (bool, error) {
	var answer []byte
	if err := n.connections[0].Invoke(ctx, "/etcdserverpb.Maintenance/Status", []byte{}, &answer); err != nil {
		return false, err
	}
	// StatusResponse: 1 is the header, of which 2 is the member's id; 4 is the
	// leader's id.
	var self, leader uint64
	err := eachField(answer, func(field protowire.Number, number uint64, bytes []byte) {
		switch field {
		case 1:
			_ = eachField(bytes, func(field protowire.Number, number uint64, _ []byte) {
				if field == 2 {
					self = number
				}
			})
		case 4:
			leader = number
		}
	})
	return self == leader && leader != 0, err
}

// Processes are the process ids of the nodes.
func (e *Etcd) Processes() []int {
	var all []int
	for _, n := range e.nodes {
		all = append(all, n.process.ID())
	}
	return all
}

// Close ends the cluster.
func (e *Etcd) Close() error {
	var errs []error
	for _, n := range e.nodes {
		for _, c := range n.connections {
			errs = append(errs, c.Close())
		}
		errs = append(errs, n.process.Kill())
	}
	return errors.Join(errs...)
}

// Load puts every key once.
func (e *Etcd) Load(ctx context.Context) error {
	return each(ctx, e.keys, func(ctx context.Context, n int) error {
		v := newValues(e.keys, n)
		return e.nodes[n%len(e.nodes)].put(ctx, n, Key(uint64(n)), v.value())
	})
}

// Put returns clients that put, spread over all nodes or at the leader only.
func (e *Etcd) Put(ctx context.Context, leaderOnly bool) (func(n int) (load.Client, error), error) {
	nodes := e.nodes
	if leaderOnly {
		leader, err := e.leader(ctx)
		if err != nil {
			return nil, err
		}
		nodes = []*etcdNode{leader}
	}
	return func(n int) (load.Client, error) {
		v, node := newValues(e.keys, n), nodes[n%len(nodes)]
		return load.Func(func(ctx context.Context) error { return node.put(ctx, n, v.key(), v.value()) }), nil
	}, nil
}

// Range returns clients that read one key, spread over all nodes.
func (e *Etcd) Range(serializable bool) func(n int) (load.Client, error) {
	return func(n int) (load.Client, error) {
		v, node := newValues(e.keys, n), e.nodes[n%len(e.nodes)]
		return load.Func(func(ctx context.Context) error { return node.get(ctx, n, v.key(), serializable) }), nil
	}
}

func (e *Etcd) leader(ctx context.Context) (*etcdNode, error) {
	for _, n := range e.nodes {
		leads, err := n.leads(ctx)
		if err != nil {
			return nil, err
		}
		if leads {
			return n, nil
		}
	}
	return nil, errors.New("etcd has no leader")
}

func (n *etcdNode) connection(client int) *grpc.ClientConn {
	return n.connections[client/etcdNodes%len(n.connections)]
}

// put writes a PutRequest: 1 is the key, 2 the value.
func (n *etcdNode) put(ctx context.Context, client int, key string, value []byte) error {
	request := appendBytes(make([]byte, 0, ItemBytes+16), 1, key)
	request = appendBytes(request, 2, value)
	return n.connection(client).Invoke(ctx, "/etcdserverpb.KV/Put", request, new([]byte))
}

// get writes a RangeRequest: 1 is the key, 7 whether the node's own state will
// do. The answer's 2 is what was found.
func (n *etcdNode) get(ctx context.Context, client int, key string, serializable bool) error {
	request := appendBytes(make([]byte, 0, 32), 1, key)
	if serializable {
		request = protowire.AppendTag(request, 7, protowire.VarintType)
		request = protowire.AppendVarint(request, 1)
	}
	var answer []byte
	if err := n.connection(client).Invoke(ctx, "/etcdserverpb.KV/Range", request, &answer); err != nil {
		return err
	}
	found := false
	err := eachField(answer, func(field protowire.Number, _ uint64, _ []byte) { found = found || field == 2 })
	if err == nil && !found {
		err = errors.New("a key that was written is not there")
	}
	return err
}

func appendBytes[B []byte | string](dst []byte, field protowire.Number, b B) []byte {
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// eachField goes through the numbers and texts of a message.
func eachField(message []byte, do func(field protowire.Number, number uint64, bytes []byte)) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var number uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(field, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		do(field, number, bytes)
		message = message[n:]
	}
	return nil
}

// raw takes messages as bytes that are written already.
type raw struct{}

var _ encoding.Codec = raw{}

// Name is what the codec is called in the content type.
func (raw) Name() string { return "proto" }

// Marshal takes a []byte.
func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil }

// Unmarshal takes a *[]byte.
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}
