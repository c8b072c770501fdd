package dispatch

import (
	"context"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/transport"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// Get reads one item of a group. A consistent read sees every write that was
// acknowledged before it began; another may come from any peer.
func (d *Dispatcher) Get(ctx context.Context, t Target, key []byte, consistent bool) (machine.Stored, error) {
	if g, ok := d.readable(t, consistent); ok {
		return g.Machine().Get(key)
	}
	c := &call{target: t, method: transport.Read, body: appendGet(nil, key, consistent)}
	get := func(m *machine.Partition) (machine.Stored, error) { return m.Get(key) }
	return read(ctx, d, c, consistent, get, decodeStored)
}

// Page reads a page of a group.
func (d *Dispatcher) Page(ctx context.Context, t Target, req machine.PageRequest, consistent bool) (machine.Page, error) {
	if g, ok := d.readable(t, consistent); ok {
		return g.Machine().Page(req)
	}
	c := &call{target: t, method: transport.Page, body: appendPageRequest(nil, req, consistent)}
	page := func(m *machine.Partition) (machine.Page, error) { return m.Page(req) }
	return read(ctx, d, c, consistent, page, decodePage)
}

// read carries out a read: by here at this node's peer, or at another node, whose
// answer is decoded.
func read[T any](ctx context.Context, d *Dispatcher, c *call, consistent bool, here func(*machine.Partition) (T, error), decode func([]byte) (T, error)) (T, error) {
	var found, none T
	c.here = func(m *machine.Partition) (err error) {
		found, err = here(m)
		return err
	}
	c.atLeader = !consistent // or at a peer that is not so far behind as this node's
	d.retry(ctx, []*call{c}, d.tryRead)
	if err := c.failure(); err != nil {
		return none, undoubted(err)
	}
	if c.peer != nil {
		return found, nil
	}
	return decode(c.reply)
}

// undoubted turns Ambiguous, which says nothing of a read, into Unavailable.
func undoubted(err error) error {
	if storage.KindOf(err) == storage.Ambiguous {
		return storage.Errorf(storage.Unavailable, "the read was not answered: %w", err)
	}
	return err
}

// readable returns this node's peer of a group if it may answer a read without
// asking anybody.
func (d *Dispatcher) readable(t Target, consistent bool) (*group.Group, bool) {
	if consistent {
		return nil, false
	}
	g, ok := d.host.Group(t.Group)
	return g, ok && g.Fresh(staleAfter)
}

// staleAfter is how long a peer may not have heard from its leader and still
// answer reads that need not be consistent.
const staleAfter = 10 * time.Second

// tryRead makes one attempt at a read.
func (d *Dispatcher) tryRead(c *call, done chan<- answer) {
	if c.node != d.self {
		if c.atLeader || !d.follow(c, done) {
			d.remote(c, c.method, done)
		}
		return
	}
	id := c.target.Group
	d.host.Confirm(id, func(g *group.Group, err error) {
		if err != nil {
			answered(c, done)(d.refusal(id, err))
			return
		}
		d.demand.count(id, d.self, 1)
		done <- answer{call: c, peer: g}
	})
}

// serveGet answers a Get: at once, or once the leadership of this node's peer
// is confirmed.
func (d *Dispatcher) serveGet(from cluster.NodeID, id cluster.GroupID, body []byte, reply transport.Reply) {
	key, consistent, err := decodeGet(body)
	if err != nil {
		reply(nil, err)
		return
	}
	d.admit(from, id, consistent, reply, func(m *machine.Partition) {
		stored, err := m.Get(key)
		if err != nil {
			reply(nil, err)
			return
		}
		reply(appendStored([]byte{replyDone}, stored), nil)
	})
}

// servePage answers a Page. It reads a lot, so it does that on a goroutine of
// its own.
func (d *Dispatcher) servePage(from cluster.NodeID, id cluster.GroupID, body []byte, reply transport.Reply) {
	req, consistent, err := decodePageRequest(body)
	if err != nil {
		reply(nil, err)
		return
	}
	d.admit(from, id, consistent, reply, func(m *machine.Partition) {
		d.serving.Go(func() {
			page, err := m.Page(req)
			if err != nil {
				reply(nil, err)
				return
			}
			reply(appendPage([]byte{replyDone}, page), nil)
		})
	})
}

// admit calls read as soon as this node's peer of a group may be read. If it
// may not, it answers why.
func (d *Dispatcher) admit(from cluster.NodeID, id cluster.GroupID, consistent bool, reply transport.Reply, read func(*machine.Partition)) {
	g, ok := d.host.Group(id)
	switch {
	case !ok, !consistent && !g.Fresh(staleAfter):
		reply(notLeader(""), nil)
		return
	case !consistent:
		read(g.Machine())
		return
	}
	d.host.Confirm(id, func(g *group.Group, err error) {
		if err != nil {
			reply(d.refusal(id, err))
			return
		}
		d.demand.count(id, from, 1)
		read(g.Machine())
	})
}
