package peer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// loaders is how many clients fill a store.
const loaders = 32

// each does something n times, many at once, until something fails.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(loaders, n) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := do(ctx, int(i)); err != nil {
					cancel(fmt.Errorf("load: %w", err))
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
