package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/awsjson"
)

// answerless is a ResponseWriter that forgets all but how much it was.
type answerless struct {
	header  http.Header
	written int
}

func (a *answerless) Header() http.Header { return a.header }
func (a *answerless) WriteHeader(int)     {}

func (a *answerless) Write(p []byte) (int, error) {
	a.written += len(p)
	return len(p), nil
}

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

// BenchmarkScan is the first page of a Scan of items as they lie on the disk:
// one without a limit, which is 1 MB, and one of 100 items.
func BenchmarkScan(b *testing.B) {
	const items = 20_000
	store := apitest.NewOnDisk(b)
	handler := awsjson.NewHandler(awsjson.Options{Targets: targets(store), Region: apitest.Region})
	call := func(operation, body string) int {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header["X-Amz-Target"] = []string{awsjson.TargetPrefix + operation}
		r.Header["Content-Type"] = []string{"application/x-amz-json-1.0"}
		w := &answerless{header: http.Header{}}
		handler.ServeHTTP(w, r)
		return w.written
	}
	call("CreateTable", createHash)
	value := strings.Repeat("v", 140)
	for i := range items {
		call("PutItem", fmt.Sprintf(`{"TableName":"hash","Item":{"pk":{"S":"user#%016d"},"sk":{"S":"%08d"},"v":{"S":%q}}}`, i, i, value))
	}
	if err := store.Checkpoint(); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct{ name, members string }{
		{"whole", ""},
		{"100", `,"Limit":100`},
		{"filter", `,"FilterExpression":"sk < :k","ExpressionAttributeValues":{":k":{"S":"00001000"}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(int64(call("Scan", `{"TableName":"hash"`+c.members+`}`)))
			}
		})
	}
}
