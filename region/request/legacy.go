package request

import (
	"cmp"
	"slices"
	"strings"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/storage/expr"
)

// Legacy is the members that expressions have replaced. Each becomes the tree
// that an expression would have become.
type Legacy struct {
	// nil where the member is absent.
	Expected      []expr.Expectation
	Updates       []expr.Assignment
	KeyConditions []expr.Comparison
	Comparisons   []expr.Comparison
	// FilterName is the name of Comparisons: QueryFilter or ScanFilter.
	FilterName          string
	AttributesToGet     []string
	ConditionalOperator awsjson.Text

	// invalid is what is wrong with a value, reported in its turn; that of
	// KeyConditions has a turn of its own.
	invalid, invalidKeys error
}

// Read reads the member that r is at, if it is one of l.
func (l *Legacy) Read(r *awsjson.Reader) bool {
	switch name := string(r.Name()); name {
	case "Expected":
		l.readExpected(r)
	case "AttributeUpdates":
		l.readUpdates(r)
	case "KeyConditions":
		l.KeyConditions, l.invalidKeys = readComparisons(r)
	case "QueryFilter", "ScanFilter":
		l.FilterName = name
		comparisons, err := readComparisons(r)
		l.Comparisons = comparisons
		l.refuse(err)
	case "AttributesToGet":
		l.AttributesToGet = r.Texts()
	case "ConditionalOperator":
		l.ConditionalOperator = r.Text()
	default:
		return false
	}
	return true
}

// absent reports whether the request has none of the members.
func (l *Legacy) absent() bool {
	return l.Expected == nil && l.Updates == nil && l.KeyConditions == nil && l.Comparisons == nil &&
		l.AttributesToGet == nil && !l.ConditionalOperator.Set
}

// given reports whether the request has a member, by its name.
func (l *Legacy) given(name string) bool {
	switch name {
	case "Expected":
		return l.Expected != nil
	case "AttributeUpdates":
		return l.Updates != nil
	case "KeyConditions":
		return l.KeyConditions != nil
	case "QueryFilter", "ScanFilter":
		return l.Comparisons != nil
	case "AttributesToGet":
		return l.AttributesToGet != nil
	case "ConditionalOperator":
		return l.ConditionalOperator.Set
	default:
		return false
	}
}

func (l *Legacy) refuse(err error) {
	if l.invalid == nil {
		l.invalid = err
	}
}

func (l *Legacy) readExpected(r *awsjson.Reader) {
	if r.Null() {
		return
	}
	l.Expected = []expr.Expectation{}
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
		l.Expected = append(l.Expected, e)
	}
}

func (l *Legacy) readUpdates(r *awsjson.Reader) {
	if r.Null() {
		return
	}
	l.Updates = []expr.Assignment{}
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
		l.Updates = append(l.Updates, a)
	}
}

// readComparisons reads a map of comparisons. The error is what is wrong with a
// value of them.
func readComparisons(r *awsjson.Reader) (comparisons []expr.Comparison, invalid error) {
	if r.Null() {
		return nil, nil
	}
	comparisons = []expr.Comparison{}
	for r.Map("Condition") {
		c := expr.Comparison{Attribute: string(r.Name())}
		for r.Struct("Condition") {
			switch string(r.Name()) {
			case "ComparisonOperator":
				c.Operator = r.Text().Value
			case "AttributeValueList":
				var err error
				c.Values, err = r.ValueList()
				invalid = cmp.Or(invalid, err)
			default:
				r.Skip()
			}
		}
		comparisons = append(comparisons, c)
	}
	return comparisons, invalid
}

// The enumerations of the legacy members, in DynamoDB's order.
var (
	comparisonOperators  = []string{"IN", "NULL", "BETWEEN", "LT", "NOT_CONTAINS", "EQ", "GT", "NOT_NULL", "NE", "LE", "BEGINS_WITH", "GE", "CONTAINS"}
	conditionalOperators = []string{"OR", "AND"}
	updateActions        = []string{"DELETE", "PUT", "ADD"}
)

