package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/server"
)

// newClient starts a front door over a store in memory and returns a client of
// the AWS SDK for it. The SDK checks the checksum of each answer.
func newClient(t *testing.T) (*dynamodb.Client, *apitest.Store, string) {
	t.Helper()
	store := apitest.New(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Start(server.Options{Region: apitest.Region, API: listener, Store: store, Tables: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	url := "http://" + listener.Addr().String()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return dynamodb.New(dynamodb.Options{
		Region:           apitest.Region,
		BaseEndpoint:     aws.String(url),
		Credentials:      credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient:       &http.Client{Transport: plainBodies{transport}},
		RetryMaxAttempts: 1,
	}), store, url
}

// plainBodies gives requests bodies of their own. The SDK closes its body as soon as
// there is an answer; net/http may be about to look whether the body has an end, takes
// io.EOF from a closed one (smithy-go 1.28.8) for a failed write, and closes the
// connection that the answer is read from. With retries nobody notices.
type plainBodies struct{ http.RoundTripper }

func (p plainBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return p.RoundTripper.RoundTrip(r)
}

type attrs = map[string]types.AttributeValue

func str(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func num(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }

var ignoreSerde = cmpopts.IgnoreUnexported(
	types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberM{},
	types.AttributeValueMemberL{}, types.AttributeValueMemberSS{}, types.AttributeValueMemberBOOL{},
	types.AttributeValueMemberNULL{}, types.AttributeValueMemberB{},
)

// createTable makes a table with a partition key pk and a sort key sk.
func createTable(t *testing.T, c *dynamodb.Client, name string) {
	t.Helper()
	out, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   aws.String(name),
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeN},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.TableDescription.TableStatus != types.TableStatusCreating {
		t.Fatalf("table is %s", out.TableDescription.TableStatus)
	}
}

func TestItemLife(t *testing.T) {
	c, _, _ := newClient(t)
	createTable(t, c, "life")
	ctx := t.Context()
	item := attrs{
		"pk": str("a"), "sk": num("1"), "text": str("grüße \"\\\n\u2028"),
		"doc":    &types.AttributeValueMemberM{Value: attrs{"list": &types.AttributeValueMemberL{Value: []types.AttributeValue{num("3.14"), &types.AttributeValueMemberBOOL{Value: true}, &types.AttributeValueMemberNULL{Value: true}}}}},
		"set":    &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
		"bytes_": &types.AttributeValueMemberB{Value: []byte{0, 1, 255}},
	}
	if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("life"), Item: item}); err != nil {
		t.Fatal(err)
	}
	key := attrs{"pk": str("a"), "sk": num("1")}
	got, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("life"), Key: key, ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(item, got.Item, ignoreSerde); diff != "" {
		t.Errorf("item (-put +got):\n%s", diff)
	}
	if cc := got.ConsumedCapacity; cc == nil || *cc.CapacityUnits != 1 || *cc.Table.CapacityUnits != 1 || *cc.TableName != "life" {
		t.Errorf("consumed %+v", cc)
	}

	updated, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String("life"), Key: key,
		UpdateExpression:          aws.String("SET #n = if_not_exists(#n, :zero) + :one, doc.x = :one REMOVE bytes_"),
		ConditionExpression:       aws.String("attribute_exists(pk) AND size(#t) > :zero"),
		ExpressionAttributeNames:  map[string]string{"#n": "n", "#t": "text"},
		ExpressionAttributeValues: attrs{":zero": num("0"), ":one": num("1")},
		ReturnValues:              types.ReturnValueUpdatedNew,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := attrs{"n": num("1"), "doc": &types.AttributeValueMemberM{Value: attrs{"x": num("1")}}}
	if diff := cmp.Diff(want, updated.Attributes, ignoreSerde); diff != "" {
		t.Errorf("updated (-want +got):\n%s", diff)
	}

	_, err = c.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: aws.String("life"), Key: key,
		ConditionExpression:                 aws.String("n = :two"),
		ExpressionAttributeValues:           attrs{":two": num("2")},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	if !ok || failed.Item["n"] == nil || failed.ErrorMessage() != "The conditional request failed" {
		t.Fatalf("delete: %v", err)
	}

	deleted, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("life"), Key: key, ReturnValues: types.ReturnValueAllOld})
	if err != nil || len(deleted.Attributes) != 6 {
		t.Fatalf("deleted %v, %v", deleted, err)
	}
	if got, err = c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("life"), Key: key}); err != nil || got.Item != nil {
		t.Fatalf("after the deletion: %v, %v", got.Item, err)
	}
}

