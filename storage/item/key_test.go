package item_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/item/itemtest"
)

var keyKinds = []item.Kind{item.S, item.N, item.B}

// compare is DynamoDB's order of key values.
func compare(v, w item.Value) int {
	if v.Kind() == item.N {
		return v.Number().Cmp(w.Number())
	}
	return strings.Compare(v.Str(), w.Str())
}

func TestKeysKeepTheOrder(t *testing.T) {
	for _, kind := range keyKinds {
		t.Run(kind.String(), rapid.MakeCheck(func(t *rapid.T) {
			v, w := itemtest.Key(kind).Draw(t, "v"), itemtest.Key(kind).Draw(t, "w")
			a, b := item.AppendKey(nil, v), item.AppendKey(nil, w)
			if got, want := bytes.Compare(a, b), compare(v, w); got != want {
				t.Fatalf("%x compares to %x as %d, the values as %d", a, b, got, want)
			}
			if !v.Equal(w) && (bytes.HasPrefix(a, b) || bytes.HasPrefix(b, a)) {
				t.Fatalf("%x and %x: one begins the other", a, b)
			}
		}))
	}
}

// Numbers that differ in their last digit, sign or exponent alone are the hard
// cases, and random pairs rarely meet them.
func TestKeysOfNeighbouringNumbersKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := itemtest.Number().Draw(t, "n")
		step := rapid.SampledFrom([]string{"1", "1e-37", "1e-130", "10", "-1", "1e37"}).Draw(t, "step")
		m, err := n.Add(must(item.ParseNumber(step)))
		if err != nil {
			m = n.Neg()
		}
		a, b := item.AppendKey(nil, item.Num(n)), item.AppendKey(nil, item.Num(m))
		if bytes.Compare(a, b) != n.Cmp(m) {
			t.Fatalf("%s is %x, %s is %x", n, a, m, b)
		}
	})
}

func TestKeyRoundTrip(t *testing.T) {
	for _, kind := range keyKinds {
		t.Run(kind.String(), rapid.MakeCheck(func(t *rapid.T) {
			v := itemtest.Key(kind).Draw(t, "v")
			rest := itemtest.Bytes().Draw(t, "rest")
			got, left, err := item.DecodeKey(append(item.AppendKey(nil, v), rest...), kind)
			if err != nil || !got.Equal(v) || !bytes.Equal(left, rest) {
				t.Fatalf("%v, %x, %v; want %v, %x", got, left, err, v, rest)
			}
		}))
	}
}

func TestKeyGolden(t *testing.T) {
	var lines []string
	for _, s := range []string{"", "a", "a\x00", "a\x00b", "a\x01", "é"} {
		lines = append(lines, "S "+hex.EncodeToString([]byte(s))+" "+hex.EncodeToString(item.AppendKey(nil, item.String(s))))
	}
	lines = append(lines, "B 00ff "+hex.EncodeToString(item.AppendKey(nil, item.Binary([]byte{0, 0xff}))))
	for _, s := range []string{
		"-9.9e125", "-100", "-99", "-12.5", "-1", "-1e-130", "0", "1e-130", "0.5", "1", "1.5", "9", "10", "11", "99", "100",
		"12345678901234567890123456789012345678", "9.9e125",
	} {
		lines = append(lines, "N "+s+" "+hex.EncodeToString(item.AppendKey(nil, item.Num(must(item.ParseNumber(s))))))
	}
	golden(t, "key.golden", lines)
}

func FuzzDecodeKey(f *testing.F) {
	for _, v := range []item.Value{item.String("a\x00b"), item.Binary(nil), item.Num(must(item.ParseNumber("-12.5")))} {
		f.Add(item.AppendKey(nil, v), byte(v.Kind()))
	}
	f.Fuzz(func(t *testing.T, b []byte, kind byte) {
		v, rest, err := item.DecodeKey(b, item.Kind(kind))
		if err != nil {
			if storage.KindOf(err) != storage.Corrupt {
				t.Fatalf("%x fails with %v", b, err)
			}
			return
		}
		if again := append(item.AppendKey(nil, v), rest...); !bytes.Equal(again, b) {
			t.Fatalf("%x decodes to %v, which is encoded as %x", b, v, again)
		}
	})
}

func TestDecodeKeyRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		kind item.Kind
		hex  string
	}{
		"no terminator":          {item.S, "61"},
		"half a terminator":      {item.S, "6100"},
		"another terminator":     {item.B, "610002"},
		"half a rank":            {item.N, "80"},
		"no digits":              {item.N, "808300"},
		"digits without end":     {item.N, "80830b"},
		"leading zero":           {item.N, "80830200"},
		"trailing zeros":         {item.N, "80830b0100"},
		"no digit":               {item.N, "8083ff00"},
		"too many digits":        {item.N, "8083" + strings.Repeat("0b", 20) + "00"},
		"magnitude too great":    {item.N, "ffff0b00"},
		"magnitude too small":    {item.N, "0001f4ff"},
		"a kind of no key":       {item.BOOL, "01"},
		"positive end, negative": {item.N, "7f7df400"},
	} {
		if v, _, err := item.DecodeKey(must(hex.DecodeString(c.hex)), c.kind); storage.KindOf(err) != storage.Corrupt {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}
