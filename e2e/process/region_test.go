package process

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/e2e/fault"
	"github.com/roundtabledb/roundtable/e2e/harness"
	"github.com/roundtabledb/roundtable/e2e/traffic/sdk"
)

// A node that is told to stop finishes what it is doing and hands over what it
// leads: clients that try again, as all SDKs do, notice nothing.
func TestRollingRestart(t *testing.T) {
	d := harness.Start(t, harness.Options{})
	r := d.Regions[0]
	ctx := within(t, 2*time.Minute)
	must(t, sdk.CreateTable(ctx, sdk.Client(r), "rolling"))
	c := sdk.StartCounters(ctx, sdk.Client(r), "rolling", "k", 6)
	must(t, c.Progress(ctx, 5))
	for _, n := range r.Nodes {
		must(t, fault.Terminate(n).During(ctx, func() error { return c.Progress(ctx, 20) }))
		must(t, c.Progress(ctx, 20))
	}
	c.Stop()
	t.Log(c)
	if c.Failed() > 0 {
		t.Errorf("%d writes failed while nodes were drained one after the other", c.Failed())
	}
	must(t, c.Check(ctx, sdk.Client(r)))
}

// A node that waits for others lives, says what it waits for, lets no client in,
// and stops when told to.
func TestNodeAlone(t *testing.T) {
	d := harness.New(t, harness.Options{})
	r := d.Regions[0]
	ctx := within(t, time.Minute)
	alone := r.Nodes[0]
	must(t, alone.Start())
	must(t, harness.Until(ctx, "the node to say that it lives", func(ctx context.Context) (bool, error) {
		_, err := alone.Ask(ctx, "/healthz")
		return err == nil, err
	}))
	if _, err := alone.Ask(ctx, "/readyz"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a node alone is ready: %v", err)
	}
	if _, err := alone.Status(ctx); err != nil {
		t.Error(err)
	}
	must(t, alone.Process().Terminate(ctx))

	must(t, harness.Restart(ctx, r.Nodes...))
	must(t, sdk.CreateTable(ctx, sdk.Client(r), "waiting"))
	must(t, put(ctx, sdk.Client(r), "waiting", "k", 7))
	must(t, harness.Kill(r.Nodes...))
	must(t, alone.Start())
	client := sdk.NodeClient(alone, sdk.Impatient(200*time.Millisecond), sdk.Once)
	must(t, harness.Until(ctx, "the node to say that it lives", func(ctx context.Context) (bool, error) {
		_, err := alone.Ask(ctx, "/healthz")
		return err == nil, err
	}))
	if n, err := get(ctx, client, "waiting", "k"); err == nil || sdk.Code(err) == "ResourceNotFoundException" {
		t.Errorf("a node without a quorum answers %d, %v", n, err)
	}
	must(t, harness.Restart(ctx, r.Nodes[1:]...))
	must(t, alone.Ready(ctx))
	if n, err := get(ctx, sdk.NodeClient(alone), "waiting", "k"); n != 7 || err != nil {
		t.Errorf("the node answers %d, %v when the others are back", n, err)
	}
}

// A leader that is stopped for longer than its followers wait is a leader no
// more, and does not know it when it goes on. It must not answer strong reads
// from what it has.
func TestPausedLeader(t *testing.T) {
	d := harness.Start(t, harness.Options{})
	r := d.Regions[0]
	ctx := within(t, 2*time.Minute)
	client := sdk.Client(r, sdk.Impatient(time.Second))
	must(t, sdk.CreateTable(ctx, sdk.Client(r), "paused"))
	history := sdk.StartRegisters(ctx, r, "paused", "history", 1, 4)
	counters := sdk.StartCounters(ctx, client, "paused", "count", 2)
	must(t, counters.Progress(ctx, 5))
	for round := range 3 {
		leader, err := r.Leader(ctx, "paused")
		must(t, err)
		must(t, put(ctx, client, "paused", "stale", 2*round))
		var reads *lateReads
		must(t, fault.Pause(leader).During(ctx, func() error {
			if err := counters.Progress(ctx, 3); err != nil {
				return err
			}
			if err := put(ctx, client, "paused", "stale", 2*round+1); err != nil {
				return err
			}
			reads, err = sendReads(ctx, leader, "paused", "stale", 8)
			return err
		}))
		for _, v := range reads.wait(t) {
			if v < 2*round+1 {
				t.Errorf("round %d: %s read %d, after %d had been written elsewhere", round, leader.Name(), v, 2*round+1)
			}
		}
		must(t, counters.Progress(ctx, 3))
	}
	counters.Stop()
	history.Stop()
	t.Log(counters)
	must(t, counters.Check(ctx, client))
	history.Check(t)
}

