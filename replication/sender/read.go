package sender

import (
	"fmt"
	"time"

	"github.com/roundtabledb/roundtable/replication/link"
	"github.com/roundtabledb/roundtable/storage/change"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
)

const (
	// shipmentBytes is the size at which a shipment goes. The state that
	// reaches it is its last.
	shipmentBytes = 256 << 10
	// readChanges and readItems bound what is read at once.
	readChanges = 1024
	readItems   = 1024
	// maxNewer bounds the memory of keys shipped in newer states. What is not
	// remembered is shipped once more.
	maxNewer = 1 << 16
)

// fill ships until the window or the link is full or there is nothing more to
// ship. When the link was full, room says when that may have changed. again
// says that there may be more, but that it read for a while without finding
// anything to ship. A backlog that is held back goes on at s.pace.next.
func (s *Sender) fill() (room <-chan struct{}, again bool, err error) {
	s.pace.waits = false
	for {
		now := time.Now()
		s.pace.look(s.options.Partition.Writes(), now)
		ok, space := s.options.Link.Room(s.options.Partition.ID())
		if !ok {
			return space, false, nil
		}
		if f := s.window.due(now); f != nil {
			s.ship(f)
			continue
		}
		if s.window.full() {
			return nil, false, nil
		}
		if s.pace.hold(s.behind(), now) {
			return nil, false, nil
		}
		before := s.read
		f, err := s.next()
		switch {
		case err != nil:
			return nil, false, err
		case f != nil:
			f.mark = s.read
			s.pace.took(f.shipment.Count, now)
			s.window.add(f)
			s.ship(f)
		case s.read == before:
			return nil, false, nil
		case s.window.empty():
			s.setAcked(s.read)
			return nil, true, nil
		default:
			s.window.last().mark = s.read
			return nil, true, nil
		}
	}
}

// next reads on from s.read and moves it. It returns nil when nothing of what
// it read is to be shipped.
func (s *Sender) next() (*flight, error) {
	f := &flight{shipment: link.Shipment{
		Table:        s.options.Global.ID,
		Source:       s.options.Partition.ID(),
		SourceJoined: s.membership.joined(s.options.Self),
		TargetJoined: s.membership.joined(s.options.Remote),
	}}
	var err error
	if s.read.phase == Feed {
		err = s.readFeed(f)
	} else {
		err = s.readScan(f)
	}
	if err != nil || f.shipment.Count == 0 {
		return nil, err
	}
	return f, nil
}

// readScan reads the next keys.
func (s *Sender) readScan(f *flight) error {
	page, err := s.options.Partition.Page(machine.PageRequest{
		Lo: s.read.nextKey(), Limit: s.pace.atMost(readItems), MaxBytes: shipmentBytes, WithTombstones: true,
	})
	if err != nil {
		return fmt.Errorf("sender: scan: %w", err)
	}
	for _, stored := range page.Stored {
		if s.membership.ships(stored.Version.Region, s.read.phase) {
			if err := s.add(f, stored.Key, stored); err != nil {
				return err
			}
		}
	}
	if page.More {
		s.read.after = string(page.Last)
	} else {
		s.read = s.membership.finish(s.read)
	}
	return nil
}

// readFeed reads the next changes.
func (s *Sender) readFeed(f *flight) error {
	changes, err := s.options.Partition.Changes(s.read.seq, s.pace.atMost(readChanges))
	if err != nil {
		return fmt.Errorf("sender: feed: %w", err)
	}
	for i := range changes {
		c := &changes[i]
		if err := s.addChange(f, c); err != nil {
			return err
		}
		s.read.seq = c.Seq
		s.pace.made = time.UnixMilli(c.TimeMillis)
		if len(f.shipment.Body) >= shipmentBytes {
			break
		}
	}
	return nil
}

// addChange adds the newest state of a changed item, unless it is not this
// region's to ship or was shipped already.
func (s *Sender) addChange(f *flight, c *change.Change) error {
	if shipped, ok := s.newer[string(c.Key)]; ok {
		if !shipped.Newer(c.Version) {
			delete(s.newer, string(c.Key))
		}
		if !c.Version.Newer(shipped) {
			return nil
		}
	}
	if !s.membership.ships(c.Version.Region, Feed) {
		return nil
	}
	stored, err := s.options.Partition.Get(c.Key)
	if err != nil {
		return fmt.Errorf("sender: feed: %w", err)
	}
	if stored.Version.Newer(c.Version) && len(s.newer) < maxNewer {
		s.newer[string(c.Key)] = stored.Version
	}
	// The item may have been overwritten by another region since, which then
	// ships that state itself.
	if !stored.Exists && !stored.Tombstone || !s.membership.ships(stored.Version.Region, Feed) {
		return nil
	}
	f.made = append(f.made, c.TimeMillis)
	return s.add(f, c.Key, stored)
}

// add adds a state to a flight.
func (s *Sender) add(f *flight, key []byte, stored machine.Stored) error {
	st := link.State{Version: stored.Version, Tombstone: stored.Tombstone, Item: stored.Item}
	if stored.Tombstone {
		attributes, err := s.options.Table.DecodeKey(key)
		if err != nil {
			return fmt.Errorf("sender: key of a tombstone: %w", err)
		}
		st.Item = item.Encode(attributes)
	}
	f.shipment.Add(st)
	return nil
}
