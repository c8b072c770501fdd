package auth

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The example of the signature's specification, get-vanilla of its test suite.
func TestSpecificationExample(t *testing.T) {
	r := &http.Request{
		Method: http.MethodGet, Host: "example.amazonaws.com", URL: &url.URL{Path: "/"},
		Header: http.Header{"X-Amz-Date": {"20150830T123600Z"}},
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "+
		"SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
	a, err := readAuthorization(r)
	if err != nil {
		t.Fatal(err)
	}
	key := newSigningKey(deriveKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", a.scope))
	if !verify(key, a, r, nil) || !verify(key, a, r, nil) {
		t.Error("the specification's signature is refused")
	}
	for _, wrong := range []string{"", "5f", strings.ToUpper(a.signature), a.signature + "0", "6" + a.signature[1:]} {
		a.signature = wrong
		if verify(key, a, r, nil) {
			t.Errorf("signature %q is accepted", wrong)
		}
	}
}

// Some SDKs sign headers that the Go SDK's signer leaves out, and separate the
// parameters without spaces.
func TestCanonicalForm(t *testing.T) {
	r := &http.Request{
		Method: http.MethodPost, Host: "localhost:8000", URL: &url.URL{Path: "/"}, ContentLength: 2,
		Header: http.Header{
			"Content-Type": {"application/x-amz-json-1.0"},
			"User-Agent":   {"  aws-sdk-java/1.12   Linux "},
			"X-Amz-Date":   {"20150830T123600Z"},
			"X-Amz-Target": {"DynamoDB_20120810.GetItem"},
			"X-Twice":      {"a", " b  c "},
		},
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=A/B/20150830/us-east-1/dynamodb/aws4_request,"+
		"SignedHeaders=content-length;content-type;host;user-agent;x-absent;x-amz-date;x-amz-target;x-twice,Signature=00")
	a, err := readAuthorization(r)
	if err != nil {
		t.Fatal(err)
	}
	if a.scope.accessKey != "A/B" || a.scope.date != "20150830" || a.signature != "00" {
		t.Errorf("%+v", a)
	}
	const want = `POST
/

content-length:2
content-type:application/x-amz-json-1.0
host:localhost:8000
user-agent:aws-sdk-java/1.12 Linux
x-absent:
x-amz-date:20150830T123600Z
x-amz-target:DynamoDB_20120810.GetItem
x-twice:a,b c

content-length;content-type;host;user-agent;x-absent;x-amz-date;x-amz-target;x-twice
44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a`
	if got := string(appendCanonical(nil, a, r, []byte("{}"))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
