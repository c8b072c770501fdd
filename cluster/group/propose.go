package group

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Propose asks the group to carry out an encoded command. done is called
// exactly once: with the result when the command is committed and applied
// here, or with an error of kind NotLeader or Unavailable when it was certainly
// not proposed, or Ambiguous when its fate is not known. It is called before
// Propose returns where the command is refused at once, and otherwise on the
// goroutine that proposes for the whole group, so it must not block. cmd must
// not change before done is called.
func (g *Group) Propose(cmd []byte, done func(command.Result, error)) {
	p := proposal{cmd: cmd, done: done}
	notable, err := g.queue.add(p)
	switch {
	case err == errQueueClosed:
		p.fail(g.ErrNotLeader())
	case err != nil:
		p.fail(err)
	case notable:
		g.notify()
	}
}

// Writes is how many items clients write with what this peer has taken since it
// started.
func (g *Group) Writes() uint64 { return g.queue.written() }

// NotLeaderError is the cause of an error of kind storage.NotLeader.
type NotLeaderError struct {
	// Leader is who the peer asked believes to lead, zero when it has no idea.
	Leader cluster.PeerID
}

// Error names the leader.
func (e *NotLeaderError) Error() string {
	if e.Leader.Node == "" {
		return "the leader is not known"
	}
	return "the leader is " + e.Leader.String()
}

// ErrNotLeader is the error for a request that only the leader can serve. Its
// cause is a NotLeaderError.
func (g *Group) ErrNotLeader() error {
	leader, _ := g.Leader()
	return &storage.Error{
		Kind:    storage.NotLeader,
		Op:      "group",
		Message: "the peer asked does not lead its group",
		Err:     &NotLeaderError{Leader: leader},
	}
}

// proposer is the state of the one goroutine that proposes for a group. It
// follows raft's role, opens each term with an empty batch, and then keeps one
// batch in flight: while that is committed, what arrives gathers for the next.
// One entry for many commands beat both an entry for each, and two in flight.
type proposer struct {
	*Group
	clock   version.Clock
	term    uint64 // the term that this peer leads in, 0 while it does not
	batch   []proposal
	cmds    [][]byte
	company company
	news    news
	beat    beat
}

// propose runs the proposer until the group stops.
func (g *Group) propose() {
	p := proposer{Group: g}
	defer p.retire()
	for {
		select {
		case <-g.stopping:
			return // what waits must not be proposed any more
		default:
		}
		term, leads := g.epoch()
		switch {
		case p.term != 0 && (!leads || term != p.term):
			p.retire()
			continue
		case leads && p.term == 0:
			p.inaugurate(term)
			continue
		case leads && p.step():
			continue
		}
		select {
		case <-g.wake:
		case <-p.news.due():
			p.announce()
		case <-p.beat.restores():
			p.restore()
		case <-g.stopping:
			return
		}
	}
}

// inaugurate begins a term: when a batch of it has been applied, so has
// everything before it.
func (p *proposer) inaugurate(term uint64) {
	p.term = term
	p.leads()
	p.queue.setOpen()
	p.clock.Observe(p.opts.Machine.Meta().MaxTime)
	if _, err := p.commit(nil); err != nil {
		// The term is over, or will be in a moment.
		return
	}
	p.clock.Observe(p.opts.Machine.Meta().MaxTime)
	if now, leads := p.epoch(); !leads || now != term {
		return
	}
	p.setLeadership(term, true)
	p.opts.OnLeader(true, term)
}

// retire ends a term. What waits was never proposed.
func (p *proposer) retire() {
	for _, waiting := range p.queue.shut() {
		waiting.fail(p.refusal())
	}
	if term := p.term; p.leadership.Load().ready {
		p.setLeadership(term, false)
		p.opts.OnLeader(false, term)
	}
	if p.term != 0 {
		p.follows()
	}
	p.term = 0
	p.news.forget()
}

func (p *proposer) setLeadership(term uint64, ready bool) {
	old := p.leadership.Swap(&leadership{term: term, ready: ready, changed: make(chan struct{})})
	close(old.changed)
}

