package api

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/constraint"
	"github.com/roundtabledb/roundtable/region/request"
	"github.com/roundtabledb/roundtable/storage/expr"
	"github.com/roundtabledb/roundtable/storage/item"
)

const (
	// maxBatchGets is how many items a BatchGetItem may ask for.
	maxBatchGets = 100
	// maxBatchGetBytes is how many bytes of items it answers with.
	maxBatchGetBytes = 16 << 20
	// batchGetters is how many items are read at a time.
	batchGetters = 16
)

// batchGetTable is the keys of one table.
type batchGetTable struct {
	name       string
	keys       []request.Attributes
	consistent awsjson.Flag
	request.Expressions
	request.Legacy
	// rest is the members but for Keys as they came, for UnprocessedKeys.
	rest []rawMember

	table      *catalog.Table
	projection *expr.Projection
}

type rawMember struct {
	name string
	text []byte
}

type batchGetRequest struct {
	tables []batchGetTable
	// raw is RequestItems as it came.
	raw      []byte
	capacity awsjson.Text
}

func readBatchGetRequest(body []byte) (*batchGetRequest, error) {
	in := new(batchGetRequest)
	r := awsjson.NewReader(body)
	for r.Struct("BatchGetItemInput") {
		switch string(r.Name()) {
		case "RequestItems":
			start := r.Mark()
			for r.Map("KeysAndAttributes") {
				in.add(readBatchGetTable(r))
			}
			in.raw = r.Since(start)
		case "ReturnConsumedCapacity":
			in.capacity = r.Text()
		default:
			r.Skip()
		}
	}
	slices.SortFunc(in.tables, func(a, b batchGetTable) int { return strings.Compare(a.name, b.name) })
	return in, r.End()
}

// add adds the keys of a table. What was said of the table before, under its name
// or its ARN, is forgotten.
func (in *batchGetRequest) add(t batchGetTable) {
	name := constraint.TableName(t.name)
	for i := range in.tables {
		if constraint.TableName(in.tables[i].name) == name {
			in.tables[i] = t
			return
		}
	}
	in.tables = append(in.tables, t)
}

func readBatchGetTable(r *awsjson.Reader) batchGetTable {
	t := batchGetTable{name: string(r.Name())}
	t.Words = request.Bare
	for r.Struct("KeysAndAttributes") {
		name := string(r.Name())
		if name == "Keys" {
			for r.List() {
				k := request.ReadAttributes(r)
				if !k.Set {
					k.Item = item.Encode(item.Item{})
				}
				t.keys = append(t.keys, k)
			}
			continue
		}
		start := r.Mark()
		switch {
		case name == "ConsistentRead":
			t.consistent = r.Flag()
		case t.Expressions.Read(r), t.Legacy.Read(r):
		default:
			r.Skip()
			continue
		}
		t.rest = append(t.rest, rawMember{name: name, text: r.Since(start)})
	}
	return t
}

