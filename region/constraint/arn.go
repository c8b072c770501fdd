package constraint

import (
	"fmt"
	"strings"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

// Home is the region and the account that ARNs name. The zero Home takes any.
type Home struct{ Region, Account string }

// ARN is an Amazon Resource Name in parts: arn:aws:dynamodb:eu-1:0123:table/t.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// ParseARN reads an ARN; it is false where s is none.
func ParseARN(s string) (ARN, bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return ARN{}, false
	}
	return ARN{Partition: parts[1], Service: parts[2], Region: parts[3], Account: parts[4], Resource: parts[5]}, true
}

// Table is the name in a TableName, of which DynamoDB takes ARNs too. name is
// how errors call the member; a table's name has at least 3 letters.
func (h Home) Table(t awsjson.Text, name string) (string, error) {
	if err := h.Check(t.Value); err != nil {
		return "", err
	}
	t.Value = TableName(t.Value)
	return t.Value, checkName(t, name)
}

// Check refuses an ARN that is not of a table of this region and account. What
// is no ARN passes.
func (h Home) Check(s string) error {
	if !strings.HasPrefix(s, "arn:") {
		return nil
	}
	arn, ok := ParseARN(s)
	kind, table, _ := strings.Cut(arn.Resource, "/")
	switch {
	case !ok:
		return badARN("Valid ARN format is arn:aws:dynamodb:<region>:<account>:table/<name>, not '%s'", s)
	case !strings.HasPrefix(arn.Partition, "aws"):
		return badARN("Invalid AWS partition in '%s'", s)
	case arn.Service != "dynamodb":
		return badARN("Invalid AWS service in '%s'", s)
	case h.Region != "" && arn.Region != h.Region:
		return badARN("Invalid AWS region in '%s'", s)
	case kind != "table" || strings.Contains(table, "/"):
		return badARN("Invalid resource type in '%s'", s)
	case !h.Owns(arn):
		return AccessDenied()
	}
	return nil
}

// Owns reports whether an ARN names something of this account. What belongs to no
// account, as buckets do, belongs to another.
func (h Home) Owns(a ARN) bool {
	return a.Account != "" && (h.Account == "" || h.Account == a.Account)
}

// AccessDenied refuses what belongs to another account.
func AccessDenied() error { return awsjson.NewException("AccessDeniedException", "Access is denied") }

func badARN(format, arn string) error {
	return awsjson.Validationf("1 validation error detected: %s", fmt.Sprintf(format, arn))
}

// checkName checks the name of a table of an operation on tables. An empty name
// has its errors in the other order.
func checkName(t awsjson.Text, member string) error {
	var c Set
	if t.Value == "" {
		c.Require(false, member, Quoted(""), "Member must have length greater than or equal to 3")
		c.Require(false, member, Quoted(""), "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
		return c.Err()
	}
	c.Name(t, member, 3)
	return c.Err()
}
