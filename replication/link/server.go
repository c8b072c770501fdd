package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	pb "github.com/roundtabledb/roundtable/proto/replication"
)

// Handler is what a region does about what other regions ask of it. Its
// methods are called concurrently; from is the region that asks.
type Handler interface {
	// Receive applies a shipment and returns the verdict on it.
	Receive(ctx context.Context, from string, s *Shipment) Verdict
	// Exchange takes in another region's view of the global tables and returns
	// this region's.
	Exchange(ctx context.Context, from string, tables []byte) ([]byte, error)
	// Inquire says what there is under a table's name.
	Inquire(ctx context.Context, from string, table string) (Presence, error)
}

// ServerOptions says who serves.
type ServerOptions struct {
	// Self is who answers.
	Self Identity
	// Known reports whether a region is one of the deployment's. Others are
	// refused.
	Known func(region string) bool
	// Handler does the work.
	Handler Handler
	// Logger gets refusals. Default: none.
	Logger *slog.Logger
}

// maxConcurrent bounds the shipments of one stream that are being applied.
// One that waits for a partition without a leader takes one place until it
// gives up, so there are many.
const maxConcurrent = 1024

// Server is the end of the links that lead here. It is safe for concurrent
// use.
type Server struct {
	options ServerOptions
	codec   *compressor

	mu struct {
		sync.Mutex
		paused  map[string]bool
		streams map[*incoming]struct{}
		closed  bool
	}
	readers sync.WaitGroup // one for each stream ever served
}

// incoming is one stream of shipments from another region.
type incoming struct {
	region string
	end    chan struct{} // closed to end the stream
	once   sync.Once

	// turn is held while sending, which may wait for the other end.
	turn  chan struct{}
	ended bool // guarded by turn
}

func (in *incoming) stop() { in.once.Do(func() { close(in.end) }) }

// send answers a shipment, unless the stream has been ended here. A stream
// that cannot be written to cannot be read from either, so that errors show up
// there.
func (in *incoming) send(stream grpc.BidiStreamingServer[pb.ShipRequest, pb.ShipReply], v *pb.Verdict) {
	in.turn <- struct{}{}
	defer func() { <-in.turn }()
	if !in.ended {
		_ = stream.Send(&pb.ShipReply{Verdict: v})
	}
}

// finish makes sure that nothing is sent any more.
func (in *incoming) finish() {
	in.turn <- struct{}{}
	defer func() { <-in.turn }()
	in.ended = true
}

// NewServer makes a server. It serves once it is registered with a gRPC server
// made with GRPCServerOptions. The caller must Close it, before the gRPC
// server is stopped gracefully, which would wait for streams.
func NewServer(o ServerOptions) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	codec, err := newCompressor()
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	s := &Server{options: o, codec: codec}
	s.mu.paused = map[string]bool{}
	s.mu.streams = map[*incoming]struct{}{}
	return s, nil
}

// GRPCServerOptions is what a gRPC server needs to serve links: windows for a
// long way, and leave for the pings that clients send.
func GRPCServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connWindow),
		grpc.ReadBufferSize(bufferSize),
		grpc.WriteBufferSize(bufferSize),
		grpc.SharedWriteBuffer(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
	}
}

// Register offers the service on a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	pb.RegisterReplicationServer(r, service{server: s})
}

// Close ends all streams and waits until nothing is being applied any more.
func (s *Server) Close() {
	s.mu.Lock()
	s.mu.closed = true
	for in := range s.mu.streams {
		in.stop()
	}
	s.mu.Unlock()
	s.readers.Wait()
	s.codec.close()
}

// Pause refuses a region, as if the network had failed, until Resume.
func (s *Server) Pause(region string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.paused[region] = true
	for in := range s.mu.streams {
		if in.region == region {
			in.stop()
		}
	}
}

// Resume ends a Pause.
func (s *Server) Resume(region string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.paused, region)
}

