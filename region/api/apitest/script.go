package apitest

import (
	"flag"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/roundtabledb/roundtable/region/awsjson"
)

var rewrite = flag.Bool("rewrite", false, "rewrite scripts to what was answered")

// Run runs the scripts that a pattern names, each against operations of its
// own. A script is a story of requests and answers:
//
//	# A comment.
//	PutItem {"TableName":"t","Item":{"pk":{"S":"a"}}}
//	200 {}
//
// A request may go on over lines that begin with a blank. Where an answer's
// lines are not what is written, the test fails; with -rewrite they are
// replaced. Times in answers stand as 0.
func Run(t *testing.T, pattern string, targets func(*Store) awsjson.Targets) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts %s: %d, %v", pattern, len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			store := New(t)
			handler := awsjson.NewHandler(awsjson.Options{Targets: targets(store), Region: Region})
			got := play(t, handler, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-written +answered):\n%s", file, diff)
			}
		})
	}
}

// play answers the requests of a script and returns it with the answers.
func play(t *testing.T, h http.Handler, script string) string {
	t.Helper()
	var out strings.Builder
	lines := strings.Split(strings.TrimSuffix(script, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if answered(line) {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		request := line
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], " ") {
			i++
			out.WriteString(lines[i] + "\n")
			request += lines[i]
		}
		operation, body, _ := strings.Cut(request, " ")
		status, answer := Call(t, h, operation, strings.TrimSpace(body))
		fmt.Fprintf(&out, "%d %s\n", status, times.ReplaceAllString(answer, `"$1":0`))
	}
	return out.String()
}

// answered reports whether a line is an answer: a status and a body.
func answered(line string) bool {
	if len(line) < 4 || line[3] != ' ' {
		return false
	}
	_, err := strconv.Atoi(line[:3])
	return err == nil
}

var times = regexp.MustCompile(`"(\w*DateTime)":[0-9.]+`)

// Call calls an operation, checks the form of the answer and returns it.
func Call(t *testing.T, h http.Handler, operation, body string) (status int, answer string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://db.test:8000/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", awsjson.TargetPrefix+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	header := w.Result().Header
	if got, want := header.Get("X-Amz-Crc32"), strconv.FormatUint(uint64(crc32.ChecksumIEEE(w.Body.Bytes())), 10); got != want {
		t.Errorf("%s: checksum %s, want %s", operation, got, want)
	}
	if len(header.Get("X-Amzn-Requestid")) != 52 {
		t.Errorf("%s: request id %q", operation, header.Get("X-Amzn-Requestid"))
	}
	return w.Code, w.Body.String()
}
