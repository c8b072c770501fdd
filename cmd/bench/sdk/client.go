// Package sdk carries out a benchmark's requests with the AWS SDK for Go, as an
// application would. It takes about ten times the processor time of package
// wire: what it measures is an application's view, not a server's limit.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cmd/bench/wire"
	"github.com/roundtabledb/roundtable/cmd/bench/workload"
)

// Service is an endpoint for all clients that speak to it. They share
// connections, as in an application.
type Service struct {
	wire.Options
	client *dynamodb.Client
}

// NewService returns an endpoint for so many clients.
func NewService(o wire.Options, clients int) *Service {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// With fewer, clients would close their connections after each request.
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, clients
	return &Service{
		Options: o,
		client: dynamodb.New(dynamodb.Options{
			Region:       o.Region,
			BaseEndpoint: aws.String(o.URL.String()),
			Credentials:  credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey, ""),
			HTTPClient:   &http.Client{Transport: plainBody{transport}},
			// A retry would hide an error and count as latency.
			Retryer: aws.NopRetryer{},
		}),
	}
}

// plainBody hides that the SDK's bodies have WriteTo. The SDK closes a body once
// the header of the answer is there. When net/http only then looks for the end
// of the body, WriteTo fails with io.EOF, which makes it drop the connection and
// the rest of the answer; Read reports that end as it should.
type plainBody struct{ http.RoundTripper }

func (p plainBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		c := *r
		c.Body = struct{ io.ReadCloser }{r.Body}
		r = &c
	}
	return p.RoundTripper.RoundTrip(r)
}

// Client carries out one request at a time.
type Client struct {
	*Service
	mu struct {
		sync.Mutex
		interrupted bool
		cancel      context.CancelFunc // of the request under way
	}
}

// Client returns a client.
func (s *Service) Client() *Client { return &Client{Service: s} }

// Close does nothing: connections are shared.
func (c *Client) Close() {}

// Interrupt ends the request under way and all that follow. Others may call it.
func (c *Client) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.interrupted = true
	if c.mu.cancel != nil {
		c.mu.cancel()
	}
}

// Do carries out a request, as wire.Client does.
func (c *Client) Do(ctx context.Context, q *workload.Request) (conflicts int, err error) {
	ctx, cancel := context.WithTimeout(ctx, wire.RequestTimeout)
	defer cancel()
	c.mu.Lock()
	c.mu.cancel = cancel
	interrupted := c.mu.interrupted
	c.mu.Unlock()
	if interrupted {
		return 0, errors.New("interrupted")
	}
	switch q.Op {
	case workload.Put, workload.Insert:
		_, err = c.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: c.table(q), Item: c.item(q, 0)})
	case workload.GetStrong, workload.GetEventual:
		_, err = c.get(ctx, q, q.Op == workload.GetStrong)
	case workload.Update:
		_, err = c.client.UpdateItem(ctx, c.update(q))
	case workload.ReadModifyWrite:
		conflicts, err = c.readModifyWrite(ctx, q)
	case workload.Delete:
		_, err = c.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: c.table(q), Key: c.key(q, q.Keys[0])})
	case workload.Query:
		err = c.query(ctx, q)
	case workload.Scan:
		_, err = c.client.Scan(ctx, &dynamodb.ScanInput{
			TableName: c.table(q), ExclusiveStartKey: c.key(q, q.Keys[0]), Limit: aws.Int32(int32(q.Limit)),
		})
	case workload.BatchWrite:
		err = c.batchWrite(ctx, q)
	case workload.BatchGet:
		err = c.batchGet(ctx, q)
	default:
		err = fmt.Errorf("no request for %v", q.Op)
	}
	return conflicts, err
}

type attributes = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func (c *Client) table(q *workload.Request) *string {
	if q.Sorted {
		return &c.Sorted
	}
	return &c.Table
}

func (c *Client) key(q *workload.Request, key uint64) attributes {
	k := attributes{"pk": text(string(c.Items.AppendPartition(nil, key, q.Sorted)))}
	if q.Sorted {
		k["sk"] = text(string(c.Items.AppendSort(nil, key)))
	}
	return k
}

func (c *Client) item(q *workload.Request, n int) attributes {
	item := c.key(q, q.Keys[n])
	item["v"] = text(string(q.Values[n]))
	return item
}

func (c *Client) get(ctx context.Context, q *workload.Request, strong bool) (attributes, error) {
	out, err := c.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: c.table(q), Key: c.key(q, q.Keys[0]), ConsistentRead: aws.Bool(strong),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, missing(q, len(out.Item) == 0)
}

func missing(q *workload.Request, absent bool) error {
	if absent && !q.Lenient {
		return workload.ErrMissing
	}
	return nil
}

func (c *Client) update(q *workload.Request) *dynamodb.UpdateItemInput {
	return &dynamodb.UpdateItemInput{
		TableName: c.table(q), Key: c.key(q, q.Keys[0]),
		UpdateExpression:          aws.String("SET v = :v"),
		ExpressionAttributeValues: attributes{":v": text(string(q.Values[0]))},
	}
}

func (c *Client) readModifyWrite(ctx context.Context, q *workload.Request) (conflicts int, err error) {
	for {
		item, err := c.get(ctx, q, true)
		if err != nil {
			return conflicts, err
		}
		in := c.update(q)
		if v, ok := item["v"].(*types.AttributeValueMemberS); ok {
			in.ConditionExpression = aws.String("begins_with(v, :r)")
			in.ExpressionAttributeValues[":r"] = text(strings.Clone(v.Value[:min(len(v.Value), workload.RevisionBytes)]))
		} else {
			in.ConditionExpression = aws.String("attribute_not_exists(v)")
		}
		_, err = c.client.UpdateItem(ctx, in)
		var refused *types.ConditionalCheckFailedException
		if !errors.As(err, &refused) {
			return conflicts, err
		}
		if conflicts++; conflicts == workload.MaxConflicts {
			return conflicts, err
		}
	}
}

func (c *Client) query(ctx context.Context, q *workload.Request) error {
	out, err := c.client.Query(ctx, &dynamodb.QueryInput{
		TableName:              c.table(q),
		KeyConditionExpression: aws.String("pk = :p AND sk >= :s"),
		ExpressionAttributeValues: attributes{
			":p": text(string(c.Items.AppendPartition(nil, q.Keys[0], true))),
			":s": text(string(c.Items.AppendSort(nil, q.Keys[0]))),
		},
		Limit: aws.Int32(int32(q.Limit)),
	})
	if err != nil {
		return err
	}
	return missing(q, len(out.Items) == 0)
}

func (c *Client) batchWrite(ctx context.Context, q *workload.Request) error {
	writes := make([]types.WriteRequest, len(q.Keys))
	for n := range q.Keys {
		writes[n].PutRequest = &types.PutRequest{Item: c.item(q, n)}
	}
	out, err := c.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{
		RequestItems: map[string][]types.WriteRequest{*c.table(q): writes},
	})
	if err == nil && len(out.UnprocessedItems) > 0 {
		err = workload.ErrUnprocessed
	}
	return err
}

func (c *Client) batchGet(ctx context.Context, q *workload.Request) error {
	keys := make([]attributes, len(q.Keys))
	for n, key := range q.Keys {
		keys[n] = c.key(q, key)
	}
	name := *c.table(q)
	out, err := c.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{name: {Keys: keys}},
	})
	switch {
	case err != nil:
		return err
	case len(out.UnprocessedKeys) > 0:
		return workload.ErrUnprocessed
	}
	return missing(q, len(out.Responses[name]) < len(keys))
}