// admit lets a speaker in or says why not.
func (s *Server) admit(h *pb.Hello) (Identity, error) {
	peer, err := parseHello(h, s.options.Self)
	if err != nil {
		s.options.Logger.Warn("link: refused", "region", h.GetRegion(), "node", h.GetNode(), "error", err)
		return Identity{}, status.Error(codes.FailedPrecondition, err.Error())
	}
	if peer.Region == s.options.Self.Region || !s.options.Known(peer.Region) {
		s.options.Logger.Warn("link: refused a region that is not known", "region", peer.Region, "node", peer.Node)
		return Identity{}, status.Errorf(codes.PermissionDenied, "region %q is not known here", peer.Region)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.paused[peer.Region] {
		return Identity{}, status.Error(codes.Unavailable, "paused")
	}
	return peer, nil
}

// enter makes a stream known, so that it can be ended.
func (s *Server) enter(region string) (*incoming, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed || s.mu.paused[region] {
		return nil, status.Error(codes.Unavailable, "not serving")
	}
	in := &incoming{region: region, end: make(chan struct{}), turn: make(chan struct{}, 1)}
	s.mu.streams[in] = struct{}{}
	s.readers.Add(1)
	return in, nil
}

func (s *Server) leave(in *incoming) {
	s.mu.Lock()
	delete(s.mu.streams, in)
	s.mu.Unlock()
	s.readers.Done()
}

// service is the generated interface, kept off Server's own methods.
type service struct {
	pb.UnimplementedReplicationServer
	server *Server
}

// Ship serves one stream of shipments.
func (v service) Ship(stream grpc.BidiStreamingServer[pb.ShipRequest, pb.ShipReply]) error {
	s := v.server
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	peer, err := s.admit(first.GetHello())
	if err != nil {
		return err
	}
	if err := stream.Send(&pb.ShipReply{Hello: helloMessage(s.options.Self)}); err != nil {
		return err
	}
	in, err := s.enter(peer.Region)
	if err != nil {
		return err
	}
	// Recv returns when the stream breaks and not before, and a server breaks
	// a stream by returning from here. So reading has a goroutine of its own,
	// which outlives this call for a moment; Close waits for it.
	ended := make(chan error, 1)
	go func() {
		defer s.leave(in)
		ended <- s.read(stream, in)
	}()
	defer in.finish()
	select {
	case err := <-ended:
		return err
	case <-in.end:
		return status.Error(codes.Unavailable, "the stream was ended here")
	}
}

// read takes shipments off a stream and applies them side by side until it
// breaks.
func (s *Server) read(stream grpc.BidiStreamingServer[pb.ShipRequest, pb.ShipReply], in *incoming) error {
	var applying sync.WaitGroup
	defer applying.Wait()
	places := make(chan struct{}, maxConcurrent)
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		places <- struct{}{}
		applying.Go(func() {
			defer func() { <-places }()
			in.send(stream, s.apply(stream.Context(), in.region, m.GetShipment()))
		})
	}
}

func (s *Server) apply(ctx context.Context, from string, m *pb.Shipment) *pb.Verdict {
	shipment, err := s.codec.unpack(m)
	if err != nil {
		s.options.Logger.Error("link: a shipment cannot be read", "region", from, "group", m.GetSource(), "error", err)
		return &pb.Verdict{Id: m.GetId(), RetryAfterMs: 1000, Reason: err.Error()}
	}
	v := s.options.Handler.Receive(ctx, from, &shipment)
	return &pb.Verdict{
		Id:                m.GetId(),
		Done:              v.Done,
		RetryAfterMs:      uint32(v.RetryAfter.Milliseconds()),
		Reason:            v.Reason,
		Accepted:          uint32(v.Accepted),
		RejectedBehind:    uint32(v.Behind),
		RejectedIdentical: uint32(v.Identical),
	}
}

// Exchange serves Link.Exchange.
func (v service) Exchange(ctx context.Context, m *pb.ExchangeRequest) (*pb.ExchangeReply, error) {
	s := v.server
	peer, err := s.admit(m.GetHello())
	if err != nil {
		return nil, err
	}
	tables, err := s.options.Handler.Exchange(ctx, peer.Region, m.GetTables())
	if err != nil {
		return nil, unavailable(err)
	}
	return &pb.ExchangeReply{Hello: helloMessage(s.options.Self), Tables: tables}, nil
}

// Inquire serves Link.Inquire.
func (v service) Inquire(ctx context.Context, m *pb.InquireRequest) (*pb.InquireReply, error) {
	s := v.server
	peer, err := s.admit(m.GetHello())
	if err != nil {
		return nil, err
	}
	p, err := s.options.Handler.Inquire(ctx, peer.Region, m.GetTableName())
	if err != nil {
		return nil, unavailable(err)
	}
	return &pb.InquireReply{Hello: helloMessage(s.options.Self), Exists: p.Exists, GlobalId: p.GlobalID}, nil
}

func unavailable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Unavailable, err.Error())
}
