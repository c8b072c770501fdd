package simnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/e2e/sim/simnet"
)

// pair is a connection from host a to host b.
type pair struct {
	net  *simnet.Network
	l    net.Listener
	a, b net.Conn
}

func connect(t *testing.T, n *simnet.Network) *pair {
	t.Helper()
	l, err := n.Listen("b:1")
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{net: n, l: l}
	if p.a, err = n.Dial(context.Background(), "a", "b:1"); err != nil {
		t.Fatal(err)
	}
	if p.b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pair) close() {
	p.a.Close()
	p.b.Close()
	p.l.Close()
}

// arrival is when a byte written now is read, from now.
func arrival(t *testing.T, from, to net.Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, err := from.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(to, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetDelay("a", "b", 30*time.Millisecond, 0)
		n.SetDelay("b", "a", 50*time.Millisecond, 0)
		begin := time.Now()
		p := connect(t, n)
		defer p.close()
		if took := time.Since(begin); took != 80*time.Millisecond {
			t.Errorf("dialling took %v", took)
		}
		if d := arrival(t, p.a, p.b); d != 30*time.Millisecond {
			t.Errorf("there: %v", d)
		}
		if d := arrival(t, p.b, p.a); d != 50*time.Millisecond {
			t.Errorf("back: %v", d)
		}
		n.SetDelay("a", "b", time.Second, 0)
		if d := arrival(t, p.a, p.b); d != time.Second {
			t.Errorf("with more delay: %v", d)
		}
	})
}

func TestSameSeedSameJitter(t *testing.T) {
	run := func(seed uint64) (delays []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(seed)
			n.SetDelay("a", "b", time.Millisecond, time.Second)
			p := connect(t, n)
			defer p.close()
			for range 20 {
				delays = append(delays, arrival(t, p.a, p.b))
			}
		})
		return delays
	}
	if diff := cmp.Diff(run(7), run(7)); diff != "" {
		t.Errorf("two runs of one seed differ:\n%s", diff)
	}
	if cmp.Equal(run(7), run(8)) {
		t.Error("two seeds agree")
	}
}

// Bytes keep their order and none is lost, whatever jitter and cuts do.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetDelay("a", "b", time.Millisecond, 20*time.Millisecond)
		p := connect(t, n)
		defer p.close()
		rng := rand.New(rand.NewPCG(1, 1))
		sent := make([]byte, 5<<20)
		for i := range sent {
			sent[i] = byte(rng.Uint32())
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			for rest := sent; len(rest) > 0; {
				size := min(1+rng.IntN(100<<10), len(rest))
				if _, err := p.a.Write(rest[:size]); err != nil {
					t.Error(err)
				}
				rest = rest[size:]
			}
			p.a.Close()
		})
		wg.Go(func() {
			for range 20 {
				n.Cut("a", "b")
				time.Sleep(50 * time.Millisecond)
				n.Heal("a", "b")
				time.Sleep(5 * time.Millisecond)
			}
		})
		got, err := io.ReadAll(p.b)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d of %d bytes arrived, %v", len(got), len(sent), err)
		}
		wg.Wait()
	})
}

func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetDelay("a", "b", time.Second, 0)
		p := connect(t, n)
		defer p.close()
		n.CutOneWay("a", "b")
		if _, up := n.Link("a", "b"); up {
			t.Error("the link is up")
		}
		if d := arrival(t, p.b, p.a); d != 0 {
			t.Errorf("the way back takes %v", d)
		}
		time.AfterFunc(time.Hour, func() { n.Heal("a", "b") })
		if d := arrival(t, p.a, p.b); d != time.Hour+time.Second {
			t.Errorf("after the heal: %v", d)
		}

		n.Cut("b", "c")
		if d := arrival(t, p.a, p.b); d != time.Second {
			t.Errorf("beside a cut: %v", d)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := n.Dial(ctx, "c", "b:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialling through a cut: %v", err)
		}
		time.AfterFunc(time.Hour, n.HealAll)
		begin := time.Now()
		c, err := n.Dial(context.Background(), "c", "b:1")
		if err != nil || time.Since(begin) != time.Hour {
			t.Fatalf("dialling took %v, %v", time.Since(begin), err)
		}
		c.Close()
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, simnet.New(1))
		defer p.close()
		begin := time.Now()
		p.a.SetReadDeadline(begin.Add(time.Second))
		_, err := p.a.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("read: %v after %v", err, time.Since(begin))
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		p.a.SetWriteDeadline(begin.Add(3 * time.Second))
		if _, err := p.a.Write(make([]byte, 10<<20)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Errorf("write: %v after %v", err, time.Since(begin))
		}
		p.a.SetDeadline(time.Time{})
		if d := arrival(t, p.b, p.a); d != 0 {
			t.Errorf("without a deadline: %v", d)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, simnet.New(1))
		defer p.close()
		ended := make(chan error, 1)
		go func() {
			_, err := p.b.Read(make([]byte, 1))
			ended <- err
		}()
		synctest.Wait()
		p.b.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of a closed connection: %v", err)
		}
		if _, err := p.a.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read from a closed connection: %v", err)
		}
		if _, err := p.a.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write to a closed connection: %v", err)
		}
		if n := p.net.Conns("a", "b"); n != 1 {
			t.Errorf("%d connections, of which one is half open", n)
		}
		p.a.Close()
		if n := p.net.Conns("a", "b"); n != 0 {
			t.Errorf("%d connections", n)
		}
		p.l.Close()
		if _, err := p.l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept: %v", err)
		}
		if _, err := p.net.Dial(context.Background(), "a", "b:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v", err)
		}
	})
}

// A writer knows that the other side has gone when its reader does, not before:
// gRPC tries again without a pause while a connection cannot be written but
// looks alive, so time would never pass again.
func TestWriterHearsWithReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetDelay("b", "a", 10*time.Millisecond, 0)
		p := connect(t, n)
		defer p.close()
		p.b.Close()
		if _, err := p.a.Write([]byte("x")); err != nil {
			t.Errorf("write before the end has arrived: %v", err)
		}
		begin := time.Now()
		if _, err := p.a.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read from a closed connection: %v", err)
		}
		if d := time.Since(begin); d != 10*time.Millisecond {
			t.Errorf("the end came after %v", d)
		}
		if _, err := p.a.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write after the end has arrived: %v", err)
		}
	})
}

func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, simnet.New(1))
		defer p.close()
		pending, err := p.net.Dial(context.Background(), "a", "b:1")
		if err != nil {
			t.Fatal(err)
		}
		defer pending.Close()
		p.net.Cut("a", "b")
		p.net.Crash("b")
		ended := make(chan error, 1)
		go func() {
			_, err := p.a.Read(make([]byte, 1))
			ended <- err
		}()
		time.Sleep(time.Hour)
		select {
		case err := <-ended:
			t.Errorf("the cut let it through: %v", err)
		default:
		}
		p.net.Heal("a", "b")
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after the crash: %v", err)
		}
		if _, err := pending.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection that nobody had accepted: %v", err)
		}
		l, err := p.net.Listen("b:1")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	})
}
