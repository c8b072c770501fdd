package dispatch

import (
	"context"

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
	d.retry(ctx, []*call{c}, make(chan *call, 1), d.get)
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
	if g, ok := d.leading(t.Group); ok {
		confirmed := make(chan error, 1)
		d.host.Confirm(t.Group, func(err error) { confirmed <- err })
		select {
		case err := <-confirmed:
			if err == nil {
				return g.Machine().Page(req)
			}
		case <-ctx.Done():
			return machine.Page{}, storage.Errorf(storage.Unavailable, "dispatch: %w", context.Cause(ctx))
		}
	}
	c := &call{target: t, body: appendPageRequest(nil, req, consistent)}
	d.retry(ctx, []*call{c}, make(chan *call, 1), d.page)
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
	return d.host.Group(t.Group)
}

func (d *Dispatcher) leading(id cluster.GroupID) (*group.Group, bool) {
	g, ok := d.host.Group(id)
	return g, ok && g.IsLeader()
}

// get makes one attempt at a Get.
func (d *Dispatcher) get(c *call, done chan<- *call) {
	if c.node != d.self {
		d.remote(c, transport.Read, done)
		return
	}
	d.serveGet(d.self, c.target.Group, c.body, c.answered(done))
}

// page makes one attempt at a Page.
func (d *Dispatcher) page(c *call, done chan<- *call) {
	if c.node != d.self {
		d.remote(c, transport.Page, done)
		return
	}
	d.servePage(d.self, c.target.Group, c.body, c.answered(done))
}

// serveGet answers a Get: at once, or once the leadership of this node's peer
// is confirmed.
func (d *Dispatcher) serveGet(_ cluster.NodeID, id cluster.GroupID, body []byte, reply transport.Reply) {
	key, consistent, err := decodeGet(body)
	if err != nil {
		reply(nil, err)
		return
	}
	d.serveRead(id, consistent, reply, func(m *machine.Partition) ([]byte, error) {
		stored, err := m.Get(key)
		if err != nil {
			return nil, err
		}
		return appendStored([]byte{replyDone}, stored), nil
	})
}

// servePage answers a Page. Pages are long, so each has its own goroutine.
func (d *Dispatcher) servePage(_ cluster.NodeID, id cluster.GroupID, body []byte, reply transport.Reply) {
	req, consistent, err := decodePageRequest(body)
	if err != nil {
		reply(nil, err)
		return
	}
	d.serving.Add(1)
	go func() {
		defer d.serving.Done()
		confirmed := make(chan struct{})
		d.serveRead(id, consistent, func(body []byte, err error) {
			reply(body, err)
			close(confirmed)
		}, func(m *machine.Partition) ([]byte, error) {
			page, err := m.Page(req)
			if err != nil {
				return nil, err
			}
			return appendPage([]byte{replyDone}, page), nil
		})
		<-confirmed
	}()
}

// serveRead answers with what read returns, as soon as this node's peer of a
// group may be read.
func (d *Dispatcher) serveRead(id cluster.GroupID, consistent bool, reply transport.Reply, read func(*machine.Partition) ([]byte, error)) {
	g, ok := d.host.Group(id)
	if !ok {
		reply(notLeader(""), nil)
		return
	}
	if !consistent {
		reply(read(g.Machine()))
		return
	}
	d.host.Confirm(id, func(err error) {
		switch {
		case err == nil:
			reply(read(g.Machine()))
		case storage.KindOf(err) == storage.NotLeader:
			leader, _ := g.Leader()
			reply(notLeader(leader.Node), nil)
		default:
			reply(nil, err)
		}
	})
}