// Require notes what the API's model says of the members and they break. The
// newer words leave ConditionalOperator to Check.
func (l *Legacy) Require(c *constraint.Set, w Words) {
	if l.absent() {
		return
	}
	if w == Older {
		c.Enum(l.ConditionalOperator, "conditionalOperator", conditionalOperators)
	}
	for i := range l.Expected {
		requireOperator(c, "expected", &l.Expected[i].Comparison, false)
	}
	for i := range l.KeyConditions {
		requireOperator(c, "keyConditions", &l.KeyConditions[i], true)
	}
	for i := range l.Comparisons {
		requireOperator(c, strings.ToLower(l.FilterName[:1])+l.FilterName[1:], &l.Comparisons[i], true)
	}
	for _, a := range l.Updates {
		if a.Action != "" {
			c.Enum(awsjson.Text{Set: true, Value: a.Action}, "attributeUpdates."+a.Attribute+".member.action", updateActions)
		}
	}
	if l.AttributesToGet == nil {
		return
	}
	value := constraint.Quoted("[" + strings.Join(l.AttributesToGet, ", ") + "]")
	c.Require(len(l.AttributesToGet) >= 1, "attributesToGet", value, "Member must have length greater than or equal to 1")
	c.Require(len(l.AttributesToGet) <= 255, "attributesToGet", value, "Member must have length less than or equal to 255")
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

// Check refuses a ConditionalOperator that has nothing to join, and values that
// are not acceptable.
func (l *Legacy) Check() error {
	if err := l.CheckJoined(); err != nil {
		return err
	}
	return l.invalid
}

// CheckJoined refuses a ConditionalOperator that has nothing to join.
func (l *Legacy) CheckJoined() error {
	if err := l.CheckOperator(); err != nil || !l.ConditionalOperator.Set {
		return err
	}
	switch n := len(l.Expected) + len(l.Comparisons); n {
	case 0:
		return awsjson.Validationf("ConditionalOperator cannot be used without Filter or Expected")
	case 1:
		return awsjson.Validationf("ConditionalOperator can only be used when Filter or Expected has two or more elements")
	default:
		return nil
	}
}

// CheckOperator refuses a ConditionalOperator that there is none of, where it
// has something to join. The text is the service's own, down to its ALL.
func (l *Legacy) CheckOperator() error {
	if !l.ConditionalOperator.Set || len(l.Expected)+len(l.Comparisons) < 2 || slices.Contains(conditionalOperators, l.ConditionalOperator.Value) {
		return nil
	}
	return awsjson.Validationf("Failed to satisfy constraint: Member must satisfy enum value set: [ALL, OR]")
}

// ExpectedCondition is what Expected asks for, nil for nothing.
func (l *Legacy) ExpectedCondition() (*expr.Condition, error) {
	return expr.ExpectedOf(l.Expected, l.ConditionalOperator.Value == "OR")
}

// FilterCondition is what QueryFilter or ScanFilter asks for, nil for nothing.
func (l *Legacy) FilterCondition() (*expr.Condition, error) {
	if l.invalid != nil {
		return nil, l.invalid
	}
	return expr.FilterOf(l.Comparisons, l.ConditionalOperator.Value == "OR")
}

// AttributeProjection is what AttributesToGet asks for, nil for all attributes.
func (l *Legacy) AttributeProjection() (*expr.Projection, error) {
	if l.AttributesToGet == nil {
		return nil, nil
	}
	return expr.ProjectionOf(l.AttributesToGet)
}

// ConditionOfKeys is what KeyConditions asks for, nil for nothing.
func (l *Legacy) ConditionOfKeys() (*expr.KeyCondition, error) {
	switch {
	case l.KeyConditions == nil:
		return nil, nil
	case l.invalidKeys != nil:
		return nil, l.invalidKeys
	}
	return expr.KeyConditionOf(l.KeyConditions)
}
