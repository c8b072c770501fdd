package control_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/region/control"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
	"github.com/roundtabledb/roundtable/storage/schema"
)

// records is tables that hold nothing.
type records map[string]*catalog.Table

func (r records) Lookup(name string) (*catalog.Table, error) {
	if t, ok := r[name]; ok {
		return t, nil
	}
	return nil, storage.Errorf(storage.ResourceNotFound, "table %s not found", name)
}

func (r records) TableNames() (names []string) {
	for name := range r {
		names = append(names, name)
	}
	return names
}

func (r records) CreateTable(_ context.Context, table schema.Table, global *catalog.Global) (*catalog.Table, error) {
	if err := table.Validate(); err != nil {
		return nil, err
	}
	return &catalog.Table{Table: table, Status: catalog.Creating, Global: global}, nil
}

func (r records) UpdateTable(_ context.Context, name string, change func(*catalog.Table) error) (*catalog.Table, error) {
	old, err := r.Lookup(name)
	if err != nil {
		return nil, err
	}
	t := *old
	if err := change(&t); err != nil {
		return nil, err
	}
	return &t, t.Table.Validate()
}

var scriptRequest = regexp.MustCompile(`(?m)^([A-Z][A-Za-z]+) (\{.*)$`)

// FuzzRequests: no request is answered with a 500, and none leaves a table that
// could not have been made.
func FuzzRequests(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("scripts: %d, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, m := range scriptRequest.FindAllStringSubmatch(string(text), -1) {
			f.Add(m[1], m[2])
		}
	}
	f.Add("CreateTable", `{"TableName":"new","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],`+
		`"LocalSecondaryIndexes":[{"IndexName":"one","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["a"]}}],`+
		`"GlobalSecondaryIndexes":[{"IndexName":"two","KeySchema":[{"AttributeName":"sk","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}]}`)
	f.Add("UpdateTable", `{"TableName":"tab","GlobalSecondaryIndexUpdates":[{"Update":{"IndexName":"one","ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1}}},{"Delete":{"IndexName":"two"}},{"Create":{"IndexName":"six","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"Projection":{}}}]}`)
	key := schema.KeyAttribute{Name: "pk", Kind: item.S}
	targets := control.New(control.Options{Region: apitest.Region, Tables: records{"tab": {
		Table:  schema.Table{Name: "tab", ID: "id", Partition: key, Attributes: []schema.KeyAttribute{key}, BillingMode: schema.PayPerRequest, CreatedMillis: 1},
		Status: catalog.Active,
	}}}).Targets()
	handler := awsjson.NewHandler(awsjson.Options{Targets: targets, Region: apitest.Region})
	f.Fuzz(func(t *testing.T, operation, body string) {
		if _, ok := targets[awsjson.TargetPrefix+operation]; !ok {
			t.Skip()
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", awsjson.TargetPrefix+operation)
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("%s %s\nis answered with %d %s", operation, body, w.Code, w.Body)
		}
	})
}
