// Package sdk is clients of real regions through aws-sdk-go-v2: the traffic of
// the tests against real processes, and what these ask of tables.
//
// Each kind of traffic notes what a checker of package check needs. The package
// knows endpoints and the public API, and neither how nodes are started nor
// what is broken meanwhile.
package sdk

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

// Patience is how long a client waits for an answer before it asks again.
const Patience = 5 * time.Second

// Client makes an ordinary client of a region. Its connections go to the
// region's nodes in turn, and past those that refuse, as through a load
// balancer. Settings change it.
func Client(r *harness.Region, settings ...func(*dynamodb.Options)) *dynamodb.Client {
	var nodes []string
	for _, n := range r.Nodes {
		nodes = append(nodes, n.API)
	}
	return client(r.Name, "http://"+r.Name+".test", nodes, settings)
}

// NodeClient makes a client of one node.
func NodeClient(n *harness.Node, settings ...func(*dynamodb.Options)) *dynamodb.Client {
	return client(n.Region, n.Endpoint(), []string{n.API}, settings)
}

// Once makes a client try each request once: for histories, in which a second
// attempt would hide the first.
func Once(o *dynamodb.Options) { o.RetryMaxAttempts = 1 }

// Impatient makes a client wait less than Patience for an answer.
func Impatient(patience time.Duration) func(*dynamodb.Options) {
	return func(o *dynamodb.Options) { o.HTTPClient = httpClient(o.HTTPClient.(*nodes).balancer, patience) }
}

// Credentials makes a client sign with a key.
func Credentials(key, secret string) func(*dynamodb.Options) {
	return func(o *dynamodb.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(key, secret, "") }
}

func client(region, endpoint string, addresses []string, settings []func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("anybody", "anything", ""),
		// The usual three attempts, but without the usual 20 s between them.
		Retryer:    retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Second }),
		HTTPClient: httpClient(&balancer{nodes: addresses}, Patience),
	}, settings...)
}

// nodes is an HTTP client of some nodes.
type nodes struct {
	http.Client
	balancer *balancer
}

func httpClient(b *balancer, patience time.Duration) *nodes {
	return &nodes{balancer: b, Client: http.Client{Transport: &http.Transport{
		DialContext: b.dial, MaxIdleConnsPerHost: 64, ResponseHeaderTimeout: patience,
	}}}
}

// balancer spreads connections over nodes.
type balancer struct {
	nodes []string
	next  atomic.Uint64
}

// dial connects to the next node that accepts.
func (b *balancer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var errs []error
	first := b.next.Add(1)
	for i := range uint64(len(b.nodes)) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, b.nodes[(first+i)%uint64(len(b.nodes))])
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Code is the name of the exception that an error is, "" when no answer came.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// blames reports whether an error is an answer that says that the client is to
// blame: nothing was done, and trying again is of no use.
func blames(err error) bool {
	var response *smithyhttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode()/100 == 4
}

// pause waits a moment after a failure, so that clients of a region that is
// down do not turn in circles.
func pause(ctx context.Context) {
	timer := time.NewTimer(50 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
