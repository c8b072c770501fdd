// Package router makes many Raft groups look like tables: it finds the
// partition that a key belongs to and follows partitions in key order.
//
// It routes by the revision of the catalog that this node holds. When a group
// says that a key is not its own, that revision is old, and the router waits
// for a newer one. What a command or a read means is not its business.
package router

import (
	"bytes"
	"context"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/dispatch"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// staleFor is how long a router waits for a newer revision of the catalog
// after a group has refused a key.
const staleFor = 2 * time.Second

// pageBytes is DynamoDB's bound of what one page may examine.
const pageBytes = 1 << 20

// Router routes by key. It is safe for concurrent use.
type Router struct {
	catalog    *catalog.Catalog
	dispatcher *dispatch.Dispatcher
}

// New makes a router.
func New(c *catalog.Catalog, d *dispatch.Dispatcher) *Router {
	return &Router{catalog: c, dispatcher: d}
}

// TableCommand is a command on a key of a table.
type TableCommand struct {
	Table   *catalog.Table
	Command *command.Command
}

// Outcome is what became of a TableCommand.
type Outcome = dispatch.Outcome

// Lookup returns a table by name: ResourceNotFound when there is none, and
// Unavailable when that cannot be known. A table that this node does not know,
// or does not know to be ready, may have become so through another node a moment
// ago: then the newest catalog is asked for first.
func (r *Router) Lookup(name string) (*catalog.Table, error) {
	t, ok := r.catalog.State().Tables[name]
	if ok && t.Status == catalog.Active {
		return t, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), staleFor)
	defer cancel()
	if err := r.catalog.Refresh(ctx); err != nil {
		if ok && t.Status == catalog.Updating {
			return t, nil // it serves meanwhile
		}
		return nil, storage.Errorf(storage.Unavailable, "it is not known whether there is a table %s: %w", name, err)
	}
	if t, ok = r.catalog.State().Tables[name]; !ok {
		return nil, storage.Errorf(storage.ResourceNotFound, "Requested resource not found: Table: %s not found", name)
	}
	return t, nil
}

// Table is Lookup for those who do not ask why.
func (r *Router) Table(name string) (*catalog.Table, bool) {
	t, err := r.Lookup(name)
	return t, err == nil
}

// Execute carries out one command, exactly once.
func (r *Router) Execute(ctx context.Context, t *catalog.Table, cmd *command.Command) (command.Result, error) {
	out := r.ExecuteAll(ctx, []TableCommand{{Table: t, Command: cmd}})[0]
	return out.Result, out.Err
}

// ExecuteAll carries out commands side by side, in no promised order.
func (r *Router) ExecuteAll(ctx context.Context, cmds []TableCommand) []Outcome {
	outcomes := make([]Outcome, len(cmds))
	pending := make([]int, len(cmds))
	for i := range cmds {
		pending[i] = i
	}
	for len(pending) > 0 {
		writes := make([]dispatch.Write, 0, len(pending))
		sent := pending[:0]
		for _, i := range pending {
			target, err := r.locate(cmds[i].Table, cmds[i].Command.Key)
			if err != nil {
				outcomes[i].Err = err
				continue
			}
			sent = append(sent, i)
			writes = append(writes, dispatch.Write{Target: target, Command: cmds[i].Command})
		}
		revision := r.catalog.State().Revision
		misrouted := sent[:0]
		for at, out := range r.dispatcher.ExecuteAll(ctx, writes) {
			i := sent[at]
			outcomes[i] = out
			if isMisrouted(out) {
				misrouted = append(misrouted, i)
			}
		}
		if len(misrouted) > 0 && !r.newer(ctx, revision) {
			break
		}
		pending = misrouted
	}
	for i := range outcomes {
		if isMisrouted(outcomes[i]) {
			outcomes[i] = Outcome{Err: storage.Errorf(storage.Unavailable, "the partition map is out of date")}
		}
	}
	return outcomes
}

func isMisrouted(out Outcome) bool {
	return storage.KindOf(out.Err) == storage.WrongPartition ||
		out.Result.Err != nil && out.Result.Err.Kind == storage.WrongPartition
}

// newer waits for a revision after the one given.
func (r *Router) newer(ctx context.Context, revision uint64) bool {
	ctx, cancel := context.WithTimeout(ctx, staleFor)
	defer cancel()
	_, err := r.catalog.Await(ctx, func(s *catalog.State) bool { return s.Revision > revision })
	return err == nil
}

// locate finds the group of a key, by the newest catalog: t may be older.
func (r *Router) locate(t *catalog.Table, key []byte) (dispatch.Target, error) {
	p, err := r.find(t, key)
	if err != nil {
		return dispatch.Target{}, err
	}
	return dispatch.Target{Group: p.Group, Peers: p.Peers}, nil
}

