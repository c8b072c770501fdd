package conformance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Answer is what an endpoint has to answer.
type Answer struct {
	Status int
	// Type is the exception, empty for a success.
	Type string
	// Text is the exception's text. With Prefix it is how that begins.
	Text   string
	Prefix bool
	// Body is members of the answer, nil where Text says it all. Empty is an
	// answer without any body.
	Body  map[string]any
	Empty bool
	// Has allows more members than Body has; Unordered ignores all order.
	Has, Unordered bool
}

func parseAnswer(status int, s string) (Answer, error) {
	a := Answer{Status: status}
	if s == "" {
		a.Empty = true
		return a, nil
	}
	if status != 200 {
		a.Type, s, _ = strings.Cut(s, " ")
		if a.Type == "" {
			return a, fmt.Errorf("an error has a type and a text")
		}
		if !strings.HasPrefix(s, "{") {
			a.Text, a.Prefix = strings.CutSuffix(s, "...")
			if s == "*" {
				a.Text, a.Prefix = "", true
			}
			return a, nil
		}
	}
	if rest, ok := strings.CutPrefix(s, "has "); ok {
		a.Has, s = true, rest
	} else if rest, ok := strings.CutPrefix(s, "unordered "); ok {
		a.Unordered, s = true, rest
	}
	if err := json.Unmarshal([]byte(s), &a.Body); err != nil {
		return a, fmt.Errorf("the answer %.60s: %w", s, err)
	}
	return a, nil
}

// Matches says how what was answered differs, empty when it does not.
func (a Answer) Matches(status int, body []byte) string {
	if a.Empty && status == a.Status && len(body) == 0 {
		return ""
	}
	got := map[string]any{}
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Sprintf("not a JSON object: %v", err)
	}
	if status != a.Status {
		return fmt.Sprintf("status %d, want %d", status, a.Status)
	}
	if a.Empty {
		return "a body"
	}
	if a.Type != "" {
		name, _ := got["__type"].(string)
		if _, short, ok := strings.Cut(name, "#"); ok {
			name = short
		}
		if name != a.Type {
			return fmt.Sprintf("exception %s, want %s", name, a.Type)
		}
		delete(got, "__type")
		if text, ok := got["Message"]; ok {
			delete(got, "Message")
			got["message"] = text
		}
	}
	if a.Body != nil {
		return a.differs("", a.Body, got)
	}
	text, _ := got["message"].(string)
	if a.Prefix && strings.HasPrefix(text, a.Text) {
		return ""
	}
	if text != a.Text {
		return "another text"
	}
	delete(got, "message")
	if len(got) > 0 {
		return fmt.Sprintf("more members: %v", slices.Sorted(maps.Keys(got)))
	}
	return ""
}

// anyValue stands in answers for any value.
const anyValue = "$any"

// differs says where two values are not the same.
func (a Answer) differs(at string, want, got any) string {
	if want == anyValue {
		return ""
	}
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			return at + ": not an object"
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			v, ok := got[name]
			w := want[name]
			if w == nil && !ok {
				continue
			}
			if !ok {
				return at + "." + name + ": not there"
			}
			if name == "SS" || name == "NS" || name == "BS" {
				w, v = sorted(w), sorted(v)
			}
			if diff := a.differs(at+"."+name, w, v); diff != "" {
				return diff
			}
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if _, ok := want[name]; !ok && !a.Has {
				return at + "." + name + ": must not be there"
			}
		}
		return ""
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			return fmt.Sprintf("%s: not an array of %d", at, len(want))
		}
		if a.Unordered {
			want, got = sorted(want).([]any), sorted(got).([]any)
		}
		for i := range want {
			if diff := a.differs(fmt.Sprintf("%s[%d]", at, i), want[i], got[i]); diff != "" {
				return diff
			}
		}
		return ""
	default:
		if want != got {
			return fmt.Sprintf("%s: %v, want %v", at, got, want)
		}
		return ""
	}
}

// sorted sorts an array by what its values look like.
func sorted(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	return slices.SortedFunc(slices.Values(list), func(x, y any) int {
		return cmp.Compare(fmt.Sprint(x), fmt.Sprint(y))
	})
}
