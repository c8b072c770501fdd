package api_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/awsjson"
)

var scriptRequest = regexp.MustCompile(`(?m)^([A-Z][A-Za-z]+) (\{.*)$`)

// No request may be answered with a 500. The seeds are the requests of the
// scripts; those that make tables are carried out, all others are mutated.
func FuzzRequests(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("scripts: %d, %v", len(files), err)
	}
	store := apitest.New(f)
	handler := awsjson.NewHandler(awsjson.Options{Targets: targets(store), Region: apitest.Region})
	items := map[string]bool{"PutItem": true, "GetItem": true, "UpdateItem": true, "DeleteItem": true,
		"BatchGetItem": true, "BatchWriteItem": true, "Query": true, "Scan": true}
	call := func(operation, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", awsjson.TargetPrefix+operation)
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, m := range scriptRequest.FindAllStringSubmatch(string(text), -1) {
			switch {
			case m[1] == "CreateTable":
				call(m[1], m[2]) // several scripts have the same tables
			case items[m[1]] && len(m[2]) < 4096:
				f.Add(m[1], m[2])
			}
		}
	}
	f.Fuzz(func(t *testing.T, operation, body string) {
		if !items[operation] {
			t.Skip()
		}
		if w := call(operation, body); w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("%s %s\nis answered with %d %s", operation, body, w.Code, w.Body)
		}
	})
}
