package transport_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
)

const group cluster.GroupID = 7

// facades are the transports of two peers of a group, without Raft behind them.
type facades struct {
	*testCluster
	a, b *transport.GroupTransport
}

func newFacades(t *testing.T) *facades {
	f := &facades{testCluster: newCluster(t)}
	f.a = f.add("a", nil).Raft(group, cluster.PeerID{Node: "a", Replica: 1})
	f.b = f.add("b", nil).Raft(group, cluster.PeerID{Node: "b", Replica: 1})
	return f
}

// answer makes b answer the next request.
func (f *facades) answer(response any, err error) (command any) {
	rpc := <-f.b.Consumer()
	rpc.Respond(response, err)
	return rpc.Command
}

var (
	success = &raft.AppendEntriesResponse{Term: 3, LastLog: 9, Success: true}
	refusal = &raft.AppendEntriesResponse{Term: 3, LastLog: 2}
)

func request(entries int) *raft.AppendEntriesRequest {
	a := &raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 10, PrevLogTerm: 3, LeaderCommitIndex: 10}
	for i := range entries {
		a.Entries = append(a.Entries, &raft.Log{Index: uint64(11 + i), Term: 3, Data: []byte("x")})
	}
	return a
}

// send sends to a replica of b and returns the outcome later.
func (f *facades) send(target raft.ServerAddress, a *raft.AppendEntriesRequest) (<-chan error, *raft.AppendEntriesResponse) {
	ended, resp := make(chan error, 1), new(raft.AppendEntriesResponse)
	go func() { ended <- f.a.AppendEntries("", target, a, resp) }()
	return ended, resp
}

func TestAppendEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		ended, resp := f.send("b/1", request(2))
		got := f.answer(success, nil).(*raft.AppendEntriesRequest)
		if err := <-ended; err != nil || !resp.Success || resp.Term != 3 || resp.LastLog != 9 {
			t.Errorf("got %+v, %v", resp, err)
		}
		if string(got.Addr) != "a/1" || string(got.ID) != "a/1" || len(got.Entries) != 2 {
			t.Errorf("b got %+v", got)
		}
		ended, resp = f.send("b/1", request(0))
		f.answer(nil, errors.New("no"))
		if err := <-ended; err == nil {
			t.Errorf("an error became %+v", resp)
		}
		// Without an answer in half a heartbeat timeout, it fails.
		begin := time.Now()
		f.a.SetHooks(transport.GroupHooks{HeartbeatTimeout: 4 * time.Second})
		ended, _ = f.send("b/1", request(1))
		wantKind(t, "without an answer", <-ended, storage.Ambiguous)
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A request for a replica that is not here, or no longer, reaches no other.
func TestReplicasAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		ended, _ := f.send("b/2", request(1))
		wantKind(t, "another replica", <-ended, storage.Unavailable)
		f.b.Close()
		ended, _ = f.send("b/1", request(1))
		wantKind(t, "a closed replica", <-ended, storage.Unavailable)
		f.b = f.nodes["b"].Raft(group, cluster.PeerID{Node: "b", Replica: 2})
		ended, _ = f.send("b/1", request(1))
		wantKind(t, "the predecessor", <-ended, storage.Unavailable)
		ended, _ = f.send("b/2", request(1))
		f.answer(success, nil)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := len(f.b.Consumer()); n != 0 {
			t.Errorf("%d requests more", n)
		}
	})
}

func TestVotesWaitForConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		initialized := false
		f.b.SetHooks(transport.GroupHooks{Initialized: func() bool { return initialized }})
		vote := func() error {
			return f.a.RequestVote("", "b/1", &raft.RequestVoteRequest{Term: 4, LeadershipTransfer: true}, new(raft.RequestVoteResponse))
		}
		prevote := func() error {
			return f.a.RequestPreVote("", "b/1", &raft.RequestPreVoteRequest{Term: 4}, new(raft.RequestPreVoteResponse))
		}
		wantKind(t, "a vote", vote(), storage.Unavailable)
		wantKind(t, "a pre-vote", prevote(), storage.Unavailable)
		// But it can be sent entries, and so be filled.
		ended, _ := f.send("b/1", request(1))
		f.answer(success, nil)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		initialized = true
		go f.answer(&raft.RequestVoteResponse{Term: 4, Granted: true}, nil)
		if err := vote(); err != nil {
			t.Error(err)
		}
		go f.answer(&raft.RequestPreVoteResponse{Term: 4, Granted: true}, nil)
		if err := prevote(); err != nil {
			t.Error(err)
		}
		go f.answer(&raft.TimeoutNowResponse{}, nil)
		if err := f.a.TimeoutNow("", "b/1", &raft.TimeoutNowRequest{}, new(raft.TimeoutNowResponse)); err != nil {
			t.Error(err)
		}
	})
}

