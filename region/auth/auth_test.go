package auth_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/region/auth"
	"github.com/roundtabledb/roundtable/region/awsjson"
)

const file = `# the keys of the tests
[app]
aws_access_key_id = AKIDAPP
aws_secret_access_key = c2VjcmV0/+=

[ session ]
aws_access_key_id=ASIASESSION
aws_secret_access_key=other
aws_session_token=token
region = elsewhere
`

var app = aws.Credentials{AccessKeyID: "AKIDAPP", SecretAccessKey: "c2VjcmV0/+="}

func newVerifier(t testing.TB, o auth.Options) *auth.Verifier {
	t.Helper()
	if !o.AcceptAny && o.File == "" {
		o.File = filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(o.File, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

type fataler interface {
	Helper()
	Fatal(...any)
}

// call is a request as a client makes it.
type call struct {
	url, body, region, service string
	header                     http.Header
	credentials                aws.Credentials
	at                         time.Time
}

func newCall() call {
	return call{
		url: "http://db.example:8000/", body: `{"TableName":"t"}`, region: "eu-1", service: "dynamodb",
		header:      http.Header{"X-Amz-Target": {"DynamoDB_20120810.GetItem"}, "Content-Type": {"application/x-amz-json-1.0"}},
		credentials: app, at: time.Now(),
	}
}

// signed is the request as it arrives at the server: signed by the SDK's
// signer, written to the wire and read again.
func (c call) signed(t fataler) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, c.url, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = c.header.Clone()
	sum := sha256.Sum256([]byte(c.body))
	err = v4.NewSigner().SignHTTP(context.Background(), c.credentials, r, hex.EncodeToString(sum[:]), c.service, c.region, c.at)
	if err != nil {
		t.Fatal(err)
	}
	return arrive(t, r)
}

func arrive(t fataler, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func expect(t *testing.T, err error, name, message string) {
	t.Helper()
	if name == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil {
		t.Errorf("let pass, want %s", name)
		return
	}
	x := awsjson.ExceptionOf(err)
	if x.Status != http.StatusBadRequest || x.Name != name || !strings.HasPrefix(x.Message, message) {
		t.Errorf("got %d %s: %s\nwant 400 %s: %s", x.Status, x.Name, x.Message, name, message)
	}
}

func TestWhatTheSDKSignsPasses(t *testing.T) {
	v := newVerifier(t, auth.Options{Region: "eu-1"})
	names := []string{"Accept-Encoding", "Amz-Sdk-Request", "X-Amz-Meta", "X-Custom", "Content-Length", "User-Agent"}
	rapid.Check(t, func(t *rapid.T) {
		c := newCall()
		c.body = rapid.String().Draw(t, "body")
		c.url += strings.TrimPrefix(rapid.SampledFrom([]string{"/", "/a/b", "/a%20b/ü~(x)", "/?x=1", "/?b=2&a=%20+&a=1", "/?a=2&a=1&a", "/?a=~&%C3%BC=%2B&=x"}).Draw(t, "path"), "/")
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, "names") {
			c.header[name] = rapid.SliceOfN(rapid.StringMatching(`[a-z]?( {0,3}[a-z;=,"]){0,5}`), 1, 2).Draw(t, "values")
		}
		if rapid.Bool().Draw(t, "session") {
			c.credentials = aws.Credentials{AccessKeyID: "ASIASESSION", SecretAccessKey: "other", SessionToken: "token"}
		}
		delete(c.header, "Content-Length")
		id, err := v.Verify(c.signed(t), []byte(c.body))
		if err != nil || id.AccessKey != c.credentials.AccessKeyID || id.Profile == "" {
			t.Fatalf("%+v, %v", id, err)
		}
	})
}

// Whatever of a signed request is changed on its way, it no longer passes.
func TestChangedRequestsAreRefused(t *testing.T) {
	const mismatch = "The request signature we calculated does not match the signature you provided."
	v := newVerifier(t, auth.Options{Region: "eu-1"})
	for name, change := range map[string]func(r *http.Request){
		"target": func(r *http.Request) { r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DeleteTable") },
		"type":   func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"host":   func(r *http.Request) { r.Host = "other" },
		"path":   func(r *http.Request) { r.URL.Path = "/x" },
		"query":  func(r *http.Request) { r.URL.RawQuery = "x=1" },
		"method": func(r *http.Request) { r.Method = http.MethodPut },
		"length": func(r *http.Request) { r.ContentLength++ },
		"date": func(r *http.Request) {
			r.Header.Set("X-Amz-Date", time.Now().Add(time.Second).UTC().Format("20060102T150405Z"))
		},
		"added":   func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") },
		"removed": func(r *http.Request) { r.Header.Del("Content-Type") },
		"signature": func(r *http.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")[:200]+"0")
		},
	} {
		c := newCall()
		r := c.signed(t)
		change(r)
		_, err := v.Verify(r, []byte(c.body))
		t.Run(name, func(t *testing.T) { expect(t, err, "InvalidSignatureException", mismatch) })
	}
	c := newCall()
	_, err := v.Verify(c.signed(t), []byte(c.body+" "))
	expect(t, err, "InvalidSignatureException", mismatch)
	c.credentials.SecretAccessKey = "guess"
	_, err = v.Verify(c.signed(t), []byte(c.body))
	expect(t, err, "InvalidSignatureException", mismatch)
	// The key of an earlier, good request must not help.
	good := newCall()
	if _, err := v.Verify(good.signed(t), []byte(good.body)); err != nil {
		t.Fatal(err)
	}
	_, err = v.Verify(c.signed(t), []byte(c.body))
	expect(t, err, "InvalidSignatureException", mismatch)
}

func TestRefusals(t *testing.T) {
	v := newVerifier(t, auth.Options{Region: "eu-1"})
	for name, c := range map[string]struct {
		call          func(c *call)
		request       func(r *http.Request)
		want, message string
	}{
		"unsigned":       {request: func(r *http.Request) { r.Header.Del("Authorization") }, want: "MissingAuthenticationTokenException", message: "Request is missing Authentication Token"},
		"another scheme": {request: func(r *http.Request) { r.Header.Set("Authorization", "Basic eDp5") }, want: "MissingAuthenticationTokenException"},
		"no parameters":  {request: func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x=y") }, want: "IncompleteSignatureException", message: "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256 x=y"},
		"another algorithm": {request: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "HMAC-SHA256", "ECDSA-P256-SHA256", 1))
		}, want: "IncompleteSignatureException"},
		"short credential": {request: func(r *http.Request) {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0")
		}, want: "IncompleteSignatureException", message: "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b'"},
		"no date":         {request: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, want: "IncompleteSignatureException", message: "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		"date of no form": {request: func(r *http.Request) { r.Header.Set("X-Amz-Date", "today") }, want: "IncompleteSignatureException", message: "Date must be in ISO-8601 'basic format'. Got 'today'. See http://en.wikipedia.org/wiki/ISO_8601"},
		"both places":     {request: func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" }, want: "InvalidSignatureException", message: "Found both 'X-Amz-Algorithm'"},
		"nothing in the query": {request: func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "X-Amz-Algorithm"
		}, want: "IncompleteSignatureException", message: "AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters must include 'X-Amz-Credential'. " +
			"AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. " +
			"AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters."},
		"one thing missing in the query": {request: func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=c&X-Amz-Date=d"
		}, want: "IncompleteSignatureException", message: "AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters."},
		"all in the query but the algorithm": {request: func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "X-Amz-Credential=a&X-Amz-Signature=b&X-Amz-SignedHeaders=c&X-Amz-Date=d"
		}, want: "MissingAuthenticationTokenException"},
		"nothing but the scheme": {request: func(r *http.Request) {
			r.Header = http.Header{"Authorization": {"AWS4-"}}
		}, want: "IncompleteSignatureException", message: "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. " +
			"Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-"},
		"parameters without commas": {request: func(r *http.Request) {
			r.Header = http.Header{"Authorization": {"AWS4- Signature=b Credential=a"}, "Date": {"a"}}
		}, want: "IncompleteSignatureException", message: "Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4- Signature=b Credential=a"},
		"payload not signed": {request: func(r *http.Request) {
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			unsigned := newCall()
			signed, err := http.NewRequest(http.MethodPost, unsigned.url, strings.NewReader(unsigned.body))
			if err != nil {
				panic(err)
			}
			signed.Header = unsigned.header.Clone()
			signed.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			if err := v4.NewSigner().SignHTTP(context.Background(), app, signed, "UNSIGNED-PAYLOAD", "dynamodb", "eu-1", unsigned.at); err != nil {
				panic(err)
			}
			r.Header = signed.Header
		}, want: "InvalidSignatureException", message: "The request signature we calculated does not match"},
		"everything wrong in the scope": {call: func(c *call) { c.region, c.service = "c", "d" }, request: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "aws4_request", "e", 1))
		}, want: "InvalidSignatureException", message: "Credential should be scoped to a valid region. " +
			"Credential should be scoped to correct service: 'dynamodb'. Credential should be scoped with a valid terminator: 'aws4_request', not 'e'. "},
		"unknown key":   {call: func(c *call) { c.credentials.AccessKeyID = "AKIDNOBODY" }, want: "UnrecognizedClientException", message: "The security token included in the request is invalid."},
		"unknown token": {call: func(c *call) { c.credentials.SessionToken = "x" }, want: "UnrecognizedClientException", message: "The security token included in the request is invalid"},
		"another token": {call: func(c *call) {
			c.credentials = aws.Credentials{AccessKeyID: "ASIASESSION", SecretAccessKey: "other", SessionToken: "tokeN"}
		}, want: "UnrecognizedClientException", message: "The security token included in the request is invalid"},
		"no token": {call: func(c *call) {
			c.credentials = aws.Credentials{AccessKeyID: "ASIASESSION", SecretAccessKey: "other"}
		}, want: "UnrecognizedClientException", message: "The security token included in the request is invalid."},
		"another region":  {call: func(c *call) { c.region = "us-1" }, want: "InvalidSignatureException", message: "Credential should be scoped to a valid region. "},
		"another service": {call: func(c *call) { c.service = "s3" }, want: "InvalidSignatureException", message: "Credential should be scoped to correct service: 'dynamodb'. "},
		"another day": {request: func(r *http.Request) {
			r.Header.Set("X-Amz-Date", "20150830T123600Z")
		}, want: "InvalidSignatureException", message: "Signature expired: 20150830T123600Z is now earlier than "},
		"another day in the scope": {request: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "Credential=AKIDAPP/2", "Credential=AKIDAPP/1", 1))
		}, want: "InvalidSignatureException", message: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '1"},
		"long ago, and nothing else right": {request: func(r *http.Request) {
			r.Header.Set("X-Amz-Date", "20170101T010101Z")
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=nobody/2/3/4/aws4_request SignedHeaders=x-amz-date;host Signature=123")
		}, want: "InvalidSignatureException", message: "Signature expired: 20170101T010101Z is now earlier than "},
		"far ahead, and nothing else right": {request: func(r *http.Request) {
			r.Header.Set("X-Amz-Date", "30200101T010101Z")
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=nobody/2/3/4/aws4_request SignedHeaders=x-amz-date;host Signature=123")
		}, want: "InvalidSignatureException", message: "Signature not yet current: 30200101T010101Z is still later than "},
		"host not signed": {request: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";host", "", 1))
		}, want: "InvalidSignatureException", message: "'Host' or ':authority' must be a 'SignedHeader'"},
		"target not signed": {request: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";x-amz-target", "", 1))
		}, want: "InvalidSignatureException", message: "'X-Amz-Target' must be a 'SignedHeader'"},
	} {
		t.Run(name, func(t *testing.T) {
			call := newCall()
			if c.call != nil {
				c.call(&call)
			}
			r := call.signed(t)
			if c.request != nil {
				c.request(r)
			}
			_, err := v.Verify(r, []byte(call.body))
			expect(t, err, c.want, c.message)
		})
	}
}