func TestQueryPages(t *testing.T) {
	c, _, _ := newClient(t)
	createTable(t, c, "pages")
	ctx := t.Context()
	for i := range 10 {
		for _, pk := range []string{"a", "b"} {
			if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("pages"), Item: attrs{
				"pk": str(pk), "sk": num(fmt.Sprint(i - 3)), "even": &types.AttributeValueMemberBOOL{Value: i%2 == 0},
			}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		name, sort, filter string
		values             attrs
		limit              int32
		backward           bool
		want               string
	}{
		{name: "all", want: "-3 -2 -1 0 1 2 3 4 5 6"},
		{name: "all backward", backward: true, limit: 3, want: "6 5 4 3 2 1 0 -1 -2 -3"},
		{name: "all by one", limit: 1, want: "-3 -2 -1 0 1 2 3 4 5 6"},
		{name: "equal", sort: "sk = :v", values: attrs{":v": num("2")}, want: "2"},
		{name: "less", sort: "sk < :v", values: attrs{":v": num("-1")}, want: "-3 -2"},
		{name: "less or equal", sort: "sk <= :v", values: attrs{":v": num("-1")}, limit: 2, want: "-3 -2 -1"},
		{name: "greater", sort: "sk > :v", values: attrs{":v": num("4")}, want: "5 6"},
		{name: "greater or equal backward", sort: "sk >= :v", values: attrs{":v": num("4")}, backward: true, limit: 1, want: "6 5 4"},
		{name: "between", sort: "sk BETWEEN :v AND :w", values: attrs{":v": num("-1"), ":w": num("1.5")}, limit: 2, want: "-1 0 1"},
		{name: "filter", filter: "even = :e", values: attrs{":e": &types.AttributeValueMemberBOOL{Value: true}}, limit: 3, want: "-3 -1 1 3 5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := &dynamodb.QueryInput{
				TableName:                 aws.String("pages"),
				KeyConditionExpression:    aws.String("pk = :pk"),
				ExpressionAttributeValues: attrs{":pk": str("a")},
				ScanIndexForward:          aws.Bool(!tc.backward),
				ConsistentRead:            aws.Bool(true),
			}
			if tc.sort != "" {
				in.KeyConditionExpression = aws.String("pk = :pk AND " + tc.sort)
			}
			if tc.filter != "" {
				in.FilterExpression = aws.String(tc.filter)
			}
			for k, v := range tc.values {
				in.ExpressionAttributeValues[k] = v
			}
			if tc.limit > 0 {
				in.Limit = aws.Int32(tc.limit)
			}
			var got []string
			for pages := dynamodb.NewQueryPaginator(c, in); pages.HasMorePages(); {
				page, err := pages.NextPage(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if int(page.Count) != len(page.Items) || tc.limit > 0 && page.ScannedCount > tc.limit {
					t.Errorf("count %d, scanned %d, items %d", page.Count, page.ScannedCount, len(page.Items))
				}
				for _, it := range page.Items {
					got = append(got, it["sk"].(*types.AttributeValueMemberN).Value)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("got %v, want %s", got, tc.want)
			}
		})
	}
}

func TestScanSegments(t *testing.T) {
	c, _, _ := newClient(t)
	createTable(t, c, "scanned")
	ctx := t.Context()
	var want []string
	for i := range 60 {
		pk := fmt.Sprintf("%02d", i)
		want = append(want, pk)
		if _, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("scanned"), Item: attrs{"pk": str(pk), "sk": num("0")}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, segments := range []int32{1, 3, 7} {
		var got []string
		for segment := range segments {
			in := &dynamodb.ScanInput{TableName: aws.String("scanned"), Segment: aws.Int32(segment), TotalSegments: aws.Int32(segments), Limit: aws.Int32(4)}
			for pages := dynamodb.NewScanPaginator(c, in); pages.HasMorePages(); {
				page, err := pages.NextPage(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, it := range page.Items {
					got = append(got, it["pk"].(*types.AttributeValueMemberS).Value)
				}
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d segments (-want +got):\n%s", segments, diff)
		}
	}
	count, err := c.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String("scanned"), Select: types.SelectCount})
	if err != nil || count.Count != 60 || count.Items != nil {
		t.Errorf("count %d, items %v, %v", count.Count, count.Items, err)
	}
}

// TestPageOfOneMegabyte reads items that fill more than a page.
func TestPageOfOneMegabyte(t *testing.T) {
	c, _, _ := newClient(t)
	createTable(t, c, "large")
	ctx := t.Context()
	for i := range 5 {
		_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("large"), Item: attrs{
			"pk": str("a"), "sk": num(fmt.Sprint(i)), "fill": str(strings.Repeat("x", 300_000)),
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	page, err := c.Query(ctx, &dynamodb.QueryInput{
		TableName: aws.String("large"), KeyConditionExpression: aws.String("pk = :a"),
		ExpressionAttributeValues: attrs{":a": str("a")}, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	if err != nil {
		t.Fatal(err)
	}
	if page.Count != 4 || page.LastEvaluatedKey == nil || *page.ConsumedCapacity.CapacityUnits != 146.5 {
		t.Errorf("%d items, last key %v, %v units", page.Count, page.LastEvaluatedKey, *page.ConsumedCapacity.CapacityUnits)
	}
}
