package link

import (
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	pb "github.com/roundtabledb/roundtable/proto/replication"
	"github.com/roundtabledb/roundtable/storage"
)

// session is one connection of a lane, from hello to its end. Its mutable
// fields are guarded by the lane's mutex.
type session struct {
	lane   *lane
	self   *pb.Hello
	peer   Identity
	client pb.ReplicationClient
	stream grpc.BidiStreamingClient[pb.ShipRequest, pb.ShipReply]

	wake    chan struct{} // tells send that queue is not empty
	queue   []*pb.ShipRequest
	flights map[uint64]flight
	bytes   int // of all flights
	nextID  uint64
}

// flight is a shipment that waits for its verdict.
type flight struct {
	size int
	done func(Verdict, error)
}

func openSession(ctx context.Context, ln *lane, conn *grpc.ClientConn) (*session, error) {
	s := &session{
		lane:    ln,
		self:    helloMessage(ln.link.options.Self),
		client:  pb.NewReplicationClient(conn),
		wake:    make(chan struct{}, 1),
		flights: map[uint64]flight{},
	}
	stream, err := s.client.Ship(ctx)
	if err != nil {
		return nil, fmt.Errorf("link: open stream: %w", err)
	}
	if err := stream.Send(&pb.ShipRequest{Hello: s.self}); err != nil && err != io.EOF {
		return nil, fmt.Errorf("link: say hello: %w", err)
	}
	// After io.EOF the reason comes from Recv.
	reply, err := stream.Recv()
	if err != nil {
		return nil, fmt.Errorf("link: hello: %w", err)
	}
	if s.peer, err = s.check(reply.GetHello()); err != nil {
		return nil, err
	}
	s.stream = stream
	return s, nil
}

// check makes sure that the other end is who this link leads to.
func (s *session) check(h *pb.Hello) (Identity, error) {
	peer, err := parseHello(h, s.lane.link.options.Self)
	if err != nil {
		return Identity{}, err
	}
	if peer.Region != s.lane.link.options.Remote {
		return Identity{}, fmt.Errorf("link: the node answers for region %s, not for %s", peer.Region, s.lane.link.options.Remote)
	}
	return peer, nil
}

func helloMessage(id Identity) *pb.Hello {
	return &pb.Hello{Region: id.Region, Cluster: id.Cluster, Node: id.Node, Protocol: Protocol}
}

// parseHello reads a hello and makes sure that the speaker belongs here.
func parseHello(h *pb.Hello, self Identity) (Identity, error) {
	switch {
	case h == nil:
		return Identity{}, fmt.Errorf("link: no hello")
	case h.GetProtocol() != Protocol:
		return Identity{}, fmt.Errorf("link: region %s speaks protocol %d, this is %d", h.GetRegion(), h.GetProtocol(), Protocol)
	case h.GetCluster() != self.Cluster:
		return Identity{}, fmt.Errorf("link: region %s belongs to cluster %q, this is %q", h.GetRegion(), h.GetCluster(), self.Cluster)
	}
	return Identity{Region: h.GetRegion(), Cluster: h.GetCluster(), Node: h.GetNode()}, nil
}

func (s *session) enqueueLocked(m *pb.Shipment, done func(Verdict, error)) {
	s.nextID++
	m.Id = s.nextID
	s.flights[m.Id] = flight{size: len(m.Body), done: done}
	s.bytes += len(m.Body)
	s.queue = append(s.queue, &pb.ShipRequest{Shipment: m})
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// send writes what is queued until ctx ends or the stream breaks, which
// receive notices too.
func (s *session) send(ctx context.Context) {
	for {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
		s.lane.mu.Lock()
		queue := s.queue
		s.queue = nil
		s.lane.mu.Unlock()
		for _, m := range queue {
			if s.stream.Send(m) != nil {
				return
			}
		}
	}
}

// receive hands verdicts to those who wait for them until the stream breaks.
func (s *session) receive() error {
	for {
		reply, err := s.stream.Recv()
		if err != nil {
			return fmt.Errorf("link: %w", err)
		}
		m := reply.GetVerdict()
		if f, ok := s.land(m.GetId()); ok {
			f.done(Verdict{
				Done:       m.GetDone(),
				RetryAfter: time.Duration(m.GetRetryAfterMs()) * time.Millisecond,
				Reason:     m.GetReason(),
				Accepted:   int(m.GetAccepted()),
				Behind:     int(m.GetRejectedBehind()),
				Identical:  int(m.GetRejectedIdentical()),
			}, nil)
		}
	}
}

// land takes a flight out.
func (s *session) land(id uint64) (flight, bool) {
	s.lane.mu.Lock()
	defer s.lane.mu.Unlock()
	f, ok := s.flights[id]
	if !ok {
		return flight{}, false
	}
	delete(s.flights, id)
	window := s.lane.link.options.Window
	full := s.bytes >= window
	s.bytes -= f.size
	if full && s.bytes < window {
		s.lane.signalLocked()
	}
	return f, true
}

// lose reports every flight as lost. The session must not be the lane's any
// more.
func (s *session) lose(cause error) {
	s.lane.mu.Lock()
	flights := s.flights
	s.flights = map[uint64]flight{}
	s.bytes = 0
	s.lane.mu.Unlock()
	err := &storage.Error{Kind: storage.Unavailable, Op: "link.Ship", Message: "connection lost", Err: cause}
	for _, f := range flights {
		f.done(Verdict{}, err)
	}
}

func (s *session) exchange(ctx context.Context, tables []byte) ([]byte, error) {
	reply, err := s.client.Exchange(ctx, &pb.ExchangeRequest{Hello: s.self, Tables: tables})
	if err != nil {
		return nil, &storage.Error{Kind: storage.Unavailable, Op: "link.Exchange", Err: err}
	}
	if _, err := s.check(reply.GetHello()); err != nil {
		return nil, err
	}
	return reply.GetTables(), nil
}

func (s *session) inquire(ctx context.Context, table string) (Presence, error) {
	reply, err := s.client.Inquire(ctx, &pb.InquireRequest{Hello: s.self, TableName: table})
	if err != nil {
		return Presence{}, &storage.Error{Kind: storage.Unavailable, Op: "link.Inquire", Err: err}
	}
	if _, err := s.check(reply.GetHello()); err != nil {
		return Presence{}, err
	}
	return Presence{Exists: reply.GetExists(), GlobalID: reply.GetGlobalId()}, nil
}
