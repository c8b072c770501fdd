package host

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
)

// confirmer lets peers answer strong reads from their own state.
//
// A leader may name the index up to which its log is committed when a read
// comes, and whoever has applied that much may answer the read, if no later leader
// can have acknowledged a write before the read came. It is the committed
// index, not the one that the leader has applied, as another peer may have applied
// more, and have answered reads with it.
//
// A later leader needs a quorum of voters that had made its term durable before
// they voted. So the leader asks the voters for their terms after the read came: if
// a quorum, itself included, is still in its own term, and it leads to this moment,
// then there was no later leader when the read came. Peers without a vote do not
// count, which rules out raft's VerifyLeader, and neither do answers to questions
// asked before the read came.
//
// A voter that wants to answer reads tells its term when it asks for the index. Where
// there are three, that is a quorum, and nobody needs to be asked.
//
// All reads of all groups share the questions. To each other node one question
// is under way at a time; it names every group that has reads waiting. While it
// is, the next one gathers. Reads of a group are numbered, and an answer counts
// for all reads that came before its question was sent. So a read is confirmed
// once a quorum of voters has answered beyond its number, just as an entry is
// committed once a quorum has stored up to its index.
type confirmer struct {
	self     cluster.NodeID
	find     func(cluster.GroupID) (*group.Group, bool)
	call     func(to cluster.NodeID, body []byte, done func([]byte, error))
	patience time.Duration // of a read

	mu struct {
		sync.Mutex
		closed  bool
		groups  map[cluster.GroupID]*readers
		links   map[cluster.NodeID]*link
		ticking bool
	}
	ticker *time.Timer
}

// readers are the reads of a group that wait, in one term of its leader.
type readers struct {
	group *group.Group
	term  uint64
	// waiting holds the reads numbered from first on.
	waiting []reader
	first   uint64
	// answered says for each voter below which number it has answered all.
	answered map[cluster.PeerID]uint64
	// wanted says that the next question of every link is about this group.
	wanted bool
}

type reader struct {
	done  func(index uint64, err error)
	index uint64
	came  time.Time
}

// Asker is a peer that wants to answer reads, and its term after they came.
type Asker struct {
	Peer cluster.PeerID
	Term uint64
}

// next is the number of the next read to come.
func (r *readers) next() uint64 { return r.first + uint64(len(r.waiting)) }

// link is the traffic of questions to another node.
type link struct {
	node cluster.NodeID
	// busy is set while a question is under way.
	busy bool
	// rest is how long to ask nothing, after a question that failed.
	rest time.Time
	// wanted are the groups that the next question is about.
	wanted []cluster.GroupID
}

// round is one question to another node.
type round struct {
	link  *link
	parts []part
}

// part is the part of a round that is about one group.
type part struct {
	id      cluster.GroupID
	readers *readers
	upTo    uint64
}

// effects are what is to be done when the lock is no longer held.
type effects struct {
	verdicts []verdict
	rounds   []round
}

type verdict struct {
	done  func(index uint64, err error)
	index uint64
	err   error
}

// tick is how often reads that still wait are looked after: asked for again,
// or given up.
const tick = 20 * time.Millisecond

func newConfirmer(self cluster.NodeID, find func(cluster.GroupID) (*group.Group, bool), t *transport.Transport, tuning group.Tuning) *confirmer {
	heartbeat := tuning.WithDefaults().HeartbeatTimeout
	c := &confirmer{self: self, find: find, patience: 2 * heartbeat}
	c.call = func(to cluster.NodeID, body []byte, done func([]byte, error)) {
		t.Call(to, transport.Control, transport.ConfirmTerm, 0, body, heartbeat/2, done)
	}
	c.mu.groups = make(map[cluster.GroupID]*readers)
	c.mu.links = make(map[cluster.NodeID]*link)
	c.ticker = time.AfterFunc(tick, c.tick)
	c.ticker.Stop()
	return c
}

