package item

import (
	"cmp"
	"math/bits"
)

// uint128 is an unsigned integer of 128 bits: enough for 38 decimal digits.
type uint128 struct{ hi, lo uint64 }

// pow10 holds the powers of ten that fit a word.
var pow10 = [20]uint64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// The bounds of coefficients: 10^38, and the greatest coefficient of 38 digits
// that an addition may still stretch by one place.
var (
	tenTo38    = uint128{lo: 1}.mulPow10(38)
	twoTimes37 = uint128{lo: 2}.mulPow10(37)
)

func (u uint128) isZero() bool { return u.hi|u.lo == 0 }

func (u uint128) cmp(v uint128) int {
	if c := cmp.Compare(u.hi, v.hi); c != 0 {
		return c
	}
	return cmp.Compare(u.lo, v.lo)
}

func (u uint128) add(v uint128) uint128 {
	lo, carry := bits.Add64(u.lo, v.lo, 0)
	hi, _ := bits.Add64(u.hi, v.hi, carry)
	return uint128{hi, lo}
}

func (u uint128) sub(v uint128) uint128 {
	lo, borrow := bits.Sub64(u.lo, v.lo, 0)
	hi, _ := bits.Sub64(u.hi, v.hi, borrow)
	return uint128{hi, lo}
}

// mulAdd is u·m + a. The caller knows that it fits.
func (u uint128) mulAdd(m, a uint64) uint128 {
	hi, lo := bits.Mul64(u.lo, m)
	lo, carry := bits.Add64(lo, a, 0)
	return uint128{hi + u.hi*m + carry, lo}
}

// mulPow10 is u·10^n. The caller knows that it fits.
func (u uint128) mulPow10(n int) uint128 {
	for n > 19 {
		u, n = u.mulAdd(1e19, 0), n-19
	}
	return u.mulAdd(pow10[n], 0)
}

// divSmall is the quotient and remainder of u by d.
func (u uint128) divSmall(d uint64) (uint128, uint64) {
	hi, r := u.hi/d, u.hi%d
	lo, r := bits.Div64(r, u.lo, d)
	return uint128{hi, lo}, r
}

// digits is how many decimal digits u has; 0 for zero.
func (u uint128) digits() int {
	if u.hi == 0 {
		return digits64(u.lo)
	}
	if u.cmp(tenTo38) >= 0 {
		return 39
	}
	q, _ := u.divSmall(1e19)
	return 19 + digits64(q.lo)
}

func digits64(x uint64) int {
	// 1233/4096 is a little over log10(2): right, or one too few.
	n := bits.Len64(x) * 1233 >> 12
	if n < len(pow10) && x >= pow10[n] {
		n++
	}
	return n
}

// stretch is u·10^n for the addition of a number that ends n places further
// right in a digit other than zero. It is not ok when every such sum or
// difference has more than 38 digits: when u·10^n is 2·10^38 or more, for the
// other number is below 10^38.
func (u uint128) stretch(n int) (uint128, bool) {
	switch d := u.digits() + n; {
	case n == 0 || d <= maxDigits:
		return u.mulPow10(n), true
	case d > maxDigits+1:
		return uint128{}, false
	}
	u = u.mulPow10(n - 1)
	if u.cmp(twoTimes37) >= 0 {
		return uint128{}, false
	}
	return u.mulAdd(10, 0), true
}
