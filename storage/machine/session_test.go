package machine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
)

// tableState is everything that decides what a session table will answer.
type tableState struct {
	Sessions []sessionState // from the one that gives way first
	Records  map[uint64]int // remembered outcomes by index
	Bytes    int
}

type sessionState struct {
	ID, Life, Low uint64
	Outcomes      []string
}

func sessionsOf(p *Partition) tableState {
	table := p.applier.sessions
	state := tableState{Records: map[uint64]int{}, Bytes: table.bytes}
	for s := table.front.next; s != &table.front; s = s.next {
		one := sessionState{ID: s.id, Life: s.life, Low: s.low}
		for _, o := range s.outcomes {
			one.Outcomes = append(one.Outcomes, fmt.Sprintf("%d at %d: %x", o.seq, o.index, o.result))
		}
		state.Sessions = append(state.Sessions, one)
	}
	for index, r := range table.records {
		state.Records[index] = r.outcomes
	}
	return state
}

func TestDuplicateGetsTheOutcome(t *testing.T) {
	r := newRig(t)
	first := r.must(returning(request(update("a", "ADD n :one"), 8, 1, 1), command.ReturnAllNew))
	again := r.must(returning(request(update("a", "ADD n :one"), 8, 1, 1), command.ReturnAllNew))
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("(-first +again):\n%s", diff)
	}
	if string(r.get("a").Item) != string(doc("pk", "a", "n", 1)) {
		t.Error("applied twice")
	}
	// A refusal is an outcome too, even when the command would succeed by now.
	insert := when(put("b"), "attribute_not_exists(pk)")
	r.must(insert)
	r.do(request(insert, 8, 2, 1))
	r.must(del("b"))
	if res := r.do(request(insert, 8, 2, 1))[0]; res.Err == nil || res.Err.Kind != storage.ConditionalCheckFailed {
		t.Errorf("got %+v", res)
	}
	// Within one entry, and after a restart.
	c := request(update("c", "ADD n :one"), 8, 3, 1)
	r.do(c, c)
	r.reopen()
	r.do(c)
	if string(r.get("c").Item) != string(doc("pk", "c", "n", 1)) {
		t.Error("applied more than once")
	}
}

func TestLowForgets(t *testing.T) {
	r := newRig(t)
	for seq := uint64(1); seq <= 5; seq++ {
		r.must(request(update("a", "ADD n :one"), 8, seq, 1))
	}
	r.must(request(update("a", "ADD n :one"), 8, 6, 4))
	r.fails(request(update("a", "ADD n :one"), 8, 3, 1), storage.StaleRequest, "")
	if res := r.must(request(update("a", "ADD n :one"), 8, 4, 1)); !res.Applied {
		t.Errorf("the outcome of 4 is %+v", res)
	}
	if string(r.get("a").Item) != string(doc("pk", "a", "n", 6)) {
		t.Error("applied again")
	}
	// A late one that was never seen is applied, in any order.
	r.must(request(put("b"), 8, 9, 4))
	r.must(request(put("c"), 8, 7, 4))
	if !r.get("c").Exists {
		t.Error("7 was not applied")
	}
	records := 0
	for _, line := range dump(t, r.p.engine, 1) {
		if strings.HasPrefix(line, "s ") {
			records++
		}
	}
	if records != 5 { // of 4, 5, 6, 9, 7
		t.Errorf("%d records are kept", records)
	}
	r.must(request(put("d"), 8, 10, 10))
	r.reopen()
	r.fails(request(put("x"), 8, 9, 1), storage.StaleRequest, "")
}

func TestOldestSessionGivesWay(t *testing.T) {
	r := newRig(t)
	cmds := make([]command.Command, 0, maxSessions)
	for id := range uint64(maxSessions) {
		cmds = append(cmds, request(update("a", "ADD n :one"), id+1, 1, 1))
	}
	r.do(cmds...)
	// Session 1 does something new, session 2 only repeats itself.
	r.must(request(update("a", "ADD n :one"), 1, 2, 1))
	r.do(cmds[1])
	r.must(request(update("a", "ADD n :one"), maxSessions+1, 1, 1))
	before := sessionsOf(r.p)
	r.reopen()
	if diff := cmp.Diff(before, sessionsOf(r.p)); diff != "" {
		t.Fatalf("after a restart (-before +after):\n%s", diff)
	}
	count := r.get("a")
	r.do(cmds[0], cmds[2], cmds[maxSessions-1])
	if string(r.get("a").Item) != string(count.Item) {
		t.Error("a session other than the oldest was forgotten")
	}
	if r.do(cmds[1]); string(r.get("a").Item) == string(count.Item) {
		t.Error("the oldest session was not forgotten")
	}
}

