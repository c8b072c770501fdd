package clients

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

// order is an item as most programs in Go declare it.
type order struct {
	Customer string            `dynamodbav:"customer"`
	Number   int               `dynamodbav:"number"`
	Total    float64           `dynamodbav:"total"`
	Placed   time.Time         `dynamodbav:"placed,unixtime"`
	Words    []string          `dynamodbav:"words,stringset,omitempty"`
	Lines    []line            `dynamodbav:"lines"`
	Notes    map[string]string `dynamodbav:"notes,omitempty"`
	Picture  []byte            `dynamodbav:"picture,omitempty"`
	Parent   *int              `dynamodbav:"parent"`
	Status   string            `dynamodbav:"status"`
}

type line struct {
	Article string `dynamodbav:"article"`
	Count   int    `dynamodbav:"count"`
}

// orders is a table of orders.
type orders struct {
	*dynamodb.Client
	name *string
}

// builders works on a table with what the AWS SDK for Go has above its client:
// structs as items, expressions that are built, paginators and waiters.
func builders(t *testing.T, endpoint string) {
	ctx := within(t, time.Minute)
	o := orders{name: aws.String("orders-built"), Client: dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	})}
	o.create(t, ctx)
	o.fill(t, ctx)
	o.readBack(t, ctx)
	o.query(t, ctx)
	o.pages(t, ctx)
	o.update(t, ctx)
	_, err := o.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: o.name})
	must(t, err)
	must(t, dynamodb.NewTableNotExistsWaiter(o, func(w *dynamodb.TableNotExistsWaiterOptions) { w.MinDelay = 50 * time.Millisecond }).
		Wait(ctx, &dynamodb.DescribeTableInput{TableName: o.name}, time.Minute))
}

func (o orders) create(t *testing.T, ctx context.Context) {
	t.Helper()
	_, err := o.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: o.name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("customer"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("number"), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("customer"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("number"), KeyType: types.KeyTypeRange},
		},
	})
	must(t, err)
	must(t, dynamodb.NewTableExistsWaiter(o, func(w *dynamodb.TableExistsWaiterOptions) { w.MinDelay = 50 * time.Millisecond }).
		Wait(ctx, &dynamodb.DescribeTableInput{TableName: o.name}, time.Minute))
}

// made is the order with a number.
func made(number int) order {
	m := order{
		Customer: []string{"ada", "bea", "cyd"}[number%3], Number: number, Total: float64(number) / 4,
		Placed: time.Unix(1_790_000_000+int64(number), 0), Lines: []line{{"bolt", number}, {"nut", 2 * number}},
		Status: "open",
	}
	if number%2 == 0 {
		m.Words, m.Notes, m.Picture, m.Parent = []string{"even", "paid"}, map[string]string{"by": "rail"}, []byte{0, byte(number)}, &number
	}
	return m
}

const ordersMade = 90

// fill writes all orders, 25 at a time.
func (o orders) fill(t *testing.T, ctx context.Context) {
	t.Helper()
	var writes []types.WriteRequest
	for n := range ordersMade {
		m, err := attributevalue.MarshalMap(made(n))
		must(t, err)
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: m}})
	}
	for part := range slices.Chunk(writes, 25) {
		out, err := o.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{*o.name: part}})
		if err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("%v, %v", out, err)
		}
	}
}

func (o orders) key(t *testing.T, number int) map[string]types.AttributeValue {
	t.Helper()
	m := made(number)
	key, err := attributevalue.MarshalMap(map[string]any{"customer": m.Customer, "number": m.Number})
	must(t, err)
	return key
}

// readBack gets what is equal to what was put.
func (o orders) readBack(t *testing.T, ctx context.Context) {
	t.Helper()
	for _, number := range []int{7, 8} {
		out, err := o.GetItem(ctx, &dynamodb.GetItemInput{TableName: o.name, Key: o.key(t, number), ConsistentRead: aws.Bool(true)})
		must(t, err)
		var got order
		must(t, attributevalue.UnmarshalMap(out.Item, &got))
		slices.Sort(got.Words)
		if diff := cmp.Diff(made(number), got); diff != "" {
			t.Errorf("read back (-put +got):\n%s", diff)
		}
	}
}

