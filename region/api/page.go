package api

import (
	"context"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/region/query"
	"github.com/roundtabledb/roundtable/region/request"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/machine"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// maxPageBytes is how many bytes of items a Query or Scan evaluates at a time.
const maxPageBytes = 1 << 20

// queryInput is the API's name of a request of Query.
const queryInput = "QueryInput"

// pageRequest is a request of Query or Scan.
type pageRequest struct {
	isQuery        bool
	table, index   awsjson.Text
	consistent     awsjson.Flag
	selects        awsjson.Text
	limit          awsjson.Int
	startKey       request.Attributes
	forward        awsjson.Flag // Query
	segment, total awsjson.Int  // Scan
	capacity       awsjson.Text

	request.Expressions
	request.Legacy
}

func readPageRequest(body []byte, class string) (*pageRequest, error) {
	in := &pageRequest{isQuery: class == queryInput}
	r := awsjson.NewReader(body)
	in.Words = request.Bare
	if !in.isQuery {
		in.Words = request.Older
		r.UseOlderWords()
	}
	for r.Struct(class) {
		switch string(r.Name()) {
		case "TableName":
			in.table = r.Text()
		case "IndexName":
			in.index = r.Text()
		case "ConsistentRead":
			in.consistent = r.Flag()
		case "Select":
			in.selects = r.Text()
		case "Limit":
			in.limit = r.Int("Integer")
		case "ExclusiveStartKey":
			in.startKey = request.ReadAttributes(r)
		case "ScanIndexForward":
			in.forward = r.Flag()
		case "Segment":
			in.segment = r.Int("Integer")
		case "TotalSegments":
			in.total = r.Int("Integer")
		case "ReturnConsumedCapacity":
			in.capacity = r.Text()
		default:
			if !in.Expressions.Read(r) && !in.Legacy.Read(r) {
				r.Skip()
			}
		}
	}
	return in, r.End()
}

// check is what DynamoDB checks first of both operations.
func (in *pageRequest) check() error {
	if err := request.CheckTableName(in.table); err != nil {
		return err
	}
	if in.isQuery {
		if err := in.Legacy.CheckOperator(); err != nil {
			return err
		}
	}
	var c constraint.Set
	c.Name(in.index, "indexName", 3)
	c.RequireUnshown(!in.limit.Set || in.limit.Value >= 1, "Limit", "Member must have value greater than or equal to 1")
	c.Enum(in.capacity, "returnConsumedCapacity", returnConsumedCapacity)
	c.Enum(in.selects, "select", selects)
	c.RequireUnshown(!in.segment.Set || in.segment.Value >= 0, "Segment", "Member must have value greater than or equal to 0")
	c.AtMost(in.segment, "segment", query.MaxSegments-1)
	c.AtLeast(in.total, "totalSegments", 1)
	c.AtMost(in.total, "totalSegments", query.MaxSegments)
	in.Legacy.Require(&c, in.Words)
	return c.Err()
}

// checkSelect checks Select against what else says which attributes are wanted.
func (in *pageRequest) checkSelect() error {
	list := ""
	switch {
	case in.Projection.Set:
		list = "ProjectionExpression"
	case in.AttributesToGet != nil:
		list = "AttributesToGet"
	}
	var err error
	switch s := in.selects.Value; {
	case s == "SPECIFIC_ATTRIBUTES" && list == "":
		err = awsjson.Validationf("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case s == "COUNT" && list != "":
		err = awsjson.Validationf("Cannot specify the %s when choosing to get only the Count", list)
	case in.selects.Set && s != "SPECIFIC_ATTRIBUTES" && list != "":
		err = awsjson.Validationf("Cannot specify the %s when choosing to get %s", list, s)
	case s == "ALL_PROJECTED_ATTRIBUTES" && !in.index.Set:
		err = awsjson.Validationf("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	}
	if err != nil && in.isQuery {
		// Here, of all its refusals, Query speaks as the writes do.
		return request.Envelop(err)
	}
	return err
}

func (a *API) query(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	in, err := readPageRequest(r.Body, queryInput)
	if err != nil {
		return dst, err
	}
	condition, page, err := in.queryPage()
	if err != nil {
		return dst, err
	}
	t, err := a.pagedTable(in)
	if err != nil {
		return dst, err
	}
	keys, err := in.queryRange(&t.Table, condition)
	if err != nil {
		return dst, err
	}
	if err := keysWhole(&t.Table, page.Projection.Paths()); err != nil {
		return dst, err
	}
	if err := in.checkFilter(&t.Table, page.Filter); err != nil {
		return dst, err
	}
	return a.page(ctx, in, t, keys, page, dst)
}

// queryPage checks a Query as far as that goes without its table, and returns
// its key condition and what else the page depends on.
func (in *pageRequest) queryPage() (*expr.KeyCondition, machine.PageRequest, error) {
	var page machine.PageRequest
	if err := in.check(); err != nil {
		return nil, page, err
	}
	old := []string{"AttributesToGet", "QueryFilter", "ConditionalOperator"}
	if in.KeyCondition.Set {
		// Otherwise KeyConditions go with a filter expression.
		old = append(old, "KeyConditions")
	}
	err := in.Expressions.Check(&in.Legacy,
		[]string{request.ProjectionExpression, "FilterExpression", "KeyConditionExpression"}, old)
	if err != nil {
		return nil, page, err
	}
	if err := in.Legacy.CheckJoined(); err != nil {
		return nil, page, err
	}
	if page.Filter, err = in.FilterCondition(); err != nil {
		return nil, page, err
	}
	if page.Projection, err = in.AttributeProjection(); err != nil {
		return nil, page, err
	}
	if err := in.checkStartValues(); err != nil {
		return nil, page, err
	}
	condition, err := in.ConditionOfKeys()
	if err != nil {
		return nil, page, err
	}
	if !in.KeyCondition.Set && condition == nil {
		return nil, page, awsjson.Validationf("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	b, err := in.Bindings()
	if err != nil {
		return nil, page, err
	}
	page.Reverse = in.forward.Set && !in.forward.Value
	if condition != nil {
		return condition, page, in.parsePage(&page, b)
	}
	parsed, err := expr.ParseKeyExpression(in.KeyCondition.Value, b)
	if err != nil {
		return nil, page, err
	}
	if err := in.parsePage(&page, b); err != nil {
		return nil, page, err
	}
	condition, err = parsed.KeyCondition()
	return condition, page, err
}

// parsePage parses what expressions both operations have: a filter and a
// projection.
func (in *pageRequest) parsePage(page *machine.PageRequest, b *expr.Bindings) (err error) {
	if in.Filter.Set {
		if page.Filter, err = expr.ParseFilter(in.Filter.Value, b); err != nil {
			return err
		}
	}
	if in.Projection.Set {
		if page.Projection, err = expr.ParseProjection(in.Projection.Value, b); err != nil {
			return err
		}
	}
	page.Limit = int(in.limit.Value)
	page.MaxBytes = maxPageBytes
	page.CountOnly = in.selects.Value == "COUNT"
	if err := b.Unused(); err != nil {
		return err
	}
	return in.checkSelect()
}

// pagedTable finds the table of a Query or Scan.
func (a *API) pagedTable(in *pageRequest) (*catalog.Table, error) {
	t, err := a.table(in.table.Value)
	if err == nil && in.index.Set {
		return nil, awsjson.Validationf("The table does not have the specified index: %s", in.index.Value)
	}
	return t, err
}

// checkFilter refuses a filter of a Query that looks at key attributes: they
// belong into the key condition.
func (in *pageRequest) checkFilter(t *schema.Table, filter *expr.Condition) error {
	member := "Filter Expression"
	if in.Comparisons != nil {
		member = in.FilterName
	}
	for _, path := range filter.Paths() {
		name := path[0].Name
		if name == t.Partition.Name || t.Sort != nil && name == t.Sort.Name {
			return awsjson.Validationf("%s can only contain non-primary key attributes: Primary key attribute: %s", member, name)
		}
	}
	return nil
}

func (a *API) scan(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	in, err := readPageRequest(r.Body, "ScanInput")
	if err != nil {
		return dst, err
	}
	page, err := in.scanPage()
	if err != nil {
		return dst, err
	}
	t, err := a.pagedTable(in)
	if err != nil {
		return dst, err
	}
	keys, err := in.scanRange(&t.Table)
	if err != nil {
		return dst, err
	}
	if err := keysWhole(&t.Table, page.Projection.Paths()); err != nil {
		return dst, err
	}
	if err := keysWhole(&t.Table, page.Filter.Paths()); err != nil {
		return dst, err
	}
	return a.page(ctx, in, t, keys, page, dst)
}

// scanPage checks a Scan as far as that goes without its table.
func (in *pageRequest) scanPage() (machine.PageRequest, error) {
	var page machine.PageRequest
	if err := in.check(); err != nil {
		return page, err
	}
	err := in.Expressions.Check(&in.Legacy,
		[]string{request.ProjectionExpression, "FilterExpression"},
		[]string{"AttributesToGet", "ScanFilter", "ConditionalOperator"})
	if err != nil {
		return page, err
	}
	if err := in.Legacy.CheckJoined(); err != nil {
		return page, err
	}
	if page.Projection, err = in.AttributeProjection(); err != nil {
		return page, err
	}
	if page.Filter, err = in.FilterCondition(); err != nil {
		return page, err
	}
	if err := in.checkStartValues(); err != nil {
		return page, err
	}
	if err := in.checkSegments(); err != nil {
		return page, err
	}
	b, err := in.Bindings()
	if err != nil {
		return page, err
	}
	return page, in.parsePage(&page, b)
}

// checkSegments checks the members of a parallel scan against each other.
func (in *pageRequest) checkSegments() error {
	switch {
	case in.segment.Set && !in.total.Set:
		return awsjson.Validationf("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case in.total.Set && !in.segment.Set:
		return awsjson.Validationf("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case in.total.Set && in.segment.Value >= in.total.Value:
		return awsjson.Validationf("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", in.segment.Value, in.total.Value)
	}
	return nil
}

// page reads a page and writes the answer.
func (a *API) page(ctx context.Context, in *pageRequest, t *catalog.Table, keys query.Range, req machine.PageRequest, dst []byte) ([]byte, error) {
	var found machine.Page
	if !keys.Empty() {
		var err error
		req.Lo, req.Hi = keys.Lo, keys.Hi
		if found, err = a.store.Page(ctx, t, req, in.consistent.Value); err != nil {
			return dst, err
		}
	}
	w := writer{b: dst}
	w.begin()
	w.number("Count", found.Count)
	if !req.CountOnly {
		w.member("Items")
		w.b = awsjson.AppendItems(w.b, found.Items)
	}
	if found.More {
		if found.Last == nil {
			return dst, storage.Errorf(storage.Internal, "a page has more but no last key")
		}
		last, err := t.DecodeKey(found.Last)
		if err != nil {
			return dst, err
		}
		w.key("LastEvaluatedKey", last)
	}
	w.number("ScannedCount", found.Scanned)
	w.consumed(in.capacity, in.table.Value, readUnits(found.ScannedBytes, in.consistent.Value))
	w.end()
	return w.b, nil
}
