package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/roundtabledb/roundtable/e2e/check"
	"github.com/roundtabledb/roundtable/e2e/harness"
	"github.com/roundtabledb/roundtable/e2e/traffic/sdk"
	"github.com/roundtabledb/roundtable/region/process"
)

// dev runs `roundtable dev` and waits until it says that it is ready.
func dev(t *testing.T, ctx context.Context, port int, args ...string) (*harness.Process, *harness.Region) {
	t.Helper()
	begin := time.Now()
	p := harness.Run(t, "dev", append([]string{"dev", "--port", fmt.Sprint(port)}, args...)...)
	must(t, harness.Until(ctx, "dev to be ready", func(context.Context) (bool, error) {
		select {
		case <-p.Done():
			return false, &harness.GiveUp{Reason: "it ended: " + p.Output()}
		default:
			return strings.Contains(p.Output(), "is ready on"), nil
		}
	}))
	t.Logf("dev %v was ready after %v", args, time.Since(begin).Round(time.Millisecond))
	api := fmt.Sprintf("127.0.0.1:%d", port)
	return p, &harness.Region{Name: "us-east-1", Nodes: []*harness.Node{{Region: "us-east-1", ID: "dev", API: api, Operations: api}}}
}

func TestDev(t *testing.T) {
	ports := harness.ClaimPorts(t)
	t.Run("durable", func(t *testing.T) {
		ctx := within(t, time.Minute)
		data := []string{"--data", filepath.Join(harness.Dir(t), "dev")}
		p, r := dev(t, ctx, ports.Next(t), data...)
		must(t, sdk.CreateTable(ctx, sdk.Client(r), "kept"))
		must(t, put(ctx, sdk.Client(r), "kept", "k", 1))
		must(t, p.Terminate(ctx))

		p, r = dev(t, ctx, ports.Next(t), data...)
		expect(t, ctx, r, 1)
		must(t, put(ctx, sdk.Client(r), "kept", "k", 2))
		must(t, p.Kill())

		_, r = dev(t, ctx, ports.Next(t), data...)
		expect(t, ctx, r, 2)
	})
	t.Run("in memory", func(t *testing.T) {
		ctx := within(t, time.Minute)
		p, r := dev(t, ctx, ports.Next(t), "--in-memory")
		must(t, sdk.CreateTable(ctx, sdk.Client(r), "kept"))
		must(t, put(ctx, sdk.Client(r), "kept", "k", 1))
		expect(t, ctx, r, 1)
		must(t, p.Terminate(ctx))

		_, r = dev(t, ctx, ports.Next(t), "--in-memory")
		out, err := sdk.Client(r).ListTables(ctx, &dynamodb.ListTablesInput{})
		must(t, err)
		if len(out.TableNames) > 0 {
			t.Errorf("it remembers tables %v", out.TableNames)
		}
	})
	t.Run("any credentials, any region", func(t *testing.T) {
		ctx := within(t, time.Minute)
		_, r := dev(t, ctx, ports.Next(t), "--in-memory")
		must(t, sdk.CreateTable(ctx, sdk.Client(r), "kept"))
		for _, region := range []string{"us-east-1", "eu-central-1", "localhost"} {
			other := sdk.Client(r, sdk.Credentials("key-of-"+region, "secret"), func(o *dynamodb.Options) { o.Region = region })
			must(t, put(ctx, other, "kept", region, 1))
			if n, err := get(ctx, sdk.Client(r), "kept", region); n != 1 || err != nil {
				t.Errorf("written as region %s: read %d, %v", region, n, err)
			}
		}
	})
	t.Run("port in use", func(t *testing.T) {
		ctx := within(t, time.Minute)
		port := ports.Next(t)
		dev(t, ctx, port, "--in-memory")
		second := harness.Run(t, "second dev", "dev", "--port", fmt.Sprint(port), "--in-memory")
		if err := second.Wait(ctx); err == nil || !strings.Contains(second.Output(), "choose another --port") {
			t.Errorf("a second dev on the same port: %v, %s", err, second.Output())
		}
	})
}

// The tests here would notice a node that forgets: one in memory does.
func TestLossIsNoticed(t *testing.T) {
	ctx, ports := within(t, time.Minute), harness.ClaimPorts(t)
	p, r := dev(t, ctx, ports.Next(t), "--in-memory")
	must(t, sdk.CreateTable(ctx, sdk.Client(r), "lost"))
	c := sdk.StartCounters(ctx, sdk.Client(r), "lost", "k", 2)
	must(t, c.Progress(ctx, 5))
	c.Stop()
	must(t, c.Check(ctx, sdk.Client(r)))
	must(t, p.Kill())

	_, r = dev(t, ctx, ports.Next(t), "--in-memory")
	must(t, sdk.CreateTable(ctx, sdk.Client(r), "lost"))
	var violation *check.Violation
	if err := c.Check(ctx, sdk.Client(r)); !errors.As(err, &violation) {
		t.Errorf("everything is gone, and the check says %v", err)
	}
}

func expect(t *testing.T, ctx context.Context, r *harness.Region, want int) {
	t.Helper()
	if n, err := get(ctx, sdk.Client(r), "kept", "k"); n != want || err != nil {
		t.Errorf("read %d, %v; want %d", n, err, want)
	}
}

