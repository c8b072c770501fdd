package transport

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
)

const (
	// The windows are what one stream and one connection may have in flight
	// within a region: 1 MiB is 10 Gbit/s at 0.8 ms. Fixed windows also turn off
	// gRPC's bandwidth estimator and its pings.
	streamWindow = 1 << 20
	connWindow   = 8 << 20
	bufferSize   = 128 << 10
	// A peer that vanishes without closing is noticed after pingAfter and
	// pingTimeout. 10 s is the least that gRPC allows.
	pingAfter   = 10 * time.Second
	pingTimeout = 3 * time.Second
)

// dial makes a connection for one stream. It connects when the stream is
// opened; what happens after it breaks is decided by link, not by gRPC.
func (t *Transport) dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr,
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return t.options.Dial(ctx, addr) }),
		grpc.WithTransportCredentials(t.options.Credentials),
		grpc.WithNoProxy(),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: lastBackoff, Multiplier: 1, MaxDelay: lastBackoff},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout, PermitWithoutStream: true}),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithReadBufferSize(bufferSize),
		grpc.WithWriteBufferSize(bufferSize),
		grpc.WithSharedWriteBuffer(true),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxFrame), grpc.MaxCallSendMsgSize(maxFrame)),
	)
}

// ServerOptions are the options that a gRPC server for other nodes needs, apart
// from credentials.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		// By default gRPC takes pings more often than every five minutes for an
		// attack, and closes the connection.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingAfter / 2, PermitWithoutStream: true}),
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connWindow),
		grpc.ReadBufferSize(bufferSize),
		grpc.WriteBufferSize(bufferSize),
		grpc.SharedWriteBuffer(true),
		grpc.MaxRecvMsgSize(maxFrame),
		grpc.MaxSendMsgSize(maxFrame),
		grpc.MaxConcurrentStreams(1 << 16),
	}
}
