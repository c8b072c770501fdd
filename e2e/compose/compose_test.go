//go:build unix

// Package compose holds deploy/compose to what it promises: three regions of
// three nodes in containers, from the image to the last check of the tour, with
// nodes really killed and a region really cut off.
//
// Its deployment stands beside whatever else runs on the machine: it has a name,
// networks and ports of its own, and is gone when the test ends. Where no docker
// engine answers, the test says so and is skipped.
package compose

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const folder = "../../deploy/compose/"

// What stands in the tree is what its generator writes, so that an edit of
// either does not get lost.
func TestFileIsGenerated(t *testing.T) {
	written, err := os.ReadFile(folder + "compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("bash", folder+"generate.sh").Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(written), string(out)); diff != "" {
		t.Errorf("run deploy/compose/generate.sh > deploy/compose/compose.yaml (-is +should be):\n%s", diff)
	}
}

// The demo holds all its checks, and what it started survives worse than the
// demo: a region that loses a node while it is cut off.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("nine containers are not short")
	}
	d := newDeployment(t)

	said := d.script(3*time.Minute, "demo.sh")
	for _, held := range []string{"ok      a node of us-east-1 is killed", "ok      ap-northeast-1 is cut off", "all 9 checks held"} {
		if !strings.Contains(said, held) {
			t.Fatalf("the demo did not say %q", held)
		}
	}
	if ended := d.inspect("us-east-1-c", "{{.State.FinishedAt}}"); strings.HasPrefix(ended, "0001-") {
		t.Error("the demo killed no container")
	}
	d.addressed("us-east-1-c", 1, 3)      // killed and started
	d.addressed("ap-northeast-1-a", 3, 1) // cut off and healed

	inside, outside := d.client("eu-west-1", 2), d.client("us-east-1", 1)
	table := onlyTable(t, outside)

	d.script(time.Minute, "region.sh", "cut", "eu-west-1")
	if networks := d.networks("eu-west-1-b"); strings.Contains(networks, "wan") {
		t.Errorf("a node of the region that was cut off is in the networks %s", networks)
	}
	d.script(time.Minute, "region.sh", "kill", "eu-west-1", "c")
	put(t, inside, table, "inside", "two nodes, no other region")
	put(t, outside, table, "outside", "one region less")
	if got := get(t, inside, table, "inside"); got != "two nodes, no other region" {
		t.Errorf("the region that is cut off reads %q", got)
	}
	d.script(time.Minute, "region.sh", "start", "eu-west-1", "c")
	put(t, inside, table, "inside", "three nodes, no other region")
	if got := get(t, outside, table, "inside"); got != "" {
		t.Errorf("us-east-1 reads %q, written in a region that is cut off: it is not", got)
	}
	if got := get(t, inside, table, "outside"); got != "" {
		t.Errorf("the region that is cut off reads %q, written in us-east-1: it is not cut off", got)
	}

	d.script(time.Minute, "region.sh", "heal", "eu-west-1")
	d.addressed("eu-west-1-c", 2, 3) // killed and started while cut off, healed
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, region := range regions {
		c := d.client(region, i+1)
		err := harness.Until(ctx, region+" to have both writes", func(context.Context) (bool, error) {
			return get(t, c, table, "inside") == "three nodes, no other region" && get(t, c, table, "outside") == "one region less", nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

var regions = []string{"us-east-1", "eu-west-1", "ap-northeast-1"}

// addressed checks that a node has the addresses that others know it by, in its
// region and between regions.
func (d *deployment) addressed(node string, row, n int) {
	d.t.Helper()
	want := fmt.Sprintf("%s.%d.1%d %s.0.%d%d", d.subnet, row, n, d.subnet, row, n)
	if got := d.inspect(node, `{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}`); got != want {
		d.t.Errorf("%s has the addresses %s, and others know it as %s", node, got, want)
	}
}

func (d *deployment) networks(node string) string {
	d.t.Helper()
	return d.inspect(node, `{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}`)
}

// client is a client of the first node of a region.
func (d *deployment) client(region string, row int) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       region,
		BaseEndpoint: aws.String(fmt.Sprintf("http://127.0.0.1:%s8%d01", d.ports, row)),
		Credentials:  credentials.NewStaticCredentialsProvider("ROUNDTABLEDEMO", "roundtable-demo-secret", ""),
	})
}

// onlyTable is the name of the table that the tour has made.
func onlyTable(t *testing.T, c *dynamodb.Client) string {
	t.Helper()
	out, err := c.ListTables(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.TableNames) != 1 {
		t.Fatalf("there are the tables %q, not that of the tour alone", out.TableNames)
	}
	return out.TableNames[0]
}

func put(t *testing.T, c *dynamodb.Client, table, key, value string) {
	t.Helper()
	_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: key},
		"v":  &types.AttributeValueMemberS{Value: value},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// get reads strongly, and nothing where there is no item.
func get(t *testing.T, c *dynamodb.Client, table, key string) string {
	t.Helper()
	out, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &table, ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v, _ := out.Item["v"].(*types.AttributeValueMemberS)
	if v == nil {
		return ""
	}
	return v.Value
}

// log hands a script's words to the test line by line, as they come.
type log struct {
	t    *testing.T
	all  bytes.Buffer
	rest []byte
}

func (l *log) Write(p []byte) (int, error) {
	l.all.Write(p)
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.t.Logf("%s", line)
		l.rest = rest
	}
}