func TestFullSession(t *testing.T) {
	r := newRig(t)
	cmds := make([]command.Command, 0, maxOutcomes)
	for seq := range uint64(maxOutcomes) {
		cmds = append(cmds, request(put("a", "n", 1), 5, seq+100, 1))
	}
	r.do(cmds...)
	r.fails(request(put("b"), 5, 99, 1), storage.StaleRequest, "")
	r.must(request(put("c"), 5, maxOutcomes+100, 1))
	r.fails(request(put("b"), 5, 100, 1), storage.StaleRequest, "")
	if res := r.must(request(put("b"), 5, 101, 1)); res.NewSize != r.get("a").Size {
		t.Errorf("the outcome of 101 is %+v", res)
	}
	before := sessionsOf(r.p)
	r.reopen()
	if diff := cmp.Diff(before, sessionsOf(r.p)); diff != "" {
		t.Errorf("after a restart (-before +after):\n%.500s", diff)
	}
}

// TestSessionTable draws requests of a few sessions in a table that has place
// for fewer: sequence numbers that come in any order, sessions that give way and
// come back. After every entry the table must be what a restart would make of
// it.
func TestSessionTable(t *testing.T) {
	e := memory(t)
	ks := Keyspace(0)
	checkFew(t, 40, func(t *rapid.T) {
		ks++
		r := createRigAt(t, e, ks, Meta{Group: 1})
		// Strangers fill the table but for three places.
		strangers := make([]command.Command, 0, maxSessions)
		for id := range uint64(maxSessions - 3) {
			strangers = append(strangers, request(del("a"), 1000+id, 1, 1))
		}
		r.do(strangers...)
		next := uint64(2)
		for range rapid.IntRange(1, 12).Draw(t, "entries") {
			var cmds []command.Command
			for range rapid.IntRange(1, 4).Draw(t, "commands") {
				id, seq := rapid.Uint64Range(1, 6).Draw(t, "session"), rapid.Uint64Range(1, 9).Draw(t, "seq")
				low := rapid.Uint64Range(0, 9).Draw(t, "low")
				cmds = append(cmds, request(del("a"), id, seq, low))
				if rapid.IntRange(0, 3).Draw(t, "churn") == 0 {
					// All strangers act again: whoever drawn session is the
					// oldest is next to go.
					for i := range strangers {
						strangers[i].Request.Seq, strangers[i].Request.Low = next, next
					}
					cmds = append(cmds, strangers...)
					next++
				}
			}
			r.do(cmds...)
			live := sessionsOf(r.p)
			r.reopen()
			if diff := cmp.Diff(live, sessionsOf(r.p)); diff != "" {
				t.Fatalf("entry %d: after a restart (-live +restarted):\n%s", r.index, diff)
			}
			stored := 0
			for _, line := range dump(t, e, ks) {
				if strings.HasPrefix(line, "s ") {
					stored++
				}
			}
			if stored != len(live.Records) {
				t.Fatalf("entry %d: %d records are stored, %d have outcomes", r.index, stored, len(live.Records))
			}
		}
	})
}

// An outcome too big to keep is remembered without its images.
func TestBigOutcomes(t *testing.T) {
	r := newRig(t)
	big := strings.Repeat("x", 300_000)
	r.must(put("a", "v", big))
	r.must(put("b", "v", big))
	ops := transact(returning(update("a", "ADD n :one"), command.ReturnAllNew), returning(update("b", "ADD n :one"), command.ReturnAllNew))
	first := r.must(request(ops, 1, 1, 1))
	if len(first.Results[1].Item) == 0 {
		t.Fatal("the first answer has to have the images")
	}
	r.reopen()
	if res := r.do(request(ops, 1, 1, 1))[0]; res.Err == nil || res.Err.Kind != storage.Ambiguous {
		t.Errorf("got %+v", res)
	}
	failing := func(key string) command.Command {
		c := check(key, "attribute_not_exists(pk)")
		c.ReturnOnFailure = true
		return c
	}
	refused := request(transact(failing("a"), failing("b")), 1, 2, 1)
	if res := r.do(refused)[0]; len(res.Results[0].Err.Item) == 0 {
		t.Fatal("the first refusal has to have the images")
	}
	res := r.do(refused)[0]
	if res.Err.Kind != storage.TransactionCanceled || res.Results[0].Err.Kind != storage.ConditionalCheckFailed || res.Results[0].Err.Item != nil {
		t.Errorf("got %+v", res)
	}
}
