package schema_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/item/itemtest"
	"github.com/roundtabledb/roundtable/storage/schema"
)

func table(partition, sort item.Kind) *schema.Table {
	t := &schema.Table{
		Name: "Music", ID: "7a1c", HashSeed: [16]byte{1, 2, 3},
		Partition:   schema.KeyAttribute{Name: "pk", Kind: partition},
		BillingMode: schema.PayPerRequest,
	}
	t.Attributes = []schema.KeyAttribute{t.Partition}
	if sort != item.Invalid {
		t.Sort = &schema.KeyAttribute{Name: "sk", Kind: sort}
		t.Attributes = append(t.Attributes, *t.Sort)
	}
	return t
}

func keyOf(pk, sk item.Value) item.Item {
	it := item.Item{}.With("pk", pk)
	if !sk.IsZero() {
		it = it.With("sk", sk)
	}
	return it
}

var kinds = []item.Kind{item.S, item.N, item.B}

func TestKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pk := rapid.SampledFrom(kinds).Draw(t, "partition")
		sk := rapid.SampledFrom(append(kinds, item.Invalid)).Draw(t, "sort")
		tb := table(pk, sk)
		it := keyOf(itemtest.Key(pk).Draw(t, "pk"), item.Value{})
		if sk != item.Invalid {
			it = it.With("sk", itemtest.Key(sk).Draw(t, "sk"))
		}
		key, err := tb.EncodeKey(it.With("other", item.Null()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tb.DecodeKey(key); err != nil || !got.Equal(it) {
			t.Fatalf("%x decodes to %v, %v; want %v", key, got, err, it)
		}
		if again, err := tb.EncodeKeyOf(item.Encode(it)); err != nil || !bytes.Equal(again, key) {
			t.Fatalf("from the encoding %x, %v; want %x", again, err, key)
		}
		prefix, err := tb.PartitionPrefix(it.Get("pk"))
		if err != nil || !bytes.HasPrefix(key, prefix) {
			t.Fatalf("prefix %x, %v of %x", prefix, err, key)
		}
		for cut := range len(key) {
			if got, err := tb.DecodeKey(key[:cut]); err == nil {
				t.Fatalf("%x, cut short, decodes to %v", key[:cut], got)
			}
		}
	})
}

// The items of one partition key are neighbours, in order of their sort keys.
func TestItemCollectionsAreRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tb := table(item.S, item.N)
		pk, other := itemtest.Key(item.S).Draw(t, "pk"), itemtest.Key(item.S).Draw(t, "other")
		a, b := itemtest.Key(item.N).Draw(t, "a"), itemtest.Key(item.N).Draw(t, "b")
		encode := func(pk, sk item.Value) []byte {
			key, err := tb.EncodeKey(keyOf(pk, sk))
			if err != nil {
				t.Fatal(err)
			}
			return key
		}
		ka, kb, ko := encode(pk, a), encode(pk, b), encode(other, a)
		if got, want := bytes.Compare(ka, kb), a.Number().Cmp(b.Number()); got != want {
			t.Fatalf("keys compare as %d, numbers as %d", got, want)
		}
		lo, err := tb.PartitionPrefix(pk)
		if err != nil {
			t.Fatal(err)
		}
		hi := schema.PrefixEnd(lo)
		inside := func(key []byte) bool {
			return bytes.Compare(lo, key) <= 0 && (hi == nil || bytes.Compare(key, hi) < 0)
		}
		if !inside(ka) || !inside(kb) || inside(ko) != pk.Equal(other) {
			t.Fatalf("range %x to %x, keys %x, %x, other %x", lo, hi, ka, kb, ko)
		}
	})
}

func TestPrefixEnd(t *testing.T) {
	for in, want := range map[string]string{"": "", "00": "01", "61ff": "62", "ffff": "", "0000": "0001"} {
		prefix, _ := hex.DecodeString(in)
		if got := hex.EncodeToString(schema.PrefixEnd(prefix)); got != want {
			t.Errorf("end of %s is %s, want %s", in, got, want)
		}
		if hex.EncodeToString(prefix) != in {
			t.Errorf("the prefix %s was changed", in)
		}
	}
}

