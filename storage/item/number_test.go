package item_test

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/item/itemtest"
)

const (
	overflow  = "Number overflow. Attempting to store a number with magnitude larger than supported range"
	underflow = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
	tooLong   = "Attempting to store more than 38 significant digits in a Number"
	noNumber  = "The parameter cannot be converted to a numeric value: "
)

func number(t interface {
	Helper()
	Fatalf(string, ...any)
}, s string) item.Number {
	t.Helper()
	n, err := item.ParseNumber(s)
	if err != nil {
		t.Fatalf("ParseNumber(%q): %v", s, err)
	}
	return n
}

func TestParseNumber(t *testing.T) {
	nines := strings.Repeat("9", 38)
	for _, c := range []struct{ in, want string }{
		{"0", "0"}, {"-0", "0"}, {"+0.000", "0"}, {"0e125", "0"}, {"0e-130", "0"},
		{"1", "1"}, {"+3", "3"}, {"-1", "-1"}, {"0042.1200", "42.12"}, {".123", "0.123"}, {"5.", "5"},
		{"1e+5", "100000"}, {"-17e5", "-1700000"}, {"-17.4E1", "-174"}, {"1e-3", "0.001"}, {"120e-3", "0.12"},
		{"12.5e1", "125"}, {"100000000000000000001", "100000000000000000001"},
		{nines, nines}, {"-" + nines + "e-38", "-0." + nines},
		{nines + strings.Repeat("0", 60), nines + strings.Repeat("0", 60)},
		{"0." + strings.Repeat("0", 60) + nines, "0." + strings.Repeat("0", 60) + nines},
		{"1E125", "1" + strings.Repeat("0", 125)},
		{"9." + nines[1:] + "E125", nines + strings.Repeat("0", 88)},
		{"1e-130", "0." + strings.Repeat("0", 129) + "1"},
		{"10000000000000000000", "10000000000000000000"},
		{"18446744073709551616", "18446744073709551616"},
		{"1000000000000000000000000000000000001", "1000000000000000000000000000000000001"},
	} {
		n, err := item.ParseNumber(c.in)
		if err != nil || n.String() != c.want {
			t.Errorf("ParseNumber(%q) = %s, %v; want %s", c.in, n, err, c.want)
		}
	}
	for _, c := range []struct{ in, want string }{
		{"", noNumber}, {"abc", noNumber + "abc"}, {"-", noNumber + "-"}, {".", noNumber + "."}, {"1.2.3", noNumber + "1.2.3"},
		{" 1", noNumber + " 1"}, {"1 ", noNumber + "1 "}, {"0x10", noNumber + "0x10"}, {"1e", noNumber + "1e"}, {"1e+", noNumber + "1e+"},
		{"1f", noNumber + "1f"}, {"NaN", noNumber + "NaN"}, {"Infinity", noNumber + "Infinity"}, {"1e9223372036854775808", noNumber + "1e9223372036854775808"},
		{"1e126", overflow}, {"11e125", overflow}, {"0e126", overflow}, {"1e99999999999", overflow}, {"-1e2147483648", overflow},
		{"1e-131", underflow}, {"0.9e-130", underflow}, {"0e-131", underflow}, {"1e-99999999999", underflow},
		{nines + "9", tooLong}, {"1" + strings.Repeat("0", 38) + "1", tooLong}, {"3.14159265358979323846264338327950288419", tooLong},
		{strings.Repeat("1", 127), overflow},
	} {
		_, err := item.ParseNumber(c.in)
		if err == nil || err.Error() != c.want || storage.KindOf(err) != storage.Validation {
			t.Errorf("ParseNumber(%q) fails with %v; want %q", c.in, err, c.want)
		}
	}
}

// The sizes were measured on DynamoDB by filling items up to their limit.
func TestNumberSize(t *testing.T) {
	for s, want := range map[string]int{
		"0": 1, "1": 2, "12": 2, "123": 3, "1234": 3, "12345678901234567890123456789012345678": 20,
		"0042": 2, "100": 2, "1010": 3, "0.0000001": 2, "1E125": 2, "1E-100": 2, "1.5": 3, "15": 2,
		"1.2": 3, "1.200": 3, "1.234": 4, "3.14159": 5, "123456": 4, "100.5": 4, "0.15": 2, "-42": 3, "-0": 1,
	} {
		if got := number(t, s).Size(); got != want {
			t.Errorf("size of %s is %d, want %d", s, got, want)
		}
	}
}

// rat is what a text is worth by other means.
func rat(t *rapid.T, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("big.Rat does not take %q", s)
	}
	return r
}

