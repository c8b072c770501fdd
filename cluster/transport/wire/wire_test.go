package wire

import (
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// golden compares bytes with a file of hex lines. Nodes of different versions
// talk to each other, so what is in it cannot change.
func golden(t *testing.T, name string, messages map[string][]byte, order []string) {
	t.Helper()
	var b strings.Builder
	for _, what := range order {
		b.WriteString(what + "\n  " + hex.EncodeToString(messages[what]) + "\n")
	}
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestFrameFormat(t *testing.T) {
	failure := &storage.Error{Kind: storage.NotLeader, Op: "op", Message: "message", Item: []byte{7}, Err: errors.New("cause")}
	golden(t, "frame.hex", map[string][]byte{
		"request": AppendRecord(nil, Record{Kind: Request, ID: 300, Method: 16, Group: 5, Body: []byte("body")}),
		"answer":  AppendRecord(nil, Record{Kind: Answer, ID: 300, Body: []byte("body")}),
		"failure": AppendRecord(nil, Record{Kind: Failure, ID: 300, Body: AppendError(nil, failure)}),
	}, []string{"request", "answer", "failure"})
}

func TestRaftFormat(t *testing.T) {
	head := Head{Target: 2, Sender: 1, Protocol: 3}
	entry := &raft.Log{Index: 12, Term: 3, Type: raft.LogConfiguration, Data: []byte("data"), Extensions: []byte("x"), AppendedAt: time.Unix(1, 2)}
	response := func(r any) []byte {
		b, err := EncodeResponse(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	header := raft.RPCHeader{ProtocolVersion: 3}
	golden(t, "raft.hex", map[string][]byte{
		"append":         EncodeAppend(head, 4, Part{PreviousIndex: 11, PreviousTerm: 3, Commit: 10, Entries: []*raft.Log{entry}}),
		"heartbeat":      EncodeAppend(head, 4, Part{}),
		"vote":           EncodeVote(head, &raft.RequestVoteRequest{Term: 4, LastLogIndex: 12, LastLogTerm: 3, LeadershipTransfer: true}),
		"prevote":        EncodePreVote(head, &raft.RequestPreVoteRequest{Term: 4, LastLogIndex: 12, LastLogTerm: 3}),
		"timeout now":    EncodeTimeoutNow(head),
		"append answer":  response(&raft.AppendEntriesResponse{RPCHeader: header, Term: 4, LastLog: 12, Success: true, NoRetryBackoff: true}),
		"vote answer":    response(&raft.RequestVoteResponse{RPCHeader: header, Term: 4, Granted: true}),
		"prevote answer": response(&raft.RequestPreVoteResponse{RPCHeader: header, Term: 4}),
		"timeout answer": response(&raft.TimeoutNowResponse{RPCHeader: header}),
	}, []string{"append", "heartbeat", "vote", "prevote", "timeout now", "append answer", "vote answer", "prevote answer", "timeout answer"})
}

func TestRaftRoundTrip(t *testing.T) {
	from, to := cluster.PeerID{Node: "n1", Replica: 4}, cluster.PeerID{Node: "n2", Replica: 5}
	rapid.Check(t, func(t *rapid.T) {
		id := []byte(from.String())
		header := raft.RPCHeader{ProtocolVersion: 3, ID: id, Addr: id}
		number := rapid.Uint64()
		want := &raft.AppendEntriesRequest{
			RPCHeader: header, Leader: id, Term: number.Draw(t, "term"),
			PrevLogEntry: number.Draw(t, "previous index"), PrevLogTerm: number.Draw(t, "previous term"),
			Entries: []*raft.Log{},
		}
		for range rapid.IntRange(0, 5).Draw(t, "entries") {
			l := &raft.Log{
				Index: number.Draw(t, "index"), Term: number.Draw(t, "term"), Type: raft.LogType(rapid.Byte().Draw(t, "type")),
				Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"), Extensions: rapid.SliceOfN(rapid.Byte(), 1, 5).Draw(t, "extensions"),
			}
			if rapid.Bool().Draw(t, "dated") {
				l.AppendedAt = time.Unix(0, rapid.Int64Min(1).Draw(t, "at"))
			}
			want.Entries = append(want.Entries, l)
		}
		part := Part{PreviousIndex: want.PrevLogEntry, PreviousTerm: want.PrevLogTerm, Entries: want.Entries}
		body := EncodeAppend(Head{Target: to.Replica, Sender: from.Replica, Protocol: 3}, want.Term, part)
		target, got, err := DecodeAppend(from.Node, body)
		if err != nil || target != to.Replica {
			t.Fatalf("for replica %d: %v", target, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("append (-want +got):\n%s", diff)
		}
	})
}

func TestResponseRoundTrip(t *testing.T) {
	peer := cluster.PeerID{Node: "n2", Replica: 5}
	header := raft.RPCHeader{ProtocolVersion: 3, ID: []byte("n2/5"), Addr: []byte("n2/5")}
	for _, c := range []struct{ want, got any }{
		{&raft.AppendEntriesResponse{RPCHeader: header, Term: 4, LastLog: 9, Success: true}, new(raft.AppendEntriesResponse)},
		{&raft.AppendEntriesResponse{RPCHeader: header, Term: 4, LastLog: 9, NoRetryBackoff: true}, new(raft.AppendEntriesResponse)},
		{&raft.RequestVoteResponse{RPCHeader: header, Term: 4, Granted: true}, new(raft.RequestVoteResponse)},
		{&raft.RequestPreVoteResponse{RPCHeader: header, Term: 4, Granted: true}, new(raft.RequestPreVoteResponse)},
		{&raft.TimeoutNowResponse{RPCHeader: header}, new(raft.TimeoutNowResponse)},
	} {
		body, err := EncodeResponse(c.want)
		if err == nil {
			err = DecodeResponse(peer, body, c.got)
		}
		if err != nil {
			t.Errorf("%T: %v", c.want, err)
		}
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.want, diff)
		}
		for n := range body {
			if err := DecodeResponse(peer, body[:n], c.got); err == nil {
				t.Errorf("%T: %d of %d bytes were taken", c.want, n, len(body))
			}
		}
	}
}

// The parts of a split request are what a follower would have to be sent one
// after the other, and no part tells it to commit what that part does not hold.
func TestSplitAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := &raft.AppendEntriesRequest{PrevLogEntry: rapid.Uint64Range(0, 5).Draw(t, "previous")}
		if request.PrevLogEntry > 0 {
			request.PrevLogTerm = 1
		}
		term := uint64(1)
		for i := range rapid.Uint64Range(0, 20).Draw(t, "entries") {
			term += rapid.Uint64Range(0, 1).Draw(t, "term")
			data := make([]byte, rapid.IntRange(0, 3000).Draw(t, "size"))
			request.Entries = append(request.Entries, &raft.Log{Index: request.PrevLogEntry + 1 + i, Term: term, Data: data})
		}
		request.LeaderCommitIndex = rapid.Uint64Range(0, 30).Draw(t, "commit")
		index, term := request.PrevLogEntry, request.PrevLogTerm
		var entries []*raft.Log
		var commit uint64
		for i, p := range SplitAppend(nil, request, 4000) {
			if p.PreviousIndex != index || p.PreviousTerm != term {
				t.Fatalf("part %d follows (%d, %d), not (%d, %d)", i, p.PreviousIndex, p.PreviousTerm, index, term)
			}
			if i > 0 && len(p.Entries) == 0 {
				t.Fatalf("part %d is empty", i)
			}
			size := 0
			for _, l := range p.Entries {
				index, term = l.Index, l.Term
				size += entrySize(l)
			}
			if size > 4000 && len(p.Entries) > 1 {
				t.Fatalf("part %d has %d bytes", i, size)
			}
			if p.Commit > index {
				t.Fatalf("part %d ends at %d and commits %d", i, index, p.Commit)
			}
			entries, commit = append(entries, p.Entries...), p.Commit
		}
		if !slices.Equal(request.Entries, entries) {
			t.Fatalf("%d entries became %d others", len(request.Entries), len(entries))
		}
		if want := min(request.LeaderCommitIndex, index); commit != want {
			t.Fatalf("commits %d, want %d", commit, want)
		}
	})
}

