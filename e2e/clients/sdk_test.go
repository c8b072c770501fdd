package clients

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/e2e/harness"
	"github.com/roundtabledb/roundtable/e2e/traffic/sdk"
)

const goTable = "visited-by-go"

// sdkForGo works on a table with a sort key through aws-sdk-go-v2.
func sdkForGo(t *testing.T, d *harness.Deployment) {
	ctx := within(t, 2*time.Minute)
	createSorted(t, ctx, d)
	for _, r := range d.Regions {
		writeIn(t, ctx, r)
	}
	for _, from := range d.Regions {
		for _, in := range d.Regions {
			readIn(t, ctx, from, in)
		}
	}
	conditions(t, ctx, d)
	deleteInAnother(t, ctx, d)
}

func createSorted(t *testing.T, ctx context.Context, d *harness.Deployment) {
	t.Helper()
	c := sdk.Client(d.Regions[0])
	_, err := c.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: aws.String(goTable),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
		BillingMode: types.BillingModePayPerRequest,
	})
	must(t, err)
	// The SDK's own waiter reads the description as every client does.
	must(t, dynamodb.NewTableExistsWaiter(c, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond }).
		Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(goTable)}, time.Minute))
	must(t, sdk.AddReplicas(ctx, d.Regions, goTable))
	for _, r := range d.Regions {
		out, err := sdk.Client(r).ListTables(ctx, &dynamodb.ListTablesInput{})
		must(t, err)
		if diff := cmp.Diff([]string{goTable}, out.TableNames); diff != "" {
			t.Errorf("tables of %s: %s", r.Name, diff)
		}
	}
}

// item is the n-th item that a region writes. It has every type of attribute.
func item(region string, n int) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk":     &types.AttributeValueMemberS{Value: region},
		"sk":     number(n),
		"even":   &types.AttributeValueMemberBOOL{Value: n%2 == 0},
		"text":   &types.AttributeValueMemberS{Value: "日本語 \U0001F600 \"quoted\" \x00 end"},
		"big":    &types.AttributeValueMemberN{Value: "-12345678901234567890.123456789012345678"},
		"bytes":  &types.AttributeValueMemberB{Value: []byte{0, 255, 10}},
		"null":   &types.AttributeValueMemberNULL{Value: true},
		"words":  &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
		"primes": &types.AttributeValueMemberNS{Value: []string{"2", "3", "5"}},
		"blobs":  &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2}}},
		"deep": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
			"list":  &types.AttributeValueMemberL{Value: []types.AttributeValue{number(n), &types.AttributeValueMemberS{Value: ""}}},
			"empty": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{}},
		}},
	}
}

func number(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

// itemsOfRegion is how many items each region writes: 0 by itself, the others
// in batches.
const itemsOfRegion = 41

func writeIn(t *testing.T, ctx context.Context, r *harness.Region) {
	t.Helper()
	c := sdk.Client(r)
	_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(goTable), Item: item(r.Name, 0)})
	must(t, err)
	for from := 1; from < itemsOfRegion; from += 20 {
		var batch []types.WriteRequest
		for n := from; n < from+20; n++ {
			batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: item(r.Name, n)}})
		}
		out, err := c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{goTable: batch}})
		must(t, err)
		if len(out.UnprocessedItems) > 0 {
			t.Errorf("%s: %d tables have unprocessed items", r.Name, len(out.UnprocessedItems))
		}
	}
	updated, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(goTable), Key: key(r.Name, 0), ReturnValues: types.ReturnValueUpdatedNew,
		UpdateExpression:          aws.String("SET visits = if_not_exists(visits, :zero) + :one, deep.#l[1] = :s"),
		ExpressionAttributeNames:  map[string]string{"#l": "list"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":zero": number(0), ":one": number(1), ":s": &types.AttributeValueMemberS{Value: "set"}},
	})
	must(t, err)
	if got := sdk.Text(updated.Attributes["visits"]); got != "N1" {
		t.Errorf("%s: visits is %s after the update", r.Name, got)
	}
}

func key(region string, n int) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: region}, "sk": number(n)}
}

// readIn reads what one region has written in another, in every way.
func readIn(t *testing.T, ctx context.Context, from, in *harness.Region) {
	t.Helper()
	c := sdk.Client(in)
	must(t, harness.Until(ctx, "the items of "+from.Name+" in "+in.Name, func(ctx context.Context) (bool, error) {
		out, err := c.Query(ctx, &dynamodb.QueryInput{
			TableName: aws.String(goTable), Select: types.SelectCount, ConsistentRead: aws.Bool(true),
			KeyConditionExpression:    aws.String("pk = :p"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: from.Name}},
		})
		if err != nil {
			return false, err
		}
		got, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(goTable), Key: key(from.Name, 0), ConsistentRead: aws.Bool(true)})
		return err == nil && out.Count == itemsOfRegion && got.Item["visits"] != nil, err
	}))
	query(t, ctx, c, from.Name)
	batchGet(t, ctx, c, from.Name)
	scan(t, ctx, c, from.Name)
}

