package awsjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// members reads a document of every type that a Reader knows.
type members struct {
	Text  Text
	Int   Int
	Flag  Flag
	Texts []string
	Map   map[string]string
	Raw   string
	Inner map[string]Text
}

func readMembers(b []byte) (members, error) {
	var m members
	r := NewReader(b)
	for r.Struct("Members") {
		switch string(r.Name()) {
		case "Text":
			m.Text = r.Text()
		case "Int":
			m.Int = r.Int("Integer")
		case "Flag":
			m.Flag = r.Flag()
		case "Texts":
			m.Texts = r.Texts()
		case "Map":
			m.Map = r.TextMap()
		case "Raw":
			m.Raw = string(r.Raw())
		case "Inner":
			for r.Map("Inner") {
				name := string(r.Name())
				for r.Struct("Inner") {
					if string(r.Name()) == "Text" {
						if m.Inner == nil {
							m.Inner = map[string]Text{}
						}
						m.Inner[name] = r.Text()
					} else {
						r.Skip()
					}
				}
			}
		default:
			r.Skip()
		}
	}
	return m, r.End()
}

func TestReader(t *testing.T) {
	for in, want := range map[string]members{
		`{}`:                                     {},
		` { } `:                                  {},
		`null`:                                   {},
		`{"Text":"a"}`:                           {Text: Text{true, "a"}},
		`{"Text":""}`:                            {Text: Text{Set: true}},
		`{"Text":null,"Int":null}`:               {},
		`{"Text":"a\u00e9\ud83d\ude00\n\"\\\/"}`: {Text: Text{true, "aé😀\n\"\\/"}},
		`{"Text":"\ud83d"}`:                      {Text: Text{true, "\uFFFD"}},
		`{"Te\u0078t":"x"}`:                      {Text: Text{true, "x"}},
		`{"Int":12}`:                             {Int: Int{true, 12}},
		`{"Int":-12.9}`:                          {Int: Int{true, -12}},
		`{"Int":1e3}`:                            {Int: Int{true, 1000}},
		`{"Int":1e300}`:                          {Int: Int{true, 1 << 62}},
		`{"Flag":true}`:                          {Flag: Flag{true, true}},
		`{"Flag":false}`:                         {Flag: Flag{Set: true}},
		`{"Texts":[]}`:                           {Texts: []string{}},
		`{"Texts":["a","b"]}`:                    {Texts: []string{"a", "b"}},
		`{"Map":{"a":"b"}}`:                      {Map: map[string]string{"a": "b"}},
		`{"Map":{}}`:                             {Map: map[string]string{}},
		`{"Raw": [1, {"a":"\u0041"}] }`:          {Raw: `[1, {"a":"\u0041"}]`},
		`{"Other":{"a":[true,false,null,-0.5e+7,"x"]},"Int":1}`: {Int: Int{true, 1}},
		`{"Inner":{"a":{"Text":"b","X":[]},"c":null,"d":{}}}`:   {Inner: map[string]Text{"a": {true, "b"}}},
		`{"Text":"first","Text":"last"}`:                        {Text: Text{true, "last"}},
		"\t{\r\n\"Text\" : \"a\" , \"Int\" : 1 }":               {Text: Text{true, "a"}, Int: Int{true, 1}},
	} {
		got, err := readMembers([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}

// TestSaidFlag reads Booleans that are strings.
func TestSaidFlag(t *testing.T) {
	for said, want := range map[string]bool{"true": true, "YES": true, "1": true, "False": false, "no": false, "0": false} {
		r := NewReader([]byte(`{"Flag":"` + said + `","Text":"x"}`))
		var flag Flag
		var text Text
		for r.Struct("Members") {
			switch string(r.Name()) {
			case "Flag":
				flag = r.Flag()
			default:
				text = r.Text()
			}
		}
		if err := r.End(); err != nil || flag != (Flag{Set: true, Value: want}) || text.Value != "x" {
			t.Errorf("%s: %v, %v, %v", said, flag, text, err)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	const malformed = ""
	for in, want := range map[string]string{
		``:  "Unexpected field type",
		`{`: malformed, `{"Text"`: malformed, `{"Text":`: malformed, `{"Text":"a"`: malformed, `{"Text":"a",}`: malformed,
		`{"Text":"a" "Int":1}`: malformed, `{Text:1}`: malformed, `{} x`: malformed, `{"Text":"a}`: malformed, `{"Text":"\x"}`: malformed,
		`{"Text":"\u00g0"}`: malformed, "{\"Text\":\"\x01\"}": malformed, "{\"Text\":\"\xff\"}": malformed,
		`{"Int":01}`: malformed, `{"Int":-}`: malformed, `{"Int":1.}`: malformed, `{"Int":1e}`: malformed, `{"X":tru}`: malformed,
		`{"X":[1,]}`: malformed, `{"X":[1 2]}`: malformed, `{"X":{"a" 1}}`: malformed, `{"X":{1:1}}`: malformed, `{"Texts":["a",]}`: malformed,
		`{"X":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`: malformed,

		`[]`:                "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.Members",
		`"x"`:               "Unexpected field type",
		`{"Text":1}`:        "NUMBER_VALUE cannot be converted to String",
		`{"Text":1.5}`:      "DECIMAL_VALUE cannot be converted to String",
		`{"Text":true}`:     "TRUE_VALUE cannot be converted to String",
		`{"Text":false}`:    "FALSE_VALUE cannot be converted to String",
		`{"Text":[]}`:       "Unrecognized collection type class java.lang.String",
		`{"Text":{}}`:       "Start of structure or map found where not expected",
		`{"Int":"1"}`:       "STRING_VALUE cannot be converted to Integer",
		`{"Int":[]}`:        "Unrecognized collection type class java.lang.Integer",
		`{"Flag":"maybe"}`:  "Unexpected token received from parser",
		`{"Flag":1}`:        "NUMBER_VALUE cannot be converted to Boolean",
		`{"Texts":"a"}`:     "Unexpected field type",
		`{"Texts":{}}`:      "Start of structure or map found where not expected",
		`{"Texts":[1]}`:     "NUMBER_VALUE cannot be converted to String",
		`{"Map":[]}`:        "Unrecognized collection type java.util.Map<java.lang.String, java.lang.String>",
		`{"Map":1}`:         "Unexpected field type",
		`{"Map":{"a":1}}`:   "NUMBER_VALUE cannot be converted to String",
		`{"Inner":[]}`:      "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.Inner>",
		`{"Inner":{"a":1}}`: "Unexpected value type in payload",
	} {
		_, err := readMembers([]byte(in))
		var x *Exception
		if !errors.As(err, &x) || x.Name != "SerializationException" || x.Message != want {
			t.Errorf("%.60s: %v, want %q", in, err, want)
		}
	}
}

// FuzzReader: the Reader takes a document exactly when encoding/json does, but
// for what encoding/json is too lenient or too strict with.
func FuzzReader(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2.5e3,"x",null,true]}`, `{"a":{"b":"\u00e9"}}`, `[`, `{"a":01}`, `{"a":"\ud800"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(b)
		r.Skip()
		err := r.End()
		if valid := json.Valid(b); valid != (err == nil) && (valid || !hasBadEscape(b)) && strings.Count(string(b), "[")+strings.Count(string(b), "{") < maxNesting {
			t.Errorf("%q: valid is %v, the reader says %v", b, valid, err)
		}
		if _, err := readMembers(b); err == nil && !json.Valid(b) && !hasBadEscape(b) {
			t.Errorf("%q was read", b)
		}
	})
}

// hasBadEscape: strings that are only skipped are not looked into.
func hasBadEscape(b []byte) bool { return strings.Contains(string(b), `\`) }

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"":               `""`,
		"plain é 😀":      `"plain é 😀"`,
		"\"\\\n\r\t\x00": `"\"\\\n\r\t\u0000"`,
		"a\xffb":         "\"a\uFFFDb\"",
	} {
		got := string(AppendString(nil, in))
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
		var back string
		if err := json.Unmarshal([]byte(got), &back); err != nil || back != strings.ToValidUTF8(in, "\uFFFD") {
			t.Errorf("%q comes back as %q, %v", in, back, err)
		}
	}
}
