package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/auth"
	"github.com/roundtabledb/roundtable/region/server"
)

var (
	known   = aws.Credentials{AccessKeyID: "AKIDKNOWN", SecretAccessKey: "secret"}
	session = aws.Credentials{AccessKeyID: "ASIAKNOWN", SecretAccessKey: "other", SessionToken: "token"}
)

// lockedDoor starts a front door that lets two keys in.
func lockedDoor(t *testing.T) (url string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[known]\naws_access_key_id = AKIDKNOWN\naws_secret_access_key = secret\n"+
		"[session]\naws_access_key_id = ASIAKNOWN\naws_secret_access_key = other\naws_session_token = token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.New(auth.Options{File: file, Region: apitest.Region})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	store := apitest.New(t)
	s, err := server.Start(server.Options{Region: apitest.Region, API: listener, Store: store, Tables: store, Authenticate: verifier.Authenticate})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

// send sends a request and returns the answer and its body.
func send(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// TestUnsigned: what a request without a good signature is told, to the byte: the
// checksums are those of the service's answers.
func TestUnsigned(t *testing.T) {
	url := lockedDoor(t)
	const list = "DynamoDB_20120810.ListTables"
	for _, tc := range []struct {
		name, query, body string
		header            map[string]string
		checksum, content string
	}{
		{name: "no target", checksum: "1368724161", content: "application/json"},
		{name: "no target for a browser", header: map[string]string{"Origin": "x"}, checksum: "1368724161", content: "application/json"},
		{name: "no target and a body", body: "{}", header: map[string]string{"Content-Type": "application/x-amz-json-1.0"}, checksum: "1368724161", content: "application/x-amz-json-1.0"},
		{name: "another target", header: map[string]string{"X-Amz-Target": "whatever"}, checksum: "1368724161", content: "application/json"},
		{name: "another operation", header: map[string]string{"X-Amz-Target": "DynamoDB_20120810.ListTable"}, checksum: "1368724161", content: "application/json"},
		{name: "no JSON", body: "hi", header: map[string]string{"Content-Type": "application/x-amz-json-1.0;blahblah"}, checksum: "3948637019", content: "application/x-amz-json-1.0"},
		{name: "no JSON at all", body: "hi", header: map[string]string{"Content-Type": "application/json  ;   asfd"}, checksum: "3948637019", content: "application/json"},
		{name: "no signature", header: map[string]string{"X-Amz-Target": list}, checksum: "2088342776", content: "application/json"},
		{name: "hardly a signature", header: map[string]string{"X-Amz-Target": list, "Authorization": "AWS4"}, checksum: "2088342776", content: "application/json"},
		{name: "hardly one in the query", query: "X-Amz-Algorith", header: map[string]string{"X-Amz-Target": list, "Authorization": "X"}, checksum: "2088342776", content: "application/json"},
		{name: "no algorithm in the query", query: "X-Amz-Credential=a&X-Amz-Signature=b&X-Amz-SignedHeaders=c&X-Amz-Date=d", header: map[string]string{"X-Amz-Target": list}, checksum: "2088342776", content: "application/json"},
		{name: "two places", query: "X-Amz-Algorithm", header: map[string]string{"X-Amz-Target": list, "Authorization": "X"}, checksum: "2139606068", content: "application/json"},
		{name: "nothing but the scheme", header: map[string]string{"X-Amz-Target": list, "Authorization": "AWS4-"}, checksum: "1828866742", content: "application/json"},
		{name: "parameters apart by a space", header: map[string]string{"X-Amz-Target": list, "Date": "a", "Authorization": "AWS4- Signature=b Credential=a"}, checksum: "15336762", content: "application/json"},
		{name: "parameters apart by a comma", header: map[string]string{"X-Amz-Target": list, "Date": "a", "Authorization": "AWS4- Signature=b,Credential=a"}, checksum: "1159703774", content: "application/json"},
		{name: "parameters apart by both", header: map[string]string{"X-Amz-Target": list, "Date": "a", "Authorization": "AWS4- Signature=b, Credential=a"}, checksum: "164353342", content: "application/json"},
		{name: "nothing in the query", query: "X-Amz-Algorithm", header: map[string]string{"X-Amz-Target": list}, checksum: "2900502663", content: "application/json"},
		{name: "no headers in the query", query: "X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d", header: map[string]string{"X-Amz-Target": list}, checksum: "3712057481", content: "application/json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			r.URL.RawQuery = tc.query
			for name, value := range tc.header {
				r.Header.Set(name, value)
			}
			answer, body := send(t, r)
			if answer.StatusCode != http.StatusBadRequest || answer.Header.Get("X-Amz-Crc32") != tc.checksum || answer.Header.Get("Content-Type") != tc.content {
				t.Errorf("%d %s\n%v", answer.StatusCode, body, answer.Header)
			}
		})
	}
}

// TestSigned signs as clients do, rightly and wrongly, and sends it all the way.
func TestSigned(t *testing.T) {
	url := lockedDoor(t)
	type signature struct {
		credentials     aws.Credentials
		region, service string
		age             time.Duration
		presigned       bool
		chunked         bool
		send            string // instead of what was signed
	}
	const (
		mismatch = "InvalidSignatureException: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
		badToken = "UnrecognizedClientException: The security token included in the request is invalid"
	)
	for name, tc := range map[string]struct {
		change func(s *signature)
		want   string // empty for success, or how the refusal begins
	}{
		"right":                       {func(*signature) {}, ""},
		"right, in the query":         {func(s *signature) { s.presigned = true }, ""},
		"right, in chunks":            {func(s *signature) { s.chunked = true }, ""},
		"right, of a session":         {func(s *signature) { s.credentials = session }, ""},
		"a session in the query":      {func(s *signature) { s.credentials, s.presigned = session, true }, ""},
		"ten minutes old":             {func(s *signature) { s.age = 10 * time.Minute }, ""},
		"ten minutes ahead":           {func(s *signature) { s.age = -10 * time.Minute }, ""},
		"an unknown key":              {func(s *signature) { s.credentials.AccessKeyID = "AKIDUNKNOWN" }, badToken + "."},
		"a wrong secret":              {func(s *signature) { s.credentials.SecretAccessKey = "guess" }, mismatch},
		"a wrong secret in the query": {func(s *signature) { s.credentials.SecretAccessKey, s.presigned = "guess", true }, mismatch},
		"another body":                {func(s *signature) { s.send = `{"Limit":2}` }, mismatch},
		"another body in chunks":      {func(s *signature) { s.send, s.chunked = `{"Limit":2}`, true }, mismatch},
		"a token too many":            {func(s *signature) { s.credentials.SessionToken = "forged" }, badToken},
		"another token":               {func(s *signature) { s.credentials = session; s.credentials.SessionToken = "forged" }, badToken},
		"no token":                    {func(s *signature) { s.credentials = session; s.credentials.SessionToken = "" }, badToken + "."},
		"another region":              {func(s *signature) { s.region = "us-west-2" }, "InvalidSignatureException: Credential should be scoped to a valid region. "},
		"another service":             {func(s *signature) { s.service = "s3" }, "InvalidSignatureException: Credential should be scoped to correct service: 'dynamodb'. "},
		"another region and service": {func(s *signature) { s.region, s.service = "us-west-2", "s3" },
			"InvalidSignatureException: Credential should be scoped to a valid region. Credential should be scoped to correct service: 'dynamodb'. "},
		"too old":              {func(s *signature) { s.age = 16 * time.Minute }, "InvalidSignatureException: Signature expired: ..."},
		"too old in the query": {func(s *signature) { s.age, s.presigned = 16*time.Minute, true }, "InvalidSignatureException: Signature expired: ..."},
		"too far ahead":        {func(s *signature) { s.age = -16 * time.Minute }, "InvalidSignatureException: Signature not yet current: ..."},
	} {
		t.Run(name, func(t *testing.T) {
			s := signature{credentials: known, region: apitest.Region, service: "dynamodb"}
			tc.change(&s)
			const body = `{"Limit":1}`
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"X-Amz-Target": {"DynamoDB_20120810.ListTables"}, "Content-Type": {"application/x-amz-json-1.0"}}
			if s.chunked {
				r.ContentLength = -1 // so that the length is not signed
			}
			sum, at := sha256.Sum256([]byte(body)), time.Now().Add(-s.age)
			if s.presigned {
				uri, header, err := v4.NewSigner().PresignHTTP(t.Context(), s.credentials, r, hex.EncodeToString(sum[:]), s.service, s.region, at)
				if err != nil {
					t.Fatal(err)
				}
				if r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, uri, strings.NewReader(body)); err != nil {
					t.Fatal(err)
				}
				r.Header = header
			} else if err := v4.NewSigner().SignHTTP(t.Context(), s.credentials, r, hex.EncodeToString(sum[:]), s.service, s.region, at); err != nil {
				t.Fatal(err)
			}
			if s.send != "" || s.chunked {
				sent := body
				if s.send != "" {
					sent = s.send
				}
				r.Body = io.NopCloser(strings.NewReader(sent))
			}
			answer, got := send(t, r)
			if tc.want == "" {
				if answer.StatusCode != http.StatusOK || got != `{"TableNames":[]}` {
					t.Errorf("%d %s", answer.StatusCode, got)
				}
				return
			}
			var x struct {
				Type    string `json:"__type"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal([]byte(got), &x); err != nil {
				t.Fatal(err)
			}
			told := strings.TrimPrefix(x.Type, "com.amazon.coral.service#") + ": " + x.Message
			want, prefix := strings.CutSuffix(tc.want, "...")
			if answer.StatusCode != http.StatusBadRequest || told != want && !(prefix && strings.HasPrefix(told, want)) {
				t.Errorf("%d %s, want %s", answer.StatusCode, told, tc.want)
			}
		})
	}
}
