// Package auth checks who calls the DynamoDB API: AWS signature version 4.
//
// It owns the keys of the callers and the verification of signed requests, and
// promises that a request that it lets pass was signed, body and all, by
// somebody who holds the secret of the key that it names, within the last
// quarter of an hour, or as long ago as a signature in the query allows, for
// this region. It does not know what the caller may do.
//
// The canonical form of a request is built here, from the headers that the
// request itself declares as signed, because no two SDKs sign the same ones.
// Signing again with the SDK's signer cannot do: it leaves out headers that
// other SDKs sign, such as User-Agent. The tests hold the two against each
// other.
package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// Service is the service's name in the scope of signatures, for DynamoDB and
// its streams.
const Service = "dynamodb"

// Window is how far the time of a request may be from this node's.
const Window = 15 * time.Minute

// Options configure a Verifier.
type Options struct {
	// File is a credentials file in the format of ~/.aws/credentials. Every
	// profile in it may call.
	File string
	// Region is the region that requests must be signed for. Empty means any.
	Region string
	// AcceptAny lets everybody in, signed or not, and needs no File. It is for
	// development.
	AcceptAny bool
}

// Identity is who calls.
type Identity struct {
	// AccessKey is the id of the key that signed. With AcceptAny it is what the
	// caller claims, and empty if the request is not signed.
	AccessKey string
	// Profile is the name that the key has in the credentials file.
	Profile string
}

// Verifier checks requests. It is safe for concurrent use.
type Verifier struct {
	o     Options
	state atomic.Pointer[state]
}

// state is what a credentials file said, and what follows from it. Reload
// replaces it whole.
type state struct {
	keys  Keys
	cache signingKeys
}

// New makes a Verifier, and reads its credentials file.
func New(o Options) (*Verifier, error) {
	v := &Verifier{o: o}
	v.state.Store(&state{})
	if o.AcceptAny {
		return v, nil
	}
	if err := v.Reload(); err != nil {
		return nil, err
	}
	return v, nil
}

// Reload reads the credentials file again. The old keys stay if it cannot be
// read.
func (v *Verifier) Reload() error {
	if v.o.AcceptAny {
		return nil
	}
	text, err := os.ReadFile(v.o.File)
	if err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	keys, err := ParseKeys(string(text))
	if err != nil {
		return fmt.Errorf("credentials file %s: %w", v.o.File, err)
	}
	v.state.Store(&state{keys: keys})
	return nil
}

type identityKey struct{}

// Authenticate checks a request whose body was read and returns its context,
// which tells Caller who it was.
func (v *Verifier) Authenticate(r *http.Request, body []byte) (context.Context, error) {
	id, err := v.Verify(r, body)
	if err != nil {
		return nil, err
	}
	return context.WithValue(r.Context(), identityKey{}, id), nil
}

// Caller is who the request with this context came from.
func Caller(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	return id, ok
}

// Verify checks a request whose body was read. Errors are the exceptions that
// DynamoDB answers with.
func (v *Verifier) Verify(r *http.Request, body []byte) (Identity, error) {
	if v.o.AcceptAny {
		a, _ := parseAuthorization(r.Header.Get("Authorization"))
		return Identity{AccessKey: a.scope.accessKey}, nil
	}
	a, err := readAuthorization(r)
	if err != nil {
		return Identity{}, err
	}
	if err := a.checkTime(time.Now()); err != nil {
		return Identity{}, err
	}
	if err := a.checkSigned(r); err != nil {
		return Identity{}, err
	}
	if err := v.checkScope(a); err != nil {
		return Identity{}, err
	}
	s := v.state.Load()
	key, ok := s.keys[a.scope.accessKey]
	if !ok || a.token == "" && key.SessionToken != "" {
		return Identity{}, unrecognized("The security token included in the request is invalid.")
	}
	if subtle.ConstantTimeCompare([]byte(key.SessionToken), []byte(a.token)) == 0 {
		// Without the full stop: DynamoDB looks at tokens in another place.
		return Identity{}, unrecognized("The security token included in the request is invalid")
	}
	derived, cached := s.cache.find(a.scope)
	if !cached {
		derived = newSigningKey(deriveKey(key.Secret, a.scope))
	}
	if !verify(derived, a, r, body) {
		return Identity{}, invalidSignature("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if !cached {
		s.cache.add(a.scope, derived)
	}
	return Identity{AccessKey: a.scope.accessKey, Profile: key.Profile}, nil
}

// checkScope checks what a request is signed for. All that is wrong is told
// together.
func (v *Verifier) checkScope(a authorization) error {
	var wrong strings.Builder
	if v.o.Region != "" && a.scope.region != v.o.Region {
		wrong.WriteString("Credential should be scoped to a valid region. ")
	}
	if a.scope.service != Service {
		fmt.Fprintf(&wrong, "Credential should be scoped to correct service: '%s'. ", Service)
	}
	if a.scope.term != scopeTerm {
		fmt.Fprintf(&wrong, "Credential should be scoped with a valid terminator: '%s', not '%s'. ", scopeTerm, a.scope.term)
	}
	if !strings.HasPrefix(a.date, a.scope.date) {
		fmt.Fprintf(&wrong, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%.8s', from '%s'.", a.scope.date, a.date, a.date)
	}
	if wrong.Len() > 0 {
		return invalidSignature("%s", wrong.String())
	}
	return nil
}

func unrecognized(text string) error {
	return awsjson.NewException("UnrecognizedClientException", "%s", text)
}

func invalidSignature(format string, args ...any) error {
	return awsjson.NewException("InvalidSignatureException", format, args...)
}

// deriveKey is the key that signs for a scope.
func deriveKey(secret string, s scope) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, s.term} {
		key = hmacSHA256(key, part)
	}
	return key
}

func hmacSHA256(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
