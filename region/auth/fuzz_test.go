package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// FuzzAuthorization: whatever a request says of its signature is read or refused
// in DynamoDB's words, what is read is what was said, and only the one right
// signature passes.
func FuzzAuthorization(f *testing.F) {
	const scope = "AKID/20261125/eu-1/dynamodb/aws4_request"
	for _, seed := range [][4]string{
		{"AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host;x-amz-date;x-amz-target, Signature=5fa00fa3", "", "20261125T101112Z", ""},
		{"AWS4-HMAC-SHA256 Credential=" + scope + ",SignedHeaders=host;x-amz-security-token,Signature=00", "", "20261125T101112Z", "token"},
		{"AWS4-HMAC-SHA256 Credential=a/b SignedHeaders=;; Signature=", "a=b&a=%20c", "Wed, 25 Nov 2026 10:11:12 GMT", ""},
		{"", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + url.QueryEscape(scope) + "&X-Amz-Date=20261125T101112Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00", "", ""},
		{"AWS4-", "X-Amz-Algorithm", "", ""},
		{"AWS4- Signature=b Credential=a", "%zz&;", "today", ""},
		{"Basic eDp5", "X-Amz-Algorithm=&X-Amz-Expires=-1", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	now := time.Date(2026, 11, 25, 10, 11, 12, 0, time.UTC)
	body := []byte("{}")
	f.Fuzz(func(t *testing.T, header, query, date, token string) {
		r := &http.Request{
			Method: http.MethodPost, Host: "db.example", ContentLength: int64(len(body)),
			URL: &url.URL{Path: "/", RawQuery: query}, Header: http.Header{"X-Amz-Target": {"DynamoDB_20120810.GetItem"}},
		}
		for name, value := range map[string]string{"Authorization": header, "X-Amz-Date": date, "X-Amz-Security-Token": token} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		a, err := readAuthorization(r)
		if err != nil {
			refusedAsDynamoDB(t, err)
			return
		}
		for _, err := range []error{a.checkTime(now), a.checkSigned(r), (&Verifier{o: Options{Region: "eu-1"}}).checkScope(a)} {
			if err != nil {
				refusedAsDynamoDB(t, err)
			}
		}
		if s := a.scope; s != (authorization{}.scope) && strings.Join([]string{s.accessKey, s.date, s.region, s.service, s.term}, "/") != a.credential {
			t.Errorf("credential %q is read as %+v", a.credential, s)
		}
		if strings.Join(a.signed, ";") != a.signedList {
			t.Errorf("signed headers %q are read as %q", a.signedList, a.signed)
		}
		secret := deriveKey("secret", a.scope)
		right := rightSignature(secret, a, r, body)
		if verify(newSigningKey(secret), a, r, body) != (a.signature == right) {
			t.Errorf("signature %q is judged wrongly: %q is right", a.signature, right)
		}
		if a.signature = right; !verify(newSigningKey(secret), a, r, body) {
			t.Errorf("the right signature %q is refused", right)
		}
	})
}

// refusedAsDynamoDB requires an exception that DynamoDB has for signatures.
func refusedAsDynamoDB(t *testing.T, err error) {
	t.Helper()
	var x *awsjson.Exception
	if !errors.As(err, &x) || x.Status != http.StatusBadRequest || x.Message == "" {
		t.Fatalf("refused with %v", err)
	}
	switch x.Name {
	case "MissingAuthenticationTokenException", "IncompleteSignatureException", "InvalidSignatureException":
	default:
		t.Errorf("refused with %s", x.Name)
	}
}

// rightSignature signs step by step, as the specification tells it.
func rightSignature(key []byte, a authorization, r *http.Request, body []byte) string {
	request := sha256.Sum256(appendCanonical(nil, a, r, body))
	text := strings.Join([]string{
		"AWS4-HMAC-SHA256", a.date,
		strings.Join([]string{a.scope.date, a.scope.region, a.scope.service, a.scope.term}, "/"), hex.EncodeToString(request[:]),
	}, "\n")
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}
