package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/e2e/harness"
)

const cliTable = "visited-by-cli"

// cli is the AWS CLI, asking one region's first node.
type cli struct {
	t      *testing.T
	ctx    context.Context
	region *harness.Region
}

// try runs `aws dynamodb …` and parses what it prints.
func (c cli) try(args ...string) (map[string]any, error) {
	cmd := exec.CommandContext(c.ctx, "aws", append([]string{
		"dynamodb", "--endpoint-url", c.region.Nodes[0].Endpoint(), "--region", c.region.Name, "--output", "json",
	}, args...)...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("aws dynamodb %s in %s: %w: %s", strings.Join(args, " "), c.region.Name, err, strings.TrimSpace(stderr.String()))
	}
	answer := map[string]any{}
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &answer); err != nil {
			return nil, fmt.Errorf("aws dynamodb %s: %w: %s", strings.Join(args, " "), err, stdout.String())
		}
	}
	return answer, nil
}

// run is try for what must work.
func (c cli) run(args ...string) map[string]any {
	c.t.Helper()
	answer, err := c.try(args...)
	must(c.t, err)
	return answer
}

// at finds a value in an answer: "Table.TableStatus", "Items.0.v.S".
func at(v any, path string) any {
	for _, step := range strings.Split(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

// commandLine works on a table through the AWS CLI.
func commandLine(t *testing.T, d *harness.Deployment) {
	needs(t, "the AWS CLI", "aws", "--version")
	ctx := within(t, 3*time.Minute)
	in := func(i int) cli { return cli{t, ctx, d.Regions[i]} }
	first := in(0)

	first.run("create-table", "--table-name", cliTable, "--billing-mode", "PAY_PER_REQUEST",
		"--attribute-definitions", "AttributeName=pk,AttributeType=S", "AttributeName=sk,AttributeType=S",
		"--key-schema", "AttributeName=pk,KeyType=HASH", "AttributeName=sk,KeyType=RANGE")
	first.run("wait", "table-exists", "--table-name", cliTable)
	for i, r := range d.Regions[1:] {
		first.run("update-table", "--table-name", cliTable, "--replica-updates", "Create={RegionName="+r.Name+"}")
		must(t, harness.Until(ctx, "the replica in "+r.Name, func(context.Context) (bool, error) {
			answer, err := first.try("describe-table", "--table-name", cliTable)
			return at(answer, "Table.TableStatus") == "ACTIVE" && at(answer, fmt.Sprintf("Table.Replicas.%d.ReplicaStatus", i)) == "ACTIVE", err
		}))
	}

	for i, r := range d.Regions {
		c := in(i)
		c.run("put-item", "--table-name", cliTable, "--item",
			fmt.Sprintf(`{"pk":{"S":"%s"},"sk":{"S":"put"},"n":{"N":"1"},"tags":{"SS":["x","y"]},"m":{"M":{"k":{"L":[{"BOOL":true},{"NULL":true}]}}}}`, r.Name))
		c.run("batch-write-item", "--request-items", fmt.Sprintf(
			`{"%[1]s":[{"PutRequest":{"Item":{"pk":{"S":"%[2]s"},"sk":{"S":"batch-1"}}}},{"PutRequest":{"Item":{"pk":{"S":"%[2]s"},"sk":{"S":"batch-2"}}}}]}`, cliTable, r.Name))
		answer := c.run("update-item", "--table-name", cliTable, "--key", cliKey(r.Name, "put"),
			"--update-expression", "SET n = n + :one", "--expression-attribute-values", `{":one":{"N":"1"}}`, "--return-values", "ALL_NEW")
		if got := at(answer, "Attributes.n.N"); got != "2" {
			t.Errorf("%s: n is %v after the update, want 2", r.Name, got)
		}
	}
	for i := range d.Regions {
		c, from := in((i+1)%len(d.Regions)), d.Regions[i].Name
		readWithCLI(t, ctx, c, from)
	}
	answer := in(1).run("scan", "--table-name", cliTable, "--consistent-read", "--page-size", "4", "--select", "COUNT")
	if got := at(answer, "Count"); got != 9.0 {
		t.Errorf("the scan counts %v items, want 9", got)
	}
	failWithCLI(t, first)

	first.run("delete-item", "--table-name", cliTable, "--key", cliKey(d.Regions[1].Name, "put"))
	must(t, harness.Until(ctx, "the deleted item to be gone", func(context.Context) (bool, error) {
		answer, err := in(1).try("get-item", "--table-name", cliTable, "--key", cliKey(d.Regions[1].Name, "put"), "--consistent-read")
		return answer["Item"] == nil, err
	}))
}

func cliKey(pk, sk string) string { return fmt.Sprintf(`{"pk":{"S":"%s"},"sk":{"S":"%s"}}`, pk, sk) }

// readWithCLI reads in one region what another has written.
func readWithCLI(t *testing.T, ctx context.Context, c cli, from string) {
	t.Helper()
	must(t, harness.Until(ctx, "the items of "+from+" in "+c.region.Name, func(context.Context) (bool, error) {
		answer, err := c.try("query", "--table-name", cliTable, "--consistent-read", "--key-condition-expression", "pk = :p AND begins_with(sk, :b)",
			"--expression-attribute-values", fmt.Sprintf(`{":p":{"S":"%s"},":b":{"S":"batch-"}}`, from), "--no-scan-index-forward")
		return at(answer, "Items.0.sk.S") == "batch-2" && at(answer, "Items.1.sk.S") == "batch-1" && at(answer, "Count") == 2.0,
			errOr(err, answer)
	}))
	must(t, harness.Until(ctx, "the update of "+from+" in "+c.region.Name, func(context.Context) (bool, error) {
		answer, err := c.try("get-item", "--table-name", cliTable, "--key", cliKey(from, "put"), "--consistent-read")
		return at(answer, "Item.n.N") == "2" && at(answer, "Item.tags.SS.1") == "y" && at(answer, "Item.m.M.k.L.0.BOOL") == true, errOr(err, answer)
	}))
}

func errOr(err error, answer any) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("the answer is %v", answer)
}

// failWithCLI sees that refusals have the names that scripts look for.
func failWithCLI(t *testing.T, c cli) {
	t.Helper()
	for want, args := range map[string][]string{
		"ConditionalCheckFailedException": {"put-item", "--table-name", cliTable, "--item", cliKey(c.region.Name, "put"), "--condition-expression", "attribute_not_exists(pk)"},
		"ResourceNotFoundException":       {"get-item", "--table-name", "no-such-table", "--key", cliKey("a", "b")},
		"ValidationException":             {"get-item", "--table-name", cliTable, "--key", `{"pk":{"S":"only"}}`},
		"ResourceInUseException": {"create-table", "--table-name", cliTable, "--billing-mode", "PAY_PER_REQUEST",
			"--attribute-definitions", "AttributeName=pk,AttributeType=S", "--key-schema", "AttributeName=pk,KeyType=HASH"},
	} {
		if _, err := c.try(args...); err == nil || !strings.Contains(err.Error(), "("+want+")") {
			t.Errorf("%s: %v, want %s", args[0], err, want)
		}
	}
}