// refusal is the error for a command that was not proposed.
func (g *Group) refusal() error {
	select {
	case <-g.stopping:
		return &storage.Error{Kind: storage.Unavailable, Op: "group.Propose", Message: "the peer asked is stopping", Err: ErrClosed}
	default:
		return g.ErrNotLeader()
	}
}

// step proposes one batch and reports whether there was one. Nothing is
// proposed in a term before its first batch, and none while leadership is
// being handed over.
func (p *proposer) step() bool {
	if !p.leadership.Load().ready || !p.gate.enter() {
		return false
	}
	defer p.gate.leave()
	p.gather()
	p.batch = p.queue.take(p.batch[:0])
	if len(p.batch) == 0 {
		return false
	}
	begin := time.Now()
	if p.opts.Faults.AckBeforeCommit {
		for i := range p.batch {
			p.batch[i].done(command.Result{}, nil)
			p.batch[i].done = func(command.Result, error) {}
		}
	}
	results, err := p.commit(p.batch)
	// Counted before the answers, or a quick client would be its own company.
	p.company.note(len(p.batch)+p.queue.want(0), time.Since(begin))
	for i := range p.batch {
		if err != nil {
			p.batch[i].fail(err)
		} else {
			p.batch[i].done(results[i], nil)
		}
	}
	clear(p.batch)
	return true
}

// commit proposes proposals as one entry and waits for what becomes of it.
func (p *proposer) commit(batch []proposal) ([]command.Result, error) {
	size := entryOverhead
	p.cmds = p.cmds[:0]
	for i := range batch {
		size += len(batch[i].cmd) + commandOverhead
		p.cmds = append(p.cmds, batch[i].cmd)
	}
	entry := command.Batch{
		Time:     p.clock.Now(p.opts.Now().UnixMilli()),
		Commands: p.cmds,
		// With one batch in flight, everything before this one has been applied here.
		Priors: p.opts.Machine.Priors(p.cmds, p.opts.Tuning.AlwaysPriors),
	}
	for _, prior := range entry.Priors.Of {
		size += len(prior) + priorOverhead
	}
	// The log and the peers' senders keep the entry, so its memory is not reused.
	data := entry.Append(make([]byte, 0, size))
	clear(p.cmds)

	future := p.raft.ApplyLog(raft.Log{Data: data}, 0)
	abandonAt(future, p.stopping)
	if err := future.Error(); err != nil {
		return nil, p.explain(err)
	}
	p.news.add(future.Index())
	switch answer := future.Response().(type) {
	case []command.Result:
		if len(answer) == len(batch) {
			return answer, nil
		}
		err := fmt.Errorf("group %v: %d results for %d commands", p.opts.ID, len(answer), len(batch))
		p.fail(err)
		return nil, p.explain(err)
	case error:
		return nil, p.explain(answer)
	default:
		panic(fmt.Sprintf("group: state machine answered %T", answer))
	}
}

// Room for the header of a batch, and for the lengths of a command and of a prior
// in it.
const (
	entryOverhead   = 32
	commandOverhead = 5
	priorOverhead   = 2
)

// explain says what an error of raft means for what was proposed. This is a
// matter of safety: only ErrNotLeader is given by raft before an entry is
// appended, and nothing else may be called certain.
func (g *Group) explain(err error) error {
	if errors.Is(err, raft.ErrNotLeader) {
		return g.ErrNotLeader()
	}
	return &storage.Error{
		Kind:    storage.Ambiguous,
		Op:      "group.Propose",
		Message: "leadership was lost before the outcome was known",
		Err:     err,
	}
}

// abandonAt makes a future's Error return when stop is closed. Raft leaves a
// future for ever unanswered when it stops between handing an entry to the
// state machine and the state machine taking it. Its futures have a way out,
// an exported field that raft itself sets on some of them and not on these.
// The test of this function notices if a new version of raft has it no more.
func abandonAt(f raft.Future, stop chan struct{}) {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Pointer {
		return // an error already
	}
	v.Elem().FieldByName("ShutdownCh").Set(reflect.ValueOf(stop))
}
