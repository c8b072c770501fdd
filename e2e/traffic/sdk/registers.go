package sdk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/harness"
	"github.com/roundtabledb/roundtable/e2e/traffic"
)

// Registers is clients of one region who read, write, delete and swap a few
// items, and add to others, each noting what it saw: the history must be
// linearizable. No other region may write these items.
type Registers struct {
	history *check.History
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu      sync.Mutex
	refused []error
}

func (w *Registers) refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = append(w.refused, err)
}

// renew is how often the items are replaced by others: a history with many
// operations of unknown outcome on one item takes too long to check.
const renew = 2 * time.Second

// StartRegisters starts clients. The prefix begins the names of their items;
// no two regions may use the same.
func StartRegisters(ctx context.Context, r *harness.Region, table, prefix string, seed uint64, clients int) *Registers {
	ctx, stop := context.WithCancel(ctx)
	w := &Registers{history: check.NewHistory(), stop: stop}
	journal := &traffic.Journal{
		Region: r.Name, Linear: w.history,
		Owns:   func(traffic.Key) bool { return true },
		Shares: func(traffic.Key) bool { return false },
	}
	begin := time.Now()
	for id := range clients {
		script := traffic.NewScript(seed, id, 0,
			traffic.Target{Table: table, Names: []string{prefix + "-r0", prefix + "-r1", prefix + "-r2"}, Renew: renew, Shares: traffic.Registers},
			traffic.Target{Table: table, Names: []string{prefix + "-a0", prefix + "-a1"}, Renew: renew, Shares: traffic.Counters},
		)
		store := &store{client: Client(r, Once), refused: w.refuse}
		w.wg.Go(func() {
			for ctx.Err() == nil {
				op := script.Next(time.Since(begin))
				answer := journal.Do(ctx, store, id, op)
				if script.Learn(op, answer); answer.Outcome == check.Unknown {
					pause(ctx)
				}
			}
		})
	}
	return w
}

// checkPatience bounds how long a history is checked.
const checkPatience = 30 * time.Second

// Stop stops the clients.
func (w *Registers) Stop() {
	w.stop()
	w.wg.Wait()
}

// Check checks that the history is linearizable. A history that cannot be
// decided in time is reported, and is no failure.
func (w *Registers) Check(t testing.TB) {
	t.Helper()
	counts := map[check.Outcome]int{}
	for _, op := range w.history.Operations() {
		counts[op.Outcome]++
	}
	begin := time.Now()
	err := check.Linearizable(w.history.Operations(), checkPatience)
	var violation *check.Violation
	switch {
	case errors.As(err, &violation):
		t.Error(err)
	case err != nil:
		t.Log(err)
	}
	if len(w.refused) > 0 {
		t.Errorf("%d operations were refused as the client's fault, the first: %v", len(w.refused), w.refused[0])
	}
	if counts[check.Done] == 0 {
		t.Error("no operation of the history was done")
	}
	t.Logf("%d operations done, %d refused, %d of unknown outcome; checked in %v",
		counts[check.Done], counts[check.Refused], counts[check.Unknown], time.Since(begin).Round(time.Millisecond))
}

// store carries operations out through the SDK. It must be given a client that
// tries once.
type store struct {
	client *dynamodb.Client
	// refused is told of exceptions that say that the client is to blame.
	refused func(error)
}

var _ traffic.Store = (*store)(nil)

// Do carries out one operation.
func (s *store) Do(ctx context.Context, op traffic.Operation) traffic.Answer {
	value, err := s.do(ctx, op)
	var failed *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return traffic.Answer{Outcome: check.Done, Value: value}
	case errors.As(err, &failed):
		return traffic.Answer{Outcome: check.Refused, Refusal: true}
	case blames(err):
		s.refused(err)
		return traffic.Answer{Outcome: check.Refused}
	default:
		return traffic.Answer{Outcome: check.Unknown}
	}
}

func (s *store) do(ctx context.Context, op traffic.Operation) (string, error) {
	key := map[string]types.AttributeValue{PK: str(op.Key.Name)}
	table := &op.Key.Table
	switch op.Kind {
	case check.Read:
		out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key, ConsistentRead: aws.Bool(!op.Weak)})
		if err != nil {
			return "", err
		}
		return valueOf(out.Item), nil
	case check.Write:
		_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: register(op)})
		return "", err
	case check.Delete:
		_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key})
		return "", err
	case check.Swap:
		in := &dynamodb.PutItemInput{TableName: table, Item: register(op)}
		if op.Expect == "" {
			in.ConditionExpression = aws.String("attribute_not_exists(pk)")
		} else {
			in.ConditionExpression = aws.String("v = :expect")
			in.ExpressionAttributeValues = map[string]types.AttributeValue{":expect": str(op.Expect)}
		}
		_, err := s.client.PutItem(ctx, in)
		return "", err
	case check.Add:
		out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: table, Key: key, ReturnValues: types.ReturnValueUpdatedNew,
			UpdateExpression:          aws.String("ADD v :one"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":one": &types.AttributeValueMemberN{Value: "1"}},
		})
		if err != nil {
			return "", err
		}
		return valueOf(out.Attributes), nil
	}
	return "", fmt.Errorf("kind %v is not known", op.Kind)
}

func register(op traffic.Operation) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{PK: str(op.Key.Name), "v": str(op.Value)}
}

// valueOf is the value of an item, "" when there is none.
func valueOf(item map[string]types.AttributeValue) string {
	switch v := item["v"].(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}
