package telemetry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

func TestRequests(t *testing.T) {
	telemetry, err := New(Options{Region: "eu-1", Node: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer telemetry.Close(context.Background())
	r, err := NewRequests(telemetry.Meters())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				r.Observe(context.Background(), awsjson.Observation{Operation: "PutItem", Status: 200, Start: time.Now(), In: 10, Out: 2})
				r.Observe(context.Background(), awsjson.Observation{Operation: "PutItem", Status: 400, Exception: "X", Start: time.Now(), In: 10, Out: 1})
			}
		})
	}
	wg.Wait()
	r.Observe(context.Background(), awsjson.Observation{Status: 404, Start: time.Now()})

	answer := httptest.NewRecorder()
	telemetry.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text := answer.Body.String()
	for _, want := range []string{
		`roundtable_requests_total{exception="",operation="PutItem",status="200"} 100`,
		`roundtable_requests_total{exception="X",operation="PutItem",status="400"} 100`,
		`roundtable_requests_total{exception="",operation="none",status="404"} 1`,
		`roundtable_request_size_bytes_total{operation="PutItem"} 2000`,
		`roundtable_response_size_bytes_total{operation="PutItem"} 300`,
		`roundtable_request_duration_seconds_count{operation="PutItem"} 200`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func BenchmarkObserve(b *testing.B) {
	telemetry, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer telemetry.Close(context.Background())
	r, err := NewRequests(telemetry.Meters())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Observe(context.Background(), awsjson.Observation{Operation: "PutItem", Status: 200, Start: time.Now(), In: 10, Out: 2})
	}
}
