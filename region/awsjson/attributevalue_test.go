package awsjson_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/item/itemtest"
)

// allTypes is written the way clients do, with attributes in no order.
const allTypes = ` { "s" : {"S":"h\u00e9llo \"\\\/\b\f\n\r\t\u0000 😀 \ud83d\ude00"}, "n":{"N":"-0012.50"}, "b":{"B":"AP8="},
	"t":{"BOOL":true}, "f":{"BOOL": false}, "null":{"NULL":true}, "ss":{"SS":["b","a"]}, "ns":{"NS":["2","1e1"]},
	"bs":{"BS":["","AQ=="]}, "l":{"L":[{"S":""},{"L":[]}]}, "m":{"M":{"y":{"N":"1"},"x":{"M":{}}}}, "a":{"S":"first"}, "a":{"S":"last"}}`

func TestReadItem(t *testing.T) {
	e, err := awsjson.EncodeItem([]byte(allTypes))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"a":{"S":"last"},"b":{"B":"AP8="},"bs":{"BS":["","AQ=="]},"f":{"BOOL":false},"l":{"L":[{"S":""},{"L":[]}]},` +
		`"m":{"M":{"x":{"M":{}},"y":{"N":"1"}}},"n":{"N":"-12.5"},"ns":{"NS":["2","10"]},"null":{"NULL":true},` +
		`"s":{"S":"héllo \"\\/\u0008\u000c\n\r\t\u0000 😀 😀"},"ss":{"SS":["a","b"]},"t":{"BOOL":true}}`
	if diff := cmp.Diff(want, string(awsjson.AppendItem(nil, e))); diff != "" {
		t.Error(diff)
	}
}

// The two faults that a document can have.
const (
	shape   = "SerializationException: "
	refused = "ValidationException: "
)

func errorText(err error) string {
	if err == nil {
		return ""
	}
	x := awsjson.ExceptionOf(err)
	return x.Name + ": " + x.Message
}

func TestItemsOfAnotherShape(t *testing.T) {
	const noString, noList, noStruct = shape + "NUMBER_VALUE cannot be converted to String", shape + "Unexpected field type", shape + "Start of structure or map found where not expected"
	for in, want := range map[string]string{
		`{`: shape, `null`: shape, `{"a":{"S":"x"}} x`: shape, `{"a":{"S":"x"},}`: shape, `{a:{"S":"x"}}`: shape,
		`{"a":{"S":"x}}`: shape, `{"a":{"S":"\x"}}`: shape, "{\"a\":{\"S\":\"\n\"}}": shape, "{\"a\":{\"S\":\"\xff\"}}": shape,
		`[]`:                     shape + "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>",
		`"x"`:                    noList,
		`{"a":"x"}`:              shape + "Unexpected value type in payload",
		`{"a":[]}`:               shape + "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue",
		`{"a":{"S":1}}`:          noString,
		`{"a":{"N":1}}`:          noString,
		`{"a":{"N":1.5}}`:        shape + "DECIMAL_VALUE cannot be converted to String",
		`{"a":{"S":true}}`:       shape + "TRUE_VALUE cannot be converted to String",
		`{"a":{"S":[]}}`:         shape + "Unrecognized collection type class java.lang.String",
		`{"a":{"S":{}}}`:         noStruct,
		`{"a":{"BOOL":"maybe"}}`: shape + "Unexpected token received from parser",
		`{"a":{"NULL":1}}`:       shape + "NUMBER_VALUE cannot be converted to Boolean",
		`{"a":{"B":1}}`:          shape + "only base-64-encoded strings are convertible to bytes",
		`{"a":{"B":[]}}`:         shape + "Unrecognized collection type class java.nio.ByteBuffer",
		`{"a":{"B":{}}}`:         noStruct,
		`{"a":{"B":"23456"}}`:    shape + "Base64 encoded length is expected a multiple of 4 bytes but found: 5",
		`{"a":{"B":"=+/="}}`:     shape + "Invalid last non-pad Base64 character dectected",
		`{"a":{"B":"+/+="}}`:     shape + "Invalid last non-pad Base64 character dectected",
		`{"a":{"B":"A\r\nA"}}`:   shape + "Unexpected value type in payload",
		`{"a":{"SS":"x"}}`:       noList,
		`{"a":{"SS":{}}}`:        noStruct,
		`{"a":{"SS":[1]}}`:       noString,
		`{"a":{"NS":[1]}}`:       noString,
		`{"a":{"BS":[1]}}`:       shape + "only base-64-encoded strings are convertible to bytes",
		`{"a":{"L":{}}}`:         noStruct,
		`{"a":{"L":["x"]}}`:      shape + "Unexpected value type in payload",
		`{"a":{"M":"x"}}`:        noList,
		`{"a":{"M":{"b":[]}}}`:   shape + "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue",
		// The shape of the whole is looked at before any value.
		`{"a":{"N":"x"},"b":{"S":1}}`: noString,
	} {
		if _, err := awsjson.EncodeItem([]byte(in)); errorText(err) != want {
			t.Errorf("%s\n\tfails with %s\n\twant       %s", in, errorText(err), want)
		}
	}
}

func nested(levels int) string {
	return strings.Repeat(`{"M":{"n":`, levels) + `{"S":"leaf"}` + strings.Repeat(`}}`, levels)
}

func TestItemsOfUnacceptableValues(t *testing.T) {
	const (
		empty   = refused + "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
		several = refused + "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
		numeric = refused + "The parameter cannot be converted to a numeric value: "
		deep    = refused + "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
		invalid = refused + "One or more parameter values were invalid: "
	)
	for in, want := range map[string]string{
		`{}`:                                               "",
		`{"a":{"S":""},"b":{"B":""}}`:                      "",
		`{"a":{"S":"x","X":1,"N":null}}`:                   "",
		`{"a":{}}`:                                         empty,
		`{"a":null}`:                                       empty,
		`{"a":{"S":null}}`:                                 empty,
		`{"a":{"X":"x"}}`:                                  empty,
		`{"a":{"L":[{}]}}`:                                 empty,
		`{"a":{"S":"x","N":"1"}}`:                          several,
		`{"a":{"L":[],"M":{}}}`:                            several,
		`{"a":{"S":"","N":""}}`:                            numeric,
		`{"a":{"N":" 1"}}`:                                 numeric + " 1",
		`{"a":{"M":{"b":{"N":"x"}}}}`:                      numeric + "x",
		`{"a":{"NS":["1",""]}}`:                            numeric,
		`{"a":{"NULL":false}}`:                             invalid + "Null attribute value types must have the value of true",
		`{"a":{"SS":[]}}`:                                  invalid + "An string set  may not be empty",
		`{"a":{"NS":[]}}`:                                  invalid + "An number set  may not be empty",
		`{"a":{"BS":[]}}`:                                  invalid + "Binary sets should not be empty",
		`{"a":{"SS":["b","a","b"]}}`:                       invalid + `Input collection ["a", "b", "b"] contains duplicates.`,
		`{"a":{"BS":["/w==","/w=="]}}`:                     invalid + `Input collection ["/w==","/w=="]of type BS contains duplicates.`,
		`{"a":{"NS":["1","1.0"]}}`:                         invalid + "Input collection contains duplicates.",
		`{"":{"S":"x"}}`:                                   refused + "Empty attribute name",
		`{"a":` + nested(31) + `}`:                         "",
		`{"a":` + nested(32) + `}`:                         deep,
		`{"a":` + nested(300) + `}`:                        deep,
		`{"a":{"N":"x"},"b":{"N":"y"}}`:                    numeric + "x",
		`{"a":{"SS":["x",null]}}`:                          invalid + "An string set may not have a null string as a member",
		`{"` + strings.Repeat("x", 65535) + `":{"S":"x"}}`: "",
		`{"` + strings.Repeat("x", 65536) + `":{"S":"x"}}`: refused + "Attribute name is too large, must be less than 65536 bytes",
	} {
		if _, err := awsjson.EncodeItem([]byte(in)); errorText(err) != want {
			t.Errorf("%.100s\n\tfails with %s\n\twant       %s", in, errorText(err), want)
		}
	}
}

// A refused value does not end the reading: what follows is read, and the
// caller decides which fault to report.
func TestReadingGoesOnBehindARefusedValue(t *testing.T) {
	r := awsjson.NewReader([]byte(`{"Item":{"a":{"N":"x"}},"Values":{":a":{"S":"x"},":b":{"SS":[]},":c":{"N":"1"}},"None":null,
		"List":[{"N":"1"},{"S":"x"}],"One":{"BOOL":true},"Table":"t"}`))
	var table string
	for r.Struct("PutItemInput") {
		switch string(r.Name()) {
		case "Item":
			if e, err := r.Item(); e != nil || err == nil {
				t.Errorf("Item: %x, %v", e, err)
			}
		case "Values":
			values, err := r.Values()
			if err == nil || len(values) != 3 || !values[":c"].Equal(item.Num(item.NumberFromInt(1))) {
				t.Errorf("Values: %v, %v", values, err)
			}
		case "None":
			if values, err := r.Values(); values != nil || err != nil {
				t.Errorf("None: %v, %v", values, err)
			}
		case "List":
			list, err := r.ValueList()
			if err != nil || len(list) != 2 || !list[1].Equal(item.String("x")) {
				t.Errorf("List: %v, %v", list, err)
			}
		case "One":
			if v, err := r.Value(); err != nil || !v.Bool() {
				t.Errorf("One: %v, %v", v, err)
			}
		default:
			table = r.Text().Value
		}
	}
	if err := r.End(); err != nil || table != "t" {
		t.Errorf("table %q, %v", table, err)
	}
}

func TestItemRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		it := itemtest.Item().Draw(t, "item")
		e := item.Encode(it)
		text := awsjson.AppendItem(nil, e)
		if !json.Valid(text) {
			t.Fatalf("no JSON: %s", text)
		}
		back, err := awsjson.EncodeItem(text)
		if err != nil || !bytes.Equal(back, e) {
			t.Fatalf("%s reads as %x, %v; want %x", text, back, err, e)
		}
		for _, a := range it.All() {
			if got := string(awsjson.AppendItemValue(nil, a.Value)); !bytes.Contains(text, []byte(got)) {
				t.Fatalf("%s is not part of %s", got, text)
			}
		}
	})
}

