package harness

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// poll is how often something is looked at that does not tell by itself.
const poll = 20 * time.Millisecond

// Until asks again and again until ok says yes. It returns the last error with
// what it waited for when ctx ends first. An error of ok is no reason to stop.
func Until(ctx context.Context, what string, ok func(ctx context.Context) (bool, error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		done, err := ok(ctx)
		if done && err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited in vain for %s", what), err)
		}
	}
}
