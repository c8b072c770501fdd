package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// operation is what a request asks for.
type operation uint8

const (
	put operation = iota
	getStrong
	getEventual
	update
	operations
)

var operationNames = [operations]string{"put", "get-strong", "get-eventual", "update"}

// targets are the operations as X-Amz-Target names them.
var operationTargets = [operations]string{"PutItem", "GetItem", "GetItem", "UpdateItem"}

// Workload is a mix of operations.
type Workload struct {
	Name string
	// upTo[i] is the probability of operation i or one before it.
	upTo [operations]float64
}

// named are workloads that have a name. Those of YCSB are here as far as they
// are single-item operations; C asks for what its authors call a read, which
// most stores serve from anywhere.
var named = map[string]string{
	"mixed":  "get-strong=50,put=50",
	"ycsb-a": "get-strong=50,update=50",
	"ycsb-b": "get-strong=95,update=5",
	"ycsb-c": "get-strong=100",
}

// ParseWorkload reads the name of an operation, a named mix, or a mix such as
// get-eventual=90,put=10.
func ParseWorkload(s string) (Workload, error) {
	w := Workload{Name: s}
	mix := s
	if m, ok := named[s]; ok {
		mix = m
	}
	var share [operations]float64
	var total float64
	for part := range strings.SplitSeq(mix, ",") {
		name, weight, given := strings.Cut(part, "=")
		percent := 100.0
		var err error
		if given {
			percent, err = strconv.ParseFloat(weight, 64)
		}
		op := operationNamed(name)
		if err != nil || percent < 0 || op == operations {
			return w, fmt.Errorf("workload %q: %q is not one of %s, with a percentage or without", s, part, strings.Join(operationNames[:], ", "))
		}
		share[op] += percent
		total += percent
	}
	if total <= 0 {
		return w, fmt.Errorf("workload %q does nothing", s)
	}
	var sum float64
	for i := range share {
		sum += share[i]
		w.upTo[i] = sum / total
	}
	return w, nil
}

func operationNamed(name string) operation {
	for i, n := range operationNames {
		if n == name {
			return operation(i)
		}
	}
	return operations
}

func (w *Workload) next(r *rand.Rand) operation {
	x := r.Float64()
	for i, limit := range w.upTo {
		if x < limit {
			return operation(i)
		}
	}
	return put
}

// keys chooses keys.
type keys struct {
	n       uint64
	zipfian *zipfian
}

func (o *Options) newKeys() keys {
	k := keys{n: uint64(o.Keys)}
	if o.Zipfian {
		k.zipfian = newZipfian(k.n)
	}
	return k
}

func (k *keys) next(r *rand.Rand) uint64 {
	if k.zipfian == nil {
		return r.Uint64N(k.n)
	}
	// The popular keys are spread over all, or they would share a partition
	// wherever keys are kept in order.
	return k.zipfian.next(r) * 0x9E3779B97F4A7C15 % k.n
}

// zipfian draws ranks from 0, the most popular, by Zipf's law with YCSB's
// exponent of 0.99 (Gray and others, Quickly generating billion-record synthetic
// databases, 1994). The one of math/rand has exponents above 1 only.
type zipfian struct {
	n                 float64
	alpha, zetan, eta float64
	second            float64
}

const theta = 0.99

func newZipfian(n uint64) *zipfian {
	z := &zipfian{n: float64(n), alpha: 1 / (1 - theta), second: 1 + math.Pow(0.5, theta)}
	for i := uint64(1); i <= n; i++ {
		z.zetan += 1 / math.Pow(float64(i), theta)
	}
	z.eta = (1 - math.Pow(2/z.n, 1-theta)) / (1 - z.second/z.zetan)
	return z
}

func (z *zipfian) next(r *rand.Rand) uint64 {
	u := r.Float64()
	switch uz := u * z.zetan; {
	case uz < 1:
		return 0
	case uz < z.second:
		return min(1, uint64(z.n)-1)
	}
	return min(uint64(z.n*math.Pow(z.eta*u-z.eta+1, z.alpha)), uint64(z.n)-1)
}

// An item is {pk: 16 characters, v: padding}, and DynamoDB counts names, too.
const (
	keyDigits = 12
	keyPrefix = "user"
	fixedItem = len("pk") + len(keyPrefix) + keyDigits + len("v")
	leastItem = fixedItem + 1
	mostItem  = 400 << 10
	mostKeys  = 1_000_000_000_000
)

func appendKey(dst []byte, key uint64) []byte {
	dst = append(dst, keyPrefix...)
	var digits [keyDigits]byte
	for i := keyDigits - 1; i >= 0; i-- {
		digits[i] = byte('0' + key%10)
		key /= 10
	}
	return append(dst, digits[:]...)
}

// paddingSlack is how much longer the padding is than a value, so that values
// differ.
const paddingSlack = 4096

// newPadding makes text that does not compress well.
func newPadding(itemBytes int) []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, itemBytes-fixedItem+paddingSlack)
	for i := range p {
		p[i] = letters[r.IntN(len(letters))]
	}
	return p
}

// appendBody appends the body of a request.
func (b *bench) appendBody(dst []byte, op operation, key uint64, r *rand.Rand) []byte {
	dst = append(dst, `{"TableName":"`...)
	dst = append(dst, b.Table...)
	if op == put {
		dst = append(dst, `","Item":{"pk":{"S":"`...)
	} else {
		dst = append(dst, `","Key":{"pk":{"S":"`...)
	}
	dst = appendKey(dst, key)
	switch op {
	case put:
		dst = append(dst, `"},"v":{"S":"`...)
		dst = b.appendValue(dst, r)
		dst = append(dst, `"}}}`...)
	case update:
		dst = append(dst, `"}},"UpdateExpression":"SET v = :v","ExpressionAttributeValues":{":v":{"S":"`...)
		dst = b.appendValue(dst, r)
		dst = append(dst, `"}}}`...)
	case getStrong:
		dst = append(dst, `"}},"ConsistentRead":true}`...)
	default:
		dst = append(dst, `"}}}`...)
	}
	return dst
}

func (b *bench) appendValue(dst []byte, r *rand.Rand) []byte {
	from := r.IntN(paddingSlack)
	return append(dst, b.padding[from:from+b.ItemBytes-fixedItem]...)
}