// Texts that ParseNumber takes are worth the same to math/big, and so is what
// String makes of them.
func TestNumberTextsAgreeWithBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := itemtest.NumberText().Draw(t, "s")
		n, err := item.ParseNumber(s)
		if err != nil {
			t.Skip(err)
		}
		out := n.String()
		if rat(t, s).Cmp(rat(t, out)) != 0 {
			t.Fatalf("%s became %s", s, out)
		}
		if strings.ContainsAny(out, "eE+") || strings.HasPrefix(out, "00") || strings.HasSuffix(out, ".") ||
			strings.Contains(out, ".") && strings.HasSuffix(out, "0") {
			t.Fatalf("%s is not in normal form", out)
		}
		if again := number(t, out); again != n {
			t.Fatalf("%s parses to another representation than %s", out, s)
		}
	})
}

func TestNumberArithmeticAgreesWithBig(t *testing.T) {
	near := rapid.Custom(func(t *rapid.T) [2]item.Number {
		n := itemtest.Number().Draw(t, "n")
		// A second number of like magnitude makes sums that fit.
		m := itemtest.Number().Draw(t, "m")
		if rapid.Bool().Draw(t, "difference") {
			if sum, err := n.Add(m); err == nil {
				m = sum.Neg()
			}
		}
		return [2]item.Number{n, m}
	})
	rapid.Check(t, func(t *rapid.T) {
		pair := near.Draw(t, "pair")
		n, m := pair[0], pair[1]
		a, b := rat(t, n.String()), rat(t, m.String())
		if got, want := n.Cmp(m), a.Cmp(b); got != want {
			t.Fatalf("%s compared to %s is %d, want %d", n, m, got, want)
		}
		if (n == m) != (a.Cmp(b) == 0) {
			t.Fatalf("%s and %s: == is wrong", n, m)
		}
		checkSum(t, n, m, new(big.Rat).Add(a, b), item.Number.Add)
		checkSum(t, n, m, new(big.Rat).Sub(a, b), item.Number.Sub)
	})
}

func checkSum(t *rapid.T, n, m item.Number, exact *big.Rat, op func(n, m item.Number) (item.Number, error)) {
	got, err := op(n, m)
	want, refusal := item.ParseNumber(strings.TrimRight(exact.FloatString(200), "0"))
	if refusal != nil && refusal.Error() == tooLong {
		refusal = storage.Validationf(overflow)
	}
	if (err == nil) != (refusal == nil) || err != nil && err.Error() != refusal.Error() {
		t.Fatalf("%s, %s: fails with %v, want %v", n, m, err, refusal)
	}
	if got != want {
		t.Fatalf("%s, %s: %s, want %s", n, m, got, want)
	}
}

func TestAdditionAtTheEdges(t *testing.T) {
	nines := strings.Repeat("9", 38)
	for _, c := range []struct{ n, m, want string }{
		{nines, "1", "1" + strings.Repeat("0", 38)},
		{nines, nines, ""},
		{nines, "0.1", ""},
		{"1" + strings.Repeat("0", 38), "-0.1", ""},
		{"1" + strings.Repeat("0", 38), "-1", nines},
		{"1" + strings.Repeat("0", 37), "-0.1", strings.Repeat("9", 37) + ".9"},
		{"19" + strings.Repeat("0", 37), "-" + nines, "90000000000000000000000000000000000001"},
		{"2" + strings.Repeat("0", 38), "-" + nines, ""},
		{"9e125", "9e125", ""},
		{"1e50", "1", ""},
		{"1.1e-130", "-1e-130", ""},
		{"5", "-5", "0"},
	} {
		got, err := number(t, c.n).Add(number(t, c.m))
		if (err == nil) != (c.want != "") || err == nil && got.String() != c.want {
			t.Errorf("%s + %s = %s, %v; want %s", c.n, c.m, got, err, c.want)
		}
	}
}

func TestNumberFromInt(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 10, 1<<63 - 1, -1 << 63, 1000000000000000000} {
		got, ok := item.NumberFromInt(n).Int64()
		if want := number(t, big.NewInt(n).String()); item.NumberFromInt(n) != want || !ok || got != n {
			t.Errorf("NumberFromInt(%d) = %s, back %d, %v", n, item.NumberFromInt(n), got, ok)
		}
	}
	for _, s := range []string{"0.5", "9223372036854775808", "-9223372036854775809", "1e19", "1e125"} {
		if n, ok := number(t, s).Int64(); ok {
			t.Errorf("%s as an int64 is %d", s, n)
		}
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.5e3", "1e-130", "9.99E+125", ".5", "5.", "1e", "--1", "00000000000000000000000000000000000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := item.ParseNumber(s)
		m, errBytes := item.ParseNumberBytes([]byte(s))
		if n != m || (err == nil) != (errBytes == nil) {
			t.Fatalf("%q: %s, %v as a string but %s, %v as bytes", s, n, err, m, errBytes)
		}
		if err != nil {
			if storage.KindOf(err) != storage.Validation {
				t.Fatalf("%q fails with %v", s, err)
			}
			return
		}
		if again := number(t, n.String()); again != n {
			t.Fatalf("%q is %s, which parses to another", s, n)
		}
	})
}
