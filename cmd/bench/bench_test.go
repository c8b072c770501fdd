package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/region/auth"
)

// endpoint is a store that has every item and counts what it is asked for.
type endpoint struct {
	t        *testing.T
	verifier *auth.Verifier
	chunked  bool
	asked    [operations]atomic.Int64
	refuse   atomic.Bool
	deleted  atomic.Bool
}

func newEndpoint(t *testing.T) (*endpoint, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[a]\naws_access_key_id = K\naws_secret_access_key = S\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := auth.New(auth.Options{File: file, Region: "eu-1"})
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{t: t, verifier: v}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return e, server.URL
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Error(err)
	}
	if _, err := e.verifier.Verify(r, body); err != nil {
		e.t.Errorf("signature: %v", err)
	}
	var request map[string]any
	if err := json.Unmarshal(body, &request); err != nil {
		e.t.Errorf("%s: %v", body, err)
	}
	answer := `{}`
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch name {
	case "DescribeTable":
		answer = `{"Table":{"TableStatus":"ACTIVE"}}`
	case "DeleteTable":
		e.deleted.Store(true)
	case "PutItem":
		e.asked[put].Add(1)
		item := request["Item"].(map[string]any)
		size := len("pk") + len("v")
		for _, value := range item {
			size += len(value.(map[string]any)["S"].(string))
		}
		if size != 300 {
			e.t.Errorf("an item of %d bytes, not 300", size)
		}
	case "UpdateItem":
		e.asked[update].Add(1)
	case "GetItem":
		answer = `{"Item":{"pk":{"S":"x"}}}`
		if request["ConsistentRead"] == true {
			e.asked[getStrong].Add(1)
		} else {
			e.asked[getEventual].Add(1)
		}
		if e.refuse.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			answer = `{"__type":"InternalServerError"}`
		}
	}
	if e.chunked {
		w.(http.Flusher).Flush()
	}
	_, _ = io.WriteString(w, answer)
}

func options(t *testing.T, url string, mixes ...string) Options {
	t.Helper()
	o := Options{
		Endpoints: []string{url}, Region: "eu-1", AccessKey: "K", SecretKey: "S",
		Keys: 50, ItemBytes: 300, Clients: []int{2}, Duration: 50 * time.Millisecond, Zipfian: true,
	}
	for _, m := range mixes {
		w, err := ParseWorkload(m)
		if err != nil {
			t.Fatal(err)
		}
		o.Workloads = append(o.Workloads, w)
	}
	return o
}

func TestRun(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprintf("chunked=%v", chunked), func(t *testing.T) {
			e, url := newEndpoint(t)
			e.chunked = chunked
			results, err := Run(context.Background(), options(t, url, "put=1,get-strong=1", "update", "get-eventual"))
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != 3 {
				t.Fatalf("%d results of 3 cases", len(results))
			}
			for _, r := range results {
				if r.PerSecond <= 0 || r.P50 <= 0 || r.P99 < r.P50 || r.Errors != 0 {
					t.Errorf("%+v", r)
				}
			}
			for op := range e.asked {
				if e.asked[op].Load() == 0 {
					t.Errorf("no %s", operationNames[op])
				}
			}
			if !e.deleted.Load() {
				t.Error("the table is still there")
			}
		})
	}
}

func TestErrorsAreCounted(t *testing.T) {
	e, url := newEndpoint(t)
	e.refuse.Store(true)
	results, err := Run(context.Background(), options(t, url, "put=1,get-strong=1"))
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Errors == 0 || !strings.Contains(results[0].FirstError, "InternalServerError") {
		t.Errorf("%+v", results[0])
	}
	if _, err := Run(context.Background(), options(t, url, "get-strong")); err == nil {
		t.Error("a run without a success has a result")
	}
}

// With a rate, latencies count from when operations were due: a client that is
// held up once is late with all that follows.
func TestScheduleDoesNotForgive(t *testing.T) {
	b := &bench{Options: Options{Rate: 1000}}
	begin := time.Now().Add(-time.Second)
	s := b.schedule(begin, 1, 2)
	for i := range 10 {
		want := begin.Add(time.Millisecond + time.Duration(i)*2*time.Millisecond)
		if due := s.wait(context.Background()); !due.Equal(want) {
			t.Fatalf("operation %d is due at %v, not %v", i, due.Sub(begin), want.Sub(begin))
		}
	}
}

func TestParseWorkload(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	w, err := ParseWorkload("get-eventual=90,put=10")
	if err != nil {
		t.Fatal(err)
	}
	var n [operations]int
	for range 10_000 {
		n[w.next(r)]++
	}
	if n[put] < 800 || n[put] > 1200 || n[put]+n[getEventual] != 10_000 {
		t.Errorf("90 to 10 came out as %v", n)
	}
	for _, bad := range []string{"", "gets", "put=x", "put=-1", "put=0"} {
		if _, err := ParseWorkload(bad); err == nil {
			t.Errorf("%q is a workload", bad)
		}
	}
}

func TestZipfian(t *testing.T) {
	const n = 1000
	z := newZipfian(n)
	r := rand.New(rand.NewPCG(1, 1))
	var seen [n]int
	const draws = 200_000
	for range draws {
		seen[z.next(r)]++
	}
	for _, rank := range []int{0, 1, 9, 99} {
		want := draws / z.zetan / math.Pow(float64(rank+1), theta)
		if got := float64(seen[rank]); got < want*0.75 || got > want*1.25 {
			t.Errorf("rank %d was drawn %v times of %v expected", rank, got, want)
		}
	}
}
