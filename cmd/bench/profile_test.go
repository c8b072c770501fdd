package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roundtabledb/roundtable/cmd/bench/benchtest"
)

// profiled returns options that take profiles of so many nodes, whose requests
// for them profile answers, into a folder that is not there yet.
func profiled(t *testing.T, nodes int, profile http.HandlerFunc, mixes ...string) Options {
	t.Helper()
	o := options(t, benchtest.New(t).URL, mixes...)
	o.Duration, o.CPUProfiles = time.Second, filepath.Join(t.TempDir(), "some", "profiles")
	for range nodes {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /debug/pprof/profile", profile)
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close) // waits for what is under way
		o.Operators = append(o.Operators, server.URL)
	}
	return o
}

// withFolder returns a bench that has made its folder.
func withFolder(t *testing.T, o Options) *bench {
	t.Helper()
	b, err := newBench(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.makeProfilesFolder(); err != nil {
		t.Fatal(err)
	}
	return b
}

func profiles(t *testing.T, o Options) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(o.CPUProfiles, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		files[i] = filepath.Base(f)
	}
	return files
}

func TestProfileOfEachServerAndCase(t *testing.T) {
	var asked atomic.Int64
	o := profiled(t, 2, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		fmt.Fprintf(w, "%s of %s", r.FormValue("seconds"), r.Host)
	}, "put", "get-strong")
	o.Rounds, o.Clients, o.Duration = 2, []int{1, 2}, 3500*time.Millisecond
	b, err := newBench(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Duration = 10 * time.Millisecond // the profiles are still of 3 s, and come at once
	if _, err := b.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	var want []string
	for c := range 4 {
		for n, url := range o.Operators {
			name := fmt.Sprintf("%d-node-%d.pb.gz", c+1, n+1)
			want = append(want, name)
			text, err := os.ReadFile(filepath.Join(o.CPUProfiles, name))
			if err != nil {
				t.Error(err)
			} else if want := "3 of " + strings.TrimPrefix(url, "http://"); string(text) != want {
				t.Errorf("%s has %q, not %q", name, text, want)
			}
		}
	}
	if got := profiles(t, o); !slices.Equal(got, want) {
		t.Errorf("files %v", got)
	}
	if n := asked.Load(); n != 8 {
		t.Errorf("asked %d times, not 8: only the first of two rounds is profiled", n)
	}
}

// A profile ends after what it is of, and the case waits for it.
func TestProfileIsWaitedFor(t *testing.T) {
	over := make(chan struct{})
	o := profiled(t, 1, func(w http.ResponseWriter, r *http.Request) {
		<-over
		_, _ = io.WriteString(w, "late")
	}, "put")
	b := withFolder(t, o)
	wait := b.profiler(1).begin(context.Background())
	if got := profiles(t, o); len(got) > 0 {
		t.Errorf("files %v before there is a profile", got)
	}
	close(over)
	if err := wait(); err != nil {
		t.Error(err)
	}
	if got := profiles(t, o); len(got) != 1 {
		t.Errorf("files %v", got)
	}
}

func TestInterruptedProfile(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := profiled(t, 2, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	}, "put")
	b := withFolder(t, o)
	if err := b.profiler(1).begin(ctx)(); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if got := profiles(t, o); len(got) > 0 {
		t.Errorf("files %v of interrupted profiles", got)
	}
}

func TestProfileErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var status int
	for want, change := range map[string]func(*Options){
		"bench: CPU profile of node 2: ":    func(o *Options) { o.Operators[1] = "http://127.0.0.1:1" },
		"start the node with --pprof":       func(o *Options) { o.Operators[0] += "/elsewhere" },
		"500 Internal Server Error: in use": func(*Options) {},
		"for CPU profiles: choose another":  func(o *Options) { o.CPUProfiles = file },
		"no server to take CPU profiles of": func(o *Options) { o.Operators = nil },
		"leave out the sweep":               func(o *Options) { o.Sweep = []Load{{Percent: 50}} },
		"give it a duration of 1s or more":  func(o *Options) { o.Duration = 999 * time.Millisecond },
		"make room, or choose another folder": func(o *Options) {
			status = http.StatusOK
			if err := os.MkdirAll(filepath.Join(o.CPUProfiles, "1-node-1.pb.gz"), 0o755); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(want, func(t *testing.T) {
			status = http.StatusInternalServerError
			o := profiled(t, 2, func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "in use", status)
			}, "put")
			change(&o)
			b, err := newBench(o)
			if err == nil {
				b.Duration = 10 * time.Millisecond
				_, err = b.run(context.Background())
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
		})
	}
}
