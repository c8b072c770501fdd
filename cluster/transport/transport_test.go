package transport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
)

var background = context.Background()

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		a := c.add("a", handleEcho)
		b := c.add("b", handleEcho)
		large := strings.Repeat("x", 5<<20)
		for _, text := range []string{"", "hello", large} {
			for _, n := range []*testNode{a, b} {
				for _, to := range []cluster.NodeID{"a", "b"} {
					if err := n.echo(background, to, text); err != nil {
						t.Errorf("%d bytes from %s to %s: %v", len(text), n.id, to, err)
					}
				}
			}
		}
	})
}

// wantKind fails unless err is of a kind.
func wantKind(t *testing.T, what string, err error, want storage.Kind) {
	t.Helper()
	if err == nil || storage.KindOf(err) != want {
		t.Errorf("%s: got %v (%v), want %v", what, err, storage.KindOf(err), want)
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		failure := &storage.Error{
			Kind: storage.ConditionalCheckFailed, Op: "machine.Apply", Message: "The conditional request failed",
			Item: []byte{1, 2, 3}, Err: errors.New("a cause"),
		}
		prepare := func(tr *transport.Transport) {
			tr.Handle(echo, func(_ cluster.NodeID, _ cluster.GroupID, _ []byte, reply transport.Reply) {
				reply(nil, fmt.Errorf("around: %w", failure))
			})
			tr.Handle(echo+1, func(_ cluster.NodeID, _ cluster.GroupID, _ []byte, reply transport.Reply) {
				reply(nil, errors.New("plain"))
			})
		}
		a := c.add("a", prepare)
		c.add("b", prepare)
		for _, to := range []cluster.NodeID{"a", "b"} {
			_, err := a.CallWait(background, to, transport.Client, echo, 1, nil)
			var got *storage.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			byText := cmp.Transformer("text", func(err error) string { return err.Error() })
			if diff := cmp.Diff(failure, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Err" }, byText)); diff != "" {
				t.Errorf("from %s (-want +got):\n%s", to, diff)
			}
			if _, err := a.CallWait(background, to, transport.Client, echo+1, 1, nil); err == nil || !strings.Contains(err.Error(), "plain") {
				t.Errorf("from %s: %v", to, err)
			}
			_, err = a.CallWait(background, to, transport.Client, echo+2, 1, nil)
			wantKind(t, "a method that nobody handles", err, storage.Unavailable)
			_, err = a.CallWait(background, to, transport.Client, echo, 1, make([]byte, 16<<20))
			wantKind(t, "a request that is too large", err, storage.Internal)
		}
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		replies := make(chan transport.Reply, 2)
		a := c.add("a", nil)
		c.add("b", func(tr *transport.Transport) {
			handleEcho(tr)
			tr.Handle(echo+1, func(_ cluster.NodeID, _ cluster.GroupID, _ []byte, reply transport.Reply) {
				replies <- reply
			})
		})
		begin := time.Now()
		ended := make(chan error, 2)
		a.Call("b", transport.Client, echo+1, 1, nil, 3*time.Second, func(_ []byte, err error) { ended <- err })
		err := <-ended
		wantKind(t, "a request that is not answered", err, storage.Ambiguous)
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
		// The answer comes too late, and to nobody.
		(<-replies)(nil, nil)
		time.Sleep(time.Second)
		select {
		case err := <-ended:
			t.Errorf("a second outcome: %v", err)
		default:
		}
		// The wait ends with the caller's context, too.
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, err = a.CallWait(ctx, "b", transport.Client, echo+1, 1, nil)
		wantKind(t, "a caller that gives up", err, storage.Ambiguous)
		(<-replies)(nil, nil)
		if err := a.echo(background, "b", "afterwards"); err != nil {
			t.Error(err)
		}
	})
}

func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		a := c.add("a", handleEcho)
		wantKind(t, "a node without an address", a.echo(background, "unknown", "x"), storage.Unavailable)
		wantKind(t, "a node that does not listen", a.echo(background, "b", "x"), storage.Unavailable)
		// The next attempt waits, the next call does not.
		begin := time.Now()
		wantKind(t, "during backoff", a.echo(background, "b", "x"), storage.Unavailable)
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v to fail", took)
		}
		c.add("b", handleEcho)
		time.Sleep(2 * time.Second)
		if err := a.echo(background, "b", "x"); err != nil {
			t.Error(err)
		}
		// A path that swallows everything: what was never sent is unavailable.
		c.net.Cut("a", "c")
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		begin = time.Now()
		err := a.echo(ctx, "c", "x")
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v to fail", took)
		}
		if err == nil {
			t.Error("an answer from behind the cut")
		}
	})
}