// What proxies may do to headers on their way, and how clients may write the
// parameters, breaks no signature; nor does a body in chunks.
func TestSignaturesSurvive(t *testing.T) {
	v := newVerifier(t, auth.Options{Region: "eu-1"})
	authorization := func(change func(string) string) func(r *http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", change(r.Header.Get("Authorization"))) }
	}
	for name, change := range map[string]func(r *http.Request){
		"no spaces":          authorization(func(s string) string { return strings.ReplaceAll(s, ", ", ",") }),
		"no commas":          authorization(func(s string) string { return strings.ReplaceAll(s, ", ", " ") }),
		"many spaces":        authorization(func(s string) string { return strings.ReplaceAll(s, ", ", "  ,   ") }),
		"spaces around":      func(r *http.Request) { r.Header.Set("Content-Type", "   application/x-amz-json-1.0    ") },
		"spaces within":      func(r *http.Request) { r.Header.Set("X-Greeting", "hello    world") },
		"headers not signed": func(r *http.Request) { r.Header.Set("Via", "1.1 proxy") },
	} {
		c := newCall()
		c.header.Set("X-Greeting", "hello world")
		r := c.signed(t)
		change(r)
		_, err := v.Verify(r, []byte(c.body))
		t.Run(name, func(t *testing.T) { expect(t, err, "", "") })
	}
	c := newCall()
	r, err := http.NewRequest(http.MethodPost, c.url, io.MultiReader(strings.NewReader(c.body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = c.header.Clone()
	sum := sha256.Sum256([]byte(c.body))
	if err := v4.NewSigner().SignHTTP(t.Context(), c.credentials, r, hex.EncodeToString(sum[:]), c.service, c.region, c.at); err != nil {
		t.Fatal(err)
	}
	if r = arrive(t, r); r.ContentLength != -1 {
		t.Fatalf("the body came in %d bytes, not in chunks", r.ContentLength)
	}
	_, err = v.Verify(r, []byte(c.body))
	expect(t, err, "", "")
	_, err = v.Verify(r, []byte(c.body+" "))
	expect(t, err, "InvalidSignatureException", "")
}

// A header that states the hash of the body that was signed vouches for no other
// body.
func TestStatedHash(t *testing.T) {
	v := newVerifier(t, auth.Options{Region: "eu-1"})
	c := newCall()
	sum := sha256.Sum256([]byte(c.body))
	c.header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	r := c.signed(t)
	_, err := v.Verify(r, []byte(c.body))
	expect(t, err, "", "")
	_, err = v.Verify(r, []byte(`{"TableName":"u"}`))
	expect(t, err, "InvalidSignatureException", "The request signature we calculated does not match")
}

// presigned is the request with its signature in the query.
func (c call) presigned(t fataler, expires string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, c.url, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = c.header.Clone()
	if expires != "" {
		r.URL.RawQuery = "X-Amz-Expires=" + expires
	}
	sum := sha256.Sum256([]byte(c.body))
	uri, headers, err := v4.NewSigner().PresignHTTP(context.Background(), c.credentials, r, hex.EncodeToString(sum[:]), c.service, c.region, c.at)
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.NewRequest(http.MethodPost, uri, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	got.Header = headers
	return arrive(t, got)
}

// TestSignaturesInTheQuery: a signed URL is good for as long as it says, for
// the request that it was made for.
func TestSignaturesInTheQuery(t *testing.T) {
	v := newVerifier(t, auth.Options{Region: "eu-1"})
	synctest.Test(t, func(t *testing.T) {
		c := newCall()
		verify := func(r *http.Request, body string) error {
			_, err := v.Verify(r, []byte(body))
			return err
		}
		expect(t, verify(c.presigned(t, ""), c.body), "", "")
		const mismatch = "The request signature we calculated does not match"
		expect(t, verify(c.presigned(t, ""), c.body+" "), "InvalidSignatureException", mismatch)
		r := c.presigned(t, "")
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DeleteTable")
		expect(t, verify(r, c.body), "InvalidSignatureException", "")
		session := c
		session.credentials = aws.Credentials{AccessKeyID: "ASIASESSION", SecretAccessKey: "other", SessionToken: "token"}
		expect(t, verify(session.presigned(t, ""), c.body), "", "")
		session.credentials.SessionToken = "forged"
		expect(t, verify(session.presigned(t, ""), c.body), "UnrecognizedClientException", "")

		expect(t, verify(c.presigned(t, "604801"), c.body), "IncompleteSignatureException", "X-Amz-Expires must be")
		long, short := c.presigned(t, "3600"), c.presigned(t, "60")
		time.Sleep(time.Hour)
		expect(t, verify(long, c.body), "", "")
		expect(t, verify(short, c.body), "InvalidSignatureException", "Signature expired: 20000101T000000Z is now earlier than 20000101T005900Z (20000101T010000Z - 1 min.)")
		time.Sleep(time.Second)
		expect(t, verify(long, c.body), "InvalidSignatureException", "Signature expired: ")
	})
}

func TestSignaturesExpire(t *testing.T) {
	v := newVerifier(t, auth.Options{})
	synctest.Test(t, func(t *testing.T) {
		c := newCall()
		r := c.signed(t)
		early := c
		early.at = c.at.Add(auth.Window + time.Second)
		_, err := v.Verify(early.signed(t), []byte(c.body))
		expect(t, err, "InvalidSignatureException", "Signature not yet current: 20000101T001501Z is still later than 20000101T001500Z (20000101T000000Z + 15 min.)")

		time.Sleep(auth.Window)
		_, err = v.Verify(r, []byte(c.body))
		expect(t, err, "", "")
		time.Sleep(time.Second)
		_, err = v.Verify(r, []byte(c.body))
		expect(t, err, "InvalidSignatureException", "Signature expired: 20000101T000000Z is now earlier than 20000101T000001Z (20000101T001501Z - 15 min.)")
	})
}

func TestAcceptAny(t *testing.T) {
	v := newVerifier(t, auth.Options{AcceptAny: true})
	c := newCall()
	c.credentials = aws.Credentials{AccessKeyID: "anything", SecretAccessKey: "at all"}
	r := c.signed(t)
	ctx, err := v.Authenticate(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := auth.Caller(ctx); !ok || id.AccessKey != "anything" {
		t.Errorf("caller is %+v, %v", id, ok)
	}
	r.Header.Del("Authorization")
	if id, err := v.Verify(r, nil); err != nil || id.AccessKey != "" {
		t.Errorf("an unsigned caller is %+v, %v", id, err)
	}
}

func TestReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file)
	v := newVerifier(t, auth.Options{File: path})
	c := newCall()
	verify := func() error {
		_, err := v.Verify(c.signed(t), []byte(c.body))
		return err
	}
	expect(t, verify(), "", "")
	write("[app]\n")
	if err := v.Reload(); err == nil {
		t.Error("a damaged file was taken")
	}
	expect(t, verify(), "", "")
	write(strings.Replace(file, app.SecretAccessKey, "new", 1))
	if err := v.Reload(); err != nil {
		t.Fatal(err)
	}
	expect(t, verify(), "InvalidSignatureException", "")
	c.credentials.SecretAccessKey = "new"
	expect(t, verify(), "", "")
}

func TestParseKeys(t *testing.T) {
	keys, err := auth.ParseKeys(file)
	if err != nil || len(keys) != 2 || keys["AKIDAPP"].Profile != "app" || keys["ASIASESSION"].SessionToken != "token" {
		t.Errorf("%+v, %v", keys, err)
	}
	for name, text := range map[string]string{
		"empty":              "",
		"no profile":         "aws_access_key_id = x",
		"no secret":          "[a]\naws_access_key_id = x",
		"no id":              "[a]\naws_secret_access_key = x\n[b]\naws_access_key_id = x\naws_secret_access_key = y",
		"no setting":         "[a]\naws_access_key_id",
		"one key, two users": "[a]\naws_access_key_id = x\naws_secret_access_key = y\n[b]\naws_access_key_id = x\naws_secret_access_key = z",
	} {
		if keys, err := auth.ParseKeys(text); err == nil {
			t.Errorf("%s: %+v", name, keys)
		}
	}
	if _, err := auth.New(auth.Options{File: filepath.Join(t.TempDir(), "none")}); !os.IsNotExist(unwrap(err)) {
		t.Errorf("a missing file: %v", err)
	}
}

func unwrap(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if os.IsNotExist(err) {
			return err
		}
		err = u.Unwrap()
	}
}

func BenchmarkVerify(b *testing.B) {
	v := newVerifier(b, auth.Options{Region: "eu-1"})
	c := newCall()
	c.body = strings.Repeat("x", 700)
	r := c.signed(b)
	body := []byte(c.body)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignAgain is what verification would cost with the SDK's signer.
func BenchmarkSignAgain(b *testing.B) {
	c := newCall()
	c.body = strings.Repeat("x", 700)
	r := c.signed(b)
	signer := v4.NewSigner()
	b.ReportAllocs()
	for b.Loop() {
		again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: r.Header.Clone(), ContentLength: r.ContentLength}
		sum := sha256.Sum256([]byte(c.body))
		if err := signer.SignHTTP(context.Background(), app, again, hex.EncodeToString(sum[:]), c.service, c.region, c.at); err != nil {
			b.Fatal(err)
		}
	}
}
