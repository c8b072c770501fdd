package conformance

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// request is a request of an operation, unsigned.
func request(t *testing.T, operation string, body io.Reader, header http.Header) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"DynamoDB_20120810." + operation}, "Accept-Encoding": {"identity"}}
	for name, values := range header {
		r.Header[name] = values
	}
	return r
}

// created makes a table for a test.
func created(t *testing.T, name string) {
	t.Helper()
	table := Table{Name: name, Keys: []Key{{"pk", "S"}}}
	if err := endpoint.Create(t.Context(), table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := endpoint.Drop(context.Background(), table); err != nil {
			t.Error(err)
		}
	})
}

// TestBrokenJSON: whatever is left of a request that was JSON, and whatever else
// never was, is refused as such.
func TestBrokenJSON(t *testing.T) {
	const whole = `{"TableName":"conf-broken","Item":{"pk":{"S":"a"},"n":{"N":"1"}}}`
	broken := []string{
		"}}}", "}{", "habababa", "7", "124463gwe", "><#", "????", `"""`, `{"""}`, `{""}`, "{7}", "{3: }}", `{"2":{}`, ",", "{,}", "{{}}", `"a": "b"`, "{{{",
		"null x", whole + "{}", whole + "x", "\xef\xbb\xbf" + whole, strings.Replace(whole, `"a"`, "'a'", 1), strings.Replace(whole, `"a"`, "\"\xff\"", 1),
		strings.Replace(whole, `"a"`, `"\x"`, 1), strings.Replace(whole, `"1"`, "01", 1), strings.Replace(whole, "}}}", "},}}", 1),
		strings.Repeat("{", 10000) + strings.Repeat("}", 9999), strings.Repeat(`{"":`, 200_000) + "{}" + strings.Repeat("}", 200_000),
	}
	for i := range len(whole) {
		broken = append(broken, whole[:i])
	}
	for _, body := range broken {
		answer, got := do(t, request(t, "PutItem", strings.NewReader(body), nil))
		if answer.StatusCode != http.StatusBadRequest || !strings.HasPrefix(string(got), `{"__type":"com.amazon.coral.service#SerializationException"`) {
			t.Errorf("%.100s: %d %s", body, answer.StatusCode, got)
		}
	}
}

// TestBodyLimit: a body of 16 MiB is read, a longer one refused, however it comes.
func TestBodyLimit(t *testing.T) {
	const limit = 16 << 20
	for _, tc := range []struct {
		name    string
		length  int
		chunked bool
		status  int
	}{
		{"as long as may be", limit, false, 200},
		{"one longer", limit + 1, false, 413},
		{"much longer", limit + 1<<20, false, 413},
		{"as long as may be, in chunks", limit, true, 200},
		{"one longer, in chunks", limit + 1, true, 413},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spaces := bytes.Repeat([]byte(" "), tc.length-2)
			var body io.Reader = bytes.NewReader(append(append([]byte("{"), spaces...), '}'))
			if tc.chunked {
				body = io.MultiReader(body)
			}
			answer, err := endpoint.Client.Do(request(t, "DescribeEndpoints", body, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			got, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != tc.status {
				t.Errorf("%d %s", answer.StatusCode, got)
			}
			if tc.status == 413 && len(got) > 0 {
				t.Errorf("the refusal is %q", got)
			}
		})
	}
}

