package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// createTable makes the table unless it is there, and waits until it is ready.
func (b *bench) createTable(ctx context.Context) (made bool, err error) {
	c := b.newClient(0)
	defer c.close()
	_, err = c.call(ctx, "CreateTable", fmt.Appendf(nil, `{"TableName":%q,`+
		`"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],`+
		`"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`, b.Table))
	made = err == nil
	var refused *statusError
	if errors.As(err, &refused) && strings.Contains(refused.body, "ResourceInUseException") {
		err = nil
	}
	if err != nil {
		return made, fmt.Errorf("create table %s: %w", b.Table, err)
	}
	for range b.targets {
		// Each endpoint may learn of it at its own time.
		if err := b.awaitActive(ctx); err != nil {
			return made, err
		}
		b.targets = append(b.targets[1:], b.targets[0])
	}
	return made, nil
}

func (b *bench) awaitActive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c := b.newClient(0)
	defer c.close()
	for {
		answer, err := c.call(ctx, "DescribeTable", fmt.Appendf(nil, `{"TableName":%q}`, b.Table))
		if err == nil && bytes.Contains(answer, []byte(`"TableStatus":"ACTIVE"`)) {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("table %s does not become active", b.Table), err)
		}
	}
}

// deleteTable removes what createTable has made.
func (b *bench) deleteTable() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := b.newClient(0)
	defer c.close()
	if _, err := c.call(ctx, "DeleteTable", fmt.Appendf(nil, `{"TableName":%q}`, b.Table)); err != nil {
		fmt.Fprintf(b.Progress, "table %s was not deleted: %v\n", b.Table, err)
	}
}

// loaders is how many clients fill the table.
const loaders = 32

// load puts every item once, so that reads find them.
func (b *bench) load(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for n := range min(loaders, b.Keys) {
		c := b.newClient(n)
		wg.Go(func() {
			defer c.close()
			for i := next.Add(1) - 1; i < int64(b.Keys) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if i%1000 == 0 {
					fmt.Fprintf(b.Progress, "\r\x1b[Kloading %d of %d items", i, b.Keys)
				}
				if err := c.retry(ctx, put, uint64(i)); err != nil {
					cancel(fmt.Errorf("load the table: %w", err))
				}
			}
		})
	}
	wg.Wait()
	fmt.Fprint(b.Progress, "\r\x1b[K")
	return context.Cause(ctx)
}

// retry carries out an operation, more than once if need be.
func (c *client) retry(ctx context.Context, op operation, key uint64) error {
	var err error
	for attempt := range 8 {
		if err = c.do(ctx, op, key); err == nil {
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
