package conformance

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestTablesComeAndGo makes and deletes one table again and again, at the same
// time: each gets what it asked for or hears that it is too early or too late.
func TestTablesComeAndGo(t *testing.T) {
	l := newLife(t, "conf-come-and-go")
	const rounds = 8
	var both sync.WaitGroup
	again := func(operation, body string, refusals ...string) {
		both.Go(func() {
			for range rounds {
				status, got, err := endpoint.Call(t.Context(), operation, body)
				if err != nil || status != http.StatusOK && !slices.ContainsFunc(refusals, func(s string) bool { return strings.Contains(string(got), s) }) {
					t.Errorf("%s: %d %s, %v", operation, status, got, err)
				}
			}
		})
	}
	again("CreateTable", `{"TableName":"conf-come-and-go","BillingMode":"PAY_PER_REQUEST","Tags":[{"Key":"k","Value":"v"}],
		"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}`, "ResourceInUseException")
	again("DeleteTable", `{"TableName":"conf-come-and-go"}`, "ResourceNotFoundException", "ResourceInUseException")
	both.Wait()
	// What is left can be deleted once it is there, and then made anew, untagged.
	for status := 0; status != http.StatusOK; {
		var got []byte
		var err error
		if status, got, err = endpoint.Call(t.Context(), "DeleteTable", `{"TableName":"conf-come-and-go"}`); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(got), "ResourceNotFoundException") {
			break
		}
	}
	if err := endpoint.await(t.Context(), l.table, ""); err != nil {
		t.Fatal(err)
	}
	made := l.ask("CreateTable", `{$T,$K,"BillingMode":"PAY_PER_REQUEST"}`, 200, `{"TableDescription":{"TableStatus":"CREATING"}}`)
	arn := made["TableDescription"].(map[string]any)["TableArn"]
	l.ask("ListTagsOfResource", fmt.Sprintf(`{"ResourceArn":%q}`, arn), 200, `{"Tags":[]}`)
}

// TestTagsTogether tags one table from two sides; no side takes the other's tags
// away.
func TestTagsTogether(t *testing.T) {
	if os.Getenv("ENDPOINT") != "" {
		t.Skip("elsewhere tags may take a while to be seen")
	}
	created(t, "conf-tags-together")
	const resource = `"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/conf-tags-together"`
	call := func(operation, members string) string {
		t.Helper()
		status, got, err := endpoint.Call(t.Context(), operation, "{"+resource+members+"}")
		if err != nil || status != http.StatusOK {
			t.Errorf("%s %s: %d %s, %v", operation, members, status, got, err)
		}
		return string(got)
	}
	var both sync.WaitGroup
	for _, key := range []string{"a", "b"} {
		both.Go(func() {
			for range 10 {
				call("TagResource", `,"Tags":[{"Key":"`+key+`","Value":"there"}]`)
				if tags := call("ListTagsOfResource", ""); !strings.Contains(tags, `"Key":"`+key+`"`) {
					t.Errorf("tag %s is lost: %s", key, tags)
				}
				call("UntagResource", `,"TagKeys":["`+key+`"]`)
				if tags := call("ListTagsOfResource", ""); strings.Contains(tags, `"Key":"`+key+`"`) {
					t.Errorf("tag %s is back: %s", key, tags)
				}
			}
		})
	}
	both.Wait()
}
