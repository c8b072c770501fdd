package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestTableLife sets everything that a table has, changes it and deletes the
// table, waiting as clients do.
func TestTableLife(t *testing.T) {
	table := Table{Name: "conf-table-life", Keys: []Key{{"pk", "S"}}}
	ask := func(operation, body string, status int, want string) {
		t.Helper()
		code, got, err := endpoint.Call(t.Context(), operation, strings.ReplaceAll(body, "$T", `"TableName":"`+table.Name+`"`))
		if err != nil {
			t.Fatal(err)
		}
		answer := Answer{Status: status, Has: true}
		if err := json.Unmarshal([]byte(want), &answer.Body); err != nil {
			t.Fatal(err)
		}
		if status != http.StatusOK {
			answer.Type = strings.Fields(fmt.Sprint(answer.Body["type"]))[0]
			delete(answer.Body, "type")
		}
		if diff := answer.Matches(code, got); diff != "" {
			t.Fatalf("%s %s: %d %s\n%s", operation, body, code, got, diff)
		}
		if operation == "UpdateTable" {
			if err := endpoint.await(t.Context(), table, "ACTIVE"); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask("CreateTable", `{$T,"BillingMode":"PAY_PER_REQUEST","TableClass":"STANDARD_INFREQUENT_ACCESS","DeletionProtectionEnabled":true,
		"OnDemandThroughput":{"MaxReadRequestUnits":10,"MaxWriteRequestUnits":5},"WarmThroughput":{"ReadUnitsPerSecond":12001,"WriteUnitsPerSecond":4001},
		"SSESpecification":{"Enabled":false},"StreamSpecification":{"StreamEnabled":false},"Tags":[{"Key":"a","Value":"1"}],
		"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}`, 200,
		`{"TableDescription":{"TableStatus":"CREATING","TableName":"conf-table-life"}}`)
	t.Cleanup(func() {
		// What is gone already is no matter.
		_, _, _ = endpoint.Call(context.Background(), "DeleteTable", `{"TableName":"conf-table-life"}`)
	})
	if err := endpoint.await(t.Context(), table, "ACTIVE"); err != nil {
		t.Fatal(err)
	}
	ask("DescribeTable", `{$T}`, 200, `{"Table":{"DeletionProtectionEnabled":true,"TableClassSummary":{"TableClass":"STANDARD_INFREQUENT_ACCESS"},
		"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST","LastUpdateToPayPerRequestDateTime":"$any"},
		"OnDemandThroughput":{"MaxReadRequestUnits":10,"MaxWriteRequestUnits":5},"ProvisionedThroughput":{"ReadCapacityUnits":0,"WriteCapacityUnits":0}}}`)
	ask("DeleteTable", `{$T}`, 400, `{"type":"ValidationException","message":"Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."}`)
	ask("UpdateTable", `{$T,"OnDemandThroughput":{"MaxReadRequestUnits":-1,"MaxWriteRequestUnits":15}}`, 200, `{"TableDescription":{"TableStatus":"ACTIVE"}}`)
	ask("DescribeTable", `{$T}`, 200, `{"Table":{"OnDemandThroughput":{"MaxWriteRequestUnits":15}}}`)
	ask("UpdateTable", `{$T,"TableClass":"STANDARD"}`, 200, `{"TableDescription":{"TableStatus":"UPDATING"}}`)
	ask("UpdateTable", `{$T,"BillingMode":"PROVISIONED","ProvisionedThroughput":{"ReadCapacityUnits":3,"WriteCapacityUnits":4}}`, 200, `{"TableDescription":{"TableStatus":"UPDATING"}}`)
	ask("UpdateTable", `{$T,"ProvisionedThroughput":{"ReadCapacityUnits":2,"WriteCapacityUnits":5}}`, 200, `{"TableDescription":{"TableStatus":"UPDATING"}}`)
	ask("DescribeTable", `{$T}`, 200, `{"Table":{"BillingModeSummary":{"BillingMode":"PROVISIONED"},"TableClassSummary":{"TableClass":"STANDARD"},
		"ProvisionedThroughput":{"ReadCapacityUnits":2,"WriteCapacityUnits":5,"NumberOfDecreasesToday":1,"LastIncreaseDateTime":"$any","LastDecreaseDateTime":"$any"},
		"WarmThroughput":{"Status":"ACTIVE","ReadUnitsPerSecond":"$any","WriteUnitsPerSecond":"$any"}}}`)
	ask("UpdateTable", `{$T,"DeletionProtectionEnabled":false}`, 200, `{"TableDescription":{"TableStatus":"ACTIVE","DeletionProtectionEnabled":false}}`)
	ask("DeleteTable", `{$T}`, 200, `{"TableDescription":{"TableStatus":"DELETING"}}`)
	if err := endpoint.await(t.Context(), table, ""); err != nil {
		t.Fatal(err)
	}
	ask("DescribeTable", `{$T}`, 400, `{"type":"ResourceNotFoundException","message":"Requested resource not found: Table: conf-table-life not found"}`)
}