// check is what DynamoDB checks before it looks for the tables.
func (in *batchGetRequest) check() error {
	var c constraint.Set
	c.RequireUnshown(len(in.tables) > 0, "RequestItems", "Member must have length greater than or equal to 1")
	if slices.ContainsFunc(in.tables, func(t batchGetTable) bool { return !tableNameFits(t.name) }) {
		var told bytes.Buffer
		if err := json.Compact(&told, in.raw); err != nil {
			return awsjson.Serializationf("")
		}
		c.Require(false, "requestItems", constraint.Quoted(told.String()), tableNameRule)
	}
	c.Enum(in.capacity, "returnConsumedCapacity", returnConsumedCapacity)
	total := 0
	for _, t := range in.tables {
		total += len(t.keys)
		t.Legacy.Require(&c, t.Words)
		if n := len(t.keys); n == 0 || n > maxBatchGets {
			rule := "greater than or equal to 1"
			if n > 0 {
				rule = "less than or equal to 100"
			}
			c.RequireUnshown(false, "RequestItems."+t.name+".member.Keys", "Member must have length "+rule)
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	if total > maxBatchGets {
		return awsjson.Validationf("Too many items requested for the BatchGetItem call")
	}
	if err := in.checkMixture(); err != nil {
		return err
	}
	for i := range in.tables {
		if err := in.tables[i].check(); err != nil {
			return err
		}
	}
	return in.checkDuplicates()
}

// checkDuplicates refuses a key that is asked for twice, before it is known
// whether the table is there: keys of one schema are the same when they are the
// same items.
func (in *batchGetRequest) checkDuplicates() error {
	seen := map[string]struct{}{}
	for _, t := range in.tables {
		name := constraint.TableName(t.name)
		for _, k := range t.keys {
			id := name + "/" + string(k.Item)
			if _, twice := seen[id]; twice {
				return awsjson.Validationf("Provided list of item keys contains duplicates")
			}
			seen[id] = struct{}{}
		}
	}
	return nil
}

// checkMixture refuses an expression for one table and what it has replaced for
// another: all tables have to be asked in one way.
func (in *batchGetRequest) checkMixture() error {
	var all batchGetTable
	for i := range in.tables {
		t := &in.tables[i]
		all.Projection.Set = all.Projection.Set || t.Projection.Set
		if t.AttributesToGet != nil {
			all.AttributesToGet = t.AttributesToGet
		}
	}
	return all.Expressions.Check(&all.Legacy, []string{request.ProjectionExpression}, []string{"AttributesToGet"})
}

func (t *batchGetTable) check() (err error) {
	err = t.Expressions.Check(&t.Legacy, []string{request.ProjectionExpression}, []string{"AttributesToGet"})
	if err != nil {
		return err
	}
	for _, k := range t.keys {
		if k.Invalid != nil {
			return k.Invalid
		}
	}
	t.projection, err = parseProjection(&t.Expressions, t.AttributesToGet)
	return err
}

// batchGet is the reading of one item.
type batchGet struct {
	part  *batchGetTable
	raw   item.Encoded // the key, as an item
	key   []byte
	found item.Encoded
	size  int
	err   error
}

// batchGets finds the tables and the keys, in the order of the request.
func (a *API) batchGets(in *batchGetRequest) ([]batchGet, error) {
	var gets []batchGet
	for i := range in.tables {
		part := &in.tables[i]
		var err error
		if part.table, err = a.table(part.name); err != nil {
			return nil, err
		}
		if err := keysWhole(&part.table.Table, part.projection.Paths()); err != nil {
			return nil, err
		}
		for _, k := range part.keys {
			key, err := request.Key(&part.table.Table, k.Item)
			if err != nil {
				return nil, err
			}
			gets = append(gets, batchGet{part: part, raw: k.Item, key: key})
		}
	}
	return gets, nil
}

func (a *API) batchGetItem(ctx context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	in, err := readBatchGetRequest(r.Body)
	if err != nil {
		return dst, err
	}
	if err := in.check(); err != nil {
		return dst, err
	}
	gets, err := a.batchGets(in)
	if err != nil {
		return dst, err
	}
	a.getAll(ctx, gets)
	unprocessed, err := cutOff(gets)
	if err != nil {
		return dst, err
	}
	return in.answer(dst, gets, unprocessed)
}

// getAll reads items, several at a time.
func (a *API) getAll(ctx context.Context, gets []batchGet) {
	var wg sync.WaitGroup
	workers := min(batchGetters, len(gets))
	for first := range workers {
		wg.Go(func() {
			for i := first; i < len(gets); i += workers {
				g := &gets[i]
				g.found, g.err = a.store.Get(ctx, g.part.table, g.key, g.part.consistent.Value)
				if g.err == nil && g.found != nil {
					g.size, g.err = g.found.Size()
				}
			}
		})
	}
	wg.Wait()
}

// cutOff says which items the answer leaves for another request: those that
// could not be read, and those beyond its greatest size. It is an error when
// that is all of them.
func cutOff(gets []batchGet) ([]bool, error) {
	unprocessed := make([]bool, len(gets))
	left, bytes := 0, 0
	for i, g := range gets {
		if g.err != nil {
			if !canRetry(g.err) || left == len(gets)-1 {
				return nil, g.err
			}
			unprocessed[i] = true
			left++
			continue
		}
		if bytes += g.size; bytes > maxBatchGetBytes {
			unprocessed[i] = true
			left++
		}
	}
	return unprocessed, nil
}

func (in *batchGetRequest) answer(dst []byte, gets []batchGet, unprocessed []bool) ([]byte, error) {
	w := writer{b: dst}
	w.begin()
	w.member("Responses")
	w.begin()
	units := make([]float64, len(in.tables))
	at := 0
	for i, t := range in.tables {
		w.table(t.name)
		w.b = append(w.b, '[')
		first := true
		for range t.keys {
			g := &gets[at]
			if !unprocessed[at] {
				units[i] += readUnits(g.size, t.consistent.Value)
			}
			at++
			if unprocessed[at-1] || g.found == nil {
				continue
			}
			if !first {
				w.b = append(w.b, ',')
			}
			first = false
			var err error
			if w.b, err = appendProjected(w.b, g.found, t.projection); err != nil {
				return dst, err
			}
		}
		w.b = append(w.b, ']')
	}
	w.end()
	in.unprocessed(&w, gets, unprocessed)
	w.consumedByTable(in.capacity, len(in.tables), func(i int) (string, float64) { return in.tables[i].name, units[i] })
	w.end()
	return w.b, nil
}

// unprocessed writes UnprocessedKeys: a RequestItems for the next request.
func (in *batchGetRequest) unprocessed(w *writer, gets []batchGet, unprocessed []bool) {
	w.member("UnprocessedKeys")
	w.begin()
	at := 0
	for _, t := range in.tables {
		open := false
		for range t.keys {
			if unprocessed[at] {
				if !open {
					w.table(t.name)
					w.begin()
					w.member("Keys")
					w.b = append(w.b, '[')
					open = true
				} else {
					w.b = append(w.b, ',')
				}
				w.b = awsjson.AppendItem(w.b, gets[at].raw)
			}
			at++
		}
		if open {
			w.b = append(w.b, ']')
			for _, m := range t.rest {
				w.member(m.name)
				w.b = append(w.b, m.text...)
			}
			w.end()
		}
	}
	w.end()
}
