package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/awsjson"
)

// sortKeys are values of sort keys by type, in their order, as answers write
// them. Of strings and binaries the bytes are in raw.
var sortKeys = map[string]struct{ values, raw []string }{
	"N": {values: []string{"-100000000000000000000", "-3", "-0.5", "0", "0.25", "1", "2", "10", "1000"}},
	"S": {values: []string{"a", "aa", "ab", "b", "ba", "é", "😀"}, raw: []string{"a", "aa", "ab", "b", "ba", "é", "😀"}},
	"B": {values: []string{"AA==", "AAE=", "YQ==", "Yf8=", "/w==", "//8="}, raw: []string{"\x00", "\x00\x01", "a", "a\xff", "\xff", "\xff\xff"}},
}

// refRow is an item of a table of the reference: its partition key, which of the
// sort keys it has, and a number.
type refRow struct {
	pk string
	sk int
	a  int
}

// refTable is a table as a sorted list of rows.
type refTable struct {
	*rapid.T
	call func(operation, body string) map[string]any
	name string
	kind string // of the sort key
	rows []refRow
}

func TestPagesHoldWhatTheReferenceSays(t *testing.T) {
	store := apitest.New(t)
	handler := awsjson.NewHandler(awsjson.Options{Targets: targets(store), Region: apitest.Region})
	made := 0
	rapid.Check(t, func(rt *rapid.T) {
		made++
		table := &refTable{T: rt, name: "pages-" + strconv.Itoa(made), kind: rapid.SampledFrom([]string{"B", "N", "S"}).Draw(rt, "kind")}
		table.call = func(operation, body string) map[string]any {
			status, answer := apitest.Call(t, handler, operation, body)
			var members map[string]any
			if err := json.Unmarshal([]byte(answer), &members); err != nil || status != http.StatusOK {
				rt.Fatalf("%s %s is answered %d %s", operation, body, status, answer)
			}
			return members
		}
		table.fill()
		for range 4 {
			table.query()
		}
		table.scan()
	})
}

// fill makes the table and its items, in an order of their own.
func (t *refTable) fill() {
	t.call("CreateTable", fmt.Sprintf(`{"TableName":%q,"BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[`+
		`{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":%q}],"KeySchema":[`+
		`{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]}`, t.name, t.kind))
	for _, pk := range []string{"p", "q"} {
		for sk := range sortKeys[t.kind].values {
			if rapid.IntRange(0, 3).Draw(t.T, "is there") > 0 {
				t.rows = append(t.rows, refRow{pk: pk, sk: sk, a: rapid.IntRange(0, 3).Draw(t.T, "a")})
			}
		}
	}
	for _, r := range rapid.Permutation(t.rows).Draw(t.T, "order") {
		t.call("PutItem", fmt.Sprintf(`{"TableName":%q,"Item":{"a":{"N":"%d"},"pk":{"S":%q},"sk":{%q:%q},"z":{"S":"zz"}}}`,
			t.name, r.a, r.pk, t.kind, t.key(r.sk)))
	}
}

func (t *refTable) key(sk int) string { return sortKeys[t.kind].values[sk] }

// query draws a Query, of either kind of key condition, and walks through its
// pages.
func (t *refTable) query() {
	operator := rapid.SampledFrom(t.operators()).Draw(t.T, "operator")
	low := rapid.IntRange(0, len(sortKeys[t.kind].values)-1).Draw(t.T, "low")
	high := rapid.IntRange(low, len(sortKeys[t.kind].values)-1).Draw(t.T, "high")
	var rows []refRow
	for _, r := range t.rows {
		if r.pk == "p" && t.holds(operator, r.sk, low, high) {
			rows = append(rows, r)
		}
	}
	pk, least, most := map[string]string{"S": "p"}, map[string]string{t.kind: t.key(low)}, map[string]string{t.kind: t.key(high)}
	members, values := map[string]any{"TableName": t.name}, map[string]any{}
	if rapid.Bool().Draw(t.T, "legacy") {
		conditions := map[string]any{"pk": map[string]any{"ComparisonOperator": "EQ", "AttributeValueList": []any{pk}}}
		list := []any{least}
		if operator == "BETWEEN" {
			list = append(list, most)
		}
		if operator != "" {
			conditions["sk"] = map[string]any{"ComparisonOperator": operator, "AttributeValueList": list}
		}
		members["KeyConditions"] = conditions
	} else {
		members["KeyConditionExpression"] = "pk = :pk" + sortConditions[operator]
		values[":pk"] = pk
		if operator != "" {
			values[":low"] = least
		}
		if operator == "BETWEEN" {
			values[":high"] = most
		}
	}
	if rapid.Bool().Draw(t.T, "backwards") {
		members["ScanIndexForward"] = false
		slices.Reverse(rows)
	}
	t.walk("Query", members, values, rows)
}

// sortConditions are the operators of the legacy parameter as expressions.
var sortConditions = map[string]string{
	"": "", "EQ": " AND sk = :low", "LT": " AND sk < :low", "LE": " AND sk <= :low", "GT": " AND sk > :low",
	"GE": " AND :low <= sk", "BETWEEN": " AND sk BETWEEN :low AND :high", "BEGINS_WITH": " AND begins_with(sk, :low)",
}