// A lost connection fails what was sent on it at once, and the next call opens
// another.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		held := make(chan transport.Reply, 10)
		a := c.add("a", nil)
		b := c.add("b", func(tr *transport.Transport) {
			handleEcho(tr)
			tr.Handle(echo+1, func(_ cluster.NodeID, _ cluster.GroupID, _ []byte, reply transport.Reply) { held <- reply })
		})
		if err := a.echo(background, "b", "before"); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		a.Call("b", transport.Client, echo+1, 1, nil, time.Hour, func(_ []byte, err error) { ended <- err })
		reply := <-held
		c.net.Reset("a", "b")
		wantKind(t, "a request on a broken stream", <-ended, storage.Ambiguous)
		reply([]byte("to nobody"), nil)
		if err := a.echo(background, "b", "after the reset"); err != nil {
			t.Error(err)
		}
		// The node restarts.
		b.stop()
		delete(c.nodes, "b")
		synctest.Wait()
		wantKind(t, "a node that is down", a.echo(background, "b", "x"), storage.Unavailable)
		c.add("b", handleEcho)
		time.Sleep(2 * time.Second)
		if err := a.echo(background, "b", "after the restart"); err != nil {
			t.Error(err)
		}
	})
}

// A node that vanishes without a word is noticed by the pings.
func TestSilentCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		a := c.add("a", handleEcho)
		c.add("b", handleEcho)
		if err := a.echo(background, "b", "before"); err != nil {
			t.Fatal(err)
		}
		c.net.Cut("a", "b")
		time.Sleep(20 * time.Second)
		if n := c.net.Conns("a", "b"); n != 0 {
			t.Errorf("%d connections are still open", n)
		}
		c.net.Heal("a", "b")
		time.Sleep(time.Second)
		if err := a.echo(background, "b", "after"); err != nil {
			t.Error(err)
		}
		// And a stream that only idles is kept.
		before := c.net.Conns("a", "b")
		time.Sleep(24 * time.Hour)
		if after := c.net.Conns("a", "b"); after != before || after == 0 {
			t.Errorf("%d connections became %d in a day without calls", before, after)
		}
	})
}

// Another node has taken over the address.
func TestWrongNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		l, err := c.net.Listen("b:7000")
		if err != nil {
			t.Fatal(err)
		}
		called := false
		c.nodes["c"] = serve(l, transport.Options{Self: "c"}, func(tr *transport.Transport) {
			tr.Handle(echo, func(_ cluster.NodeID, _ cluster.GroupID, _ []byte, reply transport.Reply) {
				called = true
				reply(nil, nil)
			})
		})
		a := c.add("a", nil)
		if err := a.echo(background, "b", "x"); err == nil || called {
			t.Errorf("another node answered (%v)", err)
		}
		if err := a.echo(background, "b", "x"); err == nil || called {
			t.Errorf("another node answered (%v)", err)
		}
	})
}

// Requests of one lane arrive in order whatever breaks; none arrives twice, and
// what has succeeded has arrived.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		c.net.SetDelay("a", "b", time.Millisecond, 5*time.Millisecond)
		c.net.SetDelay("b", "a", time.Millisecond, 5*time.Millisecond)
		var mu sync.Mutex
		var got []uint64
		a := c.add("a", nil)
		c.add("b", func(tr *transport.Transport) {
			tr.Handle(echo, func(_ cluster.NodeID, _ cluster.GroupID, body []byte, reply transport.Reply) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, binary.BigEndian.Uint64(body))
				reply(nil, nil)
			})
		})
		rng := rand.New(rand.NewPCG(1, 2))
		var ended sync.WaitGroup
		acknowledged := make(map[uint64]bool)
		for n := range uint64(20000) {
			ended.Add(1)
			a.Call("b", transport.Data0, echo, 1, binary.BigEndian.AppendUint64(nil, n), time.Minute, func(_ []byte, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					acknowledged[n] = true
				}
				ended.Done()
			})
			if n%50 == 0 {
				time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
			}
			switch rng.IntN(2000) {
			case 0:
				c.net.Reset("a", "b")
			case 1:
				c.net.Cut("a", "b")
				time.Sleep(time.Duration(rng.IntN(20)) * time.Second)
				c.net.Heal("a", "b")
			}
		}
		ended.Wait()
		seen := make(map[uint64]bool)
		for i, n := range got {
			seen[n] = true
			if i > 0 && n <= got[i-1] {
				t.Fatalf("%d arrived after %d", n, got[i-1])
			}
		}
		for n := range acknowledged {
			if !seen[n] {
				t.Errorf("%d was acknowledged and never arrived", n)
			}
		}
		t.Logf("%d arrived, %d were acknowledged", len(got), len(acknowledged))
		if len(acknowledged) < 10000 || len(acknowledged) == 20000 {
			t.Errorf("%d of 20000 calls were acknowledged: too few, or nothing broke", len(acknowledged))
		}
	})
}

// A queue that does not drain refuses; it does not grow without bound.
func TestBoundedQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		a := c.add("a", nil)
		c.net.Cut("a", "b")
		var mu sync.Mutex
		kinds := make(map[storage.Kind]int)
		var ended sync.WaitGroup
		body := make([]byte, 1<<20)
		for range 100 {
			ended.Add(1)
			a.Call("b", transport.Client, echo, 1, body, time.Second, func(_ []byte, err error) {
				mu.Lock()
				defer mu.Unlock()
				kinds[storage.KindOf(err)]++
				ended.Done()
			})
		}
		synctest.Wait()
		mu.Lock()
		if kinds[storage.Unavailable] != 36 {
			t.Errorf("of 100 MiB, %v were refused at once, want 36", kinds)
		}
		mu.Unlock()
		ended.Wait()
	})
}

