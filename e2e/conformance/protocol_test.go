package conformance

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestProtocol speaks HTTP as few clients do. What it asks needs no signature at
// the service, or none here.
func TestProtocol(t *testing.T) {
	const json10 = "application/x-amz-json-1.0"
	list := http.Header{"X-Amz-Target": {"DynamoDB_20120810.ListTables"}, "Content-Type": {json10}}
	unknown := http.Header{"X-Amz-Target": {"DynamoDB_20120810.ListTable"}, "Content-Type": {json10}}
	const serialization = `{"__type":"com.amazon.coral.service#SerializationException"}`
	const unknownOperation = `{"__type":"com.amazon.coral.service#UnknownOperationException"}`
	for _, tc := range []struct {
		name, method, path, body string
		header                   http.Header
		status                   int
		contentType, want        string // want ends in ... where more may follow
	}{
		{name: "health", method: "GET", status: 200, contentType: "text/plain", want: "healthy: dynamodb...."},
		{name: "another method", method: "PUT", status: 404, want: "<UnknownOperationException/>\n"},
		{name: "an old health", method: "OPTIONS", status: 404, want: "<UnknownOperationException/>\n"},
		{name: "one more method", method: "DELETE", status: 404, want: "<UnknownOperationException/>\n"},
		{name: "a type that begins well", method: "POST", body: "hi", header: http.Header{"Content-Type": {"application/jsonasdf"}}, status: 404, want: "<UnknownOperationException/>\n"},
		{name: "a type with a parameter", method: "POST", body: "hi", header: http.Header{"Content-Type": {"application/x-amz-json-1.0;blahblah"}, "X-Amz-Target": list["X-Amz-Target"]}, status: 400, contentType: json10, want: serialization},
		{name: "a target of Streams", method: "POST", body: "{}", header: http.Header{"X-Amz-Target": {"DynamoDBStreams_20120810.ListTables"}, "Content-Type": {json10}}, status: 400, contentType: json10, want: unknownOperation},
		{name: "a target in other letters", method: "POST", body: "{}", header: http.Header{"X-Amz-Target": {"dynamodb_20120810.listtables"}, "Content-Type": {json10}}, status: 400, contentType: json10, want: unknownOperation},
		{name: "the target in the query", method: "POST", path: "/?X-Amz-Target=DynamoDB_20120810.ListTables", body: `{"ExclusiveStartTableName":"zzzz"}`, header: http.Header{"Content-Type": {json10}}, status: 200, contentType: json10, want: `{"TableNames":[]}`},
		{name: "no content type", method: "POST", body: "hi", status: 404, want: "<UnknownOperationException/>\n"},
		{name: "another content type", method: "POST", body: "{}", header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, status: 404, want: "<UnknownOperationException/>\n"},
		{name: "no JSON", method: "POST", body: "hi", header: list, status: 400, contentType: json10, want: serialization},
		{name: "no JSON for no operation", method: "POST", body: "hi", header: unknown, status: 400, contentType: json10, want: serialization},
		{name: "an operation that is none", method: "POST", body: "{}", header: unknown, status: 400, contentType: json10, want: unknownOperation},
		{name: "a target of another form", method: "POST", body: "{}", header: http.Header{"X-Amz-Target": {"ListTables"}, "Content-Type": {"application/json;x"}}, status: 400, contentType: "application/json", want: unknownOperation},
		{name: "an old version", method: "POST", body: "{}", header: http.Header{"X-Amz-Target": {"DynamoDB_20111205.ListTables"}, "Content-Type": {json10}}, status: 400, contentType: json10, want: unknownOperation},
		{name: "no body", method: "POST", header: list, status: 400, contentType: json10, want: serialization},
		{name: "any path", method: "POST", path: "/any/path", body: "{}", header: list, status: 200, contentType: json10, want: `{...`},
		{name: "plain JSON", method: "POST", body: "{}", header: http.Header{"X-Amz-Target": list["X-Amz-Target"], "Content-Type": {"application/json; charset=utf-8"}}, status: 200, contentType: "application/json", want: `{...`},
		{name: "members of no meaning, twice and null", method: "POST", body: `{"Hi":[1,{"a":null}],"Limit":null,"ExclusiveStartTableName":"zzz","ExclusiveStartTableName":"zzzz"}`, header: list, status: 200, contentType: json10, want: `{"TableNames":[]}`},
		{name: "an array", method: "POST", body: `[]`, header: list, status: 400, contentType: json10, want: `{"__type":"com.amazon.coral.service#SerializationException"...`},
		{name: "a text for a number", method: "POST", body: `{"Limit":"1"}`, header: list, status: 400, contentType: json10, want: `{"__type":"com.amazon.coral.service#SerializationException","Message":"STRING_VALUE cannot be converted to Integer"}`},
		{name: "a number for a text", method: "POST", body: `{"ExclusiveStartTableName":1.5}`, header: list, status: 400, contentType: json10, want: `{"__type":"com.amazon.coral.service#SerializationException","Message":"DECIMAL_VALUE cannot be converted to String"}`},
		{name: "a truth for a text", method: "POST", body: `{"ExclusiveStartTableName":true}`, header: list, status: 400, contentType: json10, want: `{"__type":"com.amazon.coral.service#SerializationException","Message":"TRUE_VALUE cannot be converted to String"}`},
		{name: "an array for a text", method: "POST", body: `{"ExclusiveStartTableName":[]}`, header: list, status: 400, contentType: json10, want: `{"__type":"com.amazon.coral.service#SerializationException","Message":"Unrecognized collection type class java.lang.String"}`},
		{name: "an object for a text", method: "POST", body: `{"ExclusiveStartTableName":{}}`, header: list, status: 400, contentType: json10, want: `{"__type":"com.amazon.coral.service#SerializationException","Message":"Start of structure or map found where not expected"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tc.method, endpoint.URL+tc.path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tc.header {
				r.Header[k] = v
			}
			r.Header.Set("Accept-Encoding", "identity")
			answer, body := do(t, r)
			want, prefix := strings.CutSuffix(tc.want, "...")
			if answer.StatusCode != tc.status || string(body) != want && !(prefix && strings.HasPrefix(string(body), want)) ||
				tc.contentType != "" && answer.Header.Get("Content-Type") != tc.contentType {
				t.Errorf("got %d %s %s", answer.StatusCode, answer.Header.Get("Content-Type"), body)
			}
			if id := answer.Header.Get("X-Amzn-Requestid"); len(id) != 52 {
				t.Errorf("request id %q", id)
			}
		})
	}
}

// do sends a request and checks the checksum of its answer.
func do(t *testing.T, r *http.Request) (*http.Response, []byte) {
	t.Helper()
	answer, err := endpoint.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := answer.Header.Get("X-Amz-Crc32"), fmt.Sprint(crc32.ChecksumIEEE(body)); got != want {
		t.Errorf("checksum %s of %d bytes, want %s", got, len(body), want)
	}
	return answer, body
}

// TestGzipBothWays sends and asks for gzip; the checksum is of what is sent.
func TestGzipBothWays(t *testing.T) {
	table := Table{Name: "conf-gzip", Keys: []Key{{"pk", "S"}}}
	if err := endpoint.Create(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := endpoint.Drop(context.Background(), table); err != nil {
			t.Error(err)
		}
	})
	call := func(operation, body string) (*http.Response, []byte) {
		t.Helper()
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := io.WriteString(z, body); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint.URL, &packed)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{
			"X-Amz-Target": {"DynamoDB_20120810." + operation}, "Content-Type": {"application/x-amz-json-1.0"},
			"Content-Encoding": {"gzip"}, "Accept-Encoding": {"gzip"},
		}
		return do(t, r)
	}
	long := strings.Repeat("long ", 2000)
	if answer, body := call("PutItem", `{"TableName":"conf-gzip","Item":{"pk":{"S":"a"},"text":{"S":"`+long+`"}}}`); answer.StatusCode != 200 {
		t.Fatalf("%d %s", answer.StatusCode, body)
	}
	answer, body := call("GetItem", `{"TableName":"conf-gzip","Key":{"pk":{"S":"a"}},"ConsistentRead":true}`)
	if answer.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%d, encoding %q", answer.StatusCode, answer.Header.Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body, err = io.ReadAll(z); err != nil || !strings.Contains(string(body), long) {
		t.Errorf("%.100s, %v", body, err)
	}
}

// TestPipelining writes requests ahead of their answers on one connection, one
// of them in chunks, and reads the answers in order.
func TestPipelining(t *testing.T) {
	u, err := url.Parse(endpoint.URL)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "http" {
		t.Skip("one connection of plain HTTP")
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := "POST / HTTP/1.1\r\nHost: " + u.Host + "\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810."
	_, err = io.WriteString(conn, head+"DescribeEndpoints\r\nContent-Length: 2\r\n\r\n{}"+
		head+"Nothing\r\nContent-Length: 2\r\n\r\n{}"+
		head+"DescribeLimits\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"+
		"OPTIONS / HTTP/1.1\r\nHost: "+u.Host+"\r\nOrigin: http://console\r\nAccess-Control-Request-Headers: x-amz-target\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	for i, want := range []string{"200 Endpoints", "400 UnknownOperationException", "200 AccountMaxReadCapacityUnits", "200 "} {
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		status, text, _ := strings.Cut(want, " ")
		if fmt.Sprint(answer.StatusCode) != status || !strings.Contains(string(body), text) {
			t.Errorf("answer %d: %d %s, want %s", i, answer.StatusCode, body, want)
		}
		if i == 3 && (answer.Header.Get("Access-Control-Allow-Origin") != "*" || answer.Header.Get("Access-Control-Allow-Headers") != "x-amz-target") {
			t.Errorf("to a browser: %v", answer.Header)
		}
	}
}
