package auth

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	scopeTerm = "aws4_request"
	dateForm  = "20060102T150405Z"
)

// scope is what a credential is for: the parts of
// AKID/20261122/eu-1/dynamodb/aws4_request.
type scope struct {
	accessKey, date, region, service, term string
}

// authorization is what a request says of its signature.
type authorization struct {
	// credential is what names the key and the scope, as given.
	credential string
	scope      scope
	// signed is the names of the signed headers, in order.
	signed []string
	// signedList is the same, as given: joined with semicolons.
	signedList string
	// signature is in hex, as given.
	signature string
	// date is when the request was signed, as it stands in the string to sign.
	date string
	time time.Time
}

// readAuthorization reads what r says of its signature. What is missing is told
// in DynamoDB's words.
func readAuthorization(r *http.Request) (authorization, error) {
	header := r.Header.Get("Authorization")
	if r.URL.RawQuery != "" && r.URL.Query().Has("X-Amz-Algorithm") {
		if header != "" {
			return authorization{}, invalidSignature("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
		}
		return authorization{}, invalidSignature("Signatures in the query string are not supported.")
	}
	if !strings.HasPrefix(header, "AWS4-") {
		return authorization{}, awsjson.NewException("MissingAuthenticationTokenException", "Request is missing Authentication Token")
	}
	a, missing := parseAuthorization(header)
	var ok bool
	if a.date, a.time, ok = signingTime(r); !ok {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if len(missing) > 0 {
		return a, awsjson.NewException("IncompleteSignatureException", "%s Authorization=%s", strings.Join(missing, " "), header)
	}
	if !strings.HasPrefix(header, algorithm+" ") {
		return a, awsjson.NewException("IncompleteSignatureException", "Unsupported AWS 'algorithm': '%s'.", strings.Fields(header)[0])
	}
	if a.scope == (scope{}) {
		return a, awsjson.NewException("IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", a.credential)
	}
	return a, a.checkSigned(r)
}

// checkSigned checks that what makes the request what it is was signed.
func (a authorization) checkSigned(r *http.Request) error {
	if !slices.Contains(a.signed, "host") {
		return invalidSignature("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for _, h := range amzHeaders {
		if r.Header.Get(h.name) != "" && !slices.Contains(a.signed, h.signed) {
			return invalidSignature("'%s' must be a 'SignedHeader' in the AWS Authorization.", h.name)
		}
	}
	return nil
}

// parseAuthorization reads the Authorization header, and says what it lacks:
//
//	AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
func parseAuthorization(header string) (a authorization, missing []string) {
	_, rest, _ := strings.Cut(header, " ")
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			a.credential = value
		case "SignedHeaders":
			a.signedList = value
		case "Signature":
			a.signature = value
		}
	}
	for _, p := range [...]struct{ name, value string }{{"Credential", a.credential}, {"Signature", a.signature}, {"SignedHeaders", a.signedList}} {
		if p.value == "" {
			missing = append(missing, "Authorization header requires '"+p.name+"' parameter.")
		}
	}
	a.signed = strings.Split(a.signedList, ";")
	a.scope = parseScope(a.credential)
	return a, missing
}

// parseScope reads a credential. It is the zero scope if it lacks a part.
func parseScope(credential string) scope {
	// An access key may hold slashes, the rest of the credential does not.
	var parts [4]string
	for i := len(parts) - 1; i >= 0; i-- {
		slash := strings.LastIndexByte(credential, '/')
		if slash < 0 {
			return scope{}
		}
		credential, parts[i] = credential[:slash], credential[slash+1:]
	}
	return scope{accessKey: credential, date: parts[0], region: parts[1], service: parts[2], term: parts[3]}
}

// signingTime is when r says that it was signed, in both forms.
func signingTime(r *http.Request) (string, time.Time, bool) {
	if date := r.Header.Get("X-Amz-Date"); date != "" {
		t, err := time.Parse(dateForm, date)
		return date, t, err == nil
	}
	t, err := http.ParseTime(r.Header.Get("Date"))
	return amzDate(t), t, err == nil
}

func amzDate(t time.Time) string { return t.UTC().Format(dateForm) }
