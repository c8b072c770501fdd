package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// Key is a credential that may sign requests.
type Key struct {
	// Profile is the name of its section in the credentials file.
	Profile string
	ID      string
	Secret  string
	// SessionToken must come with each request, if it is not empty.
	SessionToken string
}

// Keys is keys by their ids.
type Keys map[string]Key

// ParseKeys reads a credentials file:
//
//	# comment
//	[profile]
//	aws_access_key_id = AKID
//	aws_secret_access_key = secret
//
// Other settings of a profile are left aside. A profile without a key, and one
// key in two profiles, are errors: they are slips of the pen that would lock
// callers out.
func ParseKeys(text string) (Keys, error) {
	keys := Keys{}
	var current *Key
	finish := func() error {
		if current == nil {
			return nil
		}
		if current.ID == "" || current.Secret == "" {
			return fmt.Errorf("profile %q lacks aws_access_key_id or aws_secret_access_key", current.Profile)
		}
		if other, ok := keys[current.ID]; ok {
			return fmt.Errorf("profiles %q and %q have the same aws_access_key_id", other.Profile, current.Profile)
		}
		keys[current.ID] = *current
		return nil
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && line[len(line)-1] == ']':
			if err := finish(); err != nil {
				return nil, err
			}
			current = &Key{Profile: strings.TrimSpace(line[1 : len(line)-1])}
		case current == nil:
			return nil, fmt.Errorf("line %d stands before the first [profile]", number)
		default:
			name, value, ok := strings.Cut(line, "=")
			if !ok {
				return nil, fmt.Errorf("line %d is not name = value", number)
			}
			current.set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	if err := finish(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no profile")
	}
	return keys, nil
}

func (k *Key) set(name, value string) {
	switch strings.ToLower(name) {
	case "aws_access_key_id":
		k.ID = value
	case "aws_secret_access_key":
		k.Secret = value
	case "aws_session_token":
		k.SessionToken = value
	}
}

// signingKey signs for one scope. It keeps the state that the key brings an HMAC
// into, which is half of the work of a short text.
type signingKey struct{ macs sync.Pool }

func newSigningKey(key []byte) *signingKey {
	return &signingKey{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// appendMAC appends the HMAC of text.
func (k *signingKey) appendMAC(dst, text []byte) []byte {
	h := k.macs.Get().(hash.Hash)
	defer k.macs.Put(h)
	h.Reset()
	h.Write(text)
	return h.Sum(dst)
}

// signingKeys remembers derived keys: a key signs all requests of a day. Only
// keys of verified requests are added, so that nobody else can fill it.
type signingKeys struct {
	mu   sync.RWMutex
	keys map[scope]*signingKey
}

// maxSigningKeys bounds the memory. Beyond it, all is derived anew.
const maxSigningKeys = 4096

func (c *signingKeys) find(s scope) (*signingKey, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	key, ok := c.keys[s]
	return key, ok
}

func (c *signingKeys) add(s scope, key *signingKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= maxSigningKeys {
		c.keys = map[scope]*signingKey{}
	}
	c.keys[s.clone()] = key
}

// clone is s without the memory of the header that it was read from.
func (s scope) clone() scope {
	return scope{
		accessKey: strings.Clone(s.accessKey), date: strings.Clone(s.date), region: strings.Clone(s.region),
		service: strings.Clone(s.service), term: strings.Clone(s.term),
	}
}