// confirm is Host.ReadIndex.
func (c *confirmer) confirm(id cluster.GroupID, asks Asker, done func(uint64, error)) {
	g, ok := c.find(id)
	if !ok {
		done(0, c.errNoPeer(id))
		return
	}
	var e effects
	c.mu.Lock()
	// The role is looked at under the lock: lost comes after it has changed.
	term, leads := g.Leading()
	switch {
	case c.mu.closed:
		e.verdicts = append(e.verdicts, verdict{done: done, err: errClosed})
	case !leads:
		e.verdicts = append(e.verdicts, verdict{done: done, err: g.ErrNotLeader()})
	case asks.Term == term && isQuorum(g, asks.Peer):
		e.verdicts = append(e.verdicts, verdict{done: done, index: g.CommitIndex()})
	default:
		r := c.mu.groups[id]
		if r == nil || r.group != g || r.term != term {
			c.dropLocked(id, &e)
			r = &readers{group: g, term: term, answered: make(map[cluster.PeerID]uint64)}
			c.mu.groups[id] = r
		}
		r.waiting = append(r.waiting, reader{done: done, index: g.CommitIndex(), came: time.Now()})
		c.askLocked(id, r, &e)
	}
	c.mu.Unlock()
	c.carryOut(e)
}

// isQuorum says whether the leader of a group and another voter are one.
func isQuorum(leader *group.Group, other cluster.PeerID) bool {
	return reachedByQuorum(leader, func(p cluster.PeerID) uint64 {
		if p == leader.Peer() || p == other {
			return 1
		}
		return 0
	}) == 1
}

// reachedByQuorum is the greatest number that a majority of a group's voters has
// reached, 0 if it is not known who they are.
func reachedByQuorum(g *group.Group, number func(cluster.PeerID) uint64) uint64 {
	members, err := g.Members()
	if err != nil {
		return 0
	}
	var reached []uint64
	for _, m := range members {
		if m.Voter {
			reached = append(reached, number(m.Peer))
		}
	}
	if len(reached) == 0 {
		return 0
	}
	slices.Sort(reached)
	return reached[(len(reached)-1)/2]
}

func (c *confirmer) errNoPeer(id cluster.GroupID) error {
	return storage.Errorf(storage.NotLeader, "host: node %s has no peer of group %v", c.self, id)
}

// lost ends the reads of a group that this node no longer leads.
func (c *confirmer) lost(id cluster.GroupID) {
	var e effects
	c.mu.Lock()
	c.dropLocked(id, &e)
	c.mu.Unlock()
	c.carryOut(e)
}

func (c *confirmer) dropLocked(id cluster.GroupID, e *effects) {
	r := c.mu.groups[id]
	if r == nil {
		return
	}
	delete(c.mu.groups, id)
	for _, read := range r.waiting {
		e.verdicts = append(e.verdicts, verdict{done: read.done, err: r.group.ErrNotLeader()})
	}
}

// askLocked sees to it that every voter will be asked about all reads that wait
// in r. A group that has one voter needs no question.
func (c *confirmer) askLocked(id cluster.GroupID, r *readers, e *effects) {
	c.armLocked()
	if r.wanted {
		return
	}
	members, err := r.group.Members()
	if err != nil {
		return // tick gives up in the end
	}
	r.wanted = true
	alone := true
	for _, m := range members {
		if !m.Voter || m.Peer.Node == c.self {
			continue
		}
		alone = false
		l := c.mu.links[m.Peer.Node]
		if l == nil {
			l = &link{node: m.Peer.Node}
			c.mu.links[m.Peer.Node] = l
		}
		if !slices.Contains(l.wanted, id) {
			l.wanted = append(l.wanted, id)
		}
		c.flushLocked(l, e)
	}
	if alone {
		r.wanted = false
		c.settleLocked(r, e)
	}
}

// armLocked sees to it that tick is called in a while.
func (c *confirmer) armLocked() {
	if !c.mu.ticking {
		c.mu.ticking = true
		c.ticker.Reset(tick)
	}
}