// query asks with a key condition, a filter and a projection in one expression.
func (o orders) query(t *testing.T, ctx context.Context) {
	t.Helper()
	e, err := expression.NewBuilder().
		WithKeyCondition(expression.Key("customer").Equal(expression.Value("bea")).And(expression.Key("number").Between(expression.Value(10), expression.Value(60)))).
		WithFilter(expression.And(
			expression.Name("status").Equal(expression.Value("open")),
			expression.Name("lines[1].count").Size().LessThan(expression.Value(1)).Not(),
			expression.Or(expression.Name("words").Contains("even"), expression.Name("total").In(expression.Value(3.25), expression.Value(4))),
			expression.Name("parent").AttributeType(expression.Null).Not().Or(expression.Name("notes").AttributeNotExists()),
		)).
		WithProjection(expression.NamesList(expression.Name("number"), expression.Name("lines[0].article"))).
		Build()
	must(t, err)
	out, err := o.Query(ctx, &dynamodb.QueryInput{
		TableName: o.name, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false),
		KeyConditionExpression: e.KeyCondition(), FilterExpression: e.Filter(), ProjectionExpression: e.Projection(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
	})
	must(t, err)
	type part struct {
		Number int    `dynamodbav:"number"`
		Lines  []line `dynamodbav:"lines"`
	}
	var got, want []part
	must(t, attributevalue.UnmarshalListOfMaps(out.Items, &got))
	for _, n := range []int{58, 52, 46, 40, 34, 28, 22, 16, 13, 10} {
		want = append(want, part{n, []line{{Article: "bolt"}}})
	}
	if diff := cmp.Diff(want, got); diff != "" || out.ScannedCount != 17 {
		t.Errorf("of %d (-want +got):\n%s", out.ScannedCount, diff)
	}
}

// pages goes through the table with the SDK's paginators.
func (o orders) pages(t *testing.T, ctx context.Context) {
	t.Helper()
	seen := map[int]bool{}
	for scan := dynamodb.NewScanPaginator(o, &dynamodb.ScanInput{TableName: o.name, Limit: aws.Int32(7), ConsistentRead: aws.Bool(true)}); scan.HasMorePages(); {
		page, err := scan.NextPage(ctx)
		must(t, err)
		var some []order
		must(t, attributevalue.UnmarshalListOfMaps(page.Items, &some))
		for _, m := range some {
			seen[m.Number] = true
		}
	}
	if len(seen) != ordersMade {
		t.Errorf("scanned %d orders, want %d", len(seen), ordersMade)
	}
	e, err := expression.NewBuilder().WithKeyCondition(expression.KeyEqual(expression.Key("customer"), expression.Value("ada"))).Build()
	must(t, err)
	last, count := -1, 0
	for query := dynamodb.NewQueryPaginator(o, &dynamodb.QueryInput{
		TableName: o.name, Limit: aws.Int32(4), ConsistentRead: aws.Bool(true),
		KeyConditionExpression: e.KeyCondition(), ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
	}); query.HasMorePages(); {
		page, err := query.NextPage(ctx)
		must(t, err)
		var some []order
		must(t, attributevalue.UnmarshalListOfMaps(page.Items, &some))
		for _, m := range some {
			if m.Number <= last {
				t.Fatalf("%d comes after %d", m.Number, last)
			}
			last = m.Number
			count++
		}
	}
	if count != ordersMade/3 {
		t.Errorf("queried %d orders, want %d", count, ordersMade/3)
	}
}

// update changes an order in all sections of an expression, on a condition.
func (o orders) update(t *testing.T, ctx context.Context) {
	t.Helper()
	e, err := expression.NewBuilder().
		WithUpdate(expression.
			Set(expression.Name("total"), expression.Name("total").Plus(expression.Value(0.5))).
			Set(expression.Name("lines"), expression.ListAppend(expression.Name("lines"), expression.Value([]line{{"washer", 1}}))).
			Set(expression.Name("seen"), expression.IfNotExists(expression.Name("seen"), expression.Value(1))).
			Remove(expression.Name("picture")).
			Add(expression.Name("number of changes"), expression.Value(1)).
			Delete(expression.Name("words"), expression.Value(&types.AttributeValueMemberSS{Value: []string{"paid"}}))).
		WithCondition(expression.Name("status").BeginsWith("op").And(expression.Name("number of changes").AttributeNotExists())).
		Build()
	must(t, err)
	in := &dynamodb.UpdateItemInput{
		TableName: o.name, Key: o.key(t, 8), ReturnValues: types.ReturnValueAllNew,
		UpdateExpression: e.Update(), ConditionExpression: e.Condition(), ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	out, err := o.UpdateItem(ctx, in)
	must(t, err)
	var got order
	must(t, attributevalue.UnmarshalMap(out.Attributes, &got))
	want := made(8)
	want.Total, want.Lines, want.Words, want.Picture = 2.5, append(want.Lines, line{"washer", 1}), []string{"even"}, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}
	_, err = o.UpdateItem(ctx, in)
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) || failed.ErrorMessage() != "The conditional request failed" {
		t.Fatalf("updated again: %v", err)
	}
	if diff := cmp.Diff(out.Attributes, failed.Item, cmp.AllowUnexported(types.AttributeValueMemberN{}, types.AttributeValueMemberS{},
		types.AttributeValueMemberL{}, types.AttributeValueMemberM{}, types.AttributeValueMemberSS{}, types.AttributeValueMemberNULL{})); diff != "" {
		t.Errorf("the item that failed the condition (-want +got):\n%s", diff)
	}
}