// A peer that answers nothing holds up neither its node nor Close.
func TestSilentRaft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		var outcomes []<-chan error
		for range 200 {
			ended, _ := f.send("b/1", request(1))
			outcomes = append(outcomes, ended)
		}
		for _, ended := range outcomes {
			if err := <-ended; err == nil {
				t.Error("an answer from nobody")
			}
		}
		other := f.nodes["b"].Raft(group+1, cluster.PeerID{Node: "b", Replica: 1})
		go func() { rpc := <-other.Consumer(); rpc.Respond(success, nil) }()
		sender := f.nodes["a"].Raft(group+1, cluster.PeerID{Node: "a", Replica: 1})
		if err := sender.AppendEntries("", "b/1", request(1), new(raft.AppendEntriesResponse)); err != nil {
			t.Error(err)
		}
		ended, _ := f.send("b/1", request(1))
		synctest.Wait()
		f.b.Close()
		wantKind(t, "when the peer closes", <-ended, storage.Unavailable)
	})
}

// futures takes what a pipeline delivers until it has been silent for a while.
func futures(p raft.AppendPipeline) (got []raft.AppendFuture) {
	for {
		select {
		case f := <-p.Consumer():
			got = append(got, f)
		case <-time.After(10 * time.Second):
			return got
		}
	}
}

func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		p, err := f.a.AppendEntriesPipeline("", "b/1")
		if err != nil {
			t.Fatal(err)
		}
		large := request(3)
		for _, l := range large.Entries {
			l.Data = make([]byte, 900<<10)
		}
		requests := []*raft.AppendEntriesRequest{request(1), large, request(0), request(2)}
		parts := make(chan int, 6)
		go func() {
			for range cap(parts) {
				parts <- len(f.answer(success, nil).(*raft.AppendEntriesRequest).Entries)
			}
		}()
		for _, r := range requests {
			if _, err := p.AppendEntries(r, new(raft.AppendEntriesResponse)); err != nil {
				t.Fatal(err)
			}
		}
		got := futures(p)
		if len(got) != len(requests) {
			t.Fatalf("%d futures for %d requests", len(got), len(requests))
		}
		for i, future := range got {
			if future.Error() != nil || future.Request() != requests[i] || !future.Response().Success {
				t.Errorf("future %d: %v, %+v", i, future.Error(), future.Response())
			}
		}
		for i, want := range []int{1, 1, 1, 1, 0, 2} {
			if n := <-parts; n != want {
				t.Errorf("part %d has %d entries, want %d", i, n, want)
			}
		}
		p.Close()
		if _, err := p.AppendEntries(request(1), new(raft.AppendEntriesResponse)); err == nil {
			t.Error("a closed pipeline takes requests")
		}
	})
}

// A refusal of any part is the answer to the whole.
func TestPipelineRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		p, _ := f.a.AppendEntriesPipeline("", "b/1")
		defer p.Close()
		large := request(3)
		for _, l := range large.Entries {
			l.Data = make([]byte, 900<<10)
		}
		go func() {
			f.answer(success, nil)
			f.answer(refusal, nil)
			f.answer(success, nil)
		}()
		if _, err := p.AppendEntries(large, new(raft.AppendEntriesResponse)); err != nil {
			t.Fatal(err)
		}
		if got := futures(p); len(got) != 1 || got[0].Response().Success || got[0].Response().LastLog != refusal.LastLog {
			t.Errorf("got %d futures, the first %+v", len(got), got[0].Response())
		}
	})
}

// After an error nothing is delivered, though later requests have answers, and
// the pipeline takes no more.
func TestPipelineError(t *testing.T) {
	for what, fail := range map[string]func(*facades, raft.RPC){
		"error":      func(_ *facades, rpc raft.RPC) { rpc.Respond(nil, errors.New("no")) },
		"silence":    func(*facades, raft.RPC) {},
		"lost":       func(f *facades, _ raft.RPC) { f.net.Reset("a", "b") },
		"peer close": func(f *facades, _ raft.RPC) { f.b.Close() },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFacades(t)
				defer f.stop()
				p, _ := f.a.AppendEntriesPipeline("", "b/1")
				defer p.Close()
				var last raft.AppendFuture
				for range 4 {
					var err error
					if last, err = p.AppendEntries(request(1), new(raft.AppendEntriesResponse)); err != nil {
						t.Fatal(err)
					}
				}
				f.answer(success, nil)
				synctest.Wait()
				fail(f, <-f.b.Consumer())
				if what == "error" || what == "silence" {
					f.answer(success, nil)
					f.answer(success, nil)
				}
				if got := futures(p); len(got) != 1 {
					t.Errorf("%d futures were delivered, want 1", len(got))
				}
				if last.Error() == nil {
					t.Error("the last future has no error")
				}
				if _, err := p.AppendEntries(request(1), new(raft.AppendEntriesResponse)); err == nil {
					t.Error("a failed pipeline takes requests")
				}
			})
		})
	}
}