// query reads a part of an item collection backwards, in pages of 4.
func query(t *testing.T, ctx context.Context, c *dynamodb.Client, region string) {
	t.Helper()
	pages := dynamodb.NewQueryPaginator(c, &dynamodb.QueryInput{
		TableName: aws.String(goTable), Limit: aws.Int32(4), ScanIndexForward: aws.Bool(false),
		KeyConditionExpression: aws.String("pk = :p AND sk BETWEEN :lo AND :hi"), FilterExpression: aws.String("#e = :yes"),
		ExpressionAttributeNames: map[string]string{"#e": "even"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":p": &types.AttributeValueMemberS{Value: region}, ":lo": number(10), ":hi": number(19), ":yes": &types.AttributeValueMemberBOOL{Value: true},
		},
	})
	var got, want []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		must(t, err)
		for _, it := range page.Items {
			got = append(got, sdk.Text(&types.AttributeValueMemberM{Value: it}))
		}
	}
	for _, n := range []int{18, 16, 14, 12, 10} {
		want = append(want, sdk.Text(&types.AttributeValueMemberM{Value: item(region, n)}))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("query of what %s wrote (-want +got):\n%s", region, diff)
	}
}

func batchGet(t *testing.T, ctx context.Context, c *dynamodb.Client, region string) {
	t.Helper()
	keys := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	want := map[string]bool{}
	for _, n := range []int{1, 5, 40} {
		keys.Keys = append(keys.Keys, key(region, n))
		want[sdk.Text(&types.AttributeValueMemberM{Value: item(region, n)})] = true
	}
	keys.Keys = append(keys.Keys, key(region, itemsOfRegion)) // there is none
	out, err := c.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{goTable: keys}})
	must(t, err)
	got := map[string]bool{}
	for _, it := range out.Responses[goTable] {
		got[sdk.Text(&types.AttributeValueMemberM{Value: it})] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batch of what %s wrote (-want +got):\n%s", region, diff)
	}
}

// scan reads the whole table in two segments, projected.
func scan(t *testing.T, ctx context.Context, c *dynamodb.Client, region string) {
	t.Helper()
	seen := map[string]bool{}
	for segment := range int32(2) {
		pages := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{
			TableName: aws.String(goTable), Segment: aws.Int32(segment), TotalSegments: aws.Int32(2), Limit: aws.Int32(25),
			ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("sk, deep.#l[0]"), FilterExpression: aws.String("pk = :p"),
			ExpressionAttributeNames:  map[string]string{"#l": "list"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: region}},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			must(t, err)
			for _, it := range page.Items {
				seen[sdk.Text(&types.AttributeValueMemberM{Value: it})] = true
			}
		}
	}
	for n := range itemsOfRegion {
		want := fmt.Sprintf(`{"deep":{"list":[N%d]},"sk":N%d}`, n, n)
		if !seen[want] {
			t.Errorf("the scan for what %s wrote lacks %s", region, want)
		}
	}
	if len(seen) != itemsOfRegion {
		t.Errorf("the scan for what %s wrote has %d items, want %d", region, len(seen), itemsOfRegion)
	}
}

// conditions fail with the SDK's own type, which has the item.
func conditions(t *testing.T, ctx context.Context, d *harness.Deployment) {
	t.Helper()
	for _, r := range d.Regions {
		_, err := sdk.Client(r).PutItem(ctx, &dynamodb.PutItemInput{
			TableName: aws.String(goTable), Item: item(r.Name, 1), ConditionExpression: aws.String("attribute_not_exists(pk)"),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		var failed *types.ConditionalCheckFailedException
		if !errors.As(err, &failed) {
			t.Errorf("%s: %v, want a failed condition", r.Name, err)
			continue
		}
		want := sdk.Text(&types.AttributeValueMemberM{Value: item(r.Name, 1)})
		if got := sdk.Text(&types.AttributeValueMemberM{Value: failed.Item}); got != want {
			t.Errorf("%s: the failed condition has %s, want %s", r.Name, got, want)
		}
		_, err = sdk.Client(r).GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("no-such-table"), Key: key("x", 1)})
		var missing *types.ResourceNotFoundException
		if !errors.As(err, &missing) {
			t.Errorf("%s: %v, want a table that is not found", r.Name, err)
		}
	}
}

// deleteInAnother deletes an item of the first region in the last.
func deleteInAnother(t *testing.T, ctx context.Context, d *harness.Deployment) {
	t.Helper()
	first, last := d.Regions[0], d.Regions[len(d.Regions)-1]
	out, err := sdk.Client(last).DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: aws.String(goTable), Key: key(first.Name, 7), ReturnValues: types.ReturnValueAllOld,
	})
	must(t, err)
	if got, want := sdk.Text(&types.AttributeValueMemberM{Value: out.Attributes}), sdk.Text(&types.AttributeValueMemberM{Value: item(first.Name, 7)}); got != want {
		t.Errorf("deleted %s, want %s", got, want)
	}
	for _, r := range d.Regions {
		must(t, harness.Until(ctx, "the deleted item to be gone in "+r.Name, func(ctx context.Context) (bool, error) {
			out, err := sdk.Client(r).GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(goTable), Key: key(first.Name, 7), ConsistentRead: aws.Bool(true)})
			return err == nil && out.Item == nil, err
		}))
	}
}
