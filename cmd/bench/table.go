package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/wire"
	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

// createTable makes the table unless it is there, and waits until it is ready.
func (b *bench) createTable(ctx context.Context, sorted bool) (made bool, err error) {
	attributes := `{"AttributeName":"pk","AttributeType":"S"}`
	schema := `{"AttributeName":"pk","KeyType":"HASH"}`
	if sorted {
		attributes += `,{"AttributeName":"sk","AttributeType":"S"}`
		schema += `,{"AttributeName":"sk","KeyType":"RANGE"}`
	}
	name := b.table(sorted)
	c := wire.New(b.wire(0))
	defer c.Close()
	_, err = c.Call(ctx, "CreateTable", fmt.Appendf(nil, `{"TableName":%q,"AttributeDefinitions":[%s],`+
		`"KeySchema":[%s],"BillingMode":"PAY_PER_REQUEST"}`, name, attributes, schema))
	made = err == nil
	var refused *wire.StatusError
	if errors.As(err, &refused) && strings.Contains(refused.Body, "ResourceInUseException") {
		err = nil
	}
	if err != nil {
		return made, fmt.Errorf("create table %s: %w", name, err)
	}
	for n := range b.targets {
		// Each endpoint may learn of it at its own time.
		if err := b.awaitActive(ctx, n, name); err != nil {
			return made, err
		}
	}
	return made, nil
}

func (b *bench) awaitActive(ctx context.Context, target int, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c := wire.New(b.wire(target))
	defer c.Close()
	for {
		answer, err := c.Call(ctx, "DescribeTable", fmt.Appendf(nil, `{"TableName":%q}`, name))
		if err == nil && bytes.Contains(answer, []byte(`"TableStatus":"ACTIVE"`)) {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("table %s does not become active", name), err)
		}
	}
}

// deleteTable removes what createTable has made.
func (b *bench) deleteTable(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := wire.New(b.wire(0))
	defer c.Close()
	if _, err := c.Call(ctx, "DeleteTable", fmt.Appendf(nil, `{"TableName":%q}`, name)); err != nil {
		fmt.Fprintf(b.Progress, "table %s was not deleted: %v\n", name, err)
	}
}

// loaders is how many clients fill a table.
const loaders = 32

// load puts every item once, in batches, so that reads find them.
func (b *bench) load(ctx context.Context, sorted bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	of := slices.IndexFunc(b.Workloads, func(w Workload) bool { return w.Sorted() == sorted })
	var next atomic.Uint64
	var wg sync.WaitGroup
	for n := range min(loaders, b.Keys) {
		c := b.newClient(n, b.Workloads[of], wire.New(b.wire(n)))
		wg.Go(func() {
			defer c.Close()
			if err := b.loadSome(ctx, c, &next); err != nil {
				cancel(fmt.Errorf("load table %s: %w", b.table(sorted), err))
			}
		})
	}
	wg.Wait()
	fmt.Fprint(b.Progress, "\r\x1b[K")
	return context.Cause(ctx)
}

// loadSome puts items from next on, a batch at a time, until all are there.
func (b *bench) loadSome(ctx context.Context, c *client, next *atomic.Uint64) error {
	const share = workload.BatchItems
	for all := uint64(b.Keys); ctx.Err() == nil; {
		from := next.Add(share) - share
		if from >= all {
			return nil
		}
		if from%(100*share) == 0 {
			fmt.Fprintf(b.Progress, "\r\x1b[Kloading %d of %d items", from, all)
		}
		for to := min(all, from+share); from < to; {
			q := c.generator.Load(from, to)
			if err := c.retry(ctx, q); err != nil {
				return err
			}
			from += uint64(len(q.Keys))
		}
	}
	return nil
}

// retry carries out a request, more than once if need be.
func (c *client) retry(ctx context.Context, q *workload.Request) error {
	var err error
	for attempt := range 8 {
		if _, err = c.Do(ctx, q); err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond << attempt):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}
