package api

import (
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage/expr"
)

// legacy is the members that expressions have replaced.
type legacy struct {
	expected, updates, keyConditions, filter []byte
	// filterName is the filter's name: QueryFilter or ScanFilter.
	filterName          string
	attributesToGet     []string
	conditionalOperator awsjson.Text
}

// read reads the member that r is at, if it is one of l.
func (l *legacy) read(r *awsjson.Reader) bool {
	switch string(r.Name()) {
	case "Expected":
		l.expected = r.Raw()
	case "AttributeUpdates":
		l.updates = r.Raw()
	case "KeyConditions":
		l.keyConditions = r.Raw()
	case "QueryFilter", "ScanFilter":
		l.filterName = string(r.Name())
		l.filter = r.Raw()
	case "AttributesToGet":
		l.attributesToGet = r.Texts()
	case "ConditionalOperator":
		l.conditionalOperator = r.Text()
	default:
		return false
	}
	return true
}

// attributesToGet requires 1 to 255 names, if there is such a list.
func (c *constraints) attributesToGet(names []string) {
	if names == nil {
		return
	}
	value := quoted("[" + strings.Join(names, ", ") + "]")
	c.require(len(names) >= 1, "attributesToGet", value, "Member must have length greater than or equal to 1")
	c.require(len(names) <= 255, "attributesToGet", value, "Member must have length less than or equal to 255")
}

// checkAttributesToGet refuses a name that stands twice.
func checkAttributesToGet(names []string) error {
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			return awsjson.Validationf("One or more parameter values were invalid: Duplicate value in attribute name: %s", n)
		}
	}
	return nil
}

// projectAttributes is the projection that AttributesToGet asks for.
func projectAttributes(names []string) (*expr.Projection, error) {
	return nil, nil
}

// keyConditions is the key condition that KeyConditions asks for.
func keyConditions(raw []byte) (*expr.KeyCondition, error) { return nil, nil }

func (l *legacy) filterCondition() (*expr.Condition, error) { return nil, nil }