// The file is a format on disk: no line of it may ever change.
func TestKeyGolden(t *testing.T) {
	var b strings.Builder
	for _, c := range []struct{ pk, sk item.Value }{
		{item.String("artist"), item.Value{}},
		{item.String("artist"), item.String("song")},
		{item.Num(item.NumberFromInt(-42)), item.Binary([]byte{0})},
	} {
		key, err := table(c.pk.Kind(), c.sk.Kind()).EncodeKey(keyOf(c.pk, c.sk))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(hex.EncodeToString(key) + "\n")
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("testdata/key.golden", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/key.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestKeysAreRefused(t *testing.T) {
	tb := table(item.S, item.B)
	pk, sk := item.String("a"), item.Binary([]byte("b"))
	long := strings.Repeat("x", 3000)
	const invalid, notValid = "One or more parameter values were invalid: ", "One or more parameter values are not valid. "
	const mismatch = "The provided key element does not match the schema"
	for _, c := range []struct {
		it        item.Item
		item, key string // what EncodeKey says of it as an item, and CheckKey as a key
	}{
		{keyOf(pk, sk), "", ""},
		{keyOf(pk, sk).With("c", pk), "", mismatch},
		{keyOf(pk, item.Value{}), invalid + "Missing the key sk in the item", mismatch},
		{item.Item{}, invalid + "Missing the key pk in the item", mismatch},
		{keyOf(sk, sk), invalid + "Type mismatch for key pk expected: S actual: B", mismatch},
		{keyOf(pk, item.List(nil)), invalid + "Type mismatch for key sk expected: B actual: L", mismatch},
		{keyOf(item.String(""), sk), notValid + "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk", "same"},
		{keyOf(pk, item.Binary(nil)), notValid + "The AttributeValue for a key attribute cannot contain an empty binary value. Key: sk", "same"},
		{keyOf(item.String(long[:2048]), item.Binary([]byte(long[:1024]))), "", ""},
		{keyOf(item.String(long[:2049]), sk), invalid + "Size of hashkey has exceeded the maximum size limit of2048 bytes", "same"},
		{keyOf(pk, item.Binary([]byte(long[:1025]))), invalid + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes", "same"},
	} {
		if c.key == "same" {
			c.key = c.item
		}
		_, err := tb.EncodeKey(c.it)
		expectError(t, err, c.item)
		_, err = tb.EncodeKeyOf(item.Encode(c.it))
		expectError(t, err, c.item)
		_, err = tb.Key(c.it)
		expectError(t, err, c.item)
		expectError(t, tb.CheckKey(c.it), c.key)
	}
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil || err.Error() != want || storage.KindOf(err) != storage.Validation {
		t.Errorf("refused with %v, want %s", err, want)
	}
}

func TestValidate(t *testing.T) {
	const invalid = "One or more parameter values were invalid: "
	for want, change := range map[string]func(tb *schema.Table){
		"": func(tb *schema.Table) {},
		"Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'": func(tb *schema.Table) { tb.Name = "a b c" },
		"Attribute Name is duplicated: pk":                                                func(tb *schema.Table) { tb.Attributes = append(tb.Attributes, tb.Partition) },
		"Invalid KeySchema: Some index key attribute have no definition":                  func(tb *schema.Table) { tb.Attributes = tb.Attributes[:1] },
		"Both the Hash Key and the Range Key element in the KeySchema have the same name": func(tb *schema.Table) { tb.Sort = &tb.Partition },
		invalid + "Some index key attributes are not defined in AttributeDefinitions. Keys: [pk, sk], AttributeDefinitions: [pk, other]": func(tb *schema.Table) {
			tb.Attributes[1].Name = "other"
		},
		invalid + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions": func(tb *schema.Table) { tb.Sort = nil },
		invalid + "Key attribute sk must be of type S, N or B":                                                                    func(tb *schema.Table) { tb.Sort.Kind = item.BOOL },
		invalid + "The name of a key attribute must have 1 to 255 bytes":                                                          func(tb *schema.Table) { tb.Sort.Name = strings.Repeat("x", 256) },
		invalid + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED":               func(tb *schema.Table) { tb.BillingMode = schema.Provisioned },
		invalid + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST":         func(tb *schema.Table) { tb.ReadUnits = 1 },
		invalid + `unknown BillingMode "free"`:                                                                                    func(tb *schema.Table) { tb.BillingMode = "free" },
	} {
		tb := table(item.S, item.S)
		tb.Attributes = slices.Clone(tb.Attributes)
		change(tb)
		expectError(t, tb.Validate(), want)
	}
}

func TestTableIsStoredAsJSON(t *testing.T) {
	in := table(item.S, item.N)
	in.Tags = map[string]string{"k": "v"}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out schema.Table
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, &out); diff != "" {
		t.Error(diff)
	}
}
