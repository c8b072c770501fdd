// Package constraint checks the members of requests against DynamoDB's model of
// its API: required members, lengths, patterns, ranges, enumerations. DynamoDB
// does that before it looks at what a request means, and reports what it finds
// together.
package constraint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// Set collects the constraints that a request breaks. The zero Set is empty.
type Set struct{ broken []string }

// maxReported is how many broken constraints one error reports.
const maxReported = 10

// Require notes that a member breaks a rule, unless ok.
func (c *Set) Require(ok bool, member, value, rule string) {
	if ok || len(c.broken) == maxReported {
		return
	}
	c.broken = append(c.broken, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, member, rule))
}

// RequireUnshown is Require for a value that the error does not repeat.
func (c *Set) RequireUnshown(ok bool, member, rule string) {
	if ok || len(c.broken) == maxReported {
		return
	}
	c.broken = append(c.broken, fmt.Sprintf("Value at '%s' failed to satisfy constraint: %s", member, rule))
}

// Quoted is a value as these errors print it.
func Quoted(s string) string { return "'" + s + "'" }

// Present requires a member that must not be null.
func (c *Set) Present(ok bool, member string) {
	c.Require(ok, member, "null", "Member must not be null")
}

// Enum requires one of a set of values, if there is one.
func (c *Set) Enum(t awsjson.Text, member string, set []string) {
	if t.Set && !slices.Contains(set, t.Value) {
		c.Require(false, member, Quoted(t.Value), "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
	}
}

// EnumUnnamed is Enum in the newer words, which show neither the member nor its
// value. told is the set as they have it.
func (c *Set) EnumUnnamed(t awsjson.Text, set, told []string) {
	if t.Set && !slices.Contains(set, t.Value) && len(c.broken) < maxReported {
		c.broken = append(c.broken, "Failed to satisfy constraint: Member must satisfy enum value set: ["+strings.Join(told, ", ")+"]")
	}
}

// AtLeast requires a number not to be below a bound, if there is one.
func (c *Set) AtLeast(n awsjson.Int, member string, bound int64) {
	if n.Set && n.Value < bound {
		c.Require(false, member, Quoted(strconv.FormatInt(n.Value, 10)),
			"Member must have value greater than or equal to "+strconv.FormatInt(bound, 10))
	}
}

// AtMost requires a number not to be above a bound, if there is one.
func (c *Set) AtMost(n awsjson.Int, member string, bound int64) {
	if n.Set && n.Value > bound {
		c.Require(false, member, Quoted(strconv.FormatInt(n.Value, 10)),
			"Member must have value less than or equal to "+strconv.FormatInt(bound, 10))
	}
}

// Length requires a text to have a number of letters within bounds, if there is
// one.
func (c *Set) Length(t awsjson.Text, member string, least, most int) {
	if !t.Set {
		return
	}
	n := utf8.RuneCountInString(t.Value)
	c.Require(n >= least, member, Quoted(t.Value), "Member must have length greater than or equal to "+strconv.Itoa(least))
	c.Require(n <= most, member, Quoted(t.Value), "Member must have length less than or equal to "+strconv.Itoa(most))
}

// Name requires a name of a table or an index, if there is one.
func (c *Set) Name(t awsjson.Text, member string, shortest int) {
	if !t.Set || IsName(t.Value) && len(t.Value) >= shortest && len(t.Value) <= MaxName {
		return
	}
	value := Quoted(t.Value)
	c.Require(t.Value == "" && shortest == 1 || IsName(t.Value), member, value,
		"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	c.Require(len(t.Value) >= shortest, member, value,
		"Member must have length greater than or equal to "+strconv.Itoa(shortest))
	c.Require(len(t.Value) <= MaxName, member, value,
		"Member must have length less than or equal to "+strconv.Itoa(MaxName))
}

// MinName and MaxName are how long the name of a table or an index may be.
const (
	MinName = 3
	MaxName = 255
)

// IsName reports whether s has the letters of a name, and at least one.
func IsName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return s != ""
}

// Err is the error that reports what has been noted.
func (c *Set) Err() error {
	switch n := len(c.broken); n {
	case 0:
		return nil
	case 1:
		return awsjson.Validationf("1 validation error detected: %s", c.broken[0])
	default:
		return awsjson.Validationf("%d validation errors detected: %s", n, strings.Join(c.broken, "; "))
	}
}

// CheckTableName checks a TableName, which may be an ARN, as what it has to
// be: the name of a table, which is longer than the model asks for. DynamoDB
// looks at nothing else when it is wrong.
func CheckTableName(t awsjson.Text) error {
	var c Set
	t.Value = TableName(t.Value)
	c.Present(t.Set, "tableName")
	c.Name(t, "tableName", MinName)
	return c.Err()
}

// TableName requires a TableName, which may be an ARN.
func (c *Set) TableName(t awsjson.Text) {
	t.Value = TableName(t.Value)
	c.Present(t.Set, "tableName")
	c.Name(t, "tableName", 1)
}

// TableName is the name in a TableName that may be an ARN.
func TableName(s string) string {
	if strings.HasPrefix(s, "arn:") {
		if _, name, ok := strings.Cut(s, ":table/"); ok {
			return name
		}
	}
	return s
}
