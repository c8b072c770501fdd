package awsjson_test

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/roundtabledb/roundtable/region/awsjson"
	"github.com/roundtabledb/roundtable/storage"
	"github.com/roundtabledb/roundtable/storage/item"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func echo(_ context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
	return append(dst, `{"operation":"`+r.Operation+`","host":"`+r.Host+`"}`...), nil
}

func TestHandler(t *testing.T) {
	handler := awsjson.NewHandler(awsjson.Options{
		Region:  "eu-test-1",
		Targets: awsjson.Targets{"DynamoDB_20120810.Echo": echo},
		Authenticate: func(r *http.Request, body []byte) (context.Context, error) {
			if r.Header.Get("Authorization") == "" {
				return nil, awsjson.NewException("MissingAuthenticationTokenException", "Request is missing Authentication Token")
			}
			return r.Context(), nil
		},
		Logger: discard(),
	})
	const json10, plain = "application/x-amz-json-1.0", "application/json"
	for _, tc := range []struct {
		name, method, body string
		header             map[string]string
		status             int
		contentType, want  string
	}{
		{
			name: "an operation", method: "POST", body: "{}",
			header: map[string]string{"Content-Type": json10, "X-Amz-Target": "DynamoDB_20120810.Echo", "Authorization": "x"},
			status: 200, contentType: json10, want: `{"operation":"Echo","host":"db.test:8000"}`,
		},
		{
			name: "plain JSON with parameters", method: "POST", body: "{}",
			header: map[string]string{"Content-Type": " application/json ; charset=utf-8", "X-Amz-Target": "DynamoDB_20120810.Echo", "Authorization": "x"},
			status: 200, contentType: plain, want: `{"operation":"Echo","host":"db.test:8000"}`,
		},
		{
			name: "no credentials", method: "POST", body: "{}",
			header: map[string]string{"Content-Type": json10, "X-Amz-Target": "DynamoDB_20120810.Echo"},
			status: 400, contentType: json10,
			want: `{"__type":"com.amazon.coral.service#MissingAuthenticationTokenException","message":"Request is missing Authentication Token"}`,
		},
		{
			name: "no body", method: "POST",
			header: map[string]string{"X-Amz-Target": "DynamoDB_20120810.Echo", "Authorization": "x"},
			status: 400, contentType: plain, want: `{"__type":"com.amazon.coral.service#SerializationException"}`,
		},
		{
			name: "no target", method: "POST", body: "{}", header: map[string]string{"Content-Type": json10},
			status: 400, contentType: json10, want: `{"__type":"com.amazon.coral.service#UnknownOperationException"}`,
		},
		{
			name: "another target", method: "POST", body: "{}", header: map[string]string{"Content-Type": json10, "X-Amz-Target": "DynamoDB_20120810.Other"},
			status: 400, contentType: json10, want: `{"__type":"com.amazon.coral.service#UnknownOperationException"}`,
		},
		{
			name: "no JSON", method: "POST", body: "hi", header: map[string]string{"Content-Type": plain},
			status: 400, contentType: plain, want: `{"__type":"com.amazon.coral.service#SerializationException"}`,
		},
		{
			name: "another content type", method: "POST", body: "hi", header: map[string]string{"Content-Type": "application/x-amz-json-1.1"},
			status: 404, want: "<UnknownOperationException/>\n",
		},
		{name: "no content type", method: "POST", body: "hi", status: 404, want: "<UnknownOperationException/>\n"},
		{name: "another method", method: "PUT", status: 404, want: "<UnknownOperationException/>\n"},
		{name: "options without origin", method: "OPTIONS", status: 404, want: "<UnknownOperationException/>\n"},
		{name: "health", method: "GET", status: 200, contentType: "text/plain", want: "healthy: dynamodb.eu-test-1.amazonaws.com "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, "http://db.test:8000/", strings.NewReader(tc.body))
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			header := w.Result().Header
			if w.Code != tc.status || w.Body.String() != tc.want || header.Get("Content-Type") != tc.contentType {
				t.Errorf("got %d %q %s", w.Code, header.Get("Content-Type"), w.Body)
			}
			if got, want := header.Get("X-Amz-Crc32"), strconv.Itoa(int(crc32.ChecksumIEEE(w.Body.Bytes()))); got != want {
				t.Errorf("checksum %s, want %s", got, want)
			}
			if got := header.Get("X-Amzn-Requestid"); len(got) != 52 || strings.Trim(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
				t.Errorf("request id %q", got)
			}
		})
	}
}

// TestChecksumOfKnownAnswers compares with what the service was seen to send.
func TestChecksumOfKnownAnswers(t *testing.T) {
	handler := awsjson.NewHandler(awsjson.Options{Logger: discard()})
	for body, want := range map[string]string{"hi": "3948637019", "{}": "1368724161"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Result().Header.Get("X-Amz-Crc32"); got != want {
			t.Errorf("%s: checksum %s of %s, want %s", body, got, w.Body, want)
		}
	}
}

