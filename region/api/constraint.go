package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// constraints collects the members of a request that are not as the API's model
// says: DynamoDB reports up to ten of them together, before it looks at what
// they mean.
type constraints struct{ broken []string }

// maxReported is how many broken constraints one error reports.
const maxReported = 10

// require notes that a member breaks a rule, unless ok.
func (c *constraints) require(ok bool, member, value, rule string) {
	if ok || len(c.broken) == maxReported {
		return
	}
	c.broken = append(c.broken, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, member, rule))
}

func quoted(s string) string { return "'" + s + "'" }

// present requires a member that must not be null.
func (c *constraints) present(ok bool, member string) {
	c.require(ok, member, "null", "Member must not be null")
}

// enum requires one of a set of values, if there is one.
func (c *constraints) enum(t awsjson.Text, member string, set []string) {
	if t.Set && !slices.Contains(set, t.Value) {
		c.require(false, member, quoted(t.Value), "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
	}
}

// atLeast requires a number not to be below a bound, if there is one.
func (c *constraints) atLeast(n awsjson.Int, member string, bound int64) {
	if n.Set && n.Value < bound {
		c.require(false, member, quoted(strconv.FormatInt(n.Value, 10)),
			"Member must have value greater than or equal to "+strconv.FormatInt(bound, 10))
	}
}

// atMost requires a number not to be above a bound, if there is one.
func (c *constraints) atMost(n awsjson.Int, member string, bound int64) {
	if n.Set && n.Value > bound {
		c.require(false, member, quoted(strconv.FormatInt(n.Value, 10)),
			"Member must have value less than or equal to "+strconv.FormatInt(bound, 10))
	}
}

// name requires a name of a table or an index, if there is one.
func (c *constraints) name(t awsjson.Text, member string, shortest int) {
	if !t.Set {
		return
	}
	value := quoted(t.Value)
	c.require(t.Value == "" && shortest == 1 || isName(t.Value), member, value,
		"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	c.require(len(t.Value) >= shortest, member, value,
		"Member must have length greater than or equal to "+strconv.Itoa(shortest))
	c.require(len(t.Value) <= maxName, member, value,
		"Member must have length less than or equal to "+strconv.Itoa(maxName))
}

const maxName = 255

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return s != ""
}

// err is the error that reports what has been noted.
func (c *constraints) err() error {
	switch n := len(c.broken); n {
	case 0:
		return nil
	case 1:
		return awsjson.Validationf("1 validation error detected: %s", c.broken[0])
	default:
		return awsjson.Validationf("%d validation errors detected: %s", n, strings.Join(c.broken, "; "))
	}
}

// The enumerations of the item operations, in DynamoDB's order.
var (
	returnConsumedCapacity  = []string{"INDEXES", "TOTAL", "NONE"}
	returnCollectionMetrics = []string{"SIZE", "NONE"}
	returnValues            = []string{"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"}
	returnOnFailure         = []string{"ALL_OLD", "NONE"}
	selects                 = []string{"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"}
	conditionalOperators    = []string{"OR", "AND"}
)