func (r *Router) find(t *catalog.Table, key []byte) (*catalog.Partition, error) {
	current, ok := r.catalog.State().TableByID(t.ID)
	if !ok {
		return nil, storage.Errorf(storage.ResourceNotFound, "Requested resource not found: Table: %s not found", t.Name)
	}
	p := current.Find(key)
	if p == nil {
		return nil, storage.Errorf(storage.Unavailable, "table %s has no partitions yet", t.Name)
	}
	return p, nil
}

// Get reads one item, nil when there is none. A consistent read sees every
// write of this region that was acknowledged before it began.
func (r *Router) Get(ctx context.Context, t *catalog.Table, key []byte, consistent bool) (item.Encoded, error) {
	stored, err := r.Stored(ctx, t, key, consistent)
	if err != nil || !stored.Exists || stored.Tombstone {
		return nil, err
	}
	return stored.Item, nil
}

// Stored reads one item with its version, or its tombstone.
func (r *Router) Stored(ctx context.Context, t *catalog.Table, key []byte, consistent bool) (machine.Stored, error) {
	for {
		revision := r.catalog.State().Revision
		target, err := r.locate(t, key)
		if err != nil {
			return machine.Stored{}, err
		}
		stored, err := r.dispatcher.Get(ctx, target, key, consistent)
		if storage.KindOf(err) == storage.WrongPartition && r.newer(ctx, revision) {
			continue
		}
		return stored, err
	}
}

// Page reads items in key order, forwards from req.Lo or backwards from
// req.Hi, across partitions, until a limit of req or the end of its range is
// reached. Page.Last is where the next page resumes.
func (r *Router) Page(ctx context.Context, t *catalog.Table, req machine.PageRequest, consistent bool) (machine.Page, error) {
	if req.MaxBytes == 0 {
		req.MaxBytes = pageBytes
	}
	var total machine.Page
	for {
		p, err := r.partition(t, req)
		if err != nil {
			return machine.Page{}, err
		}
		part, err := r.dispatcher.Page(ctx, dispatch.Target{Group: p.Group, Peers: p.Peers}, within(req, p), consistent)
		if err != nil {
			return machine.Page{}, err
		}
		total.Items = append(total.Items, part.Items...)
		total.Stored = append(total.Stored, part.Stored...)
		total.Count += part.Count
		total.Scanned += part.Scanned
		total.ScannedBytes += part.ScannedBytes
		if part.Last != nil {
			total.Last = part.Last
		}
		// A page that stops at a limit says that there is more even when it
		// stopped at the last item, as DynamoDB does.
		if part.More || spend(&req, part) {
			total.More = true
			return total, nil
		}
		if !advance(&req, p) {
			return total, nil
		}
	}
}

// partition finds where the next part of a page is read.
func (r *Router) partition(t *catalog.Table, req machine.PageRequest) (*catalog.Partition, error) {
	if !req.Reverse {
		return r.find(t, req.Lo)
	}
	current, ok := r.catalog.State().TableByID(t.ID)
	if !ok || len(current.Partitions) == 0 {
		return r.find(t, nil) // which has the error
	}
	for i := len(current.Partitions) - 1; i > 0; i-- {
		if p := current.Partitions[i]; len(req.Hi) == 0 || bytes.Compare(p.Lo, req.Hi) < 0 {
			return p, nil
		}
	}
	return current.Partitions[0], nil
}

// within narrows a request to a partition's range.
func within(req machine.PageRequest, p *catalog.Partition) machine.PageRequest {
	if bytes.Compare(req.Lo, p.Lo) < 0 {
		req.Lo = p.Lo
	}
	if len(p.Hi) > 0 && (len(req.Hi) == 0 || bytes.Compare(p.Hi, req.Hi) < 0) {
		req.Hi = p.Hi
	}
	return req
}

// spend lowers the limits of a request by what was read, and reports whether
// one of them is used up.
func spend(req *machine.PageRequest, read machine.Page) bool {
	if req.Limit > 0 {
		if req.Limit -= read.Scanned; req.Limit <= 0 {
			return true
		}
	}
	if req.MaxBytes > 0 {
		if req.MaxBytes -= read.ScannedBytes; req.MaxBytes <= 0 {
			return true
		}
	}
	return false
}

// advance moves a request past a partition that was read to its end, and
// reports false when that was the end of the request's range.
func advance(req *machine.PageRequest, p *catalog.Partition) bool {
	if req.Reverse {
		req.Hi = p.Lo
		return len(p.Lo) > 0 && bytes.Compare(req.Lo, p.Lo) < 0
	}
	req.Lo = p.Hi
	return len(p.Hi) > 0 && (len(req.Hi) == 0 || bytes.Compare(p.Hi, req.Hi) < 0)
}
