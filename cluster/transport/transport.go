package transport

import (
	"context"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/roundtabledb/roundtable/cluster"
)

// Options configures a Transport.
type Options struct {
	// Self is the node that sends.
	Self cluster.NodeID
	// Dial opens a connection to an address. The default dials TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Resolve gives the address of a node, and false where it is not known.
	Resolve func(cluster.NodeID) (addr string, ok bool)
	// Credentials secure the connections. The default is plain text.
	Credentials credentials.TransportCredentials
	// Logger is for lost and refused connections. The default is silent.
	Logger *slog.Logger
	// Tap is the seam for the simulator, nil otherwise.
	Tap Tap
}

// Reply answers a request. It may be called from any goroutine, and must be
// called exactly once. The body belongs to the transport from then on.
type Reply func(body []byte, err error)

// Handler serves the requests of one method. It must not block: it runs on the
// goroutine that reads the stream. The body is the handler's to keep.
type Handler func(from cluster.NodeID, group cluster.GroupID, body []byte, reply Reply)

// Transport connects one node with the others of its region.
type Transport struct{ options Options }

// New makes a Transport. It connects to nothing before the first Call.
func New(o Options) *Transport { return &Transport{options: o} }

// Register makes the transport serve other nodes through a gRPC server, which
// should have been made with ServerOptions.
func (t *Transport) Register(s *grpc.Server) {}

// ServerOptions are the options that a gRPC server for other nodes needs.
func ServerOptions() []grpc.ServerOption { return nil }

// Handle sets the handler of a method. It must be called before the node
// serves or calls.
func (t *Transport) Handle(m Method, h Handler) {}

// Call sends a request and returns at once. done is called exactly once, never
// before Call has returned, on a goroutine of the transport that it must not
// block. Unavailable says that the request was never sent, Ambiguous that it
// may have been. The body belongs to the transport, and the body that done is
// given belongs to done.
func (t *Transport) Call(to cluster.NodeID, lane Lane, m Method, g cluster.GroupID, body []byte, timeout time.Duration, done func([]byte, error)) {
}

// CallWait is Call for callers that wait. The deadline of ctx is the timeout.
func (t *Transport) CallWait(ctx context.Context, to cluster.NodeID, lane Lane, m Method, g cluster.GroupID, body []byte) ([]byte, error) {
	return nil, nil
}

// Close ends all streams, fails what waits and returns when every goroutine of
// the transport has ended. It must not be called from a handler or a callback.
func (t *Transport) Close() error { return nil }
