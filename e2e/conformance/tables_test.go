package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// life is a table whose settings change while a test looks on, waiting as clients
// do.
type life struct {
	t     *testing.T
	table Table
}

// newLife is a table that is not there yet. It will be gone in the end.
func newLife(t *testing.T, name string) life {
	t.Helper()
	l := life{t: t, table: Table{Name: name, Keys: []Key{{"pk", "S"}}}}
	if err := endpoint.Drop(t.Context(), l.table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// What is gone already is no matter.
		_, _, _ = endpoint.Call(context.Background(), "DeleteTable", fmt.Sprintf(`{"TableName":%q}`, name))
	})
	return l
}

// ask calls an operation, compares what is wanted of its answer, and waits until
// what it has begun is done. $T in body stands for the table, $K for its keys.
// Where null is wanted, nothing must be there. It returns the answer.
func (l life) ask(operation, body string, status int, want string) map[string]any {
	l.t.Helper()
	body = strings.NewReplacer("$T", fmt.Sprintf(`"TableName":%q`, l.table.Name),
		"$K", `"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]`).Replace(body)
	code, got, err := endpoint.Call(l.t.Context(), operation, body)
	if err != nil {
		l.t.Fatal(err)
	}
	answer := Answer{Status: status, Has: true}
	if err := json.Unmarshal([]byte(want), &answer.Body); err != nil {
		l.t.Fatal(err)
	}
	if status != http.StatusOK {
		answer.Type = strings.Fields(fmt.Sprint(answer.Body["type"]))[0]
		delete(answer.Body, "type")
	}
	if diff := answer.Matches(code, got); diff != "" {
		l.t.Fatalf("%s %s: %d %s\n%s", operation, body, code, got, diff)
	}
	awaited := ""
	switch operation {
	case "CreateTable", "UpdateTable":
		awaited = "ACTIVE"
	case "DeleteTable":
	default:
		status = 0
	}
	if status == http.StatusOK {
		if err := endpoint.await(l.t.Context(), l.table, awaited); err != nil {
			l.t.Fatal(err)
		}
	}
	var members map[string]any
	if err := json.Unmarshal(got, &members); err != nil {
		l.t.Fatal(err)
	}
	return members
}

