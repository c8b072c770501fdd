package awsjson_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
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
	const unread = `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"The server encountered an internal error trying to fulfill the request."}`
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
		{name: "answer among others", accept: "br, GZIP;q=0.5", body: long, status: 200, packed: true},
		{name: "answer not wanted", accept: "gzip;q=0, identity", body: long, status: 200},
		{name: "identity", accept: "identity", body: long, status: 200},
		{name: "short answer", accept: "gzip", body: "{}", status: 200},
		{name: "request", encoding: "gzip", body: long, sent: zip(t, []byte(long)), status: 200},
		{name: "both", accept: "gzip", encoding: "gzip", body: long, sent: zip(t, []byte(long)), status: 200, packed: true},
		{name: "request in two pieces", encoding: "gzip", body: long, sent: append(zip(t, []byte(long[:100])), zip(t, []byte(long[100:]))...), status: 200},
		{name: "request as it is", encoding: "identity", body: "{}", status: 200},
		{name: "no gzip at all", encoding: "gzip", body: unread, sent: []byte("{}"), status: 500},
		{name: "nothing at all", encoding: "gzip", body: unread, sent: []byte{}, status: 500},
		{name: "cut short", encoding: "gzip", body: unread, sent: zip(t, []byte(long))[:40], status: 500},
		{name: "cut short at the end", encoding: "gzip", body: unread, sent: zip(t, []byte(long))[:len(zip(t, []byte(long)))-1], status: 500},
		{name: "another coding", encoding: "br", body: unread, sent: []byte("{}"), status: 500},
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

// TestCodings: which coding an answer is in, and from which length on.
func TestCodings(t *testing.T) {
	handler := awsjson.NewHandler(awsjson.Options{
		Targets: awsjson.Targets{"DynamoDB_20120810.Echo": func(_ context.Context, r *awsjson.Request, dst []byte) ([]byte, error) {
			return append(dst, r.Body...), nil
		}},
		Logger: discard(),
	})
	text := func(length int) string { return `"` + strings.Repeat("x", length-2) + `"` }
	call := func(body string, accept ...string) (coding, got string) {
		t.Helper()
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header = http.Header{"Content-Type": {"application/json"}, "X-Amz-Target": {"DynamoDB_20120810.Echo"}, "Accept-Encoding": accept}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var plain io.Reader = w.Body
		var err error
		switch coding = w.Header().Get("Content-Encoding"); coding {
		case "gzip":
			plain, err = gzip.NewReader(w.Body)
		case "deflate":
			plain, err = zlib.NewReader(w.Body)
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(plain)
		if err != nil {
			t.Fatal(err)
		}
		return coding, string(b)
	}
	for _, coding := range []string{"gzip", "deflate"} {
		for length, want := range map[int]string{4095: "", 4096: coding, 300_000: coding} {
			if got, body := call(text(length), coding); got != want || body != text(length) {
				t.Errorf("%d bytes: %q, %d bytes; want %q", length, got, len(body), want)
			}
		}
	}
	for accept, want := range map[string]string{
		"": "", "identity": "", "br": "", "x-gzip": "", `"gzip"`: "", "gzip br": "", "gzip:q=1": "",
		"gzip, deflate": "gzip", "br, identity, deflate, gzip": "deflate", "dog, gzip ,, cat": "gzip", "GZIP, identity": "gzip",
		"gzip;q=0.8, deflate;q=0.5": "gzip", "deflate;q=0.5, gzip;q=0.2": "deflate", "br, gzip;q=0, deflate; q = 0.5 , identity;q=0": "deflate",
		"gzip ;q=0": "", "gzip;q=0.": "", "identity;q=0": "", "gzip;nq=1;q=0 ": "", "deflate;q=-0.5,gzip;q=0.2": "gzip", "gzip;q=nan": "",
		"gzip;q=0.5,identity;q=0.8": "gzip", "br,identity;q=0.5,gzip;q=0.0001": "gzip",
		"*": "gzip", "*;q=0": "", "*, deflate": "deflate", "*, deflate;q=0.5": "gzip", "*, gzip;q=0.5": "deflate", "*, identity": "gzip",
		"*;q=0.5,identity": "gzip", "br;q=0.8,identity;q=0.5,*;q=0": "", "gzip;q=0, *": "deflate",
		"deflate;q=0.5, gzip;q=31": "gzip", "gzip;q=31,deflate;q=51": "gzip", "deflate;q=0.5, gzip;q=1;q=0.2": "gzip",
		"deflate;q=0.5,gzip;q=0.x": "gzip", "gzip;q=0, gzip;q=1, gzip;q=0": "gzip",
	} {
		if got, _ := call(text(5000), accept); got != want {
			t.Errorf("Accept-Encoding: %s is answered in %q, want %q", accept, got, want)
		}
	}
	if got, _ := call(text(5000), "identity", "deflate"); got != "deflate" {
		t.Errorf("of two headers the last is %q", got)
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
