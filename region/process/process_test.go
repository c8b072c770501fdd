package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/region/process"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// region is a region of one node in memory.
type region struct {
	name   string
	node   *node.Node
	client *dynamodb.Client
	url    string
}

// start starts regions that know each other.
func start(t *testing.T, names ...string) []*region {
	t.Helper()
	peers := map[string]net.Listener{}
	for _, name := range names {
		peers[name] = listen(t)
	}
	var regions []*region
	for _, name := range names {
		remotes := map[string][]string{}
		for other, l := range peers {
			if other != name {
				remotes[other] = []string{l.Addr().String()}
			}
		}
		api := listen(t)
		p, err := process.New(process.Config{
			API: api, OperationsOnAPI: true, Remotes: remotes,
			Node: node.Config{
				ID: cluster.NodeID("node-of-" + name), Region: name, InMemory: true, MemoryBudget: 32 << 20,
				Listener: peers[name], Expect: 1, Partitions: 2, Group: group.Tuning{HeartbeatTimeout: 40 * time.Millisecond},
				Fatal: func(err error) { t.Errorf("region %s cannot go on: %v", name, err) },
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Errorf("close region %s: %v", name, err)
			}
		})
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		url := "http://" + api.Addr().String()
		regions = append(regions, &region{name: name, node: p.Node(), url: url, client: dynamodb.New(dynamodb.Options{
			Region: name, BaseEndpoint: aws.String(url), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		})})
	}
	return regions
}

// until waits until a region's catalog is in a state.
func (r *region) until(t *testing.T, what string, ok func(*catalog.State) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := r.node.Catalog().Await(ctx, ok); err != nil {
		t.Fatalf("region %s waits for %s: %v", r.name, what, err)
	}
}

// table creates a table in the first region and spreads it over the others.
func table(t *testing.T, regions []*region, name string) {
	t.Helper()
	_, err := regions[0].client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	active := func(s *catalog.State) bool { return s.Tables[name] != nil && s.Tables[name].Status == catalog.Active }
	regions[0].until(t, "the table", active)
	for _, r := range regions[1:] {
		_, err := regions[0].client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{
			TableName:      &name,
			ReplicaUpdates: []types.ReplicationGroupUpdate{{Create: &types.CreateReplicationGroupMemberAction{RegionName: &r.name}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		r.until(t, "its replica", active)
		regions[0].until(t, "the replica", active)
	}
}

// TestDeleteTableOfAReplica: the region that deletes its replica tells the
// others; they keep the table, without a dead member.
func TestDeleteTableOfAReplica(t *testing.T) {
	regions := start(t, "eu", "us")
	table(t, regions, "orders")
	eu, us := regions[0], regions[1]
	_, err := us.client.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: aws.String("orders"), Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "kept"}},
	})
	if err != nil {
		t.Fatal(err)
	}

	protect := func(on bool) {
		t.Helper()
		if _, err := eu.client.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: aws.String("orders"), DeletionProtectionEnabled: &on}); err != nil {
			t.Fatal(err)
		}
	}
	protect(true)
	if _, err := eu.client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("orders")}); err == nil || !strings.Contains(err.Error(), "protected against deletion") {
		t.Fatalf("deletion of a protected replica: %v", err)
	}
	protect(false)
	out, err := eu.client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	if status := out.TableDescription.TableStatus; status != types.TableStatusDeleting {
		t.Errorf("the replica is %s, want DELETING", status)
	}
	if d, err := eu.client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("orders")}); err == nil && d.Table.TableStatus != types.TableStatusDeleting {
		t.Errorf("described as %s, want DELETING or gone", d.Table.TableStatus)
	}
	eu.until(t, "the end of its replica", func(s *catalog.State) bool { return s.Tables["orders"] == nil })
	us.until(t, "the farewell", func(s *catalog.State) bool {
		m := s.Tables["orders"].Global.Members["eu"]
		return !m.Present && m.Status == "" && s.Tables["orders"].Status == catalog.Active
	})

	described, err := us.client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	if len(described.Table.Replicas) != 0 || described.Table.GlobalTableVersion != nil {
		t.Errorf("the other region still shows %v, version %v", described.Table.Replicas, described.Table.GlobalTableVersion)
	}
	got, err := us.client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String("orders"), ConsistentRead: aws.Bool(true), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "kept"}},
	})
	if err != nil || got.Item == nil {
		t.Errorf("the other region lost an item: %v, %v", got, err)
	}
	// The last replica goes like any other table.
	if _, err := us.client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("orders")}); err != nil {
		t.Fatal(err)
	}
	us.until(t, "the end of the table", func(s *catalog.State) bool { return s.Tables["orders"] == nil })
	_, err = us.client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("orders")})
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); !gone {
		t.Errorf("described after its deletion: %v", err)
	}
}

// TestReplicationMetrics: operators see what is shipped, to whom and how fast.
func TestReplicationMetrics(t *testing.T) {
	regions := start(t, "eu", "us")
	table(t, regions, "orders")
	eu, us := regions[0], regions[1]
	for i := range 3 {
		_, err := eu.client.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: aws.String("orders"), Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(i)}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	shows(t, eu,
		`roundtable_replication_link_up{remote_region="us"} 1`,
		`roundtable_replication_pending_changes{remote_region="us",table="orders"} 0`,
		`roundtable_replication_lag_seconds{remote_region="us",table="orders"} 0`,
		`roundtable_replication_shipped_total{remote_region="us",table="orders"} 3`,
		`roundtable_replication_latency_seconds_count{remote_region="us",table="orders"} 3`,
		`roundtable_replication_latency_seconds_bucket{remote_region="us",table="orders",le="+Inf"} 3`,
	)
	shows(t, us,
		`roundtable_replication_received_total{outcome="accepted",remote_region="eu",table="orders"} 3`,
		`roundtable_replication_received_total{outcome="failed",remote_region="eu",table="orders"} 0`,
	)
}

// shows waits until a region's metrics have lines.
func shows(t *testing.T, r *region, lines ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		metrics := get(t, r.url+"/metrics")
		missing := ""
		for _, line := range lines {
			if !strings.Contains(metrics, line+"\n") {
				missing = line
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("region %s does not show %s:\n%s", r.name, missing, metrics)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