// TestTableLife sets everything that a table has, changes it and deletes the
// table.
func TestTableLife(t *testing.T) {
	l := newLife(t, "conf-table-life")
	l.ask("CreateTable", `{$T,$K,"BillingMode":"PAY_PER_REQUEST","TableClass":"STANDARD_INFREQUENT_ACCESS","DeletionProtectionEnabled":true,
		"OnDemandThroughput":{"MaxReadRequestUnits":10,"MaxWriteRequestUnits":5},"WarmThroughput":{"ReadUnitsPerSecond":12001,"WriteUnitsPerSecond":4001},
		"SSESpecification":{"Enabled":false},"StreamSpecification":{"StreamEnabled":false},"Tags":[{"Key":"a","Value":"1"}]}`, 200,
		`{"TableDescription":{"TableStatus":"CREATING","TableName":"conf-table-life","ItemCount":0,"TableSizeBytes":0,"TableId":"$any","TableArn":"$any","CreationDateTime":"$any",
			"WarmThroughput":{"ReadUnitsPerSecond":12001,"WriteUnitsPerSecond":4001,"Status":"$any"}}}`)
	l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"DeletionProtectionEnabled":true,"TableClassSummary":{"TableClass":"STANDARD_INFREQUENT_ACCESS","LastUpdateDateTime":null},
		"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST","LastUpdateToPayPerRequestDateTime":"$any"},
		"StreamSpecification":null,"SSEDescription":null,"RestoreSummary":null,"Replicas":null,"GlobalSecondaryIndexes":null,"LocalSecondaryIndexes":null,
		"OnDemandThroughput":{"MaxReadRequestUnits":10,"MaxWriteRequestUnits":5},"ProvisionedThroughput":{"ReadCapacityUnits":0,"WriteCapacityUnits":0}}}`)
	l.ask("CreateTable", `{$T,$K,"BillingMode":"PAY_PER_REQUEST"}`, 400, `{"type":"ResourceInUseException","message":"Table already exists: conf-table-life"}`)
	l.ask("DeleteTable", `{$T}`, 400, `{"type":"ValidationException","message":"Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."}`)
	l.ask("UpdateTable", `{$T,"OnDemandThroughput":{"MaxReadRequestUnits":-1,"MaxWriteRequestUnits":15}}`, 200, `{"TableDescription":{"TableStatus":"ACTIVE"}}`)
	l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"OnDemandThroughput":{"MaxReadRequestUnits":null,"MaxWriteRequestUnits":15}}}`)
	l.ask("UpdateTable", `{$T,"TableClass":"STANDARD"}`, 200, `{"TableDescription":{"TableStatus":"UPDATING"}}`)
	l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"TableClassSummary":{"TableClass":"STANDARD","LastUpdateDateTime":"$any"}}}`)
	l.ask("UpdateTable", `{$T,"DeletionProtectionEnabled":false}`, 200, `{"TableDescription":{"TableStatus":"ACTIVE","DeletionProtectionEnabled":false}}`)
	l.ask("DeleteTable", `{$T}`, 200, `{"TableDescription":{"TableStatus":"DELETING","TableName":"conf-table-life","TableId":"$any","TableArn":"$any",
		"ItemCount":"$any","TableSizeBytes":"$any","ProvisionedThroughput":{"NumberOfDecreasesToday":0,"ReadCapacityUnits":0,"WriteCapacityUnits":0},
		"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST","LastUpdateToPayPerRequestDateTime":"$any"},
		"CreationDateTime":null,"KeySchema":null,"AttributeDefinitions":null,"GlobalSecondaryIndexes":null,"LocalSecondaryIndexes":null}}`)
	l.ask("DescribeTable", `{$T}`, 400, `{"type":"ResourceNotFoundException","message":"Requested resource not found: Table: conf-table-life not found"}`)
	l.ask("DeleteTable", `{$T}`, 400, `{"type":"ResourceNotFoundException","message":"Requested resource not found: Table: conf-table-life not found"}`)
}

// TestThroughputLife changes what a table is provisioned for. Until it is ACTIVE
// again, the units that it shows are the old ones.
func TestThroughputLife(t *testing.T) {
	l := newLife(t, "conf-throughput-life")
	l.ask("CreateTable", `{$T,$K,"ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5}}`, 200,
		`{"TableDescription":{"ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5,"NumberOfDecreasesToday":0},"BillingModeSummary":null,"WarmThroughput":null}}`)
	l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"BillingModeSummary":null,"TableThroughputModeSummary":null,"ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5}}}`)
	l.ask("UpdateTable", `{$T,"BillingMode":"PROVISIONED","ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5}}`, 400,
		`{"type":"ValidationException","message":"The provisioned throughput for the table will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. Current WriteCapacityUnits provisioned for the table: 5. Requested WriteCapacityUnits: 5. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."}`)
	l.ask("UpdateTable", `{$T,"OnDemandThroughput":{"MaxReadRequestUnits":7}}`, 400,
		`{"type":"ValidationException","message":"One or more parameter values were invalid: MaxReadRequestUnits for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"}`)
	l.ask("UpdateTable", `{$T,"ProvisionedThroughput":{"ReadCapacityUnits":15,"WriteCapacityUnits":6}}`, 200,
		`{"TableDescription":{"TableStatus":"UPDATING","ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5,"NumberOfDecreasesToday":0,"LastIncreaseDateTime":"$any"}}}`)
	l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"ProvisionedThroughput":{"ReadCapacityUnits":15,"WriteCapacityUnits":6,"NumberOfDecreasesToday":0,"LastIncreaseDateTime":"$any","LastDecreaseDateTime":null}}}`)
	l.ask("UpdateTable", `{$T,"ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5}}`, 200,
		`{"TableDescription":{"TableStatus":"UPDATING","ProvisionedThroughput":{"ReadCapacityUnits":15,"WriteCapacityUnits":6,"NumberOfDecreasesToday":0,"LastDecreaseDateTime":"$any"}}}`)
	l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5,"NumberOfDecreasesToday":1,"LastIncreaseDateTime":"$any","LastDecreaseDateTime":"$any"}}}`)
	l.ask("UpdateTable", `{$T,"BillingMode":"PAY_PER_REQUEST","ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5}}`, 400,
		`{"type":"ValidationException","message":"One or more parameter values were invalid: ProvisionedThroughput cannot be specified when BillingMode is PAY_PER_REQUEST"}`)
	l.ask("UpdateTable", `{$T,"BillingMode":"PAY_PER_REQUEST"}`, 200, `{"TableDescription":{"TableStatus":"UPDATING"}}`)
	l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST","LastUpdateToPayPerRequestDateTime":"$any"},"ProvisionedThroughput":{"ReadCapacityUnits":0,"WriteCapacityUnits":0}}}`)
	l.ask("UpdateTable", `{$T,"ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5}}`, 400,
		`{"type":"ValidationException","message":"One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"}`)
	l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"}}}`)
	l.ask("UpdateTable", `{$T,"BillingMode":"PROVISIONED","ProvisionedThroughput":{"ReadCapacityUnits":3,"WriteCapacityUnits":4}}`, 200, `{"TableDescription":{"TableStatus":"UPDATING"}}`)
	l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"BillingModeSummary":{"BillingMode":"PROVISIONED","LastUpdateToPayPerRequestDateTime":"$any"},
		"ProvisionedThroughput":{"ReadCapacityUnits":3,"WriteCapacityUnits":4},"WarmThroughput":{"Status":"ACTIVE","ReadUnitsPerSecond":"$any","WriteUnitsPerSecond":"$any"}}}`)
}

// TestThroughputMode sets the mode of a table by its newer name, which BillingMode
// goes before. What shows the one shows the other.
func TestThroughputMode(t *testing.T) {
	l := newLife(t, "conf-throughput-mode")
	mirrored := func(answer map[string]any, billing, created any) {
		t.Helper()
		for _, d := range answer {
			d := d.(map[string]any)
			older, _ := d["BillingModeSummary"].(map[string]any)
			newer, _ := d["TableThroughputModeSummary"].(map[string]any)
			if older["BillingMode"] != billing || newer["TableThroughputMode"] != billing ||
				older["LastUpdateToPayPerRequestDateTime"] != newer["LastUpdateToPayPerRequestDateTime"] ||
				created != nil && older["LastUpdateToPayPerRequestDateTime"] != d[created.(string)] {
				t.Errorf("want %v: %v", billing, d)
			}
		}
	}
	const units = `"ProvisionedThroughput":{"ReadCapacityUnits":2,"WriteCapacityUnits":2}`
	mirrored(l.ask("CreateTable", `{$T,$K,"TableThroughputMode":"PAY_PER_REQUEST"}`, 200, `{"TableDescription":{}}`), "PAY_PER_REQUEST", nil)
	mirrored(l.ask("DescribeTable", `{$T}`, 200, `{"Table":{}}`), "PAY_PER_REQUEST", "CreationDateTime")
	mirrored(l.ask("UpdateTable", `{$T,"DeletionProtectionEnabled":false}`, 200, `{"TableDescription":{}}`), "PAY_PER_REQUEST", "CreationDateTime")
	l.ask("UpdateTable", `{$T,"TableThroughputMode":"PROVISIONED"}`, 400,
		`{"type":"ValidationException","message":"One or more parameter values were invalid: ProvisionedThroughput must be specified when BillingMode is PROVISIONED"}`)
	mirrored(l.ask("UpdateTable", `{$T,"TableThroughputMode":"PROVISIONED",`+units+`}`, 200, `{"TableDescription":{"ProvisionedThroughput":{"ReadCapacityUnits":2,"WriteCapacityUnits":2}}}`), "PROVISIONED", nil)
	mirrored(l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"ProvisionedThroughput":{"ReadCapacityUnits":2,"WriteCapacityUnits":2}}}`), "PROVISIONED", "CreationDateTime")
	mirrored(l.ask("UpdateTable", `{$T,"BillingMode":"PAY_PER_REQUEST","TableThroughputMode":"PROVISIONED"}`, 200, `{"TableDescription":{}}`), "PAY_PER_REQUEST", nil)
	mirrored(l.ask("DeleteTable", `{$T}`, 200, `{"TableDescription":{}}`), "PAY_PER_REQUEST", nil)
	mirrored(l.ask("CreateTable", `{$T,$K,"BillingMode":"PROVISIONED","TableThroughputMode":"PAY_PER_REQUEST",`+units+`}`, 200, `{"TableDescription":{}}`), nil, nil)
	mirrored(l.ask("DescribeTable", `{$T}`, 200, `{"Table":{"ProvisionedThroughput":{"ReadCapacityUnits":2}}}`), nil, nil)
	mirrored(l.ask("UpdateTable", `{$T,"TableThroughputMode":"PAY_PER_REQUEST"}`, 200, `{"TableDescription":{}}`), "PAY_PER_REQUEST", nil)
}
