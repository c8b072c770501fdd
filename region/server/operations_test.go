package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roundtabledb/roundtable/cluster/catalog"
	"github.com/roundtabledb/roundtable/region/api/apitest"
	"github.com/roundtabledb/roundtable/region/server"
	"github.com/roundtabledb/roundtable/region/telemetry"
)

// pipes is a network of one address, without sockets.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func newPipes() *pipes { return &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.accepted <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) client(t *testing.T) *http.Client {
	transport := &http.Transport{DialContext: p.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(t *testing.T, c *http.Client, path string) (int, string) {
	t.Helper()
	r, err := c.Get("http://ops" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func post(t *testing.T, c *http.Client, operation, body string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://api/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	answer, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

func TestOperators(t *testing.T) {
	measured, err := telemetry.New(telemetry.Options{Region: apitest.Region, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	store := apitest.New(t)
	front, back := newPipes(), newPipes()
	var notReady atomic.Pointer[error]
	s, err := server.Start(server.Options{
		Region: apitest.Region, Node: "n1", API: front, Operations: back, Store: store, Tables: store, Telemetry: measured,
		Ready: func() error {
			if err := notReady.Load(); err != nil {
				return *err
			}
			return nil
		},
		Status: func(context.Context) any { return map[string]int{"partitions": 3} },
	})
	if err != nil {
		t.Fatal(err)
	}
	api, ops := front.client(t), back.client(t)

	if status, body, err := post(t, api, "ListTables", "{}"); err != nil || status != 200 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if status, body, err := post(t, api, "GetItem", "{}"); err != nil || status != 400 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ok\n", "/status": "{\n  \"partitions\": 3\n}\n"} {
		if status, body := get(t, ops, path); status != 200 || body != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := get(t, ops, "/other"); status != 404 {
		t.Errorf("/other: %d", status)
	}
	_, metrics := get(t, ops, "/metrics")
	for _, want := range []string{
		`roundtable_requests_total{exception="",operation="ListTables",status="200"} 1`,
		`roundtable_requests_total{exception="ValidationException",operation="GetItem",status="400"} 1`,
		`roundtable_request_duration_seconds_count{operation="GetItem"} 1`,
		`roundtable_request_size_bytes_total{operation="GetItem"} 2`,
		`roundtable_response_size_bytes_total{operation="ListTables"} 17`,
		`target_info{cloud_region="eu-test-1",service_instance_id="n1",service_name="roundtable"} 1`,
		"go_goroutines ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}

	reason := errors.New("catching up")
	notReady.Store(&reason)
	if status, body := get(t, ops, "/readyz"); status != 503 || body != "catching up\n" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	notReady.Store(nil)
	s.Drain()
	if status, body := get(t, ops, "/readyz"); status != 503 || body != "draining\n" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, _, err := post(t, api, "ListTables", "{}"); err != nil || status != 200 {
		t.Errorf("a draining node answered %d, %v", status, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := measured.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// tab is a request that creates a table.
const tab = `{"TableName":"tab","BillingMode":"PAY_PER_REQUEST",` +
	`"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}`

// TestCloseWaitsForRequests: Close lets a request under way finish, unless it
// takes longer than the caller has.
func TestCloseWaitsForRequests(t *testing.T) {
	for _, patience := range []time.Duration{time.Minute, time.Second} {
		t.Run(patience.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := apitest.New(t)
				front := newPipes()
				s, err := server.Start(server.Options{Region: apitest.Region, API: front, Store: store, Tables: store})
				if err != nil {
					t.Fatal(err)
				}
				api := front.client(t)
				if status, body, err := post(t, api, "CreateTable", tab); status != 200 {
					t.Fatalf("%d %s %v", status, body, err)
				}
				store.FailGet = func(ctx context.Context, _ *catalog.Table, _ []byte) error {
					select {
					case <-time.After(5 * time.Second):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				answered := make(chan error, 1)
				go func() {
					status, _, err := post(t, api, "GetItem", `{"TableName":"tab","Key":{"pk":{"S":"a"}}}`)
					if err == nil && status != 200 {
						err = errors.New(http.StatusText(status))
					}
					answered <- err
				}()
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				start := time.Now()
				closed := s.Close(ctx)
				took := time.Since(start)
				err = <-answered
				if patience == time.Minute {
					if closed != nil || err != nil || took < 5*time.Second || took > 6*time.Second {
						t.Errorf("closed after %v: %v; answer: %v", took, closed, err)
					}
				} else if !errors.Is(closed, context.DeadlineExceeded) || err == nil || took != patience {
					t.Errorf("closed after %v: %v; answer: %v", took, closed, err)
				}
			})
		})
	}
}

// TestPanic: a panic ends its connection and is told as an error, with the place
// where it began; others do not notice.
func TestPanic(t *testing.T) {
	store := apitest.New(t)
	store.FailGet = func(context.Context, *catalog.Table, []byte) error { panic("of a store") }
	var log bytes.Buffer
	front := newPipes()
	s, err := server.Start(server.Options{
		Region: apitest.Region, API: front, Store: store, Tables: store,
		Logger: slog.New(slog.NewTextHandler(&log, nil)), // of what is no less than Info
	})
	if err != nil {
		t.Fatal(err)
	}
	api := front.client(t)
	if status, body, err := post(t, api, "CreateTable", tab); status != 200 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if status, body, err := post(t, api, "GetItem", `{"TableName":"tab","Key":{"pk":{"S":"a"}}}`); err == nil {
		t.Errorf("a panic was answered: %d %s", status, body)
	}
	if status, body, err := post(t, api, "ListTables", "{}"); status != 200 {
		t.Errorf("%d %s %v", status, body, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"level=ERROR", "target=DynamoDB_20120810.GetItem", `cause="of a store"`, "server_test.TestPanic"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, log.String())
		}
	}
}
