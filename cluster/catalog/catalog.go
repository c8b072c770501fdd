package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/machine"
)

// Source is where a catalog reads and writes its records.
type Source interface {
	// Local returns this node's own peer of the catalog group, nil when it has
	// none.
	Local() *machine.Partition
	// Watch asks another node for what changed after a revision. It waits
	// there until something has, or for a few seconds.
	Watch(ctx context.Context, after uint64) (Delta, error)
	// Get reads a record as the leader of the catalog group has it.
	Get(ctx context.Context, key []byte) (machine.Stored, error)
	// Execute runs a command at the leader of the catalog group, exactly once.
	Execute(ctx context.Context, cmd *command.Command) (command.Result, error)
}

// Catalog follows the region's catalog and changes it. It is safe for
// concurrent use.
type Catalog struct {
	source Source
	logger *slog.Logger
	state  atomic.Pointer[State]

	mu struct {
		sync.Mutex
		changed chan struct{} // closed and replaced when state moves
	}

	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	following sync.WaitGroup
}

// retryEvery is how long the follower waits before it asks again after a
// failure, and before it looks for a local peer that was not there.
const retryEvery = 200 * time.Millisecond

// Open starts following the catalog. The caller must Close it.
func Open(source Source, logger *slog.Logger) *Catalog {
	c := New(source, logger)
	c.Follow()
	return c
}

// New makes a catalog that knows nothing until Follow. The caller must Close it.
func New(source Source, logger *slog.Logger) *Catalog {
	c := &Catalog{source: source, logger: logger}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.mu.changed = make(chan struct{})
	c.state.Store(emptyState())
	return c
}

// Follow starts following the catalog. Its source is asked from now on.
func (c *Catalog) Follow() { c.following.Go(func() { c.follow(c.ctx) }) }

// Close stops following and waits for it.
func (c *Catalog) Close() {
	c.cancel()
	c.following.Wait()
}

// State is the newest revision that this node holds.
func (c *Catalog) State() *State { return c.state.Load() }

// Changed returns a channel that is closed at the next change of State. To
// miss none, take the channel before looking at State.
func (c *Catalog) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.changed
}