// operators are those that the sort key's type allows.
func (t *refTable) operators() []string {
	operators := slices.Sorted(maps.Keys(sortConditions))
	return slices.DeleteFunc(operators, func(op string) bool { return op == "BEGINS_WITH" && t.kind == "N" })
}

func (t *refTable) holds(operator string, sk, low, high int) bool {
	switch operator {
	case "EQ":
		return sk == low
	case "LT":
		return sk < low
	case "LE":
		return sk <= low
	case "GT":
		return sk > low
	case "GE":
		return sk >= low
	case "BETWEEN":
		return low <= sk && sk <= high
	case "BEGINS_WITH":
		raw := sortKeys[t.kind].raw
		return strings.HasPrefix(raw[sk], raw[low])
	}
	return true
}

// scan draws a Scan, perhaps in segments, and walks through its pages. What
// order the items have only the table knows: they are what a Scan without
// anything finds.
func (t *refTable) scan() {
	segments := rapid.IntRange(1, 3).Draw(t.T, "segments")
	var found []refRow
	for segment := range segments {
		members := map[string]any{"TableName": t.name}
		if segments > 1 {
			members["Segment"], members["TotalSegments"] = segment, segments
		}
		rows := t.rowsOf(t.call("Scan", text(t.T, members)))
		found = append(found, rows...)
		values := map[string]any{}
		t.walk("Scan", members, values, rows)
	}
	byKey := func(a, b refRow) int { return strings.Compare(fmt.Sprint(a.pk, a.sk), fmt.Sprint(b.pk, b.sk)) }
	slices.SortFunc(found, byKey)
	if diff := cmp.Diff(t.rows, found, cmp.AllowUnexported(refRow{})); diff != "" {
		t.Fatalf("%d segments have other items (-want +got):\n%s", segments, diff)
	}
}

// walk goes through the pages of a Query or a Scan, with a filter, a projection
// and a limit perhaps, that examines rows in their order.
func (t *refTable) walk(operation string, members, values map[string]any, rows []refRow) {
	matches := func(refRow) bool { return true }
	if rapid.Bool().Draw(t.T, "filter") {
		least := rapid.IntRange(0, 3).Draw(t.T, "least")
		members["FilterExpression"] = "a >= :least"
		values[":least"] = map[string]string{"N": strconv.Itoa(least)}
		matches = func(r refRow) bool { return r.a >= least }
	}
	if len(values) > 0 {
		members["ExpressionAttributeValues"] = values
	}
	count := false
	projected := []string{"a", "pk", "sk", "z"}
	switch rapid.IntRange(0, 2).Draw(t.T, "select") {
	case 1:
		members["Select"], count = "COUNT", true
	case 2:
		projected = []string{"a", "sk"}
		members["ProjectionExpression"] = "sk, nothing, a"
	}
	limit := rapid.SampledFrom([]int{0, 1, 2, 3, 100}).Draw(t.T, "limit")
	if limit > 0 {
		members["Limit"] = limit
	}
	for {
		page, more := rows, limit > 0 && len(rows) >= limit
		if more {
			page = rows[:limit]
		}
		body := text(t.T, members)
		answer := t.call(operation, body)
		want := map[string]any{"ScannedCount": float64(len(page))}
		items := []any{}
		for _, r := range page {
			if matches(r) {
				items = append(items, t.item(r, projected))
			}
		}
		want["Count"] = float64(len(items))
		if !count {
			want["Items"] = items
		}
		if more {
			want["LastEvaluatedKey"] = t.item(page[limit-1], []string{"pk", "sk"})
		}
		if diff := cmp.Diff(want, answer); diff != "" {
			t.Fatalf("%s %s (-want +got):\n%s", operation, body, diff)
		}
		if !more {
			return
		}
		members["ExclusiveStartKey"], rows = answer["LastEvaluatedKey"], rows[limit:]
	}
}

// item is a row as answers write it, as far as names say.
func (t *refTable) item(r refRow, names []string) map[string]any {
	it := map[string]any{
		"a":  map[string]any{"N": strconv.Itoa(r.a)},
		"pk": map[string]any{"S": r.pk},
		"sk": map[string]any{t.kind: t.key(r.sk)},
		"z":  map[string]any{"S": "zz"},
	}
	maps.DeleteFunc(it, func(name string, _ any) bool { return !slices.Contains(names, name) })
	return it
}

// rowsOf is the rows of an answer.
func (t *refTable) rowsOf(answer map[string]any) []refRow {
	var rows []refRow
	for _, x := range answer["Items"].([]any) {
		it := x.(map[string]any)
		of := func(name, kind string) string { return it[name].(map[string]any)[kind].(string) }
		a, err := strconv.Atoi(of("a", "N"))
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, refRow{pk: of("pk", "S"), sk: slices.Index(sortKeys[t.kind].values, of("sk", t.kind)), a: a})
	}
	return rows
}

func text(t *rapid.T, members map[string]any) string {
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