func TestCredentials(t *testing.T) {
	file := filepath.Join(harness.Dir(t), "credentials")
	write := func(text string) { must(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("[app]\naws_access_key_id = AKIDOLD\naws_secret_access_key = old-secret\n")
	d := harness.Start(t, harness.Options{Nodes: 1, Credentials: file})
	n := d.Regions[0].Nodes[0]
	ctx := within(t, time.Minute)

	call := func(key, secret string) error {
		_, err := sdk.NodeClient(n, sdk.Credentials(key, secret)).ListTables(ctx, &dynamodb.ListTablesInput{})
		return err
	}
	refused := func(key, secret, code string) {
		t.Helper()
		if err := call(key, secret); sdk.Code(err) != code {
			t.Errorf("key %s, secret %s: %v, want %s", key, secret, err, code)
		}
	}
	must(t, call("AKIDOLD", "old-secret"))
	refused("AKIDOLD", "wrong-secret", "InvalidSignatureException")
	refused("AKIDNEW", "new-secret", "UnrecognizedClientException")
	_, err := sdk.NodeClient(n, func(o *dynamodb.Options) { o.Credentials = aws.AnonymousCredentials{} }).ListTables(ctx, &dynamodb.ListTablesInput{})
	if sdk.Code(err) != "MissingAuthenticationTokenException" {
		t.Errorf("unsigned: %v, want MissingAuthenticationTokenException", err)
	}

	write("[app]\naws_access_key_id = AKIDNEW\naws_secret_access_key = new-secret\n")
	must(t, n.Process().Hangup())
	must(t, harness.Until(ctx, "the new key to be let in", func(context.Context) (bool, error) {
		err := call("AKIDNEW", "new-secret")
		return err == nil, err
	}))
	refused("AKIDOLD", "old-secret", "UnrecognizedClientException")

	write("[app]\nthis is no setting\n")
	must(t, n.Process().Hangup())
	must(t, harness.Until(ctx, "the node to say that it cannot read the file", func(context.Context) (bool, error) {
		return strings.Contains(n.Process().Output(), "old credentials stay in force"), nil
	}))
	must(t, call("AKIDNEW", "new-secret"))
}

// Somebody has to say who may call.
func TestServeWithoutCredentials(t *testing.T) {
	p := harness.Run(t, "serve", "serve", "--node-id", "a", "--region", "r", "--data-dir", harness.Dir(t))
	err := p.Wait(within(t, time.Minute))
	if err == nil || !strings.Contains(p.Output(), "--any-credentials") {
		t.Errorf("%v: %s", err, p.Output())
	}
}

func TestStatus(t *testing.T) {
	d := harness.Start(t, harness.Options{Regions: 2, Nodes: 1})
	sdk.GlobalTable(t, d, "seen")
	ctx := within(t, time.Minute)
	must(t, put(ctx, sdk.Client(d.Regions[0]), "seen", "k", 1))
	endpoints := []string{"status"}
	for _, n := range d.Nodes() {
		endpoints = append(endpoints, "--endpoint", "http://"+n.Operations)
	}

	must(t, harness.Until(ctx, "status to show links without a backlog", func(context.Context) (bool, error) {
		p := harness.Run(t, "status", append(slices.Clone(endpoints), "--json")...)
		if err := p.Wait(ctx); err != nil {
			return false, err
		}
		var all []process.Status
		if err := json.Unmarshal([]byte(p.Output()), &all); err != nil {
			return false, err
		}
		return len(all) == 2 && settled(all[0], "us-east-1", "eu-west-1") && settled(all[1], "eu-west-1", "us-east-1"),
			fmt.Errorf("status: %s", p.Output())
	}))
	p := harness.Run(t, "status", endpoints...)
	must(t, p.Wait(ctx))
	for _, want := range []string{"REGION us-east-1", "REGION eu-west-1", "NODE", "LEADS", "seen", "ACTIVE", "TO REGION", "1 of 1"} {
		if !strings.Contains(p.Output(), want) {
			t.Errorf("status does not show %q:\n%s", want, p.Output())
		}
	}

	gone := harness.Run(t, "status", "status", "--endpoint", "http://127.0.0.1:1")
	if err := gone.Wait(ctx); err == nil {
		t.Errorf("status of nothing exits with 0: %s", gone.Output())
	}
	wrong := harness.Run(t, "status", "status", "--endpoint", d.Nodes()[0].Endpoint())
	if err := wrong.Wait(ctx); err == nil || !strings.Contains(wrong.Output(), "operations port") {
		t.Errorf("status of the DynamoDB port: %v, %s", err, wrong.Output())
	}
}

// settled reports whether a region shows what TestStatus made.
func settled(s process.Status, region, other string) bool {
	return s.Region == region && len(s.Nodes) == 1 && s.Nodes[0].Reachable &&
		len(s.Tables) == 1 && s.Tables[0].Name == "seen" && s.Tables[0].Status == "ACTIVE" &&
		s.Tables[0].Replicas[other] == "ACTIVE" &&
		len(s.Tables[0].Partitions) == 1 && s.Tables[0].Partitions[0].Leader == s.Nodes[0].ID && s.Tables[0].Partitions[0].Items == 1 &&
		len(s.Replication) == 1 && s.Replication[0].Region == other && s.Replication[0].Linked == 1 && s.Replication[0].Pending == 0
}

func TestDemo(t *testing.T) {
	port := harness.ClaimPorts(t).Next(t)
	ctx := within(t, 3*time.Minute)
	p := harness.Run(t, "demo", "demo", "--once", "--port", fmt.Sprint(port), "--data", filepath.Join(harness.Dir(t), "demo"))
	err := p.Wait(ctx)
	t.Logf("%s", p.Output())
	if err != nil || !strings.Contains(p.Output(), "checks held") {
		t.Errorf("the demo failed: %v", err)
	}
}