func put(ctx context.Context, c *dynamodb.Client, table, key string, n int) error {
	_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		sdk.PK: &types.AttributeValueMemberS{Value: key}, "n": &types.AttributeValueMemberN{Value: strconv.Itoa(n)},
	}})
	return err
}

func get(ctx context.Context, c *dynamodb.Client, table, key string) (int, error) {
	out, err := c.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &table, Key: map[string]types.AttributeValue{sdk.PK: &types.AttributeValueMemberS{Value: key}},
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return 0, err
	}
	n, ok := out.Item["n"].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("%s of %s has no number", key, table)
	}
	return strconv.Atoi(n.Value)
}

// lateReads is strong reads that a node has been sent and does not answer yet.
type lateReads struct {
	wg sync.WaitGroup

	mu     sync.Mutex
	values []int
	errs   []error
}

// sendReads sends strong reads to one node and returns when they are with the
// operating system.
func sendReads(ctx context.Context, n *harness.Node, table, key string, count int) (*lateReads, error) {
	l := &lateReads{}
	sent := make(chan struct{}, 8*count)
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { sent <- struct{}{} },
	})
	for range count {
		client := sdk.NodeClient(n)
		l.wg.Go(func() {
			v, err := get(traced, client, table, key)
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.errs = append(l.errs, err)
			} else {
				l.values = append(l.values, v)
			}
		})
	}
	for range count {
		select {
		case <-sent:
		case <-ctx.Done():
			return l, context.Cause(ctx)
		}
	}
	return l, nil
}

// wait returns what the reads came to. One that failed proves nothing.
func (l *lateReads) wait(t *testing.T) []int {
	t.Helper()
	l.wg.Wait()
	for _, err := range l.errs {
		t.Logf("a late read failed: %v", err)
	}
	if len(l.values) == 0 {
		t.Error("no late read was answered")
	}
	return l.values
}

// A node that was away for longer than the log reaches back gets the state as a
// snapshot.
func TestSnapshotAfterLongAbsence(t *testing.T) {
	d := harness.Start(t, harness.Options{Args: []string{
		"--trailing-logs", "32", "--snapshot-threshold", "16", "--snapshot-interval", "500ms", "--checkpoint-every", "500ms",
		"--partitions", "1",
	}})
	r := d.Regions[0]
	ctx := within(t, 2*time.Minute)
	must(t, sdk.CreateTable(ctx, sdk.Client(r), "absent"))
	c := sdk.StartCounters(ctx, sdk.Client(r), "absent", "k", 4)
	must(t, c.Progress(ctx, 5))
	absent := r.Nodes[2]
	must(t, absent.Process().Kill())
	// How far the log reaches back depends on when it is cut.
	must(t, harness.Until(ctx, "a snapshot for the node that was absent", func(ctx context.Context) (bool, error) {
		if err := c.Progress(ctx, 200); err != nil {
			return false, err
		}
		if err := absent.Restart(ctx); err != nil {
			return false, err
		}
		if err := caughtUp(ctx, r); err != nil {
			return false, err
		}
		if strings.Contains(absent.Process().Output(), "a snapshot took the place") {
			return true, nil
		}
		return false, absent.Process().Kill()
	}))
	c.Stop()
	t.Log(c)
	must(t, c.Check(ctx, sdk.Client(r)))
	// It answers for itself now, and with one other makes a quorum.
	must(t, fault.Kill(r.Nodes[0]).During(ctx, func() error { return c.Check(ctx, sdk.NodeClient(absent)) }))
}

// caughtUp waits until no peer of the region's only table is far behind.
func caughtUp(ctx context.Context, r *harness.Region) error {
	const far = 20
	return harness.Until(ctx, "all peers to have caught up", func(ctx context.Context) (bool, error) {
		s, err := r.Status(ctx)
		if err != nil {
			return false, err
		}
		var applied []uint64
		for _, n := range s.Nodes {
			for _, p := range n.Peers {
				if p.Group == s.Tables[0].Partitions[0].Group {
					applied = append(applied, p.Applied)
				}
			}
		}
		return len(applied) == len(r.Nodes) && slices.Max(applied)-slices.Min(applied) < far, fmt.Errorf("applied: %v", applied)
	})
}
