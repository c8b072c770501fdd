package transport

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport/wire"
	"github.com/roundtabledb/roundtable/proto/peer"
	"github.com/roundtabledb/roundtable/storage"
)

// MaxSnapshotPart bounds one part of a snapshot, in bytes.
const MaxSnapshotPart = 4 << 20

// SnapshotHandler receives a snapshot. next returns the parts in order, and
// io.EOF after the last; a part is valid until the next call. What the handler
// returns is the sender's answer, also if it has not read to the end. It runs
// on a goroutine of its own and may block; ctx ends with the stream and with
// the transport.
type SnapshotHandler func(ctx context.Context, from cluster.NodeID, header []byte, next func() ([]byte, error)) ([]byte, error)

// HandleSnapshot sets the receiver of snapshots. It must be called before the
// node serves.
func (t *Transport) HandleSnapshot(h SnapshotHandler) { t.snapshots = h }

// SendSnapshot streams a snapshot over a connection of its own and returns the
// receiver's answer. It holds the sequence back as the receiver falls behind.
// A part must be at most MaxSnapshotPart bytes and may be reused once yield has
// returned; an error of the sequence ends the snapshot, so that the receiver
// sees an error and never io.EOF. Only ctx bounds how long it takes.
func (t *Transport) SendSnapshot(ctx context.Context, to cluster.NodeID, header []byte, parts iter.Seq2[[]byte, error]) ([]byte, error) {
	if !t.enter() {
		return nil, errClosed()
	}
	defer t.running.Done()
	addr, ok := t.options.Resolve(to)
	if !ok {
		return nil, storage.Errorf(storage.Unavailable, "the address of node %s is not known", to)
	}
	conn, err := t.dial(addr)
	if err != nil {
		return nil, storage.Errorf(storage.Unavailable, "connect to node %s at %s: %w", to, addr, err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()

	timer := time.AfterFunc(connectTimeout, cancel)
	stream, err := peer.NewPeerClient(conn).Snapshot(ctx)
	if !timer.Stop() && err == nil {
		err = errors.New("timeout")
	}
	if err != nil {
		return nil, storage.Errorf(storage.Unavailable, "connect to node %s at %s: %w", to, addr, err)
	}
	reply, err := t.stream(stream, to, header, parts)
	if err != nil {
		return nil, storage.Errorf(storage.Ambiguous, "snapshot for node %s: %w", to, err)
	}
	if len(reply.Error) > 0 {
		return nil, wire.DecodeError(reply.Error)
	}
	return reply.Body, nil
}

// stream sends the parts and waits for the answer. After an error the caller
// cancels the stream.
func (t *Transport) stream(stream grpc.ClientStreamingClient[peer.SnapshotPart, peer.SnapshotReply], to cluster.NodeID, header []byte, parts iter.Seq2[[]byte, error]) (*peer.SnapshotReply, error) {
	part := &peer.SnapshotPart{Hello: &peer.Hello{From: string(t.options.Self), To: string(to)}, Header: header}
	if err := stream.Send(part); err != nil {
		return stream.CloseAndRecv()
	}
	part.Hello, part.Header = nil, nil
	for data, err := range parts {
		if err != nil {
			return nil, err
		}
		if len(data) > MaxSnapshotPart {
			return nil, storage.Errorf(storage.Internal, "a part of %d bytes exceeds the limit of %d", len(data), MaxSnapshotPart)
		}
		part.Data = data
		if err := stream.Send(part); err == io.EOF {
			break // The receiver has answered already.
		} else if err != nil {
			return nil, err
		}
	}
	return stream.CloseAndRecv()
}

// Snapshot serves one snapshot. The handler runs on a second goroutine, because
// only the end of this one interrupts its reads.
func (s service) Snapshot(stream grpc.ClientStreamingServer[peer.SnapshotPart, peer.SnapshotReply]) error {
	if !s.t.enter() {
		return status.Error(codes.Unavailable, "closed")
	}
	defer s.t.running.Done()
	var reply *peer.SnapshotReply
	var err error
	ended := make(chan struct{})
	s.t.goroutine("transport snapshot", func() {
		defer close(ended)
		reply, err = s.t.receiveSnapshot(stream)
	})
	select {
	case <-ended:
	case <-s.t.ctx.Done():
		return status.Error(codes.Unavailable, "closed")
	}
	if err != nil {
		return err
	}
	return stream.SendAndClose(reply)
}

// receiveSnapshot runs the handler. Its error is the stream's; an error of the
// handler is part of the reply.
func (t *Transport) receiveSnapshot(stream grpc.ClientStreamingServer[peer.SnapshotPart, peer.SnapshotReply]) (*peer.SnapshotReply, error) {
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if first.Hello == nil || first.Hello.To != string(t.options.Self) {
		return nil, status.Errorf(codes.FailedPrecondition, "this is node %s", t.options.Self)
	}
	if t.snapshots == nil {
		return nil, status.Error(codes.Unimplemented, "this node takes no snapshots")
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	next := func() ([]byte, error) {
		part, err := stream.Recv()
		if err != nil {
			return nil, err // io.EOF after the last part
		}
		return part.Data, nil
	}
	body, err := t.snapshots(ctx, cluster.NodeID(first.Hello.From), first.Header, next)
	if err != nil {
		t.options.Logger.Warn("refused a snapshot", "from", first.Hello.From, "error", err)
		return &peer.SnapshotReply{Error: wire.AppendError(nil, err)}, nil
	}
	return &peer.SnapshotReply{Body: body}, nil
}
