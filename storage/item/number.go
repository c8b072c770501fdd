package item

import (
	"cmp"
)

// The limits of a number: 38 significant digits, and a leading digit that
// stands between the 130th place after the point and the 126th before it.
const (
	maxDigits   = 38
	maxExponent = 125
	minExponent = -130
)

// Number is DynamoDB's decimal number: up to 38 significant digits, magnitude
// 0 or between 1E-130 and 9.99…E+125, always exact, always in canonical form.
// The zero Number is 0. Two Numbers are equal exactly when they are ==.
type Number struct {
	// The value is coef · 10^exp. The coefficient is below 10^38 and has no
	// trailing decimal zero; exp is 0 when it is 0, and zero is not negative.
	coef     uint128
	exp      int16
	negative bool
}

// NumberFromInt is the Number n.
func NumberFromInt(n int64) Number {
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	return canonical(uint128{lo: u}, 0, n < 0)
}

// ParseNumber reads a decimal number as DynamoDB does: an optional sign,
// digits with an optional point, an optional exponent. Zeros at either end do
// not count as significant. Errors have DynamoDB's texts.
func ParseNumber(s string) (Number, error) { return parseNumber(s) }

// ParseNumberBytes is ParseNumber of the bytes of a string. It does not keep
// b.
func ParseNumberBytes(b []byte) (Number, error) { return parseNumber(b) }

// IsZero reports whether n is 0.
func (n Number) IsZero() bool { return n.coef.isZero() }

// Sign is -1, 0 or 1.
func (n Number) Sign() int {
	switch {
	case n.coef.isZero():
		return 0
	case n.negative:
		return -1
	}
	return 1
}

// Int64 is n as an int64, if it is one.
func (n Number) Int64() (int64, bool) {
	c := n.coef
	if n.exp < 0 || n.exp > 18 {
		return 0, false
	}
	c = c.mulPow10(int(n.exp))
	if c.hi != 0 || c.lo > 1<<63 || (c.lo == 1<<63 && !n.negative) {
		return 0, false
	}
	if n.negative {
		return -int64(c.lo), true
	}
	return int64(c.lo), true
}

// Neg is -n.
func (n Number) Neg() Number {
	n.negative = !n.negative && !n.coef.isZero()
	return n
}

// magnitude is the power of ten of n's leading digit. n is not zero.
func (n Number) magnitude() int { return n.coef.digits() - 1 + int(n.exp) }

// Cmp is -1, 0 or 1 as n is less than, equal to or greater than m.
func (n Number) Cmp(m Number) int {
	sn, sm := n.Sign(), m.Sign()
	if sn != sm || sn == 0 {
		return cmp.Compare(sn, sm)
	}
	return sn * n.cmpAbs(m)
}

// cmpAbs compares the absolute values of two numbers that are not zero.
func (n Number) cmpAbs(m Number) int {
	dn, dm := n.coef.digits(), m.coef.digits()
	if c := cmp.Compare(dn+int(n.exp), dm+int(m.exp)); c != 0 {
		return c
	}
	// The leading digits stand at one place: align the coefficients. The
	// longer has at most 38 digits, so the shorter fits when stretched.
	a, b := n.coef, m.coef
	if dn < dm {
		a = a.mulPow10(dm - dn)
	} else {
		b = b.mulPow10(dn - dm)
	}
	return a.cmp(b)
}

// Add is n + m. It is refused when the exact sum lies outside the range of
// numbers, and when it needs more than 38 digits: DynamoDB then says overflow
// too.
func (n Number) Add(m Number) (Number, error) {
	if n.IsZero() {
		return m, nil
	}
	if m.IsZero() {
		return n, nil
	}
	if n.exp < m.exp {
		n, m = m, n
	}
	sum, ok := n.coef.stretch(int(n.exp) - int(m.exp))
	if !ok {
		return Number{}, overflow()
	}
	negative := n.negative
	switch {
	case n.negative == m.negative:
		sum = sum.add(m.coef)
	case sum.cmp(m.coef) >= 0:
		sum = sum.sub(m.coef)
	default:
		sum = m.coef.sub(sum)
		negative = m.negative
	}
	return bounded(canonical(sum, int(m.exp), negative))
}

// bounded is the sum n, if it is within the limits of a number.
func bounded(n Number) (Number, error) {
	if n.IsZero() {
		return n, nil
	}
	digits := n.coef.digits()
	switch magnitude := digits - 1 + int(n.exp); {
	case magnitude < minExponent:
		return Number{}, underflow()
	case magnitude > maxExponent, digits > maxDigits:
		return Number{}, overflow()
	}
	return n, nil
}

// Sub is n - m, refused as Add refuses.
func (n Number) Sub(m Number) (Number, error) { return n.Add(m.Neg()) }

// canonical strips the trailing zeros of c · 10^exp.
func canonical(c uint128, exp int, negative bool) Number {
	if c.isZero() {
		return Number{}
	}
	for {
		q, r := c.divSmall(10)
		if r != 0 {
			return Number{coef: c, exp: int16(exp), negative: negative}
		}
		c, exp = q, exp+1
	}
}
