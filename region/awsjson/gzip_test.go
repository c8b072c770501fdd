package awsjson_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestGzip: bodies come and go in gzip, the signature and the checksum are of
// the bytes that were sent.
func TestGzip(t *testing.T) {
	long := `{"text":"` + strings.Repeat("long ", 1000) + `"}`
	var signed []byte
	handler := awsjson.NewHandler(awsjson.Options{
		Targets: awsjson.Targets{"DynamoDB_20120810.Echo": func(_ context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
			return append(dst, r.Body...), nil
		}},
		Authenticate: func(r *http.Request, body []byte) (context.Context, error) {
			signed = body
			return r.Context(), nil
		},
		Logger: discard(),
	})
	for _, tc := range []struct {
		name, accept, encoding, body string
		sent                         []byte
		status                       int
		packed                       bool
	}{
		{name: "neither", body: long, status: 200},
		{name: "answer", accept: "gzip", body: long, status: 200, packed: true},
		{name: "answer among others", accept: "deflate, GZIP;q=0.5", body: long, status: 200, packed: true},
		{name: "answer not wanted", accept: "gzip;q=0, identity", body: long, status: 200},
		{name: "identity", accept: "identity", body: long, status: 200},
		{name: "short answer", accept: "gzip", body: "{}", status: 200},
		{name: "request", encoding: "gzip", body: long, sent: zip(t, []byte(long)), status: 200},
		{name: "both", accept: "gzip", encoding: "gzip", body: long, sent: zip(t, []byte(long)), status: 200, packed: true},
		{name: "no gzip at all", encoding: "gzip", body: `{"__type":"com.amazon.coral.service#SerializationException"}`, sent: []byte("{}"), status: 400},
		{name: "cut short", encoding: "gzip", body: `{"__type":"com.amazon.coral.service#SerializationException"}`, sent: zip(t, []byte(long))[:40], status: 400},
		{name: "too large when unpacked", encoding: "gzip", sent: zip(t, make([]byte, 16<<20+1)), status: 413},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.sent == nil {
				tc.sent = []byte(tc.body)
			}
			r := httptest.NewRequest("POST", "/", bytes.NewReader(tc.sent))
			r.Header.Set("Content-Type", "application/x-amz-json-1.0")
			r.Header.Set("X-Amz-Target", "DynamoDB_20120810.Echo")
			if tc.accept != "" {
				r.Header.Set("Accept-Encoding", tc.accept)
			}
			if tc.encoding != "" {
				r.Header.Set("Content-Encoding", tc.encoding)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			got, header := w.Body.Bytes(), w.Result().Header
			if w.Code != tc.status {
				t.Fatalf("%d %s", w.Code, got)
			}
			if tc.status == 200 && !bytes.Equal(signed, tc.sent) {
				t.Error("what was checked is not what was sent")
			}
			if sum := strconv.Itoa(int(crc32.ChecksumIEEE(got))); tc.status != 413 && header.Get("X-Amz-Crc32") != sum {
				t.Errorf("checksum %s, want %s", header.Get("X-Amz-Crc32"), sum)
			}
			if packed := header.Get("Content-Encoding") == "gzip"; packed != tc.packed {
				t.Fatalf("packed %v, want %v", packed, tc.packed)
			}
			if tc.packed {
				z, err := gzip.NewReader(bytes.NewReader(got))
				if err != nil {
					t.Fatal(err)
				}
				if got, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if string(got) != tc.body {
				t.Errorf("got %.80s", got)
			}
		})
	}
}

// TestMalformedBeforeUnauthorized: what is no JSON is refused first.
func TestMalformedBeforeUnauthorized(t *testing.T) {
	handler := awsjson.NewHandler(awsjson.Options{
		Targets:      awsjson.Targets{"DynamoDB_20120810.Echo": echo},
		Authenticate: func(*http.Request, []byte) (context.Context, error) { return nil, errors.New("nobody") },
		Logger:       discard(),
	})
	for body, want := range map[string]int{"hi": 400, `{"a":`: 400, "{} {}": 400, "{}": 500, "": 500} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.Echo")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
}