// TestRequestCodings: requests in gzip are read whole, in pieces too; what is not
// in the coding that it is said to be in is not carried out.
func TestRequestCodings(t *testing.T) {
	created(t, "conf-request-codings")
	packed := func(pieces ...string) []byte {
		var b bytes.Buffer
		for _, piece := range pieces {
			z := gzip.NewWriter(&b)
			if _, err := io.WriteString(z, piece); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	put := func(key string) string {
		return `{"TableName":"conf-request-codings","Item":{"pk":{"S":"` + key + `"}}}`
	}
	for _, tc := range []struct {
		key, coding string
		body        []byte
		status      int
	}{
		{"whole", "gzip", packed(put("whole")), 200},
		{"two pieces", "gzip", packed(put("two pieces")[:10], put("two pieces")[10:]), 200},
		{"upper case", "GZIP", packed(put("upper case")), 200},
		{"long", "gzip", packed(put("long") + strings.Repeat(" ", 10_000)), 200},
		{"as it is", "identity", []byte(put("as it is")), 200},
		{"unknown", "garbage", []byte(put("unknown")), 500},
		{"not packed", "gzip", []byte(put("not packed")), 500},
		{"cut", "gzip", packed(put("cut"))[:len(packed(put("cut")))-1], 500},
		{"nothing", "gzip", nil, 500},
	} {
		answer, got := do(t, request(t, "PutItem", bytes.NewReader(tc.body), http.Header{"Content-Encoding": {tc.coding}}))
		if answer.StatusCode != tc.status || tc.status == 500 && !strings.Contains(string(got), "InternalServerError") {
			t.Errorf("%s: %d %s", tc.key, answer.StatusCode, got)
		}
		_, item, err := endpoint.Call(t.Context(), "GetItem", `{"TableName":"conf-request-codings","Key":{"pk":{"S":"`+tc.key+`"}},"ConsistentRead":true}`)
		if err != nil {
			t.Fatal(err)
		}
		if there := strings.Contains(string(item), `"Item"`); there != (tc.status == 200) {
			t.Errorf("%s: the item is there: %v", tc.key, there)
		}
	}
}

// TestAnswerCodings: answers of 4 KiB and more are packed for those who take it,
// and the checksum is of what is sent.
func TestAnswerCodings(t *testing.T) {
	created(t, "conf-answer-codings")
	text := strings.Repeat("x", 4096-25)
	if status, got, err := endpoint.Call(t.Context(), "PutItem", `{"TableName":"conf-answer-codings","Item":{"pk":{"S":"0123456789"},"x":{"S":"`+text+`"}}}`); err != nil || status != 200 {
		t.Fatalf("%d %s %v", status, got, err)
	}
	for _, tc := range []struct{ accept, projection, want string }{
		{"gzip", "pk, x", "gzip"}, {"deflate", "pk, x", "deflate"}, {"gzip", "x", ""}, {"deflate", "x", ""},
		{"identity", "pk, x", ""}, {"br, deflate, gzip", "pk, x", "deflate"}, {"*", "pk, x", "gzip"},
	} {
		answer, got := do(t, request(t, "GetItem", strings.NewReader(`{"TableName":"conf-answer-codings","Key":{"pk":{"S":"0123456789"}},"ConsistentRead":true,"ProjectionExpression":"`+tc.projection+`"}`),
			http.Header{"Accept-Encoding": {tc.accept}}))
		var plain io.Reader = bytes.NewReader(got)
		var err error
		switch tc.want {
		case "gzip":
			plain, err = gzip.NewReader(plain)
		case "deflate":
			plain, err = zlib.NewReader(plain)
		}
		if coding := answer.Header.Get("Content-Encoding"); coding != tc.want || err != nil {
			t.Errorf("%s is answered in %q, %v", tc.accept, coding, err)
			continue
		}
		if got, err = io.ReadAll(plain); err != nil || !strings.Contains(string(got), text) {
			t.Errorf("%s: %.100s, %v", tc.accept, got, err)
		}
	}
}

// TestCORS: what a browser is told, and only a browser.
func TestCORS(t *testing.T) {
	names := []string{"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"}
	asked := http.Header{"Origin": {"http://console.example"}, "Access-Control-Request-Method": {"dog"}, "Access-Control-Request-Headers": {"cat, meerkat, mouse"}}
	for _, tc := range []struct {
		method string
		header http.Header
		status int
		want   []string // by names, "*" for any
	}{
		{"OPTIONS", nil, 404, []string{"", "", "", "", ""}},
		{"GET", nil, 200, []string{"", "", "", "", ""}},
		{"POST", nil, 200, []string{"", "", "", "", ""}},
		{"OPTIONS", http.Header{"Origin": {"x"}}, 200, []string{"*", "*", "172800", "", ""}},
		{"GET", http.Header{"Origin": {"x"}}, 200, []string{"*", "*", "", "", ""}},
		{"POST", http.Header{"Origin": {"x"}}, 200, []string{"*", "*", "", "", ""}},
		{"OPTIONS", asked, 200, []string{"*", "*", "172800", "dog", "cat, meerkat, mouse"}},
		{"GET", asked, 200, []string{"*", "*", "", "", ""}},
		{"POST", asked, 200, []string{"*", "*", "", "", ""}},
	} {
		r := request(t, "DescribeEndpoints", http.NoBody, tc.header)
		if r.Method = tc.method; tc.method == http.MethodPost {
			r = request(t, "DescribeEndpoints", strings.NewReader("{}"), tc.header)
		}
		answer, err := endpoint.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != tc.status || tc.method == "OPTIONS" && tc.status == 200 && len(body) > 0 {
			t.Errorf("%s %v: %d %s, %v", tc.method, tc.header, answer.StatusCode, body, err)
		}
		for i, name := range names {
			if got := answer.Header.Get(name); got != tc.want[i] && !(tc.want[i] == "*" && got != "") {
				t.Errorf("%s %v: %s is %q, want %q", tc.method, tc.header, name, got, tc.want[i])
			}
		}
	}
}

// TestRawRequests sends what no client library does, on connections of its own,
// and reads the answers in order until the connection ends or nothing is left.
func TestRawRequests(t *testing.T) {
	u, err := url.Parse(endpoint.URL)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "http" {
		t.Skip("connections of plain HTTP")
	}
	const operation = "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.DescribeEndpoints\r\n"
	for _, tc := range []struct {
		name, text string
		want       []int
	}{
		{"kept alive", "POST / HTTP/1.1\r\nHost: x\r\n" + operation + "Content-Length: 2\r\n\r\n{}" + "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + operation + "Content-Length: 2\r\n\r\n{}", []int{200, 200}},
		{"names in any case", "POST / HTTP/1.1\r\nhOsT: x\r\ncOnTeNt-TyPe:   application/x-amz-json-1.0   \r\nx-AMZ-target: DynamoDB_20120810.DescribeEndpoints\r\nCONTENT-LENGTH: 2\r\n\r\n{}", []int{200}},
		{"an older HTTP", "POST / HTTP/1.0\r\n" + operation + "Content-Length: 2\r\n\r\n{}", []int{200}},
		{"two hosts", "POST / HTTP/1.1\r\nHost: x\r\nHost: y\r\n" + operation + "Content-Length: 2\r\n\r\n{}", []int{400}},
		{"no host", "POST / HTTP/1.1\r\n" + operation + "Content-Length: 2\r\n\r\n{}", []int{400}},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\n" + operation + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", []int{400}},
		{"a length that is none", "POST / HTTP/1.1\r\nHost: x\r\n" + operation + "Content-Length: two\r\n\r\n{}", []int{400}},
		{"waiting for a nod", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + operation + "Content-Length: 2\r\n\r\n{}", []int{100, 200}},
		{"chunks", "POST / HTTP/1.1\r\nHost: x\r\n" + operation + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n", []int{200}},
		{"chunks that are none", "POST / HTTP/1.1\r\nHost: x\r\n" + operation + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", []int{400}},
		{"no HTTP", "hello\r\n\r\n", []int{400}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tc.text); err != nil {
				t.Fatal(err)
			}
			answers := bufio.NewReader(conn)
			for i, want := range tc.want {
				answer, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatalf("answer %d: %v", i, err)
				}
				body, err := io.ReadAll(answer.Body)
				if err != nil {
					t.Fatal(err)
				}
				if answer.StatusCode != want || want == 200 && !strings.Contains(string(body), "Endpoints") {
					t.Errorf("answer %d: %d %s, want %d", i, answer.StatusCode, body, want)
				}
			}
		})
	}
}

// TestHeaders: every answer has its id, length, type and checksum, and the body of
// a success is an object.
func TestHeaders(t *testing.T) {
	created(t, "conf-headers")
	for body, status := range map[string]int{
		`{"TableName":"conf-headers","Item":{"pk":{"S":"a"}}}`: 200, `{"TableName":"conf-none","Item":{"pk":{"S":"a"}}}`: 400,
		`{"TableName":"conf-headers","Item":{"pk":{"S":"a","N":"1"}}}`: 400, "{": 400,
	} {
		answer, got := do(t, request(t, "PutItem", strings.NewReader(body), nil))
		h := answer.Header
		if answer.StatusCode != status || h.Get("Content-Type") != "application/x-amz-json-1.0" || h.Get("Content-Length") != fmt.Sprint(len(got)) ||
			len(h.Get("X-Amzn-Requestid")) != 52 || h.Get("Date") == "" || status == 200 && string(got) != "{}" {
			t.Errorf("%s: %d %s %v", body, answer.StatusCode, got, h)
		}
	}
}