func FuzzFrame(f *testing.F) {
	f.Add(AppendRecord(AppendRecord(nil, Record{Kind: Request, ID: 1, Method: 2, Group: 3, Body: []byte("x")}), Record{Kind: Answer, ID: 9}))
	f.Add(AppendRecord(nil, Record{Kind: Failure, ID: 1, Body: AppendError(nil, errors.New("no"))}))
	f.Add([]byte{Answer, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		for rest := b; len(rest) > 0; {
			r, after, err := ReadRecord(rest)
			if err != nil {
				return
			}
			if len(after) >= len(rest) {
				t.Fatal("a message of no bytes")
			}
			if r.Kind == Failure && DecodeError(r.Body) == nil {
				t.Fatal("a failure without an error")
			}
			again, rest = AppendRecord(again, r), after
		}
		// Numbers may have been padded, so the bytes may differ, but no more.
		if len(again) > len(b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

func FuzzRaftRequest(f *testing.F) {
	head := Head{Target: 2, Sender: 1, Protocol: 3}
	f.Add(EncodeAppend(head, 1, Part{Entries: []*raft.Log{{Index: 1, Term: 1, Data: []byte("x")}}}))
	f.Add(EncodeVote(head, &raft.RequestVoteRequest{Term: 4}))
	f.Add(EncodePreVote(head, &raft.RequestPreVoteRequest{Term: 4}))
	f.Add(EncodeTimeoutNow(head))
	f.Fuzz(func(t *testing.T, b []byte) {
		DecodeVote("n1", b)
		DecodePreVote("n1", b)
		DecodeTimeoutNow("n1", b)
		target, command, err := DecodeAppend("n1", b)
		if err != nil {
			return
		}
		a := command.(*raft.AppendEntriesRequest)
		head := Head{Target: target, Protocol: a.ProtocolVersion}
		part := Part{PreviousIndex: a.PrevLogEntry, PreviousTerm: a.PrevLogTerm, Commit: a.LeaderCommitIndex, Entries: a.Entries}
		_, again, err := DecodeAppend("n1", EncodeAppend(head, a.Term, part))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a.Entries, again.(*raft.AppendEntriesRequest).Entries); diff != "" {
			t.Fatalf("entries (-before +after):\n%s", diff)
		}
	})
}
