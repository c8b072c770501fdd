package host

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/storage/machine"
)

func FuzzDecodeOffer(f *testing.F) {
	f.Add((&offer{group: 1, replica: 2, term: 300, machine: []byte("header")}).append(nil))
	f.Add([]byte{offerVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := decodeOffer(b)
		if err != nil {
			return
		}
		again, err := decodeOffer(o.append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, again, cmp.AllowUnexported(offer{})); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzTermAnswers(f *testing.F) {
	f.Add([]byte{1, 2, 0, 0, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		for range len(b) + 2 {
			var a termAnswer
			a, b = nextTermAnswer(b)
			if a.err != nil {
				return
			}
		}
		t.Error("there is no end to it")
	})
}

func TestInstallReply(t *testing.T) {
	for _, want := range []raft.InstallSnapshotResponse{{Term: 1}, {Term: 300, Success: true}} {
		got, err := decodeInstallReply(appendInstallReply(want.Term, want.Success))
		if err != nil || got.Term != want.Term || got.Success != want.Success {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := decodeInstallReply(nil); err == nil {
		t.Error("an empty reply is read")
	}
}

// memoryLog has hard state in one hand and entries in the other.
type memoryLog struct{ *raft.InmemStore }

func TestJudge(t *testing.T) {
	newLog := func(term uint64, entries ...raft.Log) memoryLog {
		l := memoryLog{raft.NewInmemStore()}
		if err := l.SetUint64(keyCurrentTerm, term); err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if err := l.StoreLog(&entry); err != nil {
				t.Fatal(err)
			}
		}
		return l
	}
	snapshot := machine.Meta{AppliedIndex: 100, AppliedTerm: 5}
	tests := []struct {
		name    string
		term    uint64 // of the offer
		applied uint64
		log     memoryLog
		needed  bool
		success bool
	}{
		{"lags behind", 6, 50, newLog(6, raft.Log{Index: 60, Term: 5}), true, false},
		{"has nothing", 6, 0, newLog(1), true, false},
		{"an old leader offers", 4, 50, newLog(6), false, false},
		{"has applied it", 6, 100, newLog(6), false, true},
		{"has applied more", 6, 200, newLog(6), false, true},
		{"has acknowledged it", 6, 50, newLog(6, raft.Log{Index: 100, Term: 5}), false, true},
		{"has another leader's entry there", 6, 50, newLog(6, raft.Log{Index: 100, Term: 4}), true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			needed, answer, err := judge(offer{term: test.term}, snapshot, machine.Meta{AppliedIndex: test.applied}, test.log)
			if err != nil || needed != test.needed {
				t.Fatalf("needed: %v, %v", needed, err)
			}
			term, _ := test.log.GetUint64(keyCurrentTerm)
			if want := appendInstallReply(term, test.success); !needed && !bytes.Equal(answer, want) {
				t.Errorf("answer %v, want %v", answer, want)
			}
		})
	}
}
