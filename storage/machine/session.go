package machine

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
)

// Limits of the session table. All of them are rules of the state machine: a
// peer with other limits would come to another state.
const (
	// maxSessions is how many sessions are remembered. The one whose last
	// command was applied longest ago gives way.
	maxSessions = 1024
	// maxOutcomes is how many outcomes one session keeps. A session that waits
	// for more loses the oldest: a duplicate of them is refused, not applied.
	maxOutcomes = 1 << 14
	// maxOutcomeBytes is the size of an outcome that is kept with its images,
	// and maxTableBytes that of all outcomes together. Beyond, a duplicate
	// learns that its command was applied, but not what it returned.
	maxOutcomeBytes = 512 << 10
	maxTableBytes   = 8 << 20
	// outcomePartBytes is when the outcomes of an entry are cut into another
	// record.
	outcomePartBytes = 256 << 10
)

// sessions is the outcomes of recent commands: what makes a command with a
// RequestID exactly-once (Ongaro's dissertation, 6.3).
//
// Outcomes are stored in records of their own, one per entry and more if they
// are big. A record is
//
//	format   u8 1
//	outcomes: session, life, seq, low as uvarints, result behind its length
//
// and is deleted when all in it are forgotten. low is the session's smallest
// remembered seq after this outcome. life tells the lives of a session apart:
// one that gave way and came back has a new one, and what is still stored of
// the old one does not count.
type sessions struct {
	byID map[uint64]*session
	// front is a ring: front.next is the session that gives way first, front.prev
	// the one whose command was applied last.
	front session
	// records counts the outcomes that are still remembered per entry.
	records map[uint64]outcomeRecord
	bytes   int

	// fresh are the outcomes of the entry at hand, written at its end.
	fresh []freshOutcome
	// emptied are indexes whose records can be deleted.
	emptied []uint64
}

type session struct {
	id, life, low uint64
	outcomes      []outcome // by seq
	prev, next    *session
}

type outcome struct {
	seq, index uint64
	result     []byte
}

type outcomeRecord struct {
	outcomes int
	parts    uint16
}

type freshOutcome struct {
	session, life, seq, low uint64
	result                  []byte
}

func newSessions() *sessions {
	t := &sessions{byID: make(map[uint64]*session), records: make(map[uint64]outcomeRecord)}
	t.front.prev, t.front.next = &t.front, &t.front
	return t
}

// lookup returns the outcome of a request that was applied before, or an error
// for one that is too old to tell.
func (t *sessions) lookup(r command.RequestID) (res command.Result, known bool) {
	s := t.byID[r.Session]
	if s == nil {
		return res, false
	}
	// A session that is full has no place for what is older than all it keeps.
	full := len(s.outcomes) >= maxOutcomes
	if r.Seq < s.low || full && r.Seq < s.outcomes[0].seq {
		res.Err = storage.Errorf(storage.StaleRequest, "request %d of its session is finished", r.Seq)
		return res, true
	}
	i, found := s.find(r.Seq)
	if !found {
		return res, false
	}
	res, err := command.DecodeResult(s.outcomes[i].result)
	if err != nil {
		return command.Result{Err: storage.Errorf(storage.Corrupt, "outcome of a request: %w", err)}, true
	}
	return res, true
}

// record remembers the outcome of a request that was just applied by the entry
// at index. It moves nextLife for a session that is new.
func (t *sessions) record(r command.RequestID, index uint64, res *command.Result, nextLife *uint64) {
	s := t.byID[r.Session]
	if s == nil {
		s = t.add(r.Session, *nextLife)
		*nextLife++
	}
	t.touch(s)
	t.forgetBelow(s, min(r.Low, r.Seq))
	if len(s.outcomes) >= maxOutcomes {
		t.forgetBelow(s, s.outcomes[0].seq+1)
	}
	result := res.Append(nil)
	if len(result) > maxOutcomeBytes || t.bytes+len(result) > maxTableBytes {
		result = withoutImages(res).Append(nil)
	}
	t.insert(s, outcome{seq: r.Seq, index: index, result: result})
	t.fresh = append(t.fresh, freshOutcome{session: s.id, life: s.life, seq: r.Seq, low: s.low, result: result})
	for len(t.byID) > maxSessions {
		t.evict(t.front.next)
	}
}

// withoutImages is what is remembered of a result that is too big. It is res
// itself when there is no image in it.
func withoutImages(res *command.Result) *command.Result {
	images := res.Item != nil
	for i := range res.Results {
		images = images || res.Results[i].Item != nil
	}
	if images {
		return &command.Result{Err: storage.Errorf(storage.Ambiguous,
			"the request was applied before, but what it returned is no longer known")}
	}
	lean := *res
	lean.Err = withoutItem(res.Err)
	lean.Results = slices.Clone(res.Results)
	for i := range lean.Results {
		lean.Results[i].Err = withoutItem(lean.Results[i].Err)
	}
	return &lean
}

