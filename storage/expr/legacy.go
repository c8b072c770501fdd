package expr

import (
	"math"
	"slices"

	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

// Comparison is one entry of the legacy parameters KeyConditions, QueryFilter
// and ScanFilter, and of Expected with a ComparisonOperator: a top-level
// attribute compared with values.
type Comparison struct {
	Attribute string
	// Operator is EQ, NE, LE, LT, GE, GT, NOT_NULL, NULL, CONTAINS,
	// NOT_CONTAINS, BEGINS_WITH, IN or BETWEEN.
	Operator string
	Values   []item.Value
}

// Expectation is one entry of the legacy parameter Expected: a Comparison when
// it has an Operator, and otherwise a value that the attribute must have, or
// may not exist.
type Expectation struct {
	Comparison
	Value  item.Value // the zero Value: not given
	Exists *bool      // nil: not given
}

// Assignment is one entry of the legacy parameter AttributeUpdates.
type Assignment struct {
	Attribute string
	Action    string     // PUT, ADD or DELETE; empty is PUT
	Value     item.Value // the zero Value: not given
}

// comparisonRule is what a ComparisonOperator allows: from min to max values,
// of types among kinds (all when nil).
type comparisonRule struct {
	op       operator
	min, max int
	kinds    []item.Kind
}

// comparisonRuleOf is the rule of a ComparisonOperator.
func comparisonRuleOf(operator string) (comparisonRule, bool) {
	scalars := []item.Kind{item.S, item.N, item.B}
	switch operator {
	case "EQ":
		return comparisonRule{op: opEQ, min: 1, max: 1}, true
	case "NE":
		return comparisonRule{op: opNE, min: 1, max: 1}, true
	case "LE":
		return comparisonRule{op: opLE, min: 1, max: 1, kinds: scalars}, true
	case "LT":
		return comparisonRule{op: opLT, min: 1, max: 1, kinds: scalars}, true
	case "GE":
		return comparisonRule{op: opGE, min: 1, max: 1, kinds: scalars}, true
	case "GT":
		return comparisonRule{op: opGT, min: 1, max: 1, kinds: scalars}, true
	case "NOT_NULL":
		return comparisonRule{op: opExists}, true
	case "NULL":
		return comparisonRule{op: opNotExists}, true
	case "CONTAINS", "NOT_CONTAINS":
		return comparisonRule{op: opContains, min: 1, max: 1, kinds: scalars}, true
	case "BEGINS_WITH":
		return comparisonRule{op: opBeginsWith, min: 1, max: 1, kinds: []item.Kind{item.S, item.B}}, true
	case "IN":
		return comparisonRule{op: opIn, min: 1, max: math.MaxInt, kinds: scalars}, true
	case "BETWEEN":
		return comparisonRule{op: opBetween, min: 2, max: 2, kinds: scalars}, true
	}
	return comparisonRule{}, false
}

func invalidParameter(format string, args ...any) error {
	return storage.Validationf("One or more parameter values were invalid: "+format, args...)
}

// rule checks c and returns the rule that it keeps.
func (c *Comparison) rule() (comparisonRule, error) {
	if err := item.CheckName(len(c.Attribute)); err != nil {
		return comparisonRule{}, err
	}
	rule, ok := comparisonRuleOf(c.Operator)
	if !ok {
		return rule, invalidParameter("Unknown ComparisonOperator: %s", c.Operator)
	}
	if n := len(c.Values); n < rule.min || n > rule.max {
		return rule, invalidParameter("Invalid number of argument(s) for the %s ComparisonOperator", c.Operator)
	}
	for _, v := range c.Values {
		if v.Kind() != c.Values[0].Kind() {
			return rule, invalidParameter("AttributeValues inside AttributeValueList must be of same type")
		}
	}
	for _, v := range c.Values {
		if rule.kinds != nil && !slices.Contains(rule.kinds, v.Kind()) {
			return rule, invalidParameter("ComparisonOperator %s is not valid for %s AttributeValue type",
				c.Operator, v.Kind())
		}
	}
	if rule.op == opBetween && opGT.holds(c.Values[0], c.Values[1]) {
		return rule, storage.Validationf(
			"The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")
	}
	return rule, nil
}

// predicate makes the predicate of c.
func (c *Comparison) predicate() (predicate, error) {
	rule, err := c.rule()
	if err != nil {
		return predicate{}, err
	}
	path := item.AttributePath(c.Attribute)
	p := predicate{op: rule.op, args: []operand{{kind: operandPath, path: path}}}
	for _, v := range c.Values {
		p.args = append(p.args, operand{kind: operandValue, value: v})
	}
	if c.Operator != "NOT_CONTAINS" {
		return p, nil
	}
	// NOT_CONTAINS of an attribute that does not exist is false too.
	exists := predicate{op: opExists, args: p.args[:1:1]}
	return predicate{op: opAnd, kids: []predicate{exists, {op: opNot, kids: []predicate{p}}}}, nil
}

// FilterOf is the condition of a legacy QueryFilter or ScanFilter: all of
// comparisons hold, or with or (ConditionalOperator OR) one of them. It is nil,
// without an error, when there are none.
func FilterOf(comparisons []Comparison, or bool) (*Condition, error) {
	kids := make([]predicate, 0, len(comparisons))
	for i := range comparisons {
		kid, err := comparisons[i].predicate()
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	switch {
	case len(kids) == 0:
		return nil, nil
	case len(kids) == 1:
		return &Condition{root: kids[0]}, nil
	case or:
		return &Condition{root: predicate{op: opOr, kids: kids}}, nil
	}
	return &Condition{root: predicate{op: opAnd, kids: kids}}, nil
}

// ExpectedOf is the condition of the legacy parameter Expected, as FilterOf is
// that of a filter.
func ExpectedOf(expectations []Expectation, or bool) (*Condition, error) {
	comparisons := make([]Comparison, 0, len(expectations))
	for i := range expectations {
		c, err := expectations[i].comparison()
		if err != nil {
			return nil, err
		}
		comparisons = append(comparisons, c)
	}
	return FilterOf(comparisons, or)
}

// comparison is what e asks for.
func (e *Expectation) comparison() (Comparison, error) {
	c := e.Comparison
	switch {
	case c.Operator != "" && e.Exists != nil:
		return c, invalidParameter("Exists and ComparisonOperator cannot be used together for Attribute: %s", c.Attribute)
	case c.Values != nil && !e.Value.IsZero():
		return c, invalidParameter("Value and AttributeValueList cannot be used together for Attribute: %s", c.Attribute)
	case c.Operator != "" && !e.Value.IsZero():
		c.Values = []item.Value{e.Value}
		return c, nil
	case c.Operator != "" && c.Values == nil && c.Operator != "NULL" && c.Operator != "NOT_NULL":
		return c, invalidParameter("Value or AttributeValueList must be used with ComparisonOperator: %s for Attribute: %s",
			c.Operator, c.Attribute)
	case c.Operator != "":
		return c, nil
	case c.Values != nil:
		return c, invalidParameter("AttributeValueList can only be used with a ComparisonOperator for Attribute: %s",
			c.Attribute)
	}
	exists := e.Exists == nil || *e.Exists
	switch {
	case exists && e.Value.IsZero() && e.Exists == nil:
		return c, invalidParameter("Value must be provided when Exists is null for Attribute: %s", c.Attribute)
	case exists && e.Value.IsZero():
		return c, invalidParameter("Value must be provided when Exists is true for Attribute: %s", c.Attribute)
	case exists:
		return Comparison{Attribute: c.Attribute, Operator: "EQ", Values: []item.Value{e.Value}}, nil
	case !e.Value.IsZero():
		return c, invalidParameter("Value cannot be used when Exists is false for Attribute: %s", c.Attribute)
	}
	return Comparison{Attribute: c.Attribute, Operator: "NULL"}, nil
}

// KeyConditionOf is the key condition of the legacy parameter KeyConditions.
func KeyConditionOf(comparisons []Comparison) (*KeyCondition, error) {
	k := new(KeyCondition)
	for i := range comparisons {
		c := &comparisons[i]
		rule, err := c.rule()
		if err != nil {
			return nil, err
		}
		t := KeyTerm{Name: c.Attribute, Op: keyOps[rule.op]}
		if t.Op != 0 {
			t.Value = c.Values[0]
		}
		if t.Op == KeyBetween {
			t.High = c.Values[1]
		}
		k.Terms = append(k.Terms, t)
	}
	if n := len(k.Terms); n < 1 || n > 2 {
		return nil, storage.Validationf("Conditions can be of length 1 or 2 only")
	}
	return k, nil
}

// UpdateOf is the update of the legacy parameter AttributeUpdates.
func UpdateOf(assignments []Assignment) (*Update, error) {
	u := &Update{legacy: true}
	for _, a := range assignments {
		next, err := a.action()
		if err != nil {
			return nil, err
		}
		u.actions = append(u.actions, next)
	}
	slices.SortStableFunc(u.actions, func(a, b action) int { return int(a.verb) - int(b.verb) })
	return u, nil
}

// action makes the action of a.
func (a *Assignment) action() (action, error) {
	if err := item.CheckName(len(a.Attribute)); err != nil {
		return action{}, err
	}
	made := action{path: item.AttributePath(a.Attribute)}
	if !a.Value.IsZero() {
		made.value = operand{kind: operandValue, value: a.Value}
	}
	k := a.Value.Kind()
	switch {
	case a.Action != "" && a.Action != "PUT" && a.Action != "ADD" && a.Action != "DELETE":
		return made, invalidParameter("Unknown Action: %s", a.Action)
	case a.Value.IsZero() && a.Action != "DELETE":
		return made, invalidParameter("Only DELETE action is allowed when no attribute value is specified")
	case a.Value.IsZero():
		made.verb = verbRemove
	case a.Action == "DELETE" && !a.Value.IsSet():
		return made, invalidParameter("DELETE action with value is not supported for the type %s", k)
	case a.Action == "DELETE":
		made.verb = verbDelete
	case a.Action == "ADD" && k != item.N && k != item.L && !a.Value.IsSet():
		return made, invalidParameter("ADD action is not supported for the type %s", k)
	case a.Action == "ADD":
		made.verb = verbAdd
	default:
		made.verb = verbSet
	}
	return made, nil
}

// ProjectionOf is the projection of the legacy parameter AttributesToGet.
func ProjectionOf(attributes []string) (*Projection, error) {
	paths := make([]item.Path, 0, len(attributes))
	seen := make(map[string]struct{}, len(attributes))
	for _, name := range attributes {
		if err := item.CheckName(len(name)); err != nil {
			return nil, err
		}
		if _, ok := seen[name]; ok {
			return nil, invalidParameter("Duplicate value in attribute name: %s", name)
		}
		seen[name] = struct{}{}
		paths = append(paths, item.AttributePath(name))
	}
	return newProjection(paths), nil
}