// reference decodes attribute values with encoding/json: the slow other way to
// the same answer.
type reference map[string]referenceValue

type referenceValue struct {
	S, N, B    *string
	BOOL, NULL *bool
	SS, NS, BS []string
	L          []referenceValue
	M          reference
}

func (r reference) item(t *rapid.T) item.Item {
	var it item.Item
	for name, v := range r {
		it = it.With(name, v.value(t))
	}
	return it
}

func (v referenceValue) value(t *rapid.T) item.Value {
	check := func(v item.Value, err error) item.Value {
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	number := func(s string) item.Value {
		n, err := item.ParseNumber(s)
		return check(item.Num(n), err)
	}
	binary := func(s string) item.Value {
		b, err := base64.StdEncoding.DecodeString(s)
		return check(item.Binary(b), err)
	}
	set := func(kind item.Kind, texts []string, member func(string) item.Value) item.Value {
		var members []item.Value
		for _, s := range texts {
			members = append(members, member(s))
		}
		return check(item.Set(kind, members))
	}
	switch {
	case v.S != nil:
		return item.String(*v.S)
	case v.N != nil:
		return number(*v.N)
	case v.B != nil:
		return binary(*v.B)
	case v.BOOL != nil:
		return item.Bool(*v.BOOL)
	case v.NULL != nil:
		return item.Null()
	case v.SS != nil:
		return set(item.SS, v.SS, item.String)
	case v.NS != nil:
		return set(item.NS, v.NS, number)
	case v.BS != nil:
		return set(item.BS, v.BS, binary)
	case v.L != nil:
		var elems []item.Value
		for _, e := range v.L {
			elems = append(elems, e.value(t))
		}
		return item.List(elems)
	}
	return item.Map(v.M.item(t))
}

func TestItemsReadAsEncodingJSONReadsThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := awsjson.AppendItem(nil, item.Encode(itemtest.Item().Draw(t, "item")))
		var ref reference
		if err := json.Unmarshal(text, &ref); err != nil {
			t.Fatal(err)
		}
		// encoding/json writes it in another way: other escapes, other spaces.
		other, err := json.MarshalIndent(json.RawMessage(text), " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		got, err := awsjson.DecodeItem(other)
		if want := ref.item(t); err != nil || !got.Equal(want) {
			t.Fatalf("%s reads as %v, %v; want %v", other, got, err, want)
		}
	})
}

