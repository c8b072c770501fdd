package sender

import (
	"fmt"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/version"
)

// Phase is what a sender is doing.
type Phase uint8

// The phases. Numbers are stored.
const (
	// Scan ships every state that the remote region may lack, in key order:
	// the region has joined, or has been away for too long.
	Scan Phase = 1
	// Sweep is a Scan of the states that were made in regions which have left
	// since. They may have left before they had shipped them to everybody.
	Sweep Phase = 2
	// Feed ships changes as they happen.
	Feed Phase = 3
)

// String names the phase for status pages.
func (p Phase) String() string {
	switch p {
	case Scan:
		return "scan"
	case Sweep:
		return "sweep"
	case Feed:
		return "feed"
	}
	return fmt.Sprintf("phase %d", uint8(p))
}

// position is how far a sender has come: the state of its consumer. It is
// stored as
//
//	format    u8       1
//	phase     u8
//	joined    version  as package version writes it
//	covered   version
//	covering  version
//	after     the remaining bytes
//
// with the sequence number beside it.
type position struct {
	phase Phase
	// seq is the last change that the remote region needs no more. During a
	// Scan or Sweep it stands still.
	seq uint64
	// joined is the version with which the remote region is a member. What was
	// shipped to an earlier member of its name counts for nothing.
	joined version.Version
	// covered is the newest departure of a region whose states have been swept;
	// covering is what it will be at the end of this Scan or Sweep.
	covered, covering version.Version
	// after is the last key that a Scan or Sweep has done; nil at its start.
	after string
}

const positionFormat = 1

// encode is the position without its sequence number.
func (p position) encode() []byte {
	b := []byte{positionFormat, byte(p.phase)}
	b = p.joined.Append(b)
	b = p.covered.Append(b)
	b = p.covering.Append(b)
	return append(b, p.after...)
}

func decodePosition(seq uint64, b []byte) (position, error) {
	if len(b) < 2 || b[0] != positionFormat {
		return position{}, fmt.Errorf("sender: position of an unknown format")
	}
	p := position{phase: Phase(b[1]), seq: seq}
	if p.phase < Scan || p.phase > Feed {
		return position{}, fmt.Errorf("sender: position in unknown phase %d", b[1])
	}
	rest := b[2:]
	for _, v := range []*version.Version{&p.joined, &p.covered, &p.covering} {
		var err error
		if *v, rest, err = version.Decode(rest); err != nil {
			return position{}, fmt.Errorf("sender: position: %w", err)
		}
	}
	p.after = string(rest)
	return p, nil
}

// Joined is the version with which the region was a member that a stored
// consumer was last used for; zero when that cannot be read.
func Joined(c machine.ConsumerState) version.Version {
	p, err := decodePosition(c.Seq, c.State)
	if err != nil {
		return version.Version{}
	}
	return p.joined
}

// nextKey is the smallest key after p.after, nil at the start.
func (p position) nextKey() []byte {
	if p.after == "" {
		return nil
	}
	return append([]byte(p.after), 0)
}

// membership is the replica set of a table as one of its senders sees it.
type membership struct {
	self, remote string
	members      map[string]catalog.Member
}

// joined is the version with which a region is a member.
func (m membership) joined(region string) version.Version { return m.members[region].Version }

// departure is the newest version with which a region has left.
func (m membership) departure() version.Version {
	var latest version.Version
	for _, member := range m.members {
		if !member.Present && member.Version.Newer(latest) {
			latest = member.Version
		}
	}
	return latest
}

// ships reports whether a state made in region origin is this region's to
// ship. Every region ships what it made itself; what was made in a region that
// is no member is shipped by all who have it. A region that joins may have
// made states when it was a member before, and lacks them too.
func (m membership) ships(origin string, p Phase) bool {
	left := !m.members[origin].Present
	switch p {
	case Scan:
		return origin == m.self || origin == m.remote || left
	case Sweep:
		return left
	default:
		return origin == m.self || left
	}
}

// begin is the position of a sender that has shipped nothing yet.
func (m membership) begin(seq uint64) position {
	return position{phase: Scan, seq: seq, joined: m.joined(m.remote), covering: m.departure()}
}

// resume is where a sender goes on that was at p. known is false when p is of
// no use any more, since the remote region has left and joined again.
func (m membership) resume(p position) (_ position, known bool) {
	if p.joined != m.joined(m.remote) {
		return position{}, false
	}
	latest := m.departure()
	if p.phase == Feed && latest.Newer(p.covered) || p.phase == Sweep && latest.Newer(p.covering) {
		p.phase, p.covering, p.after = Sweep, latest, ""
	}
	return p, true
}

// finish is where a sender goes on after it has scanned everything.
func (m membership) finish(p position) position {
	p.phase, p.covered, p.covering, p.after = Feed, p.covering, version.Version{}, ""
	p, _ = m.resume(p)
	return p
}
