package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
	// token is the session token that came with it.
	token string
	// date is when the request was signed, as it stands in the string to sign.
	date string
	time time.Time
	// presigned says that all of this stands in the query, and window how long
	// the signature is good for.
	presigned bool
	window    time.Duration
}

// readAuthorization reads what r says of its signature, in its header or in its
// query. What is missing is told in DynamoDB's words and order.
func readAuthorization(r *http.Request) (a authorization, err error) {
	header := r.Header.Get("Authorization")
	if r.URL.RawQuery != "" && r.URL.Query().Has("X-Amz-Algorithm") {
		if header != "" {
			return a, invalidSignature("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
		}
		a, err = readPresigned(r.URL.Query())
	} else {
		a, err = readHeader(r, header)
	}
	if err != nil {
		return a, err
	}
	if a.time, err = time.Parse(dateForm, a.date); err != nil {
		return a, incomplete("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", a.date)
	}
	return a, nil
}

func incomplete(format string, args ...any) error {
	return awsjson.NewException("IncompleteSignatureException", format, args...)
}

// readHeader reads an Authorization header, and the date beside it.
func readHeader(r *http.Request, header string) (authorization, error) {
	if !strings.HasPrefix(header, "AWS4-") {
		return authorization{}, awsjson.NewException("MissingAuthenticationTokenException", "Request is missing Authentication Token")
	}
	a, missing := parseAuthorization(header)
	a.window, a.token = Window, r.Header.Get("X-Amz-Security-Token")
	if a.date = r.Header.Get("X-Amz-Date"); a.date == "" {
		if a.date = r.Header.Get("Date"); a.date == "" {
			missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
		} else if t, err := http.ParseTime(a.date); err == nil {
			a.date = amzDate(t)
		}
	}
	if len(missing) > 0 {
		return a, incomplete("%s Authorization=%s", strings.Join(missing, " "), header)
	}
	given, _, _ := strings.Cut(header, " ")
	return a, checkAlgorithm(given)
}

func checkAlgorithm(given string) error {
	if given != algorithm {
		return incomplete("Unsupported AWS 'algorithm': '%s' (only %s for now). ", given, algorithm)
	}
	return nil
}

// maxExpires is how long AWS lets a signature in a query be good for.
const maxExpires = 7 * 24 * time.Hour

// readPresigned reads a signature that stands in the query.
func readPresigned(query url.Values) (authorization, error) {
	a := authorization{
		presigned: true, window: Window,
		credential: query.Get("X-Amz-Credential"), signature: query.Get("X-Amz-Signature"),
		signedList: query.Get("X-Amz-SignedHeaders"), date: query.Get("X-Amz-Date"), token: query.Get("X-Amz-Security-Token"),
	}
	var missing []string
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if query.Get(name) == "" {
			missing = append(missing, "AWS query-string parameters must include '"+name+"'. ")
		}
	}
	if len(missing) > 0 {
		return a, incomplete("%sRe-examine the query-string parameters.", strings.Join(missing, ""))
	}
	a.signed, a.scope = strings.Split(a.signedList, ";"), parseScope(a.credential)
	if query.Has("X-Amz-Expires") {
		seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
		if err != nil || seconds < 0 || time.Duration(seconds)*time.Second > maxExpires {
			return a, incomplete("X-Amz-Expires must be a number of seconds between 0 and %d", int(maxExpires.Seconds()))
		}
		a.window = time.Duration(seconds) * time.Second
	}
	return a, checkAlgorithm(query.Get("X-Amz-Algorithm"))
}

// checkTime checks that the signature is good now.
func (a authorization) checkTime(now time.Time) error {
	switch {
	case a.time.Before(now.Add(-a.window)):
		return invalidSignature("Signature expired: %s is now earlier than %s (%s - %.0f min.)", a.date, amzDate(now.Add(-a.window)), amzDate(now), a.window.Minutes())
	case a.time.After(now.Add(Window)):
		return invalidSignature("Signature not yet current: %s is still later than %s (%s + 15 min.)", a.date, amzDate(now.Add(Window)), amzDate(now))
	}
	return nil
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
	if a.scope == (scope{}) {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", a.credential)
	}
	return nil
}

// parseAuthorization reads the Authorization header, and says what it lacks:
//
//	AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
func parseAuthorization(header string) (a authorization, missing []string) {
	_, rest, _ := strings.Cut(header, " ")
	for part := range strings.FieldsFuncSeq(rest, func(c rune) bool { return c == ',' || c == ' ' }) {
		name, value, _ := strings.Cut(part, "=")
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

func amzDate(t time.Time) string { return t.UTC().Format(dateForm) }