func FuzzEncodeItem(f *testing.F) {
	f.Add([]byte(allTypes))
	f.Add([]byte(`{"a":{"M":{"":{"S":"x"}}}}`))
	f.Add([]byte(`{"a":{"S":"\ud800"},"b":{"N":"1e5"},"c":{"X":[{}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := awsjson.EncodeItem(b)
		if err != nil {
			if x := awsjson.ExceptionOf(err); x.Status != 400 {
				t.Fatalf("%q fails with %v", b, err)
			}
			return
		}
		if !json.Valid(b) {
			t.Fatalf("%q is no JSON, but was read", b)
		}
		if _, err := e.Decode(); err != nil {
			t.Fatalf("%q reads as %x: %v", b, e, err)
		}
		text := awsjson.AppendItem(nil, e)
		if again, err := awsjson.EncodeItem(text); err != nil || !bytes.Equal(again, e) {
			t.Fatalf("%q reads as %x, which writes %s, which reads as %x, %v", b, e, text, again, err)
		}
	})
}

// benchItem is like what benchmarks of the field write: a key and ten fields.
var benchItem = []byte(`{"pk":{"S":"user#0123456789"},"sk":{"N":"1732262400"},` +
	strings.TrimSuffix(strings.Repeat(`"field":{"S":"`+strings.Repeat("v", 90)+`"},`, 1), ",") +
	`,"f1":{"S":"` + strings.Repeat("a", 90) + `"},"f2":{"S":"` + strings.Repeat("b", 90) + `"},"n1":{"N":"42"},"b":{"BOOL":true},` +
	`"tags":{"L":[{"S":"x"},{"S":"y"}]},"m":{"M":{"k":{"S":"v"},"a":{"N":"1.5"}}},"bin":{"B":"` + base64.StdEncoding.EncodeToString(make([]byte, 120)) + `"}}`)

func BenchmarkEncodeItem(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchItem)))
	for b.Loop() {
		if _, err := awsjson.EncodeItem(benchItem); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendItem(b *testing.B) {
	e, err := awsjson.EncodeItem(benchItem)
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(benchItem)))
	for b.Loop() {
		buf = awsjson.AppendItem(buf[:0], e)
	}
}
