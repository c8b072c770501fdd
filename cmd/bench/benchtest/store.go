// Package benchtest is a store for the tests of the load generator: a DynamoDB
// endpoint in memory that knows just what the generator asks for, and is strict
// about it.
package benchtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/roundtabledb/roundtable/region/auth"
)

// The credentials and the region of a store.
const (
	AccessKey = "K"
	SecretKey = "S"
	Region    = "eu-1"
)

// Item is an item whose attributes are all strings.
type Item map[string]struct{ S string }

// Store is the endpoint.
type Store struct {
	URL string
	// Chunked makes it send answers in chunks, Refuse fail every GetItem, Leave
	// leave an item of each batch.
	Chunked, Refuse, Leave atomic.Bool
	// Before, if set, is called before each request with its operation.
	Before func(operation string)

	t        testing.TB
	verifier *auth.Verifier

	mu struct {
		sync.Mutex
		asked  map[string]int
		tables map[string]*table
	}
}

type table struct {
	sorted bool
	items  map[[2]string]Item // by pk and sk
}

// New starts a store that ends with the test.
func New(t testing.TB) *Store {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	text := fmt.Sprintf("[a]\naws_access_key_id = %s\naws_secret_access_key = %s\n", AccessKey, SecretKey)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := auth.New(auth.Options{File: file, Region: Region})
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{t: t, verifier: v}
	s.mu.asked = map[string]int{}
	s.mu.tables = map[string]*table{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Asked is how often an operation was asked for.
func (s *Store) Asked(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.asked[operation]
}

// Tables are the tables there are.
func (s *Store) Tables() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.mu.tables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Create makes an empty table.
func (s *Store) Create(name string, sorted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.tables[name] = &table{sorted: sorted, items: map[[2]string]Item{}}
}

// Items are those of a table, in the order of their keys.
func (s *Store) Items(name string) []Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.tables[name].from([2]string{}, true, 1<<30, "")
}

// request has what any of the operations has.
type request struct {
	TableName, KeyConditionExpression, UpdateExpression, ConditionExpression string

	Item, Key, ExclusiveStartKey Item
	ExpressionAttributeValues    Item
	KeySchema                    []struct{ AttributeName string }
	ConsistentRead               bool
	Limit                        int
	RequestItems                 map[string]json.RawMessage
}

// refusal is what the service answers with status 400.
type refusal struct{ kind string }

func (r refusal) Error() string { return r.kind }

// ServeHTTP answers.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	if _, err := s.verifier.Verify(r, body); err != nil {
		s.t.Errorf("signature: %v", err)
	}
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if s.Before != nil {
		s.Before(name)
	}
	var q request
	if err := json.Unmarshal(body, &q); err != nil {
		s.t.Errorf("%s: %s: %v", name, body, err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	answer, err := s.answer(name, &q)
	var refused refusal
	switch {
	case errors.As(err, &refused):
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#" + refused.kind}
	case err != nil:
		s.t.Errorf("%s: %s: %v", name, body, err)
	case name == "GetItem" && s.Refuse.Load():
		w.WriteHeader(http.StatusInternalServerError)
		answer = map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"}
	}
	if answer == nil {
		answer = struct{}{}
	}
	if s.Chunked.Load() {
		w.(http.Flusher).Flush()
	}
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}

func (s *Store) answer(name string, q *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "GetItem" && q.ConsistentRead {
		name = "GetItem, strong"
	}
	s.mu.asked[name]++
	if name == "CreateTable" {
		s.mu.tables[q.TableName] = &table{sorted: len(q.KeySchema) == 2, items: map[[2]string]Item{}}
		return nil, nil
	}
	if strings.HasPrefix(name, "Batch") {
		return s.batch(name, q)
	}
	t := s.mu.tables[q.TableName]
	if t == nil {
		return nil, fmt.Errorf("no table %q", q.TableName)
	}
	switch name {
	case "DescribeTable":
		return map[string]any{"Table": map[string]string{"TableStatus": "ACTIVE"}}, nil
	case "DeleteTable":
		delete(s.mu.tables, q.TableName)
		return nil, nil
	}
	return t.answer(name, q)
}

func (s *Store) batch(name string, q *request) (any, error) {
	responses, left := map[string][]Item{}, map[string]any{}
	for tableName, raw := range q.RequestItems {
		t := s.mu.tables[tableName]
		if t == nil {
			return nil, fmt.Errorf("no table %q", tableName)
		}
		var writes []struct{ PutRequest struct{ Item Item } }
		var reads struct{ Keys []Item }
		var err error
		var n int
		if name == "BatchWriteItem" {
			err = json.Unmarshal(raw, &writes)
			n = len(writes)
		} else {
			err = json.Unmarshal(raw, &reads)
			n = len(reads.Keys)
		}
		if err != nil || n < 1 || n > 100 || n > 25 && name == "BatchWriteItem" {
			return nil, fmt.Errorf("%d items in a batch, %w", n, err)
		}
		seen := map[[2]string]bool{}
		for _, w := range writes {
			seen[t.key(w.PutRequest.Item)] = true
			t.items[t.key(w.PutRequest.Item)] = w.PutRequest.Item
		}
		for _, k := range reads.Keys {
			seen[t.key(k)] = true
			if item := t.items[t.key(k)]; item != nil {
				responses[tableName] = append(responses[tableName], item)
			}
		}
		if len(seen) != n {
			return nil, errors.New("a batch has a key twice")
		}
		if s.Leave.Load() {
			left[tableName] = raw
		}
	}
	if name == "BatchWriteItem" {
		return map[string]any{"UnprocessedItems": left}, nil
	}
	return map[string]any{"Responses": responses, "UnprocessedKeys": left}, nil
}

func (t *table) key(item Item) [2]string {
	if !t.sorted {
		return [2]string{item["pk"].S}
	}
	return [2]string{item["pk"].S, item["sk"].S}
}

func (t *table) checkKey(key Item) error {
	if want := map[bool]int{false: 1, true: 2}[t.sorted]; len(key) != want || key["pk"].S == "" || t.sorted && key["sk"].S == "" {
		return fmt.Errorf("%v is no key", key)
	}
	return nil
}

func (t *table) answer(name string, q *request) (any, error) {
	at := t.key(q.Key)
	switch name {
	case "PutItem":
		t.items[t.key(q.Item)] = q.Item
		return nil, nil
	case "Query":
		values := q.ExpressionAttributeValues
		if !t.sorted || q.KeyConditionExpression != "pk = :p AND sk >= :s" {
			return nil, fmt.Errorf("no query: %q", q.KeyConditionExpression)
		}
		return page(t.from([2]string{values[":p"].S, values[":s"].S}, true, q.Limit, values[":p"].S))
	case "Scan":
		if err := t.checkKey(q.ExclusiveStartKey); err != nil {
			return nil, err
		}
		return page(t.from(t.key(q.ExclusiveStartKey), false, q.Limit, ""))
	}
	if err := t.checkKey(q.Key); err != nil {
		return nil, err
	}
	switch name {
	case "GetItem", "GetItem, strong":
		if item := t.items[at]; item != nil {
			return map[string]any{"Item": item}, nil
		}
		return nil, nil
	case "DeleteItem":
		delete(t.items, at)
		return nil, nil
	case "UpdateItem":
		return nil, t.update(at, q)
	}
	return nil, fmt.Errorf("unknown operation %s", name)
}

func (t *table) update(at [2]string, q *request) error {
	old, there := t.items[at]["v"]
	holds := true
	switch q.ConditionExpression {
	case "":
	case "attribute_not_exists(v)":
		holds = !there
	case "begins_with(v, :r)":
		holds = there && strings.HasPrefix(old.S, q.ExpressionAttributeValues[":r"].S)
	default:
		return fmt.Errorf("condition %q", q.ConditionExpression)
	}
	if !holds {
		return refusal{"ConditionalCheckFailedException"}
	}
	if q.UpdateExpression != "SET v = :v" {
		return fmt.Errorf("update %q", q.UpdateExpression)
	}
	item := Item{"pk": {at[0]}, "v": q.ExpressionAttributeValues[":v"]}
	if t.sorted {
		item["sk"] = struct{ S string }{at[1]}
	}
	t.items[at] = item
	return nil
}

func page(items []Item) (any, error) {
	return map[string]any{"Items": items, "Count": len(items), "ScannedCount": len(items)}, nil
}

// from are the items from a key on or, unless inclusive, behind it, in order,
// if partition is given only those that have it.
func (t *table) from(key [2]string, inclusive bool, limit int, partition string) []Item {
	order := func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }
	var keys [][2]string
	for k := range t.items {
		if c := order(k, key); (c > 0 || c == 0 && inclusive) && (partition == "" || k[0] == partition) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, order)
	items := []Item{}
	for _, k := range keys[:min(limit, len(keys))] {
		items = append(items, t.items[k])
	}
	return items
}
