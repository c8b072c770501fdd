package link

import (
	"encoding/binary"
	"fmt"

	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/version"
)

// State is one state of one item, as it travels.
type State struct {
	Version version.Version
	// Tombstone says that the item is deleted in this state. Item then has its
	// key attributes and nothing else.
	Tombstone bool
	Item      item.Encoded
}

// Shipment is states of items of one global table, read at one partition of
// the region that ships them. Regions encode and place keys each in their own
// way, so states travel with their key attributes and never with an encoded
// key.
//
// The body is the states, one behind the other:
//
//	flags    1 byte; bit 0: tombstone; the others are 0
//	version  8 bytes of time, big-endian; uvarint n; n bytes of region name
//	item     uvarint n; n bytes: the item in the encoding of storage/item
type Shipment struct {
	// Table is the id of the global table.
	Table string
	// Source is the group of the partition.
	Source uint64
	// SourceJoined and TargetJoined are the versions with which the two regions
	// are members of the table, as the sender knows it. A region that left and
	// came back is another member.
	SourceJoined, TargetJoined version.Version
	// Count is the number of states.
	Count int
	// Body is the states, encoded.
	Body []byte
}

const flagTombstone = 1

// Add appends a state to the shipment.
func (s *Shipment) Add(st State) {
	var flags byte
	if st.Tombstone {
		flags |= flagTombstone
	}
	s.Body = append(s.Body, flags)
	s.Body = st.Version.Append(s.Body)
	s.Body = binary.AppendUvarint(s.Body, uint64(len(st.Item)))
	s.Body = append(s.Body, st.Item...)
	s.Count++
}

// States decodes the states. They alias the body.
func (s *Shipment) States() ([]State, error) {
	if s.Count < 0 || s.Count > len(s.Body) {
		return nil, fmt.Errorf("shipment: %d states in %d bytes", s.Count, len(s.Body))
	}
	states := make([]State, 0, s.Count)
	rest := s.Body
	for len(rest) > 0 {
		var st State
		var err error
		if st, rest, err = decodeState(rest); err != nil {
			return nil, fmt.Errorf("shipment: state %d: %w", len(states), err)
		}
		states = append(states, st)
	}
	if len(states) != s.Count {
		return nil, fmt.Errorf("shipment: %d states where %d were announced", len(states), s.Count)
	}
	return states, nil
}

func decodeState(b []byte) (State, []byte, error) {
	flags := b[0]
	if flags&^flagTombstone != 0 {
		return State{}, nil, fmt.Errorf("unknown flags %#x", flags)
	}
	v, rest, err := version.Decode(b[1:])
	if err != nil {
		return State{}, nil, err
	}
	n, w := binary.Uvarint(rest)
	if w <= 0 || n > uint64(len(rest)-w) {
		return State{}, nil, fmt.Errorf("item is cut short")
	}
	rest = rest[w:]
	return State{
		Version:   v,
		Tombstone: flags&flagTombstone != 0,
		Item:      item.Encoded(rest[:n:n]),
	}, rest[n:], nil
}
