package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/awsjson"
)

// answerless is a ResponseWriter that forgets.
type answerless struct{ header http.Header }

func (a *answerless) Header() http.Header         { return a.header }
func (a *answerless) Write(p []byte) (int, error) { return len(p), nil }
func (a *answerless) WriteHeader(int)             {}

// benchmark measures one operation from HTTP's handler down.
func benchmark(b *testing.B, operation, body string) {
	store := apitest.New(b)
	handler := awsjson.NewHandler(awsjson.Options{Targets: targets(store), Region: apitest.Region})
	call := func(operation, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header["X-Amz-Target"] = []string{awsjson.TargetPrefix + operation}
		r.Header["Content-Type"] = []string{"application/x-amz-json-1.0"}
		handler.ServeHTTP(&answerless{header: http.Header{}}, r)
	}
	call("CreateTable", createHash)
	item := `{"pk":{"S":"user#1234567890"},"name":{"S":"` + strings.Repeat("n", 180) + `"},"n":{"N":"12345.678"},"flag":{"BOOL":true}}`
	call("PutItem", `{"TableName":"hash","Item":`+item+`}`)
	body = strings.ReplaceAll(body, "ITEM", item)
	b.ReportAllocs()
	for b.Loop() {
		call(operation, body)
	}
}

func BenchmarkGetItem(b *testing.B) {
	benchmark(b, "GetItem", `{"TableName":"hash","Key":{"pk":{"S":"user#1234567890"}},"ConsistentRead":true}`)
}

func BenchmarkPutItem(b *testing.B) { benchmark(b, "PutItem", `{"TableName":"hash","Item":ITEM}`) }

// BenchmarkRefusedPut is a PutItem up to where it would be carried out.
func BenchmarkRefusedPut(b *testing.B) { benchmark(b, "PutItem", `{"TableName":"nope","Item":ITEM}`) }

func BenchmarkUpdateItem(b *testing.B) {
	benchmark(b, "UpdateItem", `{"TableName":"hash","Key":{"pk":{"S":"user#1234567890"}},"UpdateExpression":"SET #n = #n + :one",`+
		`"ExpressionAttributeNames":{"#n":"n"},"ExpressionAttributeValues":{":one":{"N":"1"}}}`)
}
