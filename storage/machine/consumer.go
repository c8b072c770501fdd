package machine

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/engine"
)

const (
	maxConsumers    = 256
	maxConsumerName = 255
	// trimStep is how many changes an entry trims beyond as many as it added
	// twice over: the log shrinks even while writes go on, and no entry does
	// much.
	trimStep = 64
)

func isRegion(name string) bool { return strings.HasPrefix(name, RegionPrefix) }

// loadConsumers reads the consumers of a group. A record is the sequence number
// u64 and the state.
func loadConsumers(view *engine.View, ks Keyspace, group uint64) (map[string]ConsumerState, error) {
	consumers := make(map[string]ConsumerState)
	prefix := groupKey(ks, sectionConsumers, group)
	it := view.Iterate(prefix, after(prefix), false)
	defer it.Close()
	for it.Next() {
		value, err := it.Value()
		if err != nil {
			return nil, err
		}
		if len(value) < 8 {
			return nil, storage.Errorf(storage.Corrupt, "a consumer's record of %d bytes", len(value))
		}
		consumers[string(it.Key()[len(prefix):])] = ConsumerState{
			Seq: binary.BigEndian.Uint64(value), State: slices.Clone(value[8:]),
		}
	}
	return consumers, it.Err()
}

// consumer registers, advances or removes a consumer.
func (a *applier) consumer(c *command.ConsumerChange, res *command.Result) {
	if c.Name == "" || len(c.Name) > maxConsumerName || len(c.State) > command.MaxConsumerState {
		res.Err = storage.Validationf("consumer %.40q: its name has %d bytes and its state %d",
			c.Name, len(c.Name), len(c.State))
		return
	}
	current, registered := a.consumers[c.Name]
	last := a.meta.NextSeq - 1
	switch c.Op {
	case command.Register:
		switch {
		case registered:
		case len(a.consumers) >= maxConsumers:
			res.Err = storage.Errorf(storage.LimitExceeded, "a partition has at most %d consumers", maxConsumers)
		default:
			current = ConsumerState{Seq: last, State: slices.Clone(c.State)}
			a.setConsumer(c.Name, current, res)
		}
	case command.Advance:
		switch {
		case !registered:
			res.Err = storage.Errorf(storage.ResourceNotFound, "consumer %q is not registered", c.Name)
		case c.Seq < current.Seq || c.Seq > last:
			res.Err = storage.Validationf("consumer %q stands at %d of %d and cannot go to %d",
				c.Name, current.Seq, last, c.Seq)
		case c.Seq != current.Seq || string(c.State) != string(current.State):
			current = ConsumerState{Seq: c.Seq, State: slices.Clone(c.State)}
			a.setConsumer(c.Name, current, res)
		}
	case command.Remove:
		if registered {
			a.dropConsumer(c.Name, res)
		}
	default:
		res.Err = storage.Validationf("unknown operation %d on a consumer", c.Op)
	}
	res.Seq = current.Seq
}

func (a *applier) setConsumer(name string, s ConsumerState, res *command.Result) {
	a.ownConsumers()
	if _, registered := a.consumers[name]; !registered && isRegion(name) {
		a.regions++
	}
	a.consumers[name] = s
	seq := binary.BigEndian.AppendUint64(nil, s.Seq)
	a.batch.Put(consumerKey(a.p.ks, a.p.group, name), seq, s.State)
	res.Applied = true
}

func (a *applier) dropConsumer(name string, res *command.Result) {
	a.ownConsumers()
	if isRegion(name) {
		a.regions--
	}
	delete(a.consumers, name)
	a.batch.Delete(consumerKey(a.p.ks, a.p.group, name))
	res.Applied = true
}

// ownConsumers makes the map one that readers do not see, until it is
// published.
func (a *applier) ownConsumers() {
	if !a.consumersMoved {
		a.consumers = maps.Clone(a.consumers)
		a.consumersMoved = true
	}
}

func (a *applier) publishConsumers() {
	published := a.consumers
	a.p.consumers.Store(&published)
	a.consumersMoved = false
}

// trim deletes changes that every consumer is done with, a bounded number of
// them. It runs once per entry, so that it does the same on every peer.
func (a *applier) trim() {
	done := a.meta.NextSeq - 1
	for _, c := range a.consumers {
		done = min(done, c.Seq)
	}
	upto := min(done+1, a.meta.FirstSeq+trimStep+2*uint64(a.logged))
	for ; a.meta.FirstSeq < upto; a.meta.FirstSeq++ {
		a.batch.Delete(changeKey(a.p.ks, a.p.group, a.meta.FirstSeq))
	}
}
