package workload

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

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
	z := &zipfian{n: float64(n), alpha: 1 / (1 - theta), zetan: zeta(n), second: 1 + math.Pow(0.5, theta)}
	z.eta = (1 - math.Pow(2/z.n, 1-theta)) / (1 - z.second/z.zetan)
	return z
}

// zetaExact is how many members of the sum are added one by one.
const zetaExact = 1 << 20

// zeta is the sum of 1/i^theta for i from 1 to n. What comes after the first
// million is the integral, with the ends' correction of Euler and Maclaurin:
// the error is below what a float64 holds.
func zeta(n uint64) float64 {
	var sum float64
	exact := min(n, zetaExact)
	for i := uint64(1); i <= exact; i++ {
		sum += math.Pow(float64(i), -theta)
	}
	if n > exact {
		from, to := float64(exact), float64(n)
		sum += (math.Pow(to, 1-theta) - math.Pow(from, 1-theta)) / (1 - theta)
		sum += (math.Pow(to, -theta) - math.Pow(from, -theta)) / 2
	}
	return sum
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

// spread is a permutation of the numbers below n that puts neighbours far apart.
type spread struct{ n, factor uint64 }

func newSpread(n uint64) spread {
	// The golden section of n, and from there the next that shares no factor
	// with n: only then no two numbers meet.
	f := max(1, uint64(float64(n)*(math.Sqrt(5)-1)/2))
	for gcd(f, n) != 1 {
		f++
	}
	return spread{n: n, factor: f % n}
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (s spread) of(i uint64) uint64 {
	hi, lo := bits.Mul64(i%s.n, s.factor)
	return bits.Rem64(hi, lo, s.n)
}