// Await waits until State satisfies a condition, and returns that state.
func (c *Catalog) Await(ctx context.Context, ok func(*State) bool) (*State, error) {
	for {
		changed := c.Changed()
		if s := c.State(); ok(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// follow keeps the state up to date until ctx ends: from this node's own peer
// of the catalog group where there is one, else by asking a node that has one.
func (c *Catalog) follow(ctx context.Context) {
	for ctx.Err() == nil {
		var err error
		if local := c.source.Local(); local != nil {
			err = c.followLocal(ctx, local)
		} else {
			err = c.followRemote(ctx)
		}
		if err != nil && ctx.Err() == nil {
			c.logger.Debug("catalog: cannot follow, will try again", "error", err)
			sleep(ctx, retryEvery)
		}
	}
}

// followLocal waits for one change of the local peer and takes it over.
func (c *Catalog) followLocal(ctx context.Context, local *machine.Partition) error {
	changed := local.Changed()
	stored, err := local.Get([]byte(headKey))
	if err != nil {
		return fmt.Errorf("catalog: read the newest revision: %w", err)
	}
	newest, err := revisionOfHead(stored)
	if err != nil {
		return err
	}
	if after := c.State().Revision; newest > after {
		delta, err := readAll(local, after)
		if err != nil {
			return err
		}
		if err := c.advance(delta); err != nil {
			return err
		}
	}
	// The peer may be replaced by a snapshot that it receives, so look again
	// now and then even when this one says nothing.
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

func (c *Catalog) followRemote(ctx context.Context) error {
	delta, err := c.source.Watch(ctx, c.State().Revision)
	if err != nil {
		return err
	}
	return c.advance(delta)
}

// advance moves to the revision of delta, unless it is not newer.
func (c *Catalog) advance(d Delta) error {
	old := c.State()
	if d.Revision <= old.Revision {
		return nil
	}
	next, err := old.next(d.Revision, d.Keys, d.Changed)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Store(next)
	close(c.mu.changed)
	c.mu.changed = make(chan struct{})
	return nil
}

// Delta is how one revision of the catalog differs from an earlier one.
type Delta struct {
	// Revision is the revision it leads to.
	Revision uint64 `json:"revision"`
	// Keys names every record of that revision.
	Keys []string `json:"keys"`
	// Changed is the records written after the earlier revision.
	Changed map[string]record `json:"changed"`
}

// WatchLocal answers a Watch of another node: it waits until this node holds a
// revision after the one given, or for a few seconds.
func (c *Catalog) WatchLocal(ctx context.Context, after uint64) (Delta, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	s, err := c.Await(ctx, func(s *State) bool { return s.Revision > after })
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return Delta{Revision: after}, nil
		}
		return Delta{}, err
	}
	d := Delta{Revision: s.Revision, Changed: map[string]record{}}
	for key, rec := range s.records {
		d.Keys = append(d.Keys, key)
		if rec.Revision > after {
			d.Changed[key] = rec
		}
	}
	return d, nil
}

// The attributes of a record's item.
const (
	revisionAttribute = "revision"
	bodyAttribute     = "body"
	keyAttribute      = "key"
)

// readAll reads the catalog from a peer, all of it at one applied index.
func readAll(p *machine.Partition, after uint64) (Delta, error) {
	page, err := p.Page(machine.PageRequest{MaxBytes: math.MaxInt})
	if err != nil {
		return Delta{}, fmt.Errorf("catalog: read records: %w", err)
	}
	d := Delta{Changed: map[string]record{}}
	for _, e := range page.Items {
		it, err := e.Decode()
		if err != nil {
			return Delta{}, fmt.Errorf("catalog: read records: %w", err)
		}
		key := it.Get(keyAttribute).Str()
		revision, err := revisionOf(it)
		if err != nil {
			return Delta{}, fmt.Errorf("catalog: record %q: %w", key, err)
		}
		d.Keys = append(d.Keys, key)
		d.Revision = max(d.Revision, revision)
		if revision > after {
			d.Changed[key] = record{Revision: revision, Body: json.RawMessage(it.Get(bodyAttribute).Str())}
		}
	}
	return d, nil
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func revisionOf(it item.Item) (uint64, error) {
	v := it.Get(revisionAttribute)
	if v.Kind() != item.N {
		return 0, storage.Errorf(storage.Corrupt, "catalog: no revision")
	}
	n, err := strconv.ParseUint(v.Number().String(), 10, 64)
	if err != nil {
		return 0, storage.Errorf(storage.Corrupt, "catalog: revision %s: %w", v.Number(), err)
	}
	return n, nil
}

// Refresh waits until this node holds the newest revision that there was when
// it was called.
func (c *Catalog) Refresh(ctx context.Context) error {
	newest, err := c.newest(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Await(ctx, func(s *State) bool { return s.Revision >= newest }); err != nil {
		return fmt.Errorf("catalog: wait for revision %d: %w", newest, err)
	}
	return nil
}

// outdated waits for a revision after s, if there is one.
func (c *Catalog) outdated(ctx context.Context, s *State) bool {
	return c.Refresh(ctx) == nil && c.State().Revision > s.Revision
}

// newest asks the leader of the catalog group for the newest revision.
func (c *Catalog) newest(ctx context.Context) (uint64, error) {
	stored, err := c.source.Get(ctx, []byte(headKey))
	if err != nil {
		return 0, fmt.Errorf("catalog: ask for the newest revision: %w", err)
	}
	return revisionOfHead(stored)
}

// revisionOfHead is the newest revision, by the record that every change writes;
// 0 before the first.
func revisionOfHead(stored machine.Stored) (uint64, error) {
	if !stored.Exists {
		return 0, nil
	}
	it, err := stored.Item.Decode()
	if err != nil {
		return 0, fmt.Errorf("catalog: the newest revision: %w", err)
	}
	return revisionOf(it)
}

// Holds asks the leader of the catalog group whether a peer still belongs to a
// group. It is for decisions that cannot be taken back, which a node must not
// take by the revision it happens to hold.
func (c *Catalog) Holds(ctx context.Context, group cluster.GroupID, peer cluster.PeerID) (bool, error) {
	stored, err := c.source.Get(ctx, []byte(groupKey(group)))
	if err != nil {
		return false, fmt.Errorf("catalog: ask for group %s: %w", group, err)
	}
	if !stored.Exists || stored.Tombstone {
		return false, nil
	}
	it, err := stored.Item.Decode()
	if err != nil {
		return false, fmt.Errorf("catalog: group %s: %w", group, err)
	}
	var p Partition
	if err := json.Unmarshal([]byte(it.Get(bodyAttribute).Str()), &p); err != nil {
		return false, fmt.Errorf("catalog: group %s: %w", group, err)
	}
	return slices.Contains(p.Peers, peer), nil
}
