package conformance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/roundtabledb/roundtable/cluster/group"
	"github.com/roundtabledb/roundtable/cluster/node"
	"github.com/roundtabledb/roundtable/region/process"
)

// endpoint is where the tests of this package send their requests.
var endpoint *Endpoint

func TestMain(m *testing.M) {
	stop, err := open()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := stop(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// open finds the endpoint that the environment names, or starts one.
func open() (stop func() error, err error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	endpoint = &Endpoint{
		URL:    os.Getenv("ENDPOINT"),
		Region: cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1"),
		Credentials: aws.Credentials{
			AccessKeyID:     cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), "conformance"),
			SecretAccessKey: cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), "conformance"),
			SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
		},
		Client: &http.Client{Transport: transport},
	}
	if endpoint.URL != "" {
		return func() error { transport.CloseIdleConnections(); return nil }, nil
	}
	p, url, err := startNode(endpoint.Region)
	endpoint.URL = url
	return func() error { transport.CloseIdleConnections(); return p.Close() }, err
}

// startNode starts a node of a region in memory. Its tables have several
// partitions, as they have in a region of several nodes.
func startNode(region string) (*process.Process, string, error) {
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	peer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	p, err := process.New(process.Config{
		API: api, OperationsOnAPI: true, Logger: slog.New(slog.DiscardHandler),
		Node: node.Config{
			ID: "conformance", Region: region, InMemory: true, MemoryBudget: 48 << 20,
			Listener: peer, Expect: 1, Partitions: 3, Group: group.Tuning{HeartbeatTimeout: 100 * time.Millisecond},
			Fatal: func(err error) { panic(err) },
		},
	})
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return p, "http://" + api.Addr().String(), p.Start(ctx)
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("cases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("cases: %d, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			script, err := ReadScript(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range script.Tables {
				if err := endpoint.Create(t.Context(), table); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := endpoint.Drop(context.Background(), table); err != nil {
						t.Error(err)
					}
				})
			}
			for _, c := range script.Cases {
				t.Run(c.Title, func(t *testing.T) { play(t, file, c) })
			}
		})
	}
}

// play asks what a case asks and compares the answers.
func play(t *testing.T, file string, c Case) {
	var prev map[string]json.RawMessage
	for _, step := range c.Steps {
		body := withPrevious(step.Body, prev)
		status, got, err := endpoint.Call(t.Context(), step.Operation, body)
		if err != nil {
			t.Fatalf("%s:%d: %v", file, step.Line, err)
		}
		prev = nil
		if len(got) > 0 {
			if err := json.Unmarshal(got, &prev); err != nil {
				t.Fatalf("%s:%d: %v in %.200s", file, step.Line, err, got)
			}
		}
		if len(step.Answers) == 0 && status == http.StatusOK {
			continue
		}
		var diffs []string
		for _, answer := range step.Answers {
			diff := answer.Matches(status, got)
			if diff == "" {
				diffs = nil
				break
			}
			diffs = append(diffs, diff)
			if answer.Text != "" {
				diffs = append(diffs, "want "+short(answer.Text))
			}
		}
		if diffs != nil || len(step.Answers) == 0 {
			t.Errorf("%s:%d: %s %s\ngot  %d %s\n%s", file, step.Line, step.Operation, short(body),
				status, short(string(bytes.TrimSpace(got))), strings.Join(diffs, "\n"))
		}
	}
}

// withPrevious puts members of the answer before in a request.
func withPrevious(body string, prev map[string]json.RawMessage) string {
	for name, value := range prev {
		body = strings.ReplaceAll(body, "$prev."+name, string(value))
	}
	return body
}

func short(s string) string {
	if len(s) > 1200 {
		return s[:600] + " … " + s[len(s)-600:]
	}
	return s
}