// An answer for entries that the sender has not made durable itself waits until
// it has, and so do the answers behind it.
func TestAnswersWaitForTheOwnLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		durable, waiting := uint64(11), map[uint64][]func(){}
		f.a.SetHooks(transport.GroupHooks{HeartbeatTimeout: time.Hour, Durable: func(index uint64, tell func()) bool {
			if index > durable {
				waiting[index] = append(waiting[index], tell)
			}
			return index <= durable
		}})
		settle := func(index uint64) {
			durable = index
			for _, tell := range waiting[index] {
				tell()
			}
			synctest.Wait()
		}
		p, _ := f.a.AppendEntriesPipeline("", "b/1")
		defer p.Close()
		for _, entries := range []int{1, 0, 3, 0, 2} {
			if _, err := p.AppendEntries(request(entries), new(raft.AppendEntriesResponse)); err != nil {
				t.Fatal(err)
			}
			f.answer(success, nil)
		}
		synctest.Wait()
		delivered := func() int { return len(p.Consumer()) }
		if got := delivered(); got != 2 {
			t.Errorf("%d answers were delivered before entry 12 was durable, want those to entry 11 and the one without entries", got)
		}
		settle(12)
		if got := delivered(); got != 2 {
			t.Errorf("%d answers were delivered before entry 13 was durable", got)
		}
		settle(13)
		if got := delivered(); got != 5 {
			t.Errorf("%d answers were delivered when all was durable", got)
		}

		// So do those of requests that are not in a pipeline.
		ended, _ := f.send("b/1", request(4))
		f.answer(success, nil)
		synctest.Wait()
		if len(ended) > 0 {
			t.Error("an answer was given before entry 14 was durable")
		}
		settle(14)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		ended, _ = f.send("b/1", request(5))
		f.answer(success, nil)
		synctest.Wait()
		f.a.Close()
		if err := <-ended; err == nil {
			t.Error("an answer was given though entry 15 was never durable")
		}
	})
}

// A pipeline that was closed while an answer waited delivers it no more.
func TestClosedPipelineForgetsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		var tell func()
		f.a.SetHooks(transport.GroupHooks{Durable: func(_ uint64, t func()) bool { tell = t; return false }})
		p, _ := f.a.AppendEntriesPipeline("", "b/1")
		future, err := p.AppendEntries(request(1), new(raft.AppendEntriesResponse))
		if err != nil {
			t.Fatal(err)
		}
		f.answer(success, nil)
		synctest.Wait()
		p.Close()
		tell()
		if len(p.Consumer()) > 0 || future.Error() == nil {
			t.Error("it was delivered")
		}
	})
}

// A full window blocks until the pipeline is closed.
func TestPipelineWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		f.a.SetHooks(transport.GroupHooks{HeartbeatTimeout: time.Hour})
		p, _ := f.a.AppendEntriesPipeline("", "b/1")
		sent, ended := 0, make(chan error, 1)
		go func() {
			for {
				if _, err := p.AppendEntries(request(1), new(raft.AppendEntriesResponse)); err != nil {
					ended <- err
					return
				}
				sent++
			}
		}()
		synctest.Wait()
		if sent == 0 || sent > 32 {
			t.Errorf("%d requests are under way", sent)
		}
		p.Close()
		<-ended
	})
}

func TestInstallSnapshotGoesOutOfBand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFacades(t)
		defer f.stop()
		install := func(resp *raft.InstallSnapshotResponse) error {
			return f.a.InstallSnapshot("", "b/1", &raft.InstallSnapshotRequest{Term: 3, LastLogIndex: 20}, resp, nil)
		}
		wantKind(t, "without a hook", install(new(raft.InstallSnapshotResponse)), storage.Unavailable)
		block := make(chan struct{})
		f.a.SetHooks(transport.GroupHooks{
			Snapshot: func(ctx context.Context, target cluster.PeerID, req *raft.InstallSnapshotRequest) (*raft.InstallSnapshotResponse, error) {
				if target != (cluster.PeerID{Node: "b", Replica: 1}) || req.LastLogIndex != 20 {
					t.Errorf("for %s: %+v", target, req)
				}
				select {
				case <-block:
					return &raft.InstallSnapshotResponse{Term: 3, Success: true}, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			},
		})
		ended := make(chan error, 1)
		go func() { ended <- install(new(raft.InstallSnapshotResponse)) }()
		synctest.Wait()
		block <- struct{}{}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		go func() { ended <- install(new(raft.InstallSnapshotResponse)) }()
		synctest.Wait()
		f.a.Close()
		if err := <-ended; err == nil {
			t.Error("Close does not end a snapshot")
		}
	})
}
