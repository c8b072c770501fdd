package feed_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/feed"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
)

const groupID = 3

// memoryLog is a log in memory, where all is durable at once.
type memoryLog struct{ *raft.InmemStore }

func (l memoryLog) StoreLogsAhead(entries []*raft.Log) error { return l.StoreLogs(entries) }
func (l memoryLog) Durable(uint64, func()) bool              { return true }

// lead runs f on a group of one peer that leads, in virtual time.
func lead(t *testing.T, f func(t *testing.T, g *group.Group)) {
	synctest.Test(t, func(t *testing.T) {
		e, err := engine.Open(engine.Options{InMemory: true, MemoryBudget: 32 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		self := cluster.PeerID{Node: "n1", Replica: 1}
		partition, err := machine.Create(e, 1, machine.Meta{
			Group: groupID, AppliedIndex: 10, AppliedTerm: 1,
			ConfigIndex: 10, Config: group.EncodeConfiguration([]cluster.PeerID{self}),
		}, "here")
		if err != nil {
			t.Fatal(err)
		}
		_, transport := raft.NewInmemTransport(raft.ServerAddress(self.String()))
		g, err := group.Start(group.Options{
			ID: groupID, Peer: self, Machine: partition, Log: memoryLog{raft.NewInmemStore()}, Transport: transport,
			Fatal: func(err error) { t.Error(err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		for !g.IsLeader() {
			changed := g.LeadershipChanged()
			if !g.IsLeader() {
				<-changed
			}
		}
		f(t, g)
	})
}

func propose(t *testing.T, g *group.Group, cmd command.Command) {
	t.Helper()
	done := make(chan error, 1)
	g.Propose(cmd.Append(nil), func(result command.Result, err error) {
		if err == nil && result.Err != nil {
			err = result.Err
		}
		done <- err
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func register(t *testing.T, g *group.Group) {
	t.Helper()
	propose(t, g, command.Command{Kind: command.Consumer, Consumer: command.ConsumerChange{Name: "test", Op: command.Register}})
}

func put(t *testing.T, g *group.Group, key string) {
	t.Helper()
	it := item.NewItem(item.Attribute{Name: "k", Value: item.String(key)})
	propose(t, g, command.Command{Kind: command.Put, Key: []byte(key), Item: item.Encode(it)})
}

func TestFollow(t *testing.T) {
	lead(t, func(t *testing.T, g *group.Group) {
		register(t, g)
		for i := range 5 {
			put(t, g, fmt.Sprint("k", i))
		}
		var cursor uint64
		for i := range 5 {
			changes, err := feed.Next(context.Background(), g, cursor, 1)
			if err != nil || len(changes) != 1 {
				t.Fatal(changes, err)
			}
			if got := string(changes[0].Key); got != fmt.Sprint("k", i) {
				t.Errorf("change %d is of %s", i, got)
			}
			cursor = changes[0].Seq
		}
	})
}

func TestWaitForAChange(t *testing.T) {
	lead(t, func(t *testing.T, g *group.Group) {
		register(t, g)
		type answer struct {
			changes []change.Change
			err     error
		}
		got := make(chan answer, 1)
		go func() {
			changes, err := feed.Next(context.Background(), g, 0, 10)
			got <- answer{changes, err}
		}()
		synctest.Wait()
		select {
		case a := <-got:
			t.Fatalf("did not wait: %+v", a)
		default:
		}
		put(t, g, "k")
		if a := <-got; a.err != nil || len(a.changes) != 1 {
			t.Errorf("got %+v", a)
		}
	})
}

func TestEndOfContext(t *testing.T) {
	lead(t, func(t *testing.T, g *group.Group) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := feed.Next(ctx, g, 0, 10); err != context.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
	})
}

func TestEndOfLeadership(t *testing.T) {
	lead(t, func(t *testing.T, g *group.Group) {
		got := make(chan error, 1)
		go func() {
			_, err := feed.Next(context.Background(), g, 0, 10)
			got <- err
		}()
		synctest.Wait()
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-got; storage.KindOf(err) != storage.NotLeader {
			t.Errorf("got %v", err)
		}
	})
}