// Callbacks may take the locks that the caller of Call holds.
func TestCallbackRunsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.add("a", handleEcho)
		c.add("b", handleEcho)
		var mu sync.Mutex
		var ended sync.WaitGroup
		call := func(to cluster.NodeID, size int) {
			mu.Lock()
			defer mu.Unlock()
			ended.Add(1)
			a.Call(to, transport.Client, echo, 1, make([]byte, size), time.Second, func([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				ended.Done()
			})
		}
		for _, to := range []cluster.NodeID{"a", "b", "unknown"} {
			call(to, 1)
			call(to, 20<<20)
		}
		ended.Wait()
		c.stop()
		call("a", 1)
		call("b", 1)
		ended.Wait()
	})
}

func TestCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		hold := func(tr *transport.Transport) {
			tr.Handle(echo, func(cluster.NodeID, cluster.GroupID, []byte, transport.Reply) {})
		}
		a := c.add("a", hold)
		c.add("b", hold)
		var ended atomic.Int32
		for _, to := range []cluster.NodeID{"a", "b"} {
			for range 100 {
				a.Call(to, transport.Control, echo, 1, nil, time.Hour, func(_ []byte, err error) {
					if err == nil {
						t.Error("a call that nobody answered succeeded")
					}
					ended.Add(1)
				})
			}
			synctest.Wait()
		}
		a.Close()
		if n := ended.Load(); n != 200 {
			t.Errorf("%d of 200 calls have ended with Close", n)
		}
		_, err := a.CallWait(background, "b", transport.Control, echo, 1, nil)
		wantKind(t, "after Close", err, storage.Unavailable)
		c.stop()
	})
}

// The tap can lose, double and delay single messages, in both directions.
func TestTap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		var mu sync.Mutex
		var messages []transport.Message
		verdicts := map[string]transport.Verdict{}
		c.tap = func(m transport.Message) transport.Verdict {
			mu.Lock()
			defer mu.Unlock()
			messages = append(messages, m)
			return verdicts[fmt.Sprintf("%s %v", m.From, m.Reply)]
		}
		var handled []string
		a := c.add("a", nil)
		c.add("b", func(tr *transport.Transport) {
			tr.Handle(echo, func(_ cluster.NodeID, _ cluster.GroupID, body []byte, reply transport.Reply) {
				mu.Lock()
				handled = append(handled, string(body))
				mu.Unlock()
				reply(bytes.ToUpper(body), nil)
			})
		})
		call := func(text string, v map[string]transport.Verdict) (took time.Duration, err error) {
			mu.Lock()
			verdicts = v
			mu.Unlock()
			ctx, cancel := context.WithTimeout(background, 5*time.Second)
			defer cancel()
			begin := time.Now()
			_, err = a.CallWait(ctx, "b", transport.Data1, echo, 9, []byte(text))
			return time.Since(begin), err
		}
		if _, err := call("plain", nil); err != nil {
			t.Error(err)
		}
		if _, err := call("lost", map[string]transport.Verdict{"a false": {Drop: true}}); err == nil {
			t.Error("a lost request was answered")
		}
		if _, err := call("unanswered", map[string]transport.Verdict{"b true": {Drop: true}}); err == nil {
			t.Error("a lost answer arrived")
		}
		if _, err := call("twice", map[string]transport.Verdict{"a false": {Copies: 1}, "b true": {Copies: 2}}); err != nil {
			t.Error(err)
		}
		slow := map[string]transport.Verdict{"a false": {Delay: time.Second}, "b true": {Delay: 2 * time.Second}}
		if took, err := call("slow", slow); err != nil || took != 3*time.Second {
			t.Errorf("it took %v (%v)", took, err)
		}
		if diff := cmp.Diff([]string{"plain", "unanswered", "twice", "twice", "slow"}, handled); diff != "" {
			t.Errorf("handled (-want +got):\n%s", diff)
		}
		want := []transport.Message{
			{From: "a", To: "b", Lane: transport.Data1, Method: echo, Group: 9, Size: 5},
			{From: "b", To: "a", Lane: transport.Data1, Method: echo, Group: 9, Size: 5, Reply: true},
		}
		if diff := cmp.Diff(want, messages[:2]); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

func TestDataLane(t *testing.T) {
	count := make(map[transport.Lane]int)
	for g := range cluster.GroupID(1000) {
		count[transport.DataLane(g)]++
	}
	for _, lane := range []transport.Lane{transport.Data0, transport.Data1} {
		if count[lane] < 400 {
			t.Errorf("%d of 1000 groups keep to %s", count[lane], lane)
		}
	}
}
