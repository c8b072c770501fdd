// Package server is a region's front door at one node: it composes the
// operations, the check of who calls and the measurements into an HTTP server
// for the API, and serves the node's operators on a port of their own.
//
// It knows the parts of the front door. What is behind it comes in as the
// interfaces that those parts declare.
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/api"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/region/control"
	"github.com/roundtabledb/roundtable/region/httpserve"
	"github.com/roundtabledb/roundtable/region/telemetry"
)

// Options say what a Server serves, and where.
type Options struct {
	// Region is this region's name, Node this node's.
	Region, Node string
	// Account is the account number in ARNs. Empty means 000000000000.
	Account string
	// AnyHome takes ARNs of any region and account for this region's.
	AnyHome bool

	// API accepts the clients' connections. The Server closes it.
	API net.Listener
	// TLS secures the API. nil serves plain HTTP.
	TLS *tls.Config
	// Operations accepts the operators' connections: health, metrics, status.
	// nil serves none. The Server closes it.
	Operations net.Listener
	// OperationsOnAPI serves operators on the API's port too. It is for
	// development: everybody who reaches that port sees what they see.
	OperationsOnAPI bool

	// Store holds the items.
	Store api.Store
	// Tables is the tables.
	Tables control.Tables
	// TableSize is about how large a table is. nil means that nobody counts.
	TableSize func(t *catalog.Table) (items, bytes int64)
	// Replicas spreads tables over regions. nil means one region.
	Replicas control.Replicas
	// Authenticate checks who calls, and returns the context of the operation.
	// nil lets everybody in.
	Authenticate func(r *http.Request, body []byte) (context.Context, error)
	// Telemetry is the node's measurements. nil measures nothing.
	Telemetry *telemetry.Telemetry

	// Profile serves Go's profiles to operators, below /debug/pprof/.
	Profile bool
	// Ready says why the node should not be sent requests, nil when it should.
	Ready func() error
	// Status is what /status shows, as JSON. nil shows nothing.
	Status func(ctx context.Context) any
	// Logger is where trouble is told. nil means slog.Default.
	Logger *slog.Logger
}

// Server is a running front door.
type Server struct {
	api        *httpserve.Server
	operations *http.Server
	serving    sync.WaitGroup
	// requests is the operators'; the API waits for its own.
	requests gate

	listener net.Listener // the API's
	mu       struct {
		sync.Mutex
		open, draining bool
		failed         error
	}
	ready func() error
	log   *slog.Logger
}

// Start begins to serve. Serving ends with Close.
func Start(o Options) (*Server, error) {
	s, err := Prepare(o)
	if err == nil {
		s.Open()
	}
	return s, err
}

// Prepare begins to serve operators, so that they see a node that starts.
// Clients have to wait for Open. Serving ends with Close.
func Prepare(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Server{ready: o.Ready, log: o.Logger}
	var handler http.Handler
	handler, err := newHandler(o)
	if err != nil {
		return nil, err
	}
	if o.OperationsOnAPI {
		operations := s.operationsHandler(o)
		operations.Handle("/", handler)
		handler = operations
	}
	s.api = httpserve.New(newHTTPServer(tellPanics(handler, o.Logger), o.Logger))
	s.listener = o.API
	if o.TLS != nil {
		s.listener = tls.NewListener(s.listener, o.TLS)
	}
	if o.Operations != nil {
		operations := tellPanics(s.operationsHandler(o), o.Logger)
		s.operations = newHTTPServer(s.requests.guard(operations), o.Logger)
		s.serve("operations", s.operations, o.Operations)
	}
	return s, nil
}

// Open begins to serve clients. It is called once.
func (s *Server) Open() {
	s.mu.Lock()
	s.mu.open = true
	s.mu.Unlock()
	s.serve("api", s.api, s.listener)
}

// newHandler makes the handler of the API.
func newHandler(o Options) (*awsjson.Handler, error) {
	account := cmp.Or(o.Account, "000000000000")
	var home constraint.Home
	if !o.AnyHome {
		home = constraint.Home{Region: o.Region, Account: account}
	}
	targets := api.New(o.Store, home).Targets()
	maps.Copy(targets, control.New(control.Options{
		Region: o.Region, Account: account, Home: home, Tables: o.Tables, TableSize: o.TableSize, Replicas: o.Replicas,
	}).Targets())
	wire := awsjson.Options{Targets: targets, Region: o.Region, Authenticate: o.Authenticate, Logger: o.Logger}
	if o.Telemetry != nil {
		requests, err := telemetry.NewRequests(o.Telemetry.Meters())
		if err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
		wire.Observe = requests.Observe
	}
	return awsjson.NewHandler(wire), nil
}

// Times that a client may take. Requests are small; idle connections are what
// clients live on.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 60 * time.Second
	answerTimeout = 2 * time.Minute
	idleTimeout   = 5 * time.Minute
	maxHeader     = 64 << 10
)

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// tellPanics logs panics of h. The HTTP servers would tell them together with
// what clients do wrong, to those who look for that only.
func tellPanics(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause)
			default:
				log.LogAttrs(r.Context(), slog.LevelError, "a request has panicked",
					slog.String("target", r.Header.Get("X-Amz-Target")), slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
				panic(http.ErrAbortHandler)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// stoppable is what the API and the operators are served by.
type stoppable interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
	Close() error
}

func (s *Server) serve(name string, server stoppable, l net.Listener) {
	s.serving.Go(func() {
		err := server.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			return
		}
		s.log.Error("stopped serving", "server", name, "err", err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.failed = fmt.Errorf("server: %s: %w", name, err)
	})
}

// Drain makes the node look not ready, so that load balancers send no more
// requests. It goes on answering.
func (s *Server) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.draining = true
}

// Close stops to accept requests and waits for those under way until ctx ends;
// then it cuts them off.
func (s *Server) Close(ctx context.Context) error {
	s.Drain()
	err := shutdown(ctx, s.api)
	_ = s.listener.Close() // which the API does not know before Open
	if s.operations != nil {
		err = errors.Join(err, shutdown(ctx, s.operations))
	}
	// A connection that was cut off ends the context of its request; what the
	// request was doing must have ended, too, before its store is closed.
	s.requests.close()
	s.serving.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.mu.failed)
}

func shutdown(ctx context.Context, server stoppable) error {
	err := server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("server: requests were cut off: %w", err), server.Close())
	}
	return err
}

// operationsHandler serves operators: /healthz says that the process lives,
// /readyz whether it should get requests.
func (s *Server) operationsHandler(o Options) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.notReady(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	if o.Profile {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	if o.Telemetry != nil {
		mux.Handle("GET /metrics", o.Telemetry.Handler())
	}
	if o.Status != nil {
		mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			enc := json.NewEncoder(w)
			enc.SetIndent("", "  ")
			if err := enc.Encode(o.Status(r.Context())); err != nil {
				s.log.Debug("status was not sent", "err", err)
			}
		})
	}
	return mux
}

var (
	errStarting = errors.New("starting")
	errDraining = errors.New("draining")
)

func (s *Server) notReady() error {
	s.mu.Lock()
	open, draining, failed := s.mu.open, s.mu.draining, s.mu.failed
	s.mu.Unlock()
	switch {
	case failed != nil:
		return failed
	case draining:
		return errDraining
	}
	if s.ready != nil {
		if err := s.ready(); err != nil {
			return err
		}
	}
	if !open {
		return errStarting
	}
	return nil
}
