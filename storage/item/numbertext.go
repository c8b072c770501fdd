package item

import (
	"strconv"

	"github.com/roundtabledb/roundtable/storage"
)

func overflow() error {
	return storage.Validationf("Number overflow. Attempting to store a number with magnitude larger than supported range")
}

func underflow() error {
	return storage.Validationf("Number underflow. Attempting to store a number with magnitude smaller than supported range")
}

func tooManyDigits() error {
	return storage.Validationf("Attempting to store more than 38 significant digits in a Number")
}

func notNumeric(s string) error {
	return storage.Validationf("The parameter cannot be converted to a numeric value: %s", s)
}

// parseNumber is ParseNumber over strings and bytes.
func parseNumber[T ~string | ~[]byte](s T) (Number, error) {
	var (
		coef     uint128
		kept     int // significant digits in coef
		zeros    int // zeros that follow them, not yet in coef
		exp      int // of the digits read so far
		digits   bool
		point    bool
		tooLong  bool
		negative bool
	)
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		negative = s[i] == '-'
		i++
	}
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		digits = true
		if point {
			exp--
		}
		switch {
		case c == '0' && kept == 0:
		case c == '0':
			zeros++
		case kept+zeros+1 > maxDigits:
			// More than fit: only the magnitude is still of interest.
			tooLong = true
			kept, zeros = kept+zeros+1, 0
		default:
			coef = coef.mulPow10(zeros).mulAdd(10, uint64(c-'0'))
			kept, zeros = kept+zeros+1, 0
		}
	}
	if !digits {
		return Number{}, notNumeric(string(s))
	}
	if i < len(s) {
		e, ok := parseExponent(string(s[i:]))
		if !ok {
			return Number{}, notNumeric(string(s))
		}
		exp += e
	}
	exp += zeros
	// The magnitude of zero is that of the place it is written at.
	switch magnitude := max(kept-1, 0) + exp; {
	case magnitude > maxExponent:
		return Number{}, overflow()
	case magnitude < minExponent:
		return Number{}, underflow()
	case tooLong:
		return Number{}, tooManyDigits()
	case kept == 0:
		return Number{}, nil
	}
	// A digit other than zero was the last one taken in: no zero to strip.
	return Number{coef: coef, exp: int16(exp), negative: negative}, nil
}

// parseExponent reads "e12", "E+12" or "e-12".
func parseExponent(s string) (int, bool) {
	if s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	s = s[1:]
	sign := 1
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	if len(s) == 0 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	e, err := strconv.ParseInt(s, 10, 64)
	// Still far beyond any number that is accepted, but safe to add to.
	return sign * int(min(e, 1<<40)), err == nil
}

// String is n as DynamoDB returns it.
func (n Number) String() string { return string(n.Append(nil)) }

// Append appends the text of n to dst.
func (n Number) Append(dst []byte) []byte {
	if n.IsZero() {
		return append(dst, '0')
	}
	if n.negative {
		dst = append(dst, '-')
	}
	if n.coef.hi == 0 && n.exp == 0 {
		return strconv.AppendUint(dst, n.coef.lo, 10)
	}
	var buf [maxDigits]byte
	digits := n.coef.appendDigits(buf[:0])
	point := len(digits) + int(n.exp) // digits before the point
	switch {
	case n.exp >= 0:
		dst = append(dst, digits...)
		return appendZeros(dst, int(n.exp))
	case point > 0:
		dst = append(dst, digits[:point]...)
		dst = append(dst, '.')
		return append(dst, digits[point:]...)
	default:
		dst = append(dst, '0', '.')
		dst = appendZeros(dst, -point)
		return append(dst, digits...)
	}
}

func appendZeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, '0')
	}
	return dst
}

// appendDigits appends the decimal digits of u, which is below 10^38.
func (u uint128) appendDigits(dst []byte) []byte {
	if u.hi == 0 {
		return strconv.AppendUint(dst, u.lo, 10)
	}
	q, r := u.divSmall(1e19)
	dst = strconv.AppendUint(dst, q.lo, 10)
	dst = appendZeros(dst, 19-digits64(r))
	if r == 0 {
		return dst
	}
	return strconv.AppendUint(dst, r, 10)
}
