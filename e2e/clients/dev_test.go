package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"
	"github.com/guregu/dynamo/v2"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

// TestDevelopment shows that libraries above the SDKs work against
// `roundtable dev`, where people point them at first: the Go SDK's expression
// builder, guregu/dynamo, boto3's resources, the AWS CLI with its waiters and
// pages. Those of npm are not here: no registry of theirs can be reached where
// this is tested.
func TestDevelopment(t *testing.T) {
	ctx := within(t, 3*time.Minute)
	port := harness.ClaimPorts(t).Next(t)
	p := harness.Run(t, "dev", "dev", "--in-memory", "--port", fmt.Sprint(port))
	must(t, harness.Until(ctx, "dev to be ready", func(context.Context) (bool, error) {
		select {
		case <-p.Done():
			return false, &harness.GiveUp{Reason: "it ended: " + p.Output()}
		default:
			return strings.Contains(p.Output(), "is ready on"), nil
		}
	}))
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	t.Run("aws-sdk-go-v2 expressions", func(t *testing.T) { builders(t, endpoint) })
	t.Run("guregu dynamo", func(t *testing.T) { guregu(t, endpoint) })
	t.Run("boto3 resources", func(t *testing.T) {
		needs(t, "boto3", "python3", "-c", "import boto3")
		program(t, "python3", "testdata/boto3_resources.py", endpoint)
		program(t, "python3", "testdata/boto3_values.py", endpoint)
		program(t, "python3", "testdata/boto3_pages.py", endpoint)
	})
	t.Run("aws cli", func(t *testing.T) {
		needs(t, "the AWS CLI", "aws", "--version")
		program(t, "sh", "-e", "testdata/cli_waiters.sh", endpoint)
		program(t, "sh", "-e", "testdata/cli_pages.sh", endpoint)
	})
}

// program runs a program that fails where something is not as it should be.
func program(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(within(t, 5*time.Minute), name, args...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_DEFAULT_REGION=eu-central-1",
		"AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// reading is an item as a program that uses guregu/dynamo declares it.
type reading struct {
	Sensor  string    `dynamo:"sensor,hash"`
	Time    time.Time `dynamo:"time,range"`
	Celsius float64   `dynamo:"celsius"`
	Labels  []string  `dynamo:"labels,set"`
	Notes   map[string]string
	Count   int `dynamo:"count"`
}

func guregu(t *testing.T, endpoint string) {
	ctx := within(t, time.Minute)
	db := dynamo.NewFromIface(dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	}))
	must(t, db.CreateTable("readings", reading{}).OnDemand(true).Wait(ctx))
	table := db.Table("readings")
	at := func(minute int) time.Time { return time.Date(2026, 11, 22, 10, minute, 0, 0, time.UTC) }

	first := reading{Sensor: "roof", Time: at(0), Celsius: 4.25, Labels: []string{"north", "outside"}, Notes: map[string]string{"a": "b"}, Count: 1}
	must(t, table.Put(first).If("attribute_not_exists(sensor)").Run(ctx))
	if err := table.Put(first).If("attribute_not_exists(sensor)").Run(ctx); !dynamo.IsCondCheckFailed(err) {
		t.Errorf("put twice: %v, want a failed condition", err)
	}
	var more []any
	for minute := 1; minute < 60; minute++ {
		more = append(more, reading{Sensor: "roof", Time: at(minute), Celsius: float64(minute) / 4, Count: minute})
	}
	if wrote, err := table.Batch("sensor", "time").Write().Put(more...).Run(ctx); err != nil || wrote != 59 {
		t.Fatalf("wrote %d, %v", wrote, err)
	}

	var got reading
	must(t, table.Get("sensor", "roof").Range("time", dynamo.Equal, at(0)).Consistent(true).One(ctx, &got))
	if diff := cmp.Diff(first, got); diff != "" {
		t.Errorf("read back (-put +got):\n%s", diff)
	}
	var some []reading
	must(t, table.Get("sensor", "roof").Range("time", dynamo.Between, at(10), at(19)).
		Filter("'count' > ? AND $ <> ?", 14, "celsius", 4.5).Order(dynamo.Descending).All(ctx, &some))
	var counts []int
	for _, r := range some {
		counts = append(counts, r.Count)
	}
	if diff := cmp.Diff([]int{19, 17, 16, 15}, counts); diff != "" {
		t.Errorf("queried (-want +got):\n%s", diff)
	}
	var all []reading
	must(t, table.Scan().SearchLimit(7).Consistent(true).All(ctx, &all))
	page, key, err := 0, dynamo.PagingKey(nil), error(nil)
	for {
		var part []reading
		if key, err = table.Scan().StartFrom(key).SearchLimit(7).AllWithLastEvaluatedKey(ctx, &part); err != nil {
			t.Fatal(err)
		}
		if page += len(part); key == nil {
			break
		}
	}
	if page != 60 {
		t.Errorf("paged through %d items, want 60", page)
	}

	var updated reading
	must(t, table.Update("sensor", "roof").Range("time", at(0)).Set("celsius", 5.5).Add("count", 10).
		AddStringsToSet("labels", "new").SetExpr("'Notes'.$ = ?", "c", "d").If("'count' = ?", 1).Value(ctx, &updated))
	if updated.Celsius != 5.5 || updated.Count != 11 || len(updated.Labels) != 3 || updated.Notes["c"] != "d" {
		t.Errorf("updated to %+v", updated)
	}
	must(t, table.Delete("sensor", "roof").Range("time", at(0)).OldValue(ctx, &got))
	if err := table.Get("sensor", "roof").Range("time", dynamo.Equal, at(0)).One(ctx, &got); !errors.Is(err, dynamo.ErrNotFound) {
		t.Errorf("read after the deletion: %v", err)
	}
	described, err := table.Describe().Run(ctx)
	must(t, err)
	if described.Status != dynamo.ActiveStatus || described.HashKey != "sensor" || described.RangeKey != "time" || !described.OnDemand {
		t.Errorf("described as %+v", described)
	}
	must(t, table.DeleteTable().Run(ctx))
}
