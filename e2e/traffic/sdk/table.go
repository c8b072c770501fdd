package sdk

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

// PK is the partition key of the tables here: a string.
const PK = "pk"

// CreateTable creates a table and waits until it is ACTIVE.
func CreateTable(ctx context.Context, c *dynamodb.Client, table string) error {
	_, err := c.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &table,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(PK), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(PK), KeyType: types.KeyTypeHash}},
		BillingMode:          types.BillingModePayPerRequest,
	})
	if err != nil {
		return fmt.Errorf("create %s: %w", table, err)
	}
	return AwaitActive(ctx, c, table, 0)
}

// AwaitActive waits until a region says that a table and so many replicas in
// other regions are ACTIVE.
func AwaitActive(ctx context.Context, c *dynamodb.Client, table string, replicas int) error {
	return harness.Until(ctx, table+" to be ACTIVE", func(ctx context.Context) (bool, error) {
		out, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
		if err != nil {
			return false, err
		}
		active := out.Table.TableStatus == types.TableStatusActive && len(out.Table.Replicas) == replicas
		for _, r := range out.Table.Replicas {
			active = active && r.ReplicaStatus == types.ReplicaStatusActive
		}
		return active, nil
	})
}

// AddReplicas spreads a table of the first region over the others, one after
// the other, and waits until all regions say that it is ACTIVE everywhere.
func AddReplicas(ctx context.Context, regions []*harness.Region, table string) error {
	for i, r := range regions[1:] {
		_, err := Client(regions[0]).UpdateTable(ctx, &dynamodb.UpdateTableInput{
			TableName: &table,
			ReplicaUpdates: []types.ReplicationGroupUpdate{
				{Create: &types.CreateReplicationGroupMemberAction{RegionName: aws.String(r.Name)}},
			},
		})
		if err != nil {
			return fmt.Errorf("add a replica of %s in %s: %w", table, r.Name, err)
		}
		for _, known := range regions[:i+2] {
			if err := AwaitActive(ctx, Client(known), table, i+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// GlobalTable creates a table that every region of a deployment has.
func GlobalTable(t testing.TB, d *harness.Deployment, table string) {
	t.Helper()
	err := CreateTable(t.Context(), Client(d.Regions[0]), table)
	if err == nil {
		err = AddReplicas(t.Context(), d.Regions, table)
	}
	if err != nil {
		t.Fatal(err)
	}
}
