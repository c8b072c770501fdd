// Package peer starts what Roundtable is measured beside: etcd, Redis and
// dynalite as processes, an HTTP server that does nothing but JSON, and the
// libraries and system calls that Roundtable stands on, alone. Each is set up to
// do its best and, where a write is concerned, to be durable. The package
// measures and judges nothing.
package peer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
)

// MissingError says that a peer is not on this machine, and why.
type MissingError struct {
	Peer string
	Err  error
}

func (e *MissingError) Error() string { return fmt.Sprintf("%s is missing: %v", e.Peer, e.Err) }

// Unwrap is why.
func (e *MissingError) Unwrap() error { return e.Err }

// Missing reports whether an error says that a peer is missing.
func Missing(err error) bool {
	var m *MissingError
	return errors.As(err, &m)
}

// cannotStart is the error of a peer that is there but does not start: it is as
// good as missing, unless it was this program that did not wait.
func cannotStart(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &MissingError{name, fmt.Errorf("it does not start: %w", err)}
}

// What all peers store is what a Roundtable item of the same size holds: a key
// of 16 bytes and a value that does not compress well.
const (
	// ItemBytes is the size of keys and values together.
	ItemBytes = 256
	keyBytes  = 16
)

// Key is the n-th key.
func Key(n uint64) string { return fmt.Sprintf("user%012d", n) }

// values draws keys and values for one client.
type values struct {
	keys   uint64
	random *rand.Rand
	text   []byte
}

func newValues(keys, client int) *values {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	v := &values{keys: uint64(keys), random: rand.New(rand.NewPCG(uint64(client), 1)), text: make([]byte, 4096)}
	for i := range v.text {
		v.text[i] = letters[v.random.IntN(len(letters))]
	}
	return v
}

func (v *values) key() string { return Key(v.random.Uint64N(v.keys)) }

func (v *values) value() []byte {
	from := v.random.IntN(len(v.text) - ItemBytes)
	return v.text[from : from+ItemBytes-keyBytes]
}
