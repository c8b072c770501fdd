// Package feed lets followers read a partition's changes in order: indexes,
// streams and other regions. A follower keeps its own cursor, the sequence
// number of the last change that it is done with, and asks for what comes
// after. Only the leader's feed moves on its own time, so only there may it be
// followed; the changes it gives are committed and applied.
//
// The package keeps nothing. Who follows and how far they have come is in the
// partition, as consumers.
package feed

import (
	"context"

	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/storage/change"
)

// Next returns at most max changes after a sequence number, oldest first, and
// waits until there is one. It ends with an error of kind storage.NotLeader
// when this peer does not lead its group or stops to, and with the cause of ctx
// when that ends. The error is machine.ErrTrimmed when the change after the
// cursor is no longer kept.
func Next(ctx context.Context, g *group.Group, after uint64, max int) ([]change.Change, error) {
	for {
		// Both are taken before looking, so that no wake-up is missed.
		more, roleChanged := g.Machine().Changed(), g.LeadershipChanged()
		if !g.IsLeader() {
			return nil, g.ErrNotLeader()
		}
		changes, err := g.Machine().Changes(after, max)
		if err != nil || len(changes) > 0 {
			return changes, err
		}
		select {
		case <-more:
		case <-roleChanged:
		case <-g.Done():
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
