package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/command"
)

const createHash = `{"TableName":"hash","BillingMode":"PAY_PER_REQUEST",` +
	`"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}`

func newRegion(t *testing.T) (*apitest.Store, http.Handler) {
	t.Helper()
	store := apitest.New(t)
	handler := awsjson.NewHandler(awsjson.Options{Targets: targets(store), Region: apitest.Region})
	if status, body := apitest.Call(t, handler, "CreateTable", createHash); status != http.StatusOK {
		t.Fatal(body)
	}
	return store, handler
}

// keyIs reports whether an encoded key is that of the item with pk.
func keyIs(t *testing.T, table *catalog.Table, key []byte, pk string) bool {
	t.Helper()
	it, err := table.DecodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return it.Get("pk").Str() == pk
}

func TestBatchWriteHandsBackWhatFailed(t *testing.T) {
	store, handler := newRegion(t)
	for _, tc := range []struct {
		name   string
		fails  map[string]error
		status int
		want   string
	}{
		{
			name:   "some keys are unavailable",
			fails:  map[string]error{"a": storage.Errorf(storage.Unavailable, "no leader"), "c": storage.Errorf(storage.Ambiguous, "gone")},
			status: 200,
			want:   `{"UnprocessedItems":{"hash":[{"PutRequest": {"Item":{"pk":{"S":"a"}}}},{"DeleteRequest":{"Key":{"pk":{"S":"c"}}}}]}}`,
		},
		{
			name:   "all keys are unavailable",
			fails:  map[string]error{"a": storage.Errorf(storage.Unavailable, "no leader"), "b": storage.Errorf(storage.Unavailable, "no leader"), "c": storage.Errorf(storage.NotLeader, "no")},
			status: 500,
			want:   `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"The server encountered an internal error trying to fulfill the request."}`,
		},
		{
			name:   "a broken invariant is not for a retry",
			fails:  map[string]error{"b": storage.Errorf(storage.Internal, "broken")},
			status: 500,
			want:   `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"The server encountered an internal error trying to fulfill the request."}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store.Fail = func(table *catalog.Table, cmd *command.Command) error {
				for pk, err := range tc.fails {
					if keyIs(t, table, cmd.Key, pk) {
						return err
					}
				}
				return nil
			}
			status, body := apitest.Call(t, handler, "BatchWriteItem", `{"RequestItems":{"hash":[`+
				`{"PutRequest": {"Item":{"pk":{"S":"a"}}}}, {"PutRequest":{"Item":{"pk":{"S":"b"}}}}, {"DeleteRequest":{"Key":{"pk":{"S":"c"}}}}]}}`)
			if status != tc.status || body != tc.want {
				t.Errorf("got %d %s\nwant %d %s", status, body, tc.status, tc.want)
			}
		})
	}
}

func TestBatchGetHandsBackWhatFailed(t *testing.T) {
	store, handler := newRegion(t)
	apitest.Call(t, handler, "PutItem", `{"TableName":"hash","Item":{"pk":{"S":"b"},"n":{"N":"1"}}}`)
	store.FailGet = func(_ context.Context, table *catalog.Table, key []byte) error {
		if keyIs(t, table, key, "b") {
			return nil
		}
		return storage.Errorf(storage.Unavailable, "no leader")
	}
	request := `{"RequestItems":{"hash":{"Keys":[{"pk":{"S":"a"}},{"pk":{"S":"b"}},{"pk":{"S":"c"}}],` +
		`"ConsistentRead":true,"ProjectionExpression":"#n","ExpressionAttributeNames":{"#n":"n"}}}}`
	status, body := apitest.Call(t, handler, "BatchGetItem", request)
	want := `{"Responses":{"hash":[{"n":{"N":"1"}}]},"UnprocessedKeys":{"hash":{"Keys":[{"pk":{"S":"a"}},{"pk":{"S":"c"}}],` +
		`"ConsistentRead":true,"ProjectionExpression":"#n","ExpressionAttributeNames":{"#n":"n"}}}}`
	if status != 200 || body != want {
		t.Errorf("got %d %s\nwant %s", status, body, want)
	}

	// What is unprocessed is a request of its own.
	var answer struct{ UnprocessedKeys json.RawMessage }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	store.FailGet = nil
	status, body = apitest.Call(t, handler, "BatchGetItem", fmt.Sprintf(`{"RequestItems":%s}`, answer.UnprocessedKeys))
	if want := `{"Responses":{"hash":[]},"UnprocessedKeys":{}}`; status != 200 || body != want {
		t.Errorf("got %d %s", status, body)
	}
}

func TestBatchGetStopsAtSixteenMegabytes(t *testing.T) {
	_, handler := newRegion(t)
	fill := strings.Repeat("x", 400_000)
	var keys []string
	for i := range 45 {
		keys = append(keys, fmt.Sprintf(`{"pk":{"S":"%02d"}}`, i))
		apitest.Call(t, handler, "PutItem", fmt.Sprintf(`{"TableName":"hash","Item":{"pk":{"S":"%02d"},"x":{"S":%q}}}`, i, fill))
	}
	_, body := apitest.Call(t, handler, "BatchGetItem", `{"RequestItems":{"hash":{"Keys":[`+strings.Join(keys, ",")+`]}}}`)
	var answer struct {
		Responses       map[string][]json.RawMessage
		UnprocessedKeys map[string]struct{ Keys []json.RawMessage }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	got := [2]int{len(answer.Responses["hash"]), len(answer.UnprocessedKeys["hash"].Keys)}
	if diff := cmp.Diff([2]int{41, 4}, got); diff != "" {
		t.Errorf("items and unprocessed keys: %s", diff)
	}
}

func TestTablesOnTheirWayAreNotThere(t *testing.T) {
	store, handler := newRegion(t)
	get := `{"TableName":"hash","Key":{"pk":{"S":"a"}}}`
	for status, want := range map[catalog.Status]int{catalog.Creating: 400, catalog.Active: 200, catalog.Updating: 200, catalog.Deleting: 400} {
		store.SetStatus("hash", status)
		if code, body := apitest.Call(t, handler, "GetItem", get); code != want || want == 400 && !strings.Contains(body, "ResourceNotFoundException") {
			t.Errorf("%s: %d %s", status, code, body)
		}
	}
	store.SetStatus("hash", catalog.Updating)
	for _, operation := range []string{"DeleteTable", "UpdateTable"} {
		_, body := apitest.Call(t, handler, operation, `{"TableName":"hash","BillingMode":"PAY_PER_REQUEST"}`)
		if want := "Attempt to change a resource which is still in use: Table is being updated: hash"; !strings.Contains(body, want) {
			t.Errorf("%s: %s", operation, body)
		}
	}
}

func TestLimitsOfBatches(t *testing.T) {
	_, handler := newRegion(t)
	list := func(n int, each string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(each, i)
		}
		return strings.Join(parts, ",")
	}
	for _, tc := range []struct{ operation, body, want string }{
		{
			"BatchWriteItem", `{"RequestItems":{"hash":[` + list(26, `{"PutRequest":{"Item":{"pk":{"S":"%d"}}}}`) + `]}}`,
			"at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]",
		},
		{
			"BatchGetItem", `{"RequestItems":{"hash":{"Keys":[` + list(101, `{"pk":{"S":"%d"}}`) + `]}}}`,
			"1 validation error detected: Value at 'RequestItems.hash.member.Keys' failed to satisfy constraint: Member must have length less than or equal to 100",
		},
		{"BatchWriteItem", `{"RequestItems":{"hash":[` + list(25, `{"PutRequest":{"Item":{"pk":{"S":"%d"}}}}`) + `]}}`, `{"UnprocessedItems":{}}`},
		{"PutItem", `{"TableName":"hash","Item":{"pk":{"S":"k"},"x":{"S":"` + strings.Repeat("x", 409_597) + `"}}}`, "Item size has exceeded the maximum allowed size"},
		{"PutItem", `{"TableName":"hash","Item":{"pk":{"S":"k"},"x":{"S":"` + strings.Repeat("x", 409_596) + `"}}}`, "{}"},
		{
			"UpdateItem", `{"TableName":"hash","Key":{"pk":{"S":"k"}},"UpdateExpression":"SET y = :y","ExpressionAttributeValues":{":y":{"S":"yy"}}}`,
			"Item size to update has exceeded the maximum allowed size",
		},
	} {
		if _, body := apitest.Call(t, handler, tc.operation, tc.body); !strings.Contains(body, tc.want) {
			t.Errorf("%s: %.300s\nwant %s", tc.operation, body, tc.want)
		}
	}
}
