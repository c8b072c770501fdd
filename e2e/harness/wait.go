package harness

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// poll is how often something is looked at that does not tell by itself.
const poll = 20 * time.Millisecond

// Until asks again and again until ok says yes. When ctx ends first it returns
// what it waited for, with the last error: that is why ok said no. It is no
// reason to stop asking, unless it is a GiveUp.
func Until(ctx context.Context, what string, ok func(ctx context.Context) (bool, error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		done, err := ok(ctx)
		if done {
			return nil
		}
		var final *GiveUp
		if errors.As(err, &final) {
			return errors.Join(fmt.Errorf("there will never be %s", what), err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited in vain for %s", what), err)
		}
	}
}

// GiveUp says that what is waited for cannot come any more.
type GiveUp struct{ Reason string }

// Error is the reason.
func (g *GiveUp) Error() string { return g.Reason }
