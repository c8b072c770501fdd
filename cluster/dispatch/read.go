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
	c := &call{target: t, body: appendGet(nil, key, consistent)}
	d.retry(ctx, []*call{c}, d.get)
	if err := c.failure(); err != nil {
		return machine.Stored{}, undoubted(err)
	}
	return decodeStored(c.reply)
}

// Page reads a page of a group.
func (d *Dispatcher) Page(ctx context.Context, t Target, req machine.PageRequest, consistent bool) (machine.Page, error) {
	if g, ok := d.readable(t, consistent); ok {
		return g.Machine().Page(req)
	}
	c := &call{target: t, body: appendPageRequest(nil, req, consistent)}
	d.retry(ctx, []*call{c}, d.page)
	if err := c.failure(); err != nil {
		return machine.Page{}, undoubted(err)
	}
	return decodePage(c.reply)
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

// get makes one attempt at a Get.
func (d *Dispatcher) get(c *call, done chan<- answer) {
	if c.node != d.self {
		d.remote(c, transport.Read, done)
		return
	}
	d.serveGet(d.self, c.target.Group, c.body, answered(c, done))
}

// page makes one attempt at a Page.
func (d *Dispatcher) page(c *call, done chan<- answer) {
	if c.node != d.self {
		d.remote(c, transport.Page, done)
		return
	}
	d.servePage(d.self, c.target.Group, c.body, answered(c, done))
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
	d.host.Confirm(id, func(err error) {
		switch {
		case err == nil:
			d.demand.count(id, from)
			read(g.Machine())
		case storage.KindOf(err) == storage.NotLeader:
			leader, _ := g.Leader()
			reply(notLeader(leader.Node), nil)
		default:
			reply(nil, err)
		}
	})
}
