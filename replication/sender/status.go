package sender

import (
	"time"

	"github.com/roundtabledb/roundtable/storage/version"
)

// Status is how a sender is doing.
type Status struct {
	// Group is the partition's, TableID the global table's, Remote the region
	// that it ships to, and Joined the version with which that is a member.
	Group   uint64
	TableID string
	Remote  string
	Joined  version.Version
	// Registered says that changes are kept for the region, and tombstones.
	Registered bool
	Phase      Phase
	// Pending is how many changes the region lacks, at the most; those of other
	// regions count too until they have been passed over. Lag is the age of the
	// oldest.
	Pending uint64
	Lag     time.Duration
	// CaughtUp says that scans are over and that the region was close behind at
	// least once since.
	CaughtUp bool
	// InFlight is how many shipments wait for a verdict.
	InFlight int
	// Trouble is why nothing moves, as far as something is known.
	Trouble string
}

// status is what the sender's goroutine publishes.
type status struct {
	loaded   bool
	acked    position
	caughtUp bool
	inFlight int
	trouble  string
}

func (s *Sender) publish() {
	if s.acked.phase == Feed && s.acked.seq >= s.goal && !s.caughtUp {
		s.goal = s.options.Partition.Head()
		s.caughtUp = s.goal <= s.acked.seq+fewChanges
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.status.loaded = true
	s.mu.status.acked, s.mu.status.caughtUp = s.acked, s.caughtUp
	s.mu.status.inFlight = len(s.window.flights)
}

// fail notes an error, note a reason in words; "" that all is well.
func (s *Sender) fail(err error) { s.note(err.Error()) }

func (s *Sender) note(trouble string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.status.trouble = trouble
}

// Status returns how the sender is doing now.
func (s *Sender) Status() Status {
	s.mu.Lock()
	st := s.mu.status
	s.mu.Unlock()
	out := Status{
		Group:      s.options.Partition.ID(),
		TableID:    s.options.Global.ID,
		Remote:     s.options.Remote,
		Joined:     s.membership.joined(s.options.Remote),
		Registered: st.loaded,
		Phase:      st.acked.phase,
		CaughtUp:   st.caughtUp,
		InFlight:   st.inFlight,
		Trouble:    st.trouble,
	}
	if !st.loaded {
		return out
	}
	if head := s.options.Partition.Head(); head > st.acked.seq {
		out.Pending = head - st.acked.seq
	}
	if oldest, err := s.options.Partition.Changes(st.acked.seq, 1); err == nil && len(oldest) > 0 {
		out.Lag = max(0, time.Duration(s.options.Now().UnixMilli()-oldest[0].TimeMillis)*time.Millisecond)
	}
	return out
}
