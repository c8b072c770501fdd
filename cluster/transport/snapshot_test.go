package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
)

// parts yields n parts of a size and then an error, if there is one. It reuses
// its memory, as it may.
func parts(n, size int, sent *atomic.Int32, err error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		b := make([]byte, size)
		for i := range n {
			for j := range b {
				b[j] = byte(i)
			}
			if !yield(b, nil) {
				return
			}
			sent.Add(1)
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// receive reads a snapshot to the end and checks that it is one of parts.
func receive(next func() ([]byte, error)) (count int, err error) {
	for {
		b, err := next()
		if err == io.EOF {
			return count, nil
		}
		if err != nil {
			return count, err
		}
		if bytes.Count(b, []byte{byte(count)}) != len(b) {
			return count, errors.New("wrong bytes")
		}
		count++
	}
}

func TestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		a := c.add("a", nil)
		c.add("b", func(tr *transport.Transport) {
			tr.HandleSnapshot(func(_ context.Context, from cluster.NodeID, header []byte, next func() ([]byte, error)) ([]byte, error) {
				n, err := receive(next)
				if from != "a" || string(header) != "header" || n != 100 {
					t.Errorf("%d parts from %s with %q", n, from, header)
				}
				return []byte("done"), err
			})
		})
		var sent atomic.Int32
		reply, err := a.SendSnapshot(background, "b", []byte("header"), parts(100, 50<<10, &sent, nil))
		if err != nil || string(reply) != "done" {
			t.Errorf("got %q, %v", reply, err)
		}
		if n := c.net.Conns("a", "b"); n != 0 {
			t.Errorf("%d connections stay open", n)
		}
		_, err = a.SendSnapshot(background, "unknown", nil, parts(1, 1, &sent, nil))
		wantKind(t, "a node without an address", err, storage.Unavailable)
		_, err = a.SendSnapshot(background, "c", nil, parts(1, 1, &sent, nil))
		wantKind(t, "a node that is down", err, storage.Unavailable)
		_, err = a.SendSnapshot(background, "a", nil, parts(1, 1, &sent, nil))
		if err == nil {
			t.Error("a node without a handler took a snapshot")
		}
	})
}

// An error of the sender reaches the receiver as an error, never as an end.
func TestSnapshotSenderFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		defer c.stop()
		a := c.add("a", nil)
		began, received := make(chan struct{}, 1), make(chan error, 1)
		c.add("b", func(tr *transport.Transport) {
			tr.HandleSnapshot(func(_ context.Context, _ cluster.NodeID, _ []byte, next func() ([]byte, error)) ([]byte, error) {
				began <- struct{}{}
				_, err := receive(next)
				received <- err
				return nil, err
			})
		})
		var sent atomic.Int32
		broken := errors.New("broken")
		breaks := func(yield func([]byte, error) bool) {
			parts(10, 1000, &sent, nil)(yield)
			<-began
			yield(nil, broken)
		}
		if _, err := a.SendSnapshot(background, "b", nil, breaks); !errors.Is(err, broken) {
			t.Errorf("the sender got %v", err)
		}
		if err := <-received; err == nil {
			t.Error("the receiver saw the end")
		}
		// And the connection may break.
		c.net.SetDelay("a", "b", time.Second, 0)
		ended := make(chan error, 1)
		go func() {
			_, err := a.SendSnapshot(background, "b", nil, parts(1000, 100<<10, &sent, nil))
			ended <- err
		}()
		<-began
		c.net.Reset("a", "b")
		wantKind(t, "a broken connection", <-ended, storage.Ambiguous)
		if err := <-received; err == nil {
			t.Error("the receiver saw the end")
		}
	})
}

// A receiver that refuses need not read all of it, and one that is slow holds
// the sender back.
func TestSnapshotReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.add("a", nil)
		proceed := make(chan struct{})
		closed := make(chan error, 1)
		c.add("b", func(tr *transport.Transport) {
			tr.HandleSnapshot(func(ctx context.Context, _ cluster.NodeID, header []byte, next func() ([]byte, error)) ([]byte, error) {
				switch string(header) {
				case "refuse":
					return nil, storage.Errorf(storage.WrongPartition, "not mine")
				case "wait":
					<-proceed
				case "close":
					<-ctx.Done()
					_, err := receive(next)
					closed <- err
					return nil, err
				}
				_, err := receive(next)
				return nil, err
			})
		})
		var sent atomic.Int32
		_, err := a.SendSnapshot(background, "b", []byte("refuse"), parts(400, 50<<10, &sent, nil))
		wantKind(t, "a refusal", err, storage.WrongPartition)
		if sent.Load() == 400 {
			t.Error("all was sent to a receiver that refused")
		}

		sent.Store(0)
		ended := make(chan error, 1)
		go func() {
			_, err := a.SendSnapshot(background, "b", []byte("wait"), parts(400, 50<<10, &sent, nil))
			ended <- err
		}()
		time.Sleep(time.Hour)
		if n := sent.Load(); n > 100 {
			t.Errorf("%d parts of 50 KiB are under way to a receiver that waits", n)
		}
		close(proceed)
		if err := <-ended; err != nil || sent.Load() != 400 {
			t.Errorf("%d parts sent, %v", sent.Load(), err)
		}

		go func() {
			_, err := a.SendSnapshot(background, "b", []byte("close"), parts(400, 50<<10, &sent, nil))
			ended <- err
		}()
		time.Sleep(time.Second)
		c.stop()
		if err := <-ended; err == nil {
			t.Error("a snapshot outlived the transport")
		}
		if err := <-closed; err == nil {
			t.Error("the receiver saw the end")
		}
	})
}
