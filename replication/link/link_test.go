package link

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	pb "github.com/roundtabledb/roundtable/proto/replication"
	"github.com/roundtabledb/roundtable/storage"
)

type message = pb.Shipment

// far is the other end: a server on a network of one address.
type far struct {
	listener *bufconn.Listener
	grpc     *grpc.Server
	server   *Server
	serving  sync.WaitGroup
	// receive is what it does with a shipment. Default: it is done.
	receive func(context.Context, *Shipment) Verdict
}

var (
	here  = Identity{Region: "amber", Cluster: "test", Node: "a1"}
	there = Identity{Region: "birch", Cluster: "test", Node: "b1"}
)

func (f *far) Receive(ctx context.Context, from string, s *Shipment) Verdict {
	if f.receive != nil {
		return f.receive(ctx, s)
	}
	return Verdict{Done: true, Accepted: s.Count}
}

func (f *far) Exchange(_ context.Context, from string, tables []byte) ([]byte, error) {
	if len(tables) == 0 {
		return nil, errors.New("nothing to exchange")
	}
	return append([]byte(from+":"), tables...), nil
}

func (f *far) Inquire(_ context.Context, _ string, table string) (Presence, error) {
	return Presence{Exists: table == "orders", GlobalID: "g"}, nil
}

func newFar(t *testing.T, self Identity) *far {
	f := &far{listener: bufconn.Listen(1 << 20), grpc: grpc.NewServer(GRPCServerOptions()...)}
	var err error
	f.server, err = NewServer(ServerOptions{
		Self: self, Handler: f, Known: func(region string) bool { return region == "amber" },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.server.Register(f.grpc)
	f.serving.Go(func() { _ = f.grpc.Serve(f.listener) })
	return f
}

func (f *far) close() {
	f.server.Close()
	f.grpc.Stop()
	f.serving.Wait()
}

func (f *far) open(t *testing.T, o Options) *Link {
	t.Helper()
	if o.Self.Region == "" {
		o.Self = here
	}
	o.Remote, o.Lanes = "birch", 1
	if o.Addresses == nil {
		o.Addresses = []string{"birch"}
	}
	o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		if address != "birch" {
			return nil, errors.New("refused")
		}
		return f.listener.DialContext(ctx)
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// up waits until there is a connection.
func up(l *Link) {
	for {
		reached := l.Reached()
		if l.Up() {
			return
		}
		<-reached
	}
}

type answer struct {
	verdict Verdict
	err     error
}

// ship ships the sample and returns where its fate will be.
func ship(l *Link) chan answer {
	s := sample()
	answers := make(chan answer, 10)
	l.Ship(&s, func(v Verdict, err error) { answers <- answer{v, err} })
	return answers
}

// linked runs a test in virtual time with a link to a server.
func linked(t *testing.T, o Options, f func(*testing.T, *Link, *far)) {
	synctest.Test(t, func(t *testing.T) {
		far := newFar(t, there)
		defer far.close()
		l := far.open(t, o)
		defer l.Close()
		f(t, l, far)
	})
}

func TestShip(t *testing.T) {
	linked(t, Options{}, func(t *testing.T, l *Link, far *far) {
		up(l)
		far.receive = func(_ context.Context, s *Shipment) Verdict {
			want := sample()
			if s.Table != want.Table || s.Count != want.Count || !bytes.Equal(s.Body, want.Body) {
				t.Errorf("arrived as %+v", s)
			}
			return Verdict{RetryAfter: 3 * time.Second, Reason: "because", Accepted: 1, Behind: 2, Identical: 3}
		}
		got := <-ship(l)
		want := Verdict{RetryAfter: 3 * time.Second, Reason: "because", Accepted: 1, Behind: 2, Identical: 3}
		if got.err != nil || got.verdict != want {
			t.Errorf("verdict %+v, %v", got.verdict, got.err)
		}
	})
}

func TestExchangeAndInquire(t *testing.T) {
	linked(t, Options{}, func(t *testing.T, l *Link, far *far) {
		ctx := context.Background()
		if _, err := l.Exchange(ctx, []byte("x")); storage.KindOf(err) != storage.Unavailable {
			t.Errorf("exchange before there is a connection: %v", err)
		}
		up(l)
		if got, err := l.Exchange(ctx, []byte("x")); err != nil || string(got) != "amber:x" {
			t.Errorf("exchange: %q, %v", got, err)
		}
		if _, err := l.Exchange(ctx, nil); storage.KindOf(err) != storage.Unavailable {
			t.Errorf("an exchange that fails there: %v", err)
		}
		if got, err := l.Inquire(ctx, "orders"); err != nil || got != (Presence{Exists: true, GlobalID: "g"}) {
			t.Errorf("inquire: %+v, %v", got, err)
		}
	})
}

func TestNextAddressIsTried(t *testing.T) {
	linked(t, Options{Addresses: []string{"dead", "deader", "birch"}}, func(t *testing.T, l *Link, _ *far) {
		start := time.Now()
		up(l)
		if took := time.Since(start); took > time.Second {
			t.Errorf("the third address was reached after %v", took)
		}
	})
}

// TestLostIsReportedOnce cuts the link while a shipment waits for its verdict.
func TestLostIsReportedOnce(t *testing.T) {
	linked(t, Options{}, func(t *testing.T, l *Link, far *far) {
		up(l)
		far.receive = func(ctx context.Context, _ *Shipment) Verdict {
			<-ctx.Done() // as the connection breaks
			return Verdict{Done: true}
		}
		answers := ship(l)
		synctest.Wait()
		l.Pause()
		if got := <-answers; storage.KindOf(got.err) != storage.Unavailable {
			t.Errorf("a lost shipment: %+v", got)
		}
		if got := <-ship(l); storage.KindOf(got.err) != storage.Unavailable {
			t.Errorf("a shipment without a connection: %+v", got)
		}
		<-time.After(time.Minute)
		if l.Up() {
			t.Error("a paused link is up")
		}
		far.receive = nil
		l.Resume()
		up(l)
		if got := <-ship(l); got.err != nil || !got.verdict.Done {
			t.Errorf("after the pause: %+v", got)
		}
		select {
		case got := <-answers:
			t.Errorf("the lost shipment was answered again: %+v", got)
		default:
		}
	})
}

func TestWindow(t *testing.T) {
	s := sample()
	linked(t, Options{Window: 3 * len(s.Body)}, func(t *testing.T, l *Link, far *far) {
		up(l)
		release := make(chan struct{})
		far.receive = func(context.Context, *Shipment) Verdict {
			<-release
			return Verdict{Done: true}
		}
		var waiting []chan answer
		for {
			ok, _ := l.Room(s.Source)
			if !ok {
				break
			}
			waiting = append(waiting, ship(l))
		}
		if len(waiting) != 3 {
			t.Errorf("%d shipments fit into a window of three", len(waiting))
		}
		_, room := l.Room(s.Source)
		synctest.Wait()
		if isClosed(room) {
			t.Error("there is room before anything was answered")
		}
		close(release)
		<-room
		for _, w := range waiting {
			if got := <-w; got.err != nil {
				t.Error(got.err)
			}
		}
	})
}

func TestStrangersAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name        string
		self, there Identity
	}{
		{"another cluster", Identity{Region: "amber", Cluster: "other"}, there},
		{"a region that is not known there", Identity{Region: "cedar", Cluster: "test"}, there},
		{"an address of another region", here, Identity{Region: "dogwood", Cluster: "test"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := newFar(t, tt.there)
				defer far.close()
				l := far.open(t, Options{Self: tt.self})
				defer l.Close()
				<-time.After(time.Minute)
				if l.Up() {
					t.Error("connected")
				}
			})
		})
	}
}

func TestServerPause(t *testing.T) {
	linked(t, Options{}, func(t *testing.T, l *Link, far *far) {
		up(l)
		far.server.Pause("amber")
		<-time.After(time.Minute)
		if l.Up() {
			t.Error("a region that is paused is connected")
		}
		far.server.Resume("amber")
		up(l)
		if got := <-ship(l); got.err != nil {
			t.Error(got.err)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	dial := func(context.Context, string) (net.Conn, error) { return nil, errors.New("no") }
	for _, o := range []Options{
		{Remote: "birch", Addresses: []string{"b"}, Dial: dial},
		{Self: here, Addresses: []string{"b"}, Dial: dial},
		{Self: here, Remote: "amber", Addresses: []string{"b"}, Dial: dial},
		{Self: here, Remote: "birch", Dial: dial},
		{Self: here, Remote: "birch", Addresses: []string{"b"}},
	} {
		if l, err := Open(o); err == nil {
			l.Close()
			t.Errorf("accepted: %+v", o)
		}
	}
}