func TestHandlerAnswersBrowsers(t *testing.T) {
	handler := awsjson.NewHandler(awsjson.Options{})
	r := httptest.NewRequest("OPTIONS", "/", nil)
	r.Header.Set("Origin", "http://console.test")
	r.Header.Set("Access-Control-Request-Headers", "x-amz-target")
	r.Header.Set("Access-Control-Request-Method", "POST")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	got := map[string]string{}
	for _, name := range []string{"Allow-Origin", "Allow-Headers", "Allow-Methods", "Max-Age"} {
		got[name] = w.Result().Header.Get("Access-Control-" + name)
	}
	want := map[string]string{"Allow-Origin": "*", "Allow-Headers": "x-amz-target", "Allow-Methods": "POST", "Max-Age": "172800"}
	if diff := cmp.Diff(want, got); diff != "" || w.Code != 200 {
		t.Errorf("%d (-want +got):\n%s", w.Code, diff)
	}
}

func TestBodyLimit(t *testing.T) {
	handler := awsjson.NewHandler(awsjson.Options{Targets: awsjson.Targets{"DynamoDB_20120810.Echo": echo}})
	const limit = 16 << 20
	for _, tc := range []struct {
		size, length int64
		status       int
	}{
		{limit, limit, 200},
		{limit + 1, limit + 1, 413},
		{limit, -1, 200},
		{limit + 1, -1, 413},
		{10, 20, 400},
	} {
		r := httptest.NewRequest("POST", "/", io.LimitReader(zeros{}, tc.size))
		r.ContentLength = tc.length
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.Echo")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%d bytes, declared %d: %d, want %d", tc.size, tc.length, w.Code, tc.status)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestExceptionOf(t *testing.T) {
	kind := func(k storage.Kind) error { return &storage.Error{Kind: k, Op: "test.Op", Message: "text"} }
	const internal = `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"The server encountered an internal error trying to fulfill the request."}`
	stored := item.Encode(item.NewItem(item.Attribute{Name: "a", Value: item.String("b")}))
	for _, tc := range []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"validation", kind(storage.Validation), 400, `{"__type":"com.amazon.coral.validate#ValidationException","message":"text"}`},
		{"wrapped", errors.Join(errors.New("outer"), kind(storage.Validation)), 400, `{"__type":"com.amazon.coral.validate#ValidationException","message":"text"}`},
		{"condition", kind(storage.ConditionalCheckFailed), 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`},
		{
			"condition with its item", &storage.Error{Kind: storage.ConditionalCheckFailed, Item: stored}, 400,
			`{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed","Item":{"a":{"S":"b"}}}`,
		},
		{"conflict", kind(storage.TransactionConflict), 400, `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"text"}`},
		{"not found", kind(storage.ResourceNotFound), 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"text"}`},
		{"in use", kind(storage.ResourceInUse), 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceInUseException","message":"text"}`},
		{"limit", kind(storage.LimitExceeded), 400, `{"__type":"com.amazonaws.dynamodb.v20120810#LimitExceededException","message":"text"}`},
		{"throttled", kind(storage.Throttled), 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"text"}`},
		{"not leader", kind(storage.NotLeader), 500, internal},
		{"wrong partition", kind(storage.WrongPartition), 500, internal},
		{"ambiguous", kind(storage.Ambiguous), 500, internal},
		{"unavailable", kind(storage.Unavailable), 500, internal},
		{"stale", kind(storage.StaleRequest), 500, internal},
		{"corrupt", kind(storage.Corrupt), 500, internal},
		{"internal", kind(storage.Internal), 500, internal},
		{"unknown", errors.New("secret detail"), 500, internal},
		{"exception", awsjson.Serializationf("bad %d", 1), 400, `{"__type":"com.amazon.coral.service#SerializationException","Message":"bad 1"}`},
	} {
		x := awsjson.ExceptionOf(tc.err)
		if got := string(awsjson.AppendException(nil, x)); got != tc.want || x.Status != tc.status {
			t.Errorf("%s: %d %s", tc.name, x.Status, got)
		}
	}
}

// TestObserve: each request is observed once, whatever becomes of it, and an
// operation that takes too long is ended.
func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []awsjson.Observation
		handler := awsjson.NewHandler(awsjson.Options{
			Targets: awsjson.Targets{
				"DynamoDB_20120810.Echo": echo,
				"DynamoDB_20120810.Slow": func(ctx context.Context, _ *awsjson.Request, dst []byte) ([]byte, error) {
					<-ctx.Done()
					return dst, storage.Errorf(storage.Unavailable, "%w", ctx.Err())
				},
			},
			Timeout: time.Second,
			Observe: func(_ context.Context, o awsjson.Observation) { got = append(got, o) },
			Logger:  discard(),
		})
		start := time.Now()
		for _, target := range []string{"Echo", "Slow", "Other"} {
			r := httptest.NewRequest("POST", "http://h/", strings.NewReader("{}"))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+target)
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		want := []awsjson.Observation{
			{Operation: "Echo", Status: 200, Start: start, In: 2},
			{Operation: "Slow", Status: 500, Exception: "InternalServerError", Start: start, In: 2},
			{Status: 400, Exception: "UnknownOperationException", Start: start.Add(time.Second), In: 2},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(awsjson.Observation{}, "Out")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
