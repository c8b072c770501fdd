package api

import (
	"strings"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage/expr"
)

// legacy is the members that expressions have replaced. Each becomes the tree
// that an expression would have become.
type legacy struct {
	// nil where the member is absent.
	expected      []expr.Expectation
	updates       []expr.Assignment
	keyConditions []expr.Comparison
	comparisons   []expr.Comparison
	// filterName is the name of comparisons: QueryFilter or ScanFilter.
	filterName          string
	attributesToGet     []string
	conditionalOperator awsjson.Text

	// invalidOld is what is wrong with a value, reported in its turn.
	invalidOld error
}

// read reads the member that r is at, if it is one of l.
func (l *legacy) read(r *awsjson.Reader) bool {
	switch name := string(r.Name()); name {
	case "Expected":
		l.readExpected(r)
	case "AttributeUpdates":
		l.readUpdates(r)
	case "KeyConditions":
		l.keyConditions = l.readComparisons(r)
	case "QueryFilter", "ScanFilter":
		l.filterName = name
		l.comparisons = l.readComparisons(r)
	case "AttributesToGet":
		l.attributesToGet = r.Texts()
	case "ConditionalOperator":
		l.conditionalOperator = r.Text()
	default:
		return false
	}
	return true
}

func (l *legacy) refuse(err error) {
	if l.invalidOld == nil {
		l.invalidOld = err
	}
}

func (l *legacy) readExpected(r *awsjson.Reader) {
	for r.Map("ExpectedAttributeValue") {
		e := expr.Expectation{Comparison: expr.Comparison{Attribute: string(r.Name())}}
		for r.Struct("ExpectedAttributeValue") {
			var err error
			switch string(r.Name()) {
			case "Value":
				e.Value, err = r.Value()
			case "Exists":
				if f := r.Flag(); f.Set {
					e.Exists = &f.Value
				}
			case "ComparisonOperator":
				e.Operator = r.Text().Value
			case "AttributeValueList":
				e.Values, err = r.ValueList()
			default:
				r.Skip()
			}
			l.refuse(err)
		}
		l.expected = append(l.expected, e)
	}
	if l.expected == nil {
		l.expected = []expr.Expectation{}
	}
}

func (l *legacy) readUpdates(r *awsjson.Reader) {
	for r.Map("AttributeValueUpdate") {
		a := expr.Assignment{Attribute: string(r.Name())}
		for r.Struct("AttributeValueUpdate") {
			var err error
			switch string(r.Name()) {
			case "Value":
				a.Value, err = r.Value()
			case "Action":
				a.Action = r.Text().Value
			default:
				r.Skip()
			}
			l.refuse(err)
		}
		l.updates = append(l.updates, a)
	}
	if l.updates == nil {
		l.updates = []expr.Assignment{}
	}
}

func (l *legacy) readComparisons(r *awsjson.Reader) []expr.Comparison {
	comparisons := []expr.Comparison{}
	for r.Map("Condition") {
		c := expr.Comparison{Attribute: string(r.Name())}
		for r.Struct("Condition") {
			var err error
			switch string(r.Name()) {
			case "ComparisonOperator":
				c.Operator = r.Text().Value
			case "AttributeValueList":
				c.Values, err = r.ValueList()
			default:
				r.Skip()
			}
			l.refuse(err)
		}
		comparisons = append(comparisons, c)
	}
	return comparisons
}

// The enumerations of the legacy members, in DynamoDB's order.
var (
	comparisonOperators = []string{"IN", "NULL", "BETWEEN", "LT", "NOT_CONTAINS", "EQ", "GT", "NOT_NULL", "NE", "LE", "BEGINS_WITH", "GE", "CONTAINS"}
	updateActions       = []string{"DELETE", "PUT", "ADD"}
)

// require notes what the API's model says of the members and they break.
func (l *legacy) require(c *constraint.Set) {
	c.Enum(l.conditionalOperator, "conditionalOperator", conditionalOperators)
	for i := range l.expected {
		requireOperator(c, "expected", &l.expected[i].Comparison, false)
	}
	for i := range l.keyConditions {
		requireOperator(c, "keyConditions", &l.keyConditions[i], true)
	}
	for i := range l.comparisons {
		requireOperator(c, strings.ToLower(l.filterName[:1])+l.filterName[1:], &l.comparisons[i], true)
	}
	for _, a := range l.updates {
		if a.Action != "" {
			c.Enum(awsjson.Text{Set: true, Value: a.Action}, "attributeUpdates."+a.Attribute+".member.action", updateActions)
		}
	}
	if l.attributesToGet == nil {
		return
	}
	value := constraint.Quoted("[" + strings.Join(l.attributesToGet, ", ") + "]")
	c.Require(len(l.attributesToGet) >= 1, "attributesToGet", value, "Member must have length greater than or equal to 1")
	c.Require(len(l.attributesToGet) <= 255, "attributesToGet", value, "Member must have length less than or equal to 255")
}

func requireOperator(c *constraint.Set, member string, comparison *expr.Comparison, required bool) {
	at := member + "." + comparison.Attribute + ".member.comparisonOperator"
	if required {
		c.Present(comparison.Operator != "", at)
	}
	if comparison.Operator != "" {
		c.Enum(awsjson.Text{Set: true, Value: comparison.Operator}, at, comparisonOperators)
	}
}

// check refuses values that are not acceptable, and a ConditionalOperator that
// has nothing to join.
func (l *legacy) check() error {
	if l.invalidOld != nil {
		return l.invalidOld
	}
	if !l.conditionalOperator.Set {
		return nil
	}
	switch n := len(l.expected) + len(l.comparisons); n {
	case 0:
		return awsjson.Validationf("ConditionalOperator cannot be used without Filter or Expected")
	case 1:
		return awsjson.Validationf("ConditionalOperator can only be used when Filter or Expected has two or more elements")
	default:
		return nil
	}
}

// expectedCondition is what Expected asks for, nil for nothing.
func (l *legacy) expectedCondition() (*expr.Condition, error) {
	return expr.ExpectedOf(l.expected, l.conditionalOperator.Value == "OR")
}

// filterCondition is what QueryFilter or ScanFilter asks for, nil for nothing.
func (l *legacy) filterCondition() (*expr.Condition, error) {
	return expr.FilterOf(l.comparisons, l.conditionalOperator.Value == "OR")
}
