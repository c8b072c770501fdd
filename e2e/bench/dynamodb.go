package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cmd/bench"
	"github.com/roundtabledb/roundtable/e2e/bench/load"
	"github.com/roundtabledb/roundtable/e2e/bench/peer"
	"github.com/roundtabledb/roundtable/e2e/bench/server"
)

// table is the one that is measured.
const table = "bench"

// endpoints are where a DynamoDB is.
type endpoints struct {
	name      string
	urls      []string
	region    string
	processes []int
}

func endpointsOf(r *server.Region) endpoints {
	return endpoints{"Roundtable", r.Endpoints(), r.Name, r.Processes()}
}

// client is an SDK's client of one of the endpoints. It is for what need not be
// fast.
func (e *endpoints) client(n int) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       e.region,
		BaseEndpoint: aws.String(e.urls[n%len(e.urls)]),
		Credentials:  credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
	})
}

// hashed and ranged are the tables that are measured: with a key of one
// attribute, and with a sort key.
const (
	hashed = false
	ranged = true
)

// createTable makes a table and waits until it can be used.
func (e *endpoints) createTable(ctx context.Context, name string, sorted bool) error {
	c := e.client(0)
	in := &dynamodb.CreateTableInput{
		TableName:            aws.String(name),
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	}
	if sorted {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange})
	}
	if _, err := c.CreateTable(ctx, in); err != nil {
		return fmt.Errorf("%s: %w", e.name, err)
	}
	return e.awaitTable(ctx, name)
}

// awaitTable waits until all endpoints know that a table is active.
func (e *endpoints) awaitTable(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for n := range e.urls {
		for {
			out, err := e.client(n).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)})
			if err == nil && out.Table.TableStatus == types.TableStatusActive {
				break
			}
			if !load.Pause(ctx, 20*time.Millisecond) {
				return errors.Join(fmt.Errorf("%s: table %s does not become active", e.name, name), err)
			}
		}
	}
	return nil
}

// items puts and gets single items of the usual table, at one endpoint, without
// trying again.
type items struct{ client *dynamodb.Client }

func (e *endpoints) items(n int) *items { return &items{e.client(n)} }

// patience is how long one request may take. A node that is paused does not
// answer.
const patience = 5 * time.Second

func once(o *dynamodb.Options) { o.RetryMaxAttempts = 1 }

func (i *items) put(ctx context.Context, key, value string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := i.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: key}, "v": &types.AttributeValueMemberS{Value: value},
	}}, once)
	return err
}

// get reads eventually. An item that is not there has no value.
func (i *items) get(ctx context.Context, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := i.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(table), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: key},
	}}, once)
	if err != nil {
		return "", err
	}
	v, _ := out.Item["v"].(*types.AttributeValueMemberS)
	if v == nil {
		return "", nil
	}
	return v.Value, nil
}

// options are those of a run over the usual table.
func (l *lab) options(e endpoints) bench.Options {
	return bench.Options{
		Endpoints: e.urls, Processes: e.processes,
		Region: e.region, AccessKey: server.AccessKey, SecretKey: server.SecretKey,
		Table: table, Keys: l.keys, ItemBytes: peer.ItemBytes,
		Rounds: 1, WarmUp: l.warmUp, Duration: l.duration,
	}
}

// requests measures workloads, each with each number of clients. What it
// measures is called by the name of the endpoints, the workload and the number
// of clients: see nameOf.
func (l *lab) requests(e endpoints, workloads []string, clients ...int) measurement {
	var m measurement
	for _, w := range workloads {
		for _, c := range clients {
			m.names = append(m.names, nameOf(e, w, c))
		}
	}
	o := l.options(e)
	o.Clients = clients
	m.measure = func(ctx context.Context) ([]load.Sample, error) { return samples(ctx, o, workloads) }
	return m
}

func nameOf(e endpoints, workload string, clients int) string {
	return fmt.Sprintf("%s %s, %d clients", e.name, workload, clients)
}

// samples runs workloads once.
func samples(ctx context.Context, o bench.Options, workloads []string) ([]load.Sample, error) {
	o.Workloads = nil
	for _, text := range workloads {
		w, err := bench.ParseWorkload(text)
		if err != nil {
			return nil, err
		}
		o.Workloads = append(o.Workloads, w)
	}
	results, err := bench.Run(ctx, o)
	if err != nil {
		return nil, err
	}
	var all []load.Sample
	for i := range results {
		all = append(all, sampleOf(&results[i]))
	}
	return all, nil
}

func sampleOf(r *bench.Result) load.Sample {
	s := load.Sample{PerSecond: r.PerSecond, P50: r.P50, P99: r.P99, ServerCPU: r.ServerCPU, Errors: r.Errors}
	if r.FirstError != "" {
		s.First = errors.New(r.FirstError)
	}
	return s
}