// flushLocked asks what a link has to ask, unless it must wait.
func (c *confirmer) flushLocked(l *link, e *effects) {
	if l.busy || len(l.wanted) == 0 || time.Now().Before(l.rest) {
		return
	}
	ask := round{link: l}
	for _, id := range l.wanted {
		r := c.mu.groups[id]
		if r == nil {
			continue
		}
		// Also where no read waits any more: the next one must ask again.
		r.wanted = false
		if len(r.waiting) == 0 {
			continue
		}
		ask.parts = append(ask.parts, part{id: id, readers: r, upTo: r.next()})
	}
	l.wanted = l.wanted[:0]
	if len(ask.parts) > 0 {
		l.busy = true
		e.rounds = append(e.rounds, ask)
	}
}

// carryOut does what was decided under the lock.
func (c *confirmer) carryOut(e effects) {
	for _, v := range e.verdicts {
		v.done(v.index, v.err)
	}
	for _, ask := range e.rounds {
		body := make([]byte, 0, 4*len(ask.parts))
		for _, p := range ask.parts {
			body = appendGroup(body, p.id)
		}
		c.call(ask.link.node, body, func(answer []byte, err error) { c.answered(ask, answer, err) })
	}
}

// answered takes the answer to a round.
func (c *confirmer) answered(ask round, answer []byte, err error) {
	var e effects
	c.mu.Lock()
	ask.link.busy = false
	if err != nil {
		ask.link.rest = time.Now().Add(tick)
	}
	for _, p := range ask.parts {
		var a termAnswer
		if a, answer = nextTermAnswer(answer); a.err != nil || err != nil {
			break
		}
		if c.mu.groups[p.id] != p.readers || a.term != p.readers.term {
			continue
		}
		peer := cluster.PeerID{Node: ask.link.node, Replica: a.replica}
		p.readers.answered[peer] = max(p.readers.answered[peer], p.upTo)
		c.settleLocked(p.readers, &e)
	}
	c.flushLocked(ask.link, &e)
	c.mu.Unlock()
	c.carryOut(e)
}

// settleLocked ends the reads that a quorum has confirmed.
func (c *confirmer) settleLocked(r *readers, e *effects) {
	upTo := reachedByQuorum(r.group, func(p cluster.PeerID) uint64 {
		if p == r.group.Peer() {
			return r.next()
		}
		return r.answered[p]
	})
	if upTo <= r.first {
		return
	}
	var verdictErr error
	if term, leads := r.group.Leading(); !leads || term != r.term {
		verdictErr = r.group.ErrNotLeader()
	}
	n := int(upTo - r.first)
	for _, read := range r.waiting[:n] {
		e.verdicts = append(e.verdicts, verdict{read.done, read.index, verdictErr})
	}
	r.first = upTo
	rest := copy(r.waiting, r.waiting[n:])
	clear(r.waiting[rest:])
	r.waiting = r.waiting[:rest]
}

// tick looks after reads that have waited for a while: their questions went
// unanswered, or were answered by a peer that lags.
func (c *confirmer) tick() {
	var e effects
	c.mu.Lock()
	now := time.Now()
	c.mu.ticking = false
	for _, id := range slices.Sorted(maps.Keys(c.mu.groups)) {
		r := c.mu.groups[id]
		for len(r.waiting) > 0 && now.Sub(r.waiting[0].came) > c.patience {
			e.verdicts = append(e.verdicts, verdict{done: r.waiting[0].done, err: errNoQuorum})
			r.waiting[0] = reader{}
			r.waiting = r.waiting[1:]
			r.first++
		}
		if len(r.waiting) == 0 {
			continue
		}
		if now.Sub(r.waiting[0].came) < tick {
			c.armLocked() // its questions are under way
			continue
		}
		r.wanted = false
		c.askLocked(id, r, &e)
	}
	c.mu.Unlock()
	c.carryOut(e)
}

var errNoQuorum = storage.Errorf(storage.Unavailable, "host: no quorum of the partition's peers answers")

// close ends all reads. None comes after.
func (c *confirmer) close() {
	c.ticker.Stop()
	var e effects
	c.mu.Lock()
	c.mu.closed = true
	for _, id := range slices.Sorted(maps.Keys(c.mu.groups)) {
		for _, read := range c.mu.groups[id].waiting {
			e.verdicts = append(e.verdicts, verdict{done: read.done, err: errClosed})
		}
	}
	clear(c.mu.groups)
	c.mu.Unlock()
	c.carryOut(e)
}
