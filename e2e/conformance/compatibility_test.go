package conformance

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write docs/COMPATIBILITY.md anew")

const compatibilityFile = "../../docs/COMPATIBILITY.md"

// operation is one of the API's, as the AWS SDK knows it.
type operation struct {
	name       string
	parameters []string
	service    string
}

// operations is all operations of both APIs in order of name.
func operations(t *testing.T) []operation {
	t.Helper()
	var all []operation
	client := reflect.TypeFor[*dynamodb.Client]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		if m.Type.NumIn() != 4 || m.Type.In(1) != reflect.TypeFor[context.Context]() || m.Type.In(2).Kind() != reflect.Pointer {
			continue
		}
		in := m.Type.In(2).Elem()
		if in.Name() != m.Name+"Input" {
			continue
		}
		op := operation{name: m.Name, service: "DynamoDB"}
		for f := range in.Fields() {
			if f.IsExported() && !f.Anonymous {
				op.parameters = append(op.parameters, f.Name)
			}
		}
		slices.Sort(op.parameters)
		all = append(all, op)
	}
	for _, name := range streamOperations {
		all = append(all, operation{name: name, service: "DynamoDB Streams"})
	}
	return all
}

// has reports whether the endpoint has an operation.
func has(t *testing.T, name string) bool {
	t.Helper()
	_, body, err := endpoint.Call(t.Context(), name, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	return !strings.Contains(string(body), "UnknownOperationException")
}

// shown is the parameters that cases use, by operation and parameter.
func shown(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("cases/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range files {
		script, err := ReadScript(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range script.Cases {
			for _, step := range c.Steps {
				var members map[string]json.RawMessage
				used[step.Operation] = true
				// What is no JSON shows no parameter.
				_ = json.Unmarshal([]byte(strings.ReplaceAll(step.Body, "$prev", "0")), &members)
				for name := range members {
					used[step.Operation+"."+name] = true
				}
			}
		}
	}
	// TestTableLife deletes; what regions share needs two of them, which the
	// tests of region/process and e2e/clients have.
	for _, at := range []string{"DeleteTable", "DeleteTable.TableName", "UpdateTable.ReplicaUpdates", "CreateTable.GlobalTableSettingsReplicationMode"} {
		used[at] = true
	}
	return used
}

// TestCompatibility holds docs/COMPATIBILITY.md to the truth: every operation
// and parameter of the SDK has a row; what is called supported is shown by a
// case; what is called not yet is refused; and the file says all of it.
func TestCompatibility(t *testing.T) {
	if os.Getenv("ENDPOINT") != "" {
		t.Skip("what is compared is this tree")
	}
	table := Table{Name: "conf-refused", Keys: []Key{{"pk", "S"}}}
	if err := endpoint.Create(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := endpoint.Drop(context.Background(), table); err != nil {
			t.Error(err)
		}
	})
	used, unread := shown(t), maps.Clone(Notes)
	note := func(at string, there bool) Note {
		n, ok := Notes[at]
		delete(unread, at)
		if !ok && there {
			n.Support = Supported
		} else if !ok {
			n.Support = NotYet
		}
		return n
	}
	var text strings.Builder
	text.WriteString(compatibilityHead)
	counts := map[Support]int{}
	all := operations(t)
	for _, op := range all {
		there := op.service == "DynamoDB" && has(t, op.name)
		n := note(op.name, there)
		counts[n.Support]++
		if n.Support != NotYet && !there {
			t.Errorf("%s is called %s and is not there", op.name, n.Support)
		}
		if there && !used[op.name] {
			t.Errorf("no case shows %s", op.name)
		}
		fmt.Fprintf(&text, "| %s | | %s | %s |\n", op.name, n.Support, n.Text)
		if !there || passedOver[op.name] {
			continue
		}
		for _, parameter := range op.parameters {
			at := op.name + "." + parameter
			n := note(at, true)
			if n.Support != NotYet && !used[at] {
				t.Errorf("no case shows %s", at)
			}
			if n.Refused != "" {
				refused(t, at, op.name, n.Refused)
			} else if n.Support == NotYet {
				t.Errorf("%s is called not yet, and no request shows it", at)
			}
			fmt.Fprintf(&text, "| | %s | %s | %s |\n", parameter, n.Support, n.Text)
		}
	}
	for at := range unread {
		t.Errorf("a note is about %s, which the API does not have", at)
	}
	fmt.Fprintf(&text, "\nOf %d operations, %d are supported, %d differ and %d are not there yet.\n",
		len(all), counts[Supported], counts[Differs], counts[NotYet])
	if *rewrite {
		if err := os.WriteFile(compatibilityFile, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(compatibilityFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(written), "\n"), strings.Split(text.String(), "\n")); diff != "" {
		t.Errorf("docs/COMPATIBILITY.md is not what is true; go test ./e2e/conformance -run TestCompatibility -rewrite writes it (-written +true):\n%s", diff)
	}
}

// refused asks for what is not there yet.
func refused(t *testing.T, at, operation, body string) {
	t.Helper()
	_, answer, err := endpoint.Call(t.Context(), operation, body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(answer), "Roundtable does not support") {
		t.Errorf("%s is called not yet, and is answered %s", at, answer)
	}
}

const compatibilityHead = `# Compatibility with DynamoDB

Every operation of the two APIs and every parameter of those that Roundtable has.
The tables of requests and answers in [e2e/conformance](../e2e/conformance) show
what is supported; ` + "`make conformance ENDPOINT=…`" + ` plays them against any endpoint.
This file is written by a test, which fails when it is not true any more:
` + "`go test ./e2e/conformance -run TestCompatibility -rewrite`" + `.

*Supported* answers as the service does. *Differs* says how, and why. What is *not
yet* there is refused: an operation with UnknownOperationException, a parameter
with a ValidationException that names it.

What holds everywhere:

- Nothing is throttled, and no quota of an account is enforced.
- Data is not encrypted at rest by Roundtable; give nodes encrypted disks.
- The account is 000000000000. Where callers need keys, ARNs of another account or
  region are refused; where anybody may call, they are taken for this one's.
- Requests may be signed in the header or in the query, and be sent in gzip;
  answers come in gzip or deflate to those who accept it.
- TableThroughputMode, the newer name of BillingMode that SDKs do not have yet, is
  taken and shown.
- Changes of a table's settings are done at once: UPDATING is answered where the
  service answers it, and the table is ACTIVE right after.

| operation | parameter | support | how it differs |
|---|---|---|---|
`
