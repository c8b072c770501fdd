package item

// Number is DynamoDB's decimal number: up to 38 significant digits, magnitude
// 0 or between 1E-130 and 9.99…E+125, always exact, always in canonical form.
// The zero Number is 0.
type Number struct {
	// Magnitude is (hi·2^64 + lo) · 10^exp, with no trailing decimal zero in
	// the coefficient, and exp 0 when the coefficient is 0.
	hi, lo   uint64
	exp      int16
	negative bool
}
