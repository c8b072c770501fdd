package sdk

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/harness"
)

// Counters is writers who each write 1, 2, 3, … under one key, as fast as they
// are answered: what is stored must never be less than what was acknowledged.
type Counters struct {
	table string
	kept  *check.Kept
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu struct {
		sync.Mutex
		acks    map[string]int // of each key, since the beginning
		last    map[string]time.Time
		longest time.Duration
		errors  map[string]int
		refused map[string]bool
	}
}

// StartCounters starts writers. The prefix begins their keys; no two sets of
// counters of a table may have the same.
func StartCounters(ctx context.Context, c *dynamodb.Client, table, prefix string, writers int) *Counters {
	ctx, stop := context.WithCancel(ctx)
	w := &Counters{table: table, kept: check.NewKept(), stop: stop}
	w.mu.acks, w.mu.last, w.mu.errors = map[string]int{}, map[string]time.Time{}, map[string]int{}
	w.mu.refused = map[string]bool{}
	for i := range writers {
		key := fmt.Sprintf("%s-%d", prefix, i)
		w.mu.acks[key], w.mu.last[key] = 0, time.Now()
		w.wg.Go(func() { w.count(ctx, c, key) })
	}
	return w
}

// count writes under one key until ctx ends. The last write is not cut short.
func (w *Counters) count(ctx context.Context, c *dynamodb.Client, key string) {
	for n := 1; ctx.Err() == nil; n++ {
		w.kept.Try(key, n)
		_, err := c.PutItem(context.WithoutCancel(ctx), &dynamodb.PutItemInput{
			TableName: &w.table,
			Item:      map[string]types.AttributeValue{PK: str(key), "n": &types.AttributeValueMemberN{Value: strconv.Itoa(n)}},
		})
		if w.note(key, n, err); err != nil {
			pause(ctx)
		}
	}
}

func (w *Counters) note(key string, n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.mu.errors[cmp.Or(Code(err), "no answer")]++
		if blames(err) {
			w.mu.refused[err.Error()] = true
		}
		return
	}
	w.kept.Ack(key, n)
	w.mu.acks[key]++
	now := time.Now()
	w.mu.longest = max(w.mu.longest, now.Sub(w.mu.last[key]))
	w.mu.last[key] = now
}

// Progress waits until every writer has been acknowledged so many more writes.
func (w *Counters) Progress(ctx context.Context, more int) error {
	w.mu.Lock()
	goal := maps.Clone(w.mu.acks)
	w.mu.Unlock()
	return harness.Until(ctx, fmt.Sprintf("%d more acknowledged writes of each writer", more), func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for key, n := range goal {
			if w.mu.acks[key] < n+more {
				return false, fmt.Errorf("%s has %d of %d more; errors: %v", key, w.mu.acks[key]-n, more, w.mu.errors)
			}
		}
		return true, nil
	})
}

// Stop stops the writers and waits for their last writes.
func (w *Counters) Stop() {
	w.stop()
	w.wg.Wait()
}

// Check compares what a region has with what was acknowledged.
func (w *Counters) Check(ctx context.Context, c *dynamodb.Client) error {
	stored := map[string]int{}
	for key := range w.mu.acks { // the writers have stopped
		out, err := c.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: &w.table, Key: map[string]types.AttributeValue{PK: str(key)}, ConsistentRead: aws.Bool(true),
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		if n, ok := out.Item["n"].(*types.AttributeValueMemberN); ok {
			if stored[key], err = strconv.Atoi(n.Value); err != nil {
				return fmt.Errorf("read %s: %w", key, err)
			}
		}
	}
	return w.kept.Check(stored)
}

// Acked is how many writes were acknowledged.
func (w *Counters) Acked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	total := 0
	for _, n := range w.mu.acks {
		total += n
	}
	return total
}

// Refused is the exceptions that say that the client is to blame, which did
// nothing wrong.
func (w *Counters) Refused() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.mu.refused))
}

// Failed is how many writes were not, after all the client's attempts.
func (w *Counters) Failed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	total := 0
	for _, n := range w.mu.errors {
		total += n
	}
	return total
}

// Longest is the longest that a writer waited from one acknowledgement to the
// next.
func (w *Counters) Longest() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.longest
}

// String says what the writers saw: the longest is between two
// acknowledgements of one writer.
func (w *Counters) String() string {
	acked := w.Acked()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := fmt.Sprintf("%d writes acknowledged, the longest wait %v", acked, w.mu.longest.Round(time.Millisecond))
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(w.mu.errors)) {
		failed = append(failed, fmt.Sprintf("%d× %s", w.mu.errors[name], name))
	}
	if len(failed) > 0 {
		s += ", failed: " + strings.Join(failed, ", ")
	}
	return s
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