func withoutItem(err *storage.Error) *storage.Error {
	if err == nil || err.Item == nil {
		return err
	}
	lean := *err
	lean.Item = nil
	return &lean
}

// flush adds the records of the entry at index to b, and deletes those of
// which nothing is remembered any more.
func (t *sessions) flush(b *engine.Batch, ks Keyspace, group, index uint64) {
	var record []byte
	var part uint16
	put := func() {
		b.Put(outcomeKey(ks, group, index, part), record)
		part++
		record = record[:0]
	}
	for _, f := range t.fresh {
		s := t.byID[f.session]
		if s == nil || s.life != f.life || f.seq < s.low {
			continue // forgotten within the entry
		}
		if len(record) == 0 {
			record = append(record, recordFormat)
		}
		for _, n := range [...]uint64{f.session, f.life, f.seq, f.low} {
			record = binary.AppendUvarint(record, n)
		}
		record = appendBytes(record, f.result)
		if len(record) >= outcomePartBytes {
			put()
		}
	}
	if len(record) > 0 {
		put()
	}
	if part > 0 {
		r := t.records[index]
		r.parts = part
		t.records[index] = r
	}
	for _, old := range t.emptied {
		r := t.records[old]
		if r.outcomes > 0 {
			continue // of this entry, which was empty for a moment
		}
		delete(t.records, old)
		for i := range r.parts {
			b.Delete(outcomeKey(ks, group, old, i))
		}
	}
	clear(t.fresh)
	t.fresh, t.emptied = t.fresh[:0], t.emptied[:0]
}

// loadSessions builds the table from its records. The result is the table that
// the peer had when it wrote them. While it reads, no session gives way: those
// that stay are the ones with the latest outcomes over all.
func loadSessions(view *engine.View, ks Keyspace, group uint64) (*sessions, error) {
	t := newSessions()
	prefix := groupKey(ks, sectionSessions, group)
	it := view.Iterate(prefix, after(prefix), false)
	defer it.Close()
	for it.Next() {
		key := reader{rest: it.Key()[len(prefix):]}
		index := key.uint64()
		value, err := it.Value()
		if err != nil {
			return nil, err
		}
		if err := t.load(index, slices.Clone(value)); err != nil {
			return nil, err
		}
		r := t.records[index]
		r.parts++
		t.records[index] = r
	}
	for len(t.byID) > maxSessions {
		t.evict(t.front.next)
	}
	t.emptied = t.emptied[:0]
	return t, it.Err()
}

func (t *sessions) load(index uint64, record []byte) error {
	r := reader{rest: record}
	format := r.byte()
	for len(r.rest) > 0 {
		id, life, seq, low := r.uvarint(), r.uvarint(), r.uvarint(), r.uvarint()
		result := r.bytes()
		s := t.byID[id]
		if s != nil && s.life != life {
			t.evict(s)
			s = nil
		}
		if s == nil {
			s = t.add(id, life)
		}
		t.touch(s)
		t.forgetBelow(s, low)
		if seq >= s.low {
			t.insert(s, outcome{seq: seq, index: index, result: result})
		}
	}
	if r.bad || format != recordFormat {
		return storage.Errorf(storage.Corrupt, "outcomes of entry %d", index)
	}
	return nil
}

func (t *sessions) add(id, life uint64) *session {
	s := &session{id: id, life: life}
	t.byID[id] = s
	s.prev, s.next = s, s
	return s
}

// touch makes s the session whose command was applied last.
func (t *sessions) touch(s *session) {
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = t.front.prev, &t.front
	s.prev.next, s.next.prev = s, s
}

func (t *sessions) evict(s *session) {
	t.forget(s, len(s.outcomes))
	s.prev.next, s.next.prev = s.next, s.prev
	delete(t.byID, s.id)
}

func (t *sessions) insert(s *session, o outcome) {
	i, found := s.find(o.seq)
	if found {
		return
	}
	s.outcomes = slices.Insert(s.outcomes, i, o)
	t.bytes += len(o.result)
	r := t.records[o.index]
	r.outcomes++
	t.records[o.index] = r
}

// forgetBelow forgets the outcomes of s below low, for ever.
func (t *sessions) forgetBelow(s *session, low uint64) {
	if low <= s.low {
		return
	}
	s.low = low
	n, _ := s.find(low)
	t.forget(s, n)
}

// forget drops the first n outcomes of s.
func (t *sessions) forget(s *session, n int) {
	for i, o := range s.outcomes[:n] {
		t.bytes -= len(o.result)
		r := t.records[o.index]
		r.outcomes--
		t.records[o.index] = r
		if r.outcomes == 0 {
			t.emptied = append(t.emptied, o.index)
		}
		s.outcomes[i].result = nil
	}
	s.outcomes = s.outcomes[n:]
}

func (s *session) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(s.outcomes, seq, func(o outcome, seq uint64) int {
		return cmp.Compare(o.seq, seq)
	})
}
