package tour

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// poll is how often a tour looks whether something has happened.
const poll = 5 * time.Millisecond

// until asks again and again until ok, an error, or the end of ctx. What it
// waits for is named in the error.
func until(ctx context.Context, what string, ok func() (bool, error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		done, err := ok()
		if done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s", what)
		}
	}
}

func (t *Tour) createTable(ctx context.Context) (string, error) {
	_, err := t.clients[0].CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            aws.String(t.options.Table),
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		BillingMode:          types.BillingModePayPerRequest,
	})
	if err != nil {
		return "", err
	}
	err = until(ctx, "the table to become ACTIVE", func() (bool, error) {
		d, err := t.describe(ctx, 0)
		return err == nil && d.TableStatus == types.TableStatusActive, err
	})
	return "CreateTable " + t.options.Table, err
}

func (t *Tour) describe(ctx context.Context, region int) (*types.TableDescription, error) {
	out, err := t.clients[region].DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(t.options.Table)})
	if err != nil {
		return nil, err
	}
	return out.Table, nil
}

// addReplica adds the table's replica in a region and waits until every region
// that has one says that all are ACTIVE.
func (t *Tour) addReplica(region int) func(context.Context) (string, error) {
	name := t.options.Regions[region].Name
	return func(ctx context.Context) (string, error) {
		_, err := t.clients[0].UpdateTable(ctx, &dynamodb.UpdateTableInput{
			TableName: aws.String(t.options.Table),
			ReplicaUpdates: []types.ReplicationGroupUpdate{
				{Create: &types.CreateReplicationGroupMemberAction{RegionName: aws.String(name)}},
			},
		})
		if err != nil {
			return "", err
		}
		err = until(ctx, "the replicas to become ACTIVE", func() (bool, error) { return t.settled(ctx, region) })
		return fmt.Sprintf("UpdateTable ReplicaUpdates, %d regions ACTIVE", region+1), err
	}
}

// settled reports whether the regions up to one see each other's replicas as
// ACTIVE.
func (t *Tour) settled(ctx context.Context, last int) (bool, error) {
	for i := range last + 1 {
		d, err := t.describe(ctx, i)
		if err != nil {
			if i > 0 && isNotFound(err) {
				return false, nil // the table is on its way to that region
			}
			return false, err
		}
		if d.TableStatus != types.TableStatusActive || len(d.Replicas) < last {
			return false, nil
		}
		for _, r := range d.Replicas {
			if r.ReplicaStatus != types.ReplicaStatusActive {
				return false, nil
			}
		}
	}
	return true, nil
}

// writeEverywhere writes one item in each region and waits until it is read in
// each other.
func (t *Tour) writeEverywhere(ctx context.Context) (string, error) {
	var seen []string
	for from, r := range t.options.Regions {
		key := "hello-from-" + r.Name
		begin := time.Now()
		if err := t.put(ctx, from, key, "hello"); err != nil {
			return "", err
		}
		wrote := time.Since(begin)
		begin = time.Now()
		err := until(ctx, key+" in all regions", func() (bool, error) {
			for to := range t.clients {
				if v, err := t.get(ctx, to, key); err != nil || v != "hello" {
					return false, err
				}
			}
			return true, nil
		})
		if err != nil {
			return "", err
		}
		seen = append(seen, fmt.Sprintf("%s: written in %s, everywhere after %s", r.Name, round(wrote), round(time.Since(begin))))
	}
	return strings.Join(seen, ", "), nil
}

// conflict writes one item in two regions at the same time.
func (t *Tour) conflict(ctx context.Context) (string, error) {
	const rounds = 20
	won := map[string]int{}
	for i := range rounds {
		key := fmt.Sprintf("conflict-%d", i)
		errs := make(chan error, 2)
		for from := range 2 {
			go func() { errs <- t.put(ctx, from, key, t.options.Regions[from].Name) }()
		}
		for range 2 {
			if err := <-errs; err != nil {
				return "", err
			}
		}
		var winner string
		err := until(ctx, "all regions to agree on "+key, func() (bool, error) {
			var err error
			winner, err = t.agreed(ctx, key)
			return winner != "", err
		})
		if err != nil {
			return "", err
		}
		won[winner]++
	}
	// Agreement may have been seen while a write was still on its way. Nobody
	// may have changed their mind since.
	after := map[string]int{}
	for i := range rounds {
		winner, err := t.agreed(ctx, fmt.Sprintf("conflict-%d", i))
		if err != nil {
			return "", err
		}
		after[winner]++
	}
	if after[""] > 0 {
		return "", fmt.Errorf("%d of %d items are not the same in all regions any more", after[""], rounds)
	}
	var detail []string
	for _, r := range t.options.Regions[:2] {
		detail = append(detail, fmt.Sprintf("%s won %d", r.Name, after[r.Name]))
	}
	return fmt.Sprintf("%d items: %s", rounds, strings.Join(detail, ", ")), nil
}

// agreed is the value that all regions have for a key, empty when they differ.
func (t *Tour) agreed(ctx context.Context, key string) (string, error) {
	var value string
	for i := range t.clients {
		v, err := t.get(ctx, i, key)
		if err != nil {
			return "", err
		}
		if i > 0 && v != value {
			return "", nil
		}
		value = v
	}
	return value, nil
}

func (t *Tour) deleteEverywhere(ctx context.Context) (string, error) {
	last := len(t.clients) - 1
	key := "hello-from-" + t.options.Regions[0].Name
	_, err := t.clients[last].DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String(t.options.Table), Key: keyOf(key)})
	if err != nil {
		return "", err
	}
	begin := time.Now()
	err = until(ctx, key+" to be gone", func() (bool, error) {
		for i := range t.clients {
			if v, err := t.get(ctx, i, key); err != nil || v != "" {
				return false, err
			}
		}
		return true, nil
	})
	return fmt.Sprintf("DeleteItem in %s, gone everywhere after %s", t.last().Name, round(time.Since(begin))), err
}

func keyOf(key string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}}
}

func (t *Tour) put(ctx context.Context, region int, key, value string) error {
	item := keyOf(key)
	item["v"] = &types.AttributeValueMemberS{Value: value}
	_, err := t.clients[region].PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(t.options.Table), Item: item})
	return err
}

// get reads the value of an item, strongly, empty when there is none.
func (t *Tour) get(ctx context.Context, region int, key string) (string, error) {
	out, err := t.clients[region].GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(t.options.Table), Key: keyOf(key), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return "", err
	}
	v, _ := out.Item["v"].(*types.AttributeValueMemberS)
	if v == nil {
		return "", nil
	}
	return v.Value, nil
}
