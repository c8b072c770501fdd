package workload

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// An item is {pk, v}, or {pk, sk, v} in a table with a sort key, and DynamoDB
// counts names, too.
const (
	keyDigits = 12
	keyPrefix = "user"

	fixedPlain  = len("pk") + len(keyPrefix) + keyDigits + len("v")
	fixedSorted = fixedPlain + len("sk") + keyDigits

	// MinItem and MaxItem are the sizes that an item may have, MaxKeys how many
	// there may be.
	MinItem = fixedSorted + 1
	MaxItem = 400 << 10
	MaxKeys = 1_000_000_000_000
)

// Sizes is a mix of item sizes. A key keeps its size, so the shares are shares
// of the keys.
type Sizes struct {
	bytes []int
	upTo  []float64 // the share of this size and those before it
}

// ParseSizes reads a size such as 256, or a mix such as 256=95,100000=4,400000=1.
func ParseSizes(s string) (Sizes, error) {
	var sizes Sizes
	var total float64
	for part := range strings.SplitSeq(s, ",") {
		text, percent, err := cutShare(part)
		if err == nil {
			var n int
			if n, err = strconv.Atoi(text); err == nil && (n < MinItem || n > MaxItem) {
				err = strconv.ErrRange
			}
			sizes.bytes = append(sizes.bytes, n)
		}
		if err != nil {
			return Sizes{}, fmt.Errorf("item sizes %q: %q is no number of bytes from %d to %d, with a percentage or without", s, part, MinItem, MaxItem)
		}
		total += percent
		sizes.upTo = append(sizes.upTo, total)
	}
	if total <= 0 {
		return Sizes{}, fmt.Errorf("item sizes %q: there are none", s)
	}
	for i := range sizes.upTo {
		sizes.upTo[i] /= total
	}
	return sizes, nil
}

// OneSize gives all items the same size.
func OneSize(bytes int) (Sizes, error) {
	if bytes < MinItem || bytes > MaxItem {
		return Sizes{}, fmt.Errorf("items have %d to %d bytes", MinItem, MaxItem)
	}
	return Sizes{bytes: []int{bytes}, upTo: []float64{1}}, nil
}

// IsZero says that nothing was given.
func (s Sizes) IsZero() bool { return len(s.bytes) == 0 }

// Bytes are the sizes; a class is an index into them.
func (s Sizes) Bytes() []int { return s.bytes }

// class is the size that a key has.
func (s Sizes) class(key uint64) int {
	if len(s.bytes) == 1 {
		return 0
	}
	// Multiples of the golden section, modulo 1, are as evenly spread as numbers
	// can be: of any hundred keys in a row, one percent is one.
	const golden = 0x9E3779B97F4A7C15
	x := float64(key*golden) / (1 << 64)
	for i, limit := range s.upTo {
		if x < limit {
			return i
		}
	}
	return len(s.bytes) - 1
}

// Items are what the tables are filled with. They do not change.
type Items struct {
	sizes   Sizes
	padding []byte
	// collections is how many partition keys a table with a sort key has.
	collections uint64
}

// collectionItems is about how many items share a partition key in a table with
// a sort key. Most ranges of up to MaxRange end within.
const collectionItems = 1000

// NewItems returns items of certain sizes, for tables that are filled with so
// many keys.
func NewItems(sizes Sizes, keys int) (*Items, error) {
	if sizes.IsZero() {
		return nil, errors.New("no item size")
	}
	if keys < 1 || keys > MaxKeys {
		return nil, fmt.Errorf("there are 1 to %d keys", MaxKeys)
	}
	most := 0
	for _, b := range sizes.bytes {
		most = max(most, b)
	}
	return &Items{sizes: sizes, padding: newPadding(most), collections: max(1, uint64(keys)/collectionItems)}, nil
}

// AppendPartition appends a key's value of pk, AppendSort that of sk. In a table
// without a sort key each item has a partition key of its own. In one with a
// sort key, keys go around the collections, so that those inserted are
// everyone's last.
func (it *Items) AppendPartition(dst []byte, key uint64, sorted bool) []byte {
	dst = append(dst, keyPrefix...)
	if sorted {
		key %= it.collections
	}
	return appendDigits(dst, key)
}

// AppendSort appends a key's value of sk.
func (it *Items) AppendSort(dst []byte, key uint64) []byte {
	return appendDigits(dst, key/it.collections)
}

func appendDigits(dst []byte, n uint64) []byte {
	var digits [keyDigits]byte
	for i := keyDigits - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, digits[:]...)
}

// paddingSlack is how much longer the padding is than a value, so that values
// differ.
const paddingSlack = 4096

// newPadding makes text that does not compress well.
func newPadding(bytes int) []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, bytes+paddingSlack)
	for i := range p {
		p[i] = letters[r.IntN(len(letters))]
	}
	return p
}

// value is a new value of v for a key. It is nobody's to change.
func (it *Items) value(key uint64, sorted bool, r *rand.Rand) []byte {
	size := it.sizes.bytes[it.sizes.class(key)] - fixedPlain
	if sorted {
		size += fixedPlain - fixedSorted
	}
	from := r.IntN(paddingSlack)
	return it.padding[from : from+size : from+size]
}
